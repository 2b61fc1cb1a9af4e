/*
 * Entry from multiboot 1 and 2, on BIOS and EFI alike: 32-bit protected mode,
 * paging off, EAX = magic, EBX = physical address of the multiboot information
 * (Multiboot specifications 0.6.96, 3.2, and 2.0, 3.3). Builds boot page
 * tables, enters long mode and goes on in boot_start() at the image's own
 * virtual address.
 *
 * The same tables bring up the other CPUs (boot/trampoline.S).
 */
#include <asm_offsets.h>
#include <mm/layout.h>
#include <cpu/cpu_info.h>

#define PHYS(sym) (sym - VMM_IMAGE_START)
#define PTE_FLAGS_TABLE 0x63      /* present, writable, accessed, dirty */
#define PTE_FLAGS_LARGE 0xe3      /* and large page */

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00000003      /* page-align modules, give memory information */
#define MB1_BOOT_MAGIC 0x2badb002

#define MB2_MAGIC 0xe85250d6
#define MB2_I386 0
#define MB2_BOOT_MAGIC 0x36d76289
#define MB2_TAG(type, optional, size) .balign 8; .short type, optional; .long size

    .section .text.head, "ax"
    .code32
    .globl start
start:
    jmp     1f

    .balign 8
    .long   MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)

    /*
     * Multiboot 2 (2.0, 3.1). Under EFI the loader ends boot services itself, as it is not asked to keep them, and
     * hands on the memory map that it got from the firmware.
     */
    .balign 8
mb2_header:
    .long   MB2_MAGIC, MB2_I386, mb2_header_end - mb2_header
    .long   0x100000000 - (MB2_MAGIC + MB2_I386 + (mb2_header_end - mb2_header))
    MB2_TAG(1, 0, 16)             /* wanted: command line, memory map */
    .long   1, 6
    MB2_TAG(1, 1, 28)             /* loader, screen, EFI system table, RSDPs and EFI map if there are any */
    .long   2, 8, 12, 14, 15
    MB2_TAG(4, 1, 12)             /* screen: text can be used, none is needed */
    .long   2
    MB2_TAG(6, 0, 8)              /* modules start on pages */
    MB2_TAG(0, 0, 8)
mb2_header_end:

1:  cld
    cli
    lgdt    PHYS(boot_gdtr32)
    ljmp    $0x18, $PHYS(2f)
2:  mov     $0x10, %ecx
    mov     %ecx, %ds
    mov     %ecx, %es
    mov     %ecx, %ss
    mov     $PHYS(cpu0_stack) + STACK_BLOCK_SIZE, %esp
    mov     %eax, %ebp
    mov     $PHYS(msg_loader), %esi
    cmp     $MB1_BOOT_MAGIC, %eax
    je      3f
    cmp     $MB2_BOOT_MAGIC, %eax
    jne     boot_fail
3:

    /* The image's zeroed part: a loader may leave it to us. */
    mov     $PHYS(_sbss), %edi
    mov     $PHYS(_end), %ecx
    sub     %edi, %ecx
    shr     $2, %ecx
    xor     %eax, %eax
    rep stosl
    mov     %ebx, PHYS(multiboot_info_paddr)
    mov     %ebp, PHYS(multiboot_magic)

    mov     $PHYS(msg_cpu), %esi
    mov     $0x80000000, %eax
    cpuid
    cmp     $0x80000001, %eax
    jb      boot_fail
    mov     $0x80000001, %eax
    cpuid
    bt      $29, %edx             /* long mode */
    jnc     boot_fail
    bt      $20, %edx             /* no-execute */
    jnc     boot_fail

    /* Four level-2 tables map the first 4 GiB by 2 MiB pages. */
    mov     $PHYS(boot_l2), %edi
    mov     $PTE_FLAGS_LARGE, %eax
    mov     $2048, %ecx
3:  mov     %eax, (%edi)
    movl    $0, 4(%edi)
    add     $0x200000, %eax
    add     $8, %edi
    loop    3b

    mov     $PHYS(boot_l2) + PTE_FLAGS_TABLE, %eax
    mov     $PHYS(boot_l3), %edi
    mov     $4, %ecx
4:  mov     %eax, (%edi)
    movl    $0, 4(%edi)
    add     $0x1000, %eax
    add     $8, %edi
    loop    4b

    /* The same view three times: identity, VMM image, direct map. */
    mov     $PHYS(boot_l3) + PTE_FLAGS_TABLE, %eax
    mov     %eax, PHYS(boot_l4)
    mov     %eax, PHYS(boot_l4) + 8 * ((VMM_IMAGE_START >> 39) & 511)
    mov     %eax, PHYS(boot_l4) + 8 * ((DIRECTMAP_START >> 39) & 511)
    jmp     enter_long_mode

/* ESI = message. Writes it to the first serial port, as nothing else is known. */
boot_fail:
    lodsb
    test    %al, %al
    jz      6f
    mov     %al, %bl
    mov     $0x3fd, %edx
5:  in      %dx, %al
    test    $0x20, %al
    jz      5b
    mov     %bl, %al
    mov     $0x3f8, %edx
    out     %al, %dx
    jmp     boot_fail
6:  hlt
    jmp     6b

/* Also entered by the other CPUs, with a boot-time identity mapping of 32-bit segments. */
    .globl enter_long_mode
enter_long_mode:
    mov     %cr4, %eax
    or      $0xa0, %eax           /* PAE, PGE */
    mov     %eax, %cr4
    mov     $PHYS(boot_l4), %eax
    mov     %eax, %cr3
    mov     $0xc0000080, %ecx     /* EFER: SCE, LME, NXE */
    rdmsr
    or      $0x901, %eax
    wrmsr
    mov     $0x80050033, %eax     /* PG AM WP NE ET MP PE */
    mov     %eax, %cr0
    ljmp    $0x08, $PHYS(7f)

    .code64
7:  movabs  $8f, %rax
    jmp     *%rax
8:  mov     boot_stack_top(%rip), %rsp
    xor     %ebp, %ebp
    push    %rbp
    popfq
    mov     boot_entry(%rip), %rax
    call    *%rax
    ud2

    .section .init.rodata, "a"
msg_loader: .asciz "(HV) PANIC: not started by a multiboot loader\r\n"
msg_cpu:    .asciz "(HV) PANIC: this CPU lacks 64-bit long mode or no-execute pages\r\n"

    .section .data.page_aligned, "aw"
    .balign 16
boot_gdt:
    .quad   0
    .quad   0x00af9b000000ffff    /* 0x08: 64-bit code */
    .quad   0x00cf93000000ffff    /* 0x10: data */
    .quad   0x00cf9b000000ffff    /* 0x18: 32-bit code */
boot_gdt_end:
    .globl boot_gdtr32, boot_gdt
boot_gdtr32:
    .word   boot_gdt_end - boot_gdt - 1
    .long   PHYS(boot_gdt)
    .balign 8
    .globl boot_stack_top, boot_entry
/* Where the CPU being started continues: changed for each one. */
boot_stack_top: .quad cpu0_stack + STACK_BLOCK_SIZE - CPU_INFO_SIZE
boot_entry:     .quad boot_start

    .section .bss.stack, "aw", @nobits
    .balign STACK_BLOCK_SIZE
    .globl cpu0_stack
cpu0_stack: .skip STACK_BLOCK_SIZE

    .section .bss.page_aligned, "aw", @nobits
    .balign 4096
    .globl boot_l4
boot_l4: .skip 4096
boot_l3: .skip 4096
boot_l2: .skip 4 * 4096
    .globl multiboot_info_paddr, multiboot_magic
multiboot_info_paddr: .long 0
multiboot_magic: .long 0
