/*
 * Where another CPU begins: real mode, CS = page << 8, after the startup IPI
 * (SDM vol 3, 9.4.4). Copied to a page below 1 MiB; position-independent.
 */
#include <mm/layout.h>
#define PHYS(sym) (sym - VMM_IMAGE_START)

    .section .init.text, "ax"
    .globl trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    cld
    mov     %cs, %ax
    mov     %ax, %ds
    lgdtl   gdtr - trampoline_start
    mov     %cr0, %eax
    or      $1, %al
    mov     %eax, %cr0
    ljmpl   *(target - trampoline_start)
    .balign 8
gdtr:
    .word   31
    .long   PHYS(boot_gdt)
    .balign 8
target:
    .long   PHYS(ap_start32)
    .word   0x18
trampoline_end:

    .text
    .code32
ap_start32:
    mov     $0x10, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    jmp     enter_long_mode
