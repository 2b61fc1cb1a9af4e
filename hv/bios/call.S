/*
 * From 64-bit mode to a BIOS interrupt in real mode, and back (SDM vol 3, 10.9.1 and 10.9.2). The part between
 * bios_code_start and bios_code_end is copied to a page below 1 MiB; segments of 32-bit and 16-bit protected mode
 * have that page as their base, as real mode's has, so offsets in it are the same everywhere.
 *
 * BIOS code may change any table register; the task register is set again when CPU 0 moves to its last stack.
 */
#include <mm/layout.h>
#define PHYS(sym) (sym - VMM_IMAGE_START)
#define LOW(sym) (sym - bios_code_start)

#define CS64 0x08
#define CS32 0x10   /* base: the page */
#define CS16 0x18   /* base: the page */
#define DS32 0x20
#define DS16 0x28
#define STACK_TOP 0x1000
#define MSR_EFER 0xc0000080
#define CR0_PE 1
#define CR0_PG_BIT 31
#define CR4_PAE 0x20
#define EFER_LME_BIT 8
#define EFER_LMA_BIT 10

    .section .init.text, "ax"
    .code64
    .globl bios_enter
bios_enter:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    pushfq
    cli
    mov     %rsp, saved_rsp(%rip)
    sgdt    saved_gdtr(%rip)
    sidt    saved_idtr(%rip)
    mov     %cs, saved_cs(%rip)
    mov     %ss, saved_ss(%rip)
    mov     %ds, saved_ds(%rip)
    mov     %es, saved_es(%rip)
    mov     %cr0, %rax
    mov     %eax, saved_cr0(%rip)
    mov     %cr3, %rax
    mov     %rax, saved_cr3(%rip)
    mov     %cr4, %rax
    mov     %rax, saved_cr4(%rip)
    mov     $MSR_EFER, %ecx
    rdmsr
    btr     $EFER_LMA_BIT, %eax
    mov     %eax, saved_efer(%rip)
    mov     %edx, saved_efer + 4(%rip)
    /* The boot tables show this code where it is, and low memory at its physical address. */
    mov     $CR4_PAE, %eax
    mov     %rax, %cr4
    mov     $PHYS(boot_l4), %eax
    mov     %rax, %cr3
    lgdt    bios_gdtr(%rip)
    lidt    bios_idtr(%rip)
    ljmpl   *to_low(%rip)

bios_return64:
    movabs  $1f, %rax
    jmp     *%rax
1:  mov     saved_cr4(%rip), %rax /* PCIDE needs a CR3 without a tag */
    mov     %rax, %cr4
    mov     saved_cr3(%rip), %rax
    mov     %rax, %cr3
    lgdt    saved_gdtr(%rip)
    lidt    saved_idtr(%rip)
    mov     saved_ss(%rip), %ss
    mov     saved_ds(%rip), %ds
    mov     saved_es(%rip), %es
    mov     saved_rsp(%rip), %rsp
    movzwl  saved_cs(%rip), %eax
    push    %rax
    lea     2f(%rip), %rax
    push    %rax
    lretq
2:  popfq
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret

    .balign 16
    .globl bios_code_start, bios_code_end, bios_code_gdt, bios_code_segment, bios_code_vector, bios_code_regs
bios_code_start:
    .code32
bios_leave_long_mode:
    mov     $DS32, %eax
    mov     %eax, %ds
    mov     %eax, %ss
    mov     %cr0, %eax
    btr     $CR0_PG_BIT, %eax
    mov     %eax, %cr0
    mov     $MSR_EFER, %ecx
    rdmsr
    btr     $EFER_LME_BIT, %eax
    wrmsr
    xor     %eax, %eax
    mov     %eax, %cr4
    ljmp    $CS16, $LOW(bios_leave_protected_mode)

    .code16
bios_leave_protected_mode:
    mov     $DS16, %ax            /* limits of 64 KiB stay in force in real mode */
    mov     %ax, %ds
    mov     %ax, %es
    mov     %ax, %fs
    mov     %ax, %gs
    mov     %ax, %ss
    mov     %cr0, %eax
    and     $~CR0_PE, %eax
    mov     %eax, %cr0
    ljmpw   *%cs:LOW(bios_real_far)

bios_real_mode:
    mov     %cs, %ax
    mov     %ax, %ss
    mov     $STACK_TOP, %esp
    xor     %ax, %ax
    mov     %ax, %fs
    mov     %ax, %gs
    mov     %cs:LOW(reg_ds), %ds
    mov     %cs:LOW(reg_es), %es
    mov     %cs:LOW(reg_eax), %eax
    mov     %cs:LOW(reg_ebx), %ebx
    mov     %cs:LOW(reg_ecx), %ecx
    mov     %cs:LOW(reg_edx), %edx
    mov     %cs:LOW(reg_esi), %esi
    mov     %cs:LOW(reg_edi), %edi
    sti
    .byte   0xcd                  /* int */
bios_code_vector:
    .byte   0
    cli
    cld
    mov     %eax, %cs:LOW(reg_eax)
    mov     %ebx, %cs:LOW(reg_ebx)
    mov     %ecx, %cs:LOW(reg_ecx)
    mov     %edx, %cs:LOW(reg_edx)
    mov     %esi, %cs:LOW(reg_esi)
    mov     %edi, %cs:LOW(reg_edi)
    mov     %ds, %cs:LOW(reg_ds)
    mov     %es, %cs:LOW(reg_es)
    pushfl
    popl    %cs:LOW(reg_eflags)
    lgdtl   %cs:LOW(bios_code_gdtr)
    mov     %cr0, %eax
    or      $CR0_PE, %eax
    mov     %eax, %cr0
    ljmpl   $CS32, $LOW(bios_return)

    .code32
bios_return:
    mov     $DS32, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    mov     $CR4_PAE, %eax
    mov     %eax, %cr4
    mov     $PHYS(boot_l4), %eax
    mov     %eax, %cr3
    mov     $MSR_EFER, %ecx
    mov     PHYS(saved_efer), %eax
    mov     PHYS(saved_efer) + 4, %edx
    wrmsr
    mov     PHYS(saved_cr0), %eax
    mov     %eax, %cr0
    ljmp    $CS64, $PHYS(bios_return64)

    .balign 8
bios_code_regs: /* struct bios_registers */
reg_eax:    .long 0
reg_ebx:    .long 0
reg_ecx:    .long 0
reg_edx:    .long 0
reg_esi:    .long 0
reg_edi:    .long 0
reg_eflags: .long 0
reg_ds:     .word 0
reg_es:     .word 0
bios_real_far:
    .word   LOW(bios_real_mode)
bios_code_segment:
    .word   0
    .balign 8
bios_code_gdt: /* the page is added to the bases of the second and third */
    .quad   0
    .quad   0x00af9b000000ffff
    .quad   0x00cf9b000000ffff
    .quad   0x00009b000000ffff
    .quad   0x00cf93000000ffff
    .quad   0x000093000000ffff
bios_code_gdt_end:
bios_code_gdtr:
    .word   bios_code_gdt_end - bios_code_gdt - 1
    .globl bios_code_gdt_base
bios_code_gdt_base:
    .long   0
bios_code_end:

    .section .init.data, "aw"
    .balign 8
saved_rsp:  .quad 0
saved_cr3:  .quad 0
saved_cr4:  .quad 0
saved_efer: .quad 0
saved_cr0:  .long 0
saved_cs:   .word 0
saved_ss:   .word 0
saved_ds:   .word 0
saved_es:   .word 0
to_low:
    .long   LOW(bios_leave_long_mode)
    .word   CS32
saved_gdtr: .skip 10
saved_idtr: .skip 10
    .globl bios_gdtr
bios_gdtr:
    .word   bios_code_gdt_end - bios_code_gdt - 1
    .quad   0
bios_idtr: /* real mode's vectors */
    .word   0x3ff
    .quad   0
