/*
 * Start-up, trap entry and user-mode entry of the tiny guests.
 *
 * Frames: on every bounce the VMM leaves RCX and R11 on top of the hardware
 * frame (arch-x86/xen-x86_64.h, struct iret_context, and its counterpart in
 * Linux's xen-asm.S); the failsafe callback has DS, ES, FS, GS below them.
 */
#define __ASSEMBLY__ 1
#include <xen/elfnote.h>
#include <xen/features.h>
#include <xen/xen.h>

#define VIRT_BASE 0xffffffff80000000
#define KERNEL_STACK 16384

/* ELF notes: name "Xen", description a number or a string. */
.macro note_number type, value
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 8, \type
    .asciz "Xen"
    .quad \value
    .popsection
.endm
.macro note_string type, text
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  .asciz "\text"
2:  .balign 4
    .popsection
.endm

    note_string XEN_ELFNOTE_GUEST_OS, "hospes-test"
    note_string XEN_ELFNOTE_GUEST_VERSION, "1"
    note_string XEN_ELFNOTE_XEN_VERSION, "xen-3.0"
    note_number XEN_ELFNOTE_VIRT_BASE, VIRT_BASE
    note_number XEN_ELFNOTE_PADDR_OFFSET, 0
    note_number XEN_ELFNOTE_ENTRY, _start
    note_string XEN_ELFNOTE_LOADER, "generic"
    note_string XEN_ELFNOTE_PAE_MODE, "yes"
    note_number XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000
#ifdef GUEST_HYPERCALL_PAGE
    note_number XEN_ELFNOTE_HYPERCALL_PAGE, hypercall_page
#endif
#ifdef GUEST_INIT_P2M
    note_number XEN_ELFNOTE_INIT_P2M, 0x8000000000
    note_number XEN_ELFNOTE_MOD_START_PFN, 1
    note_number XEN_ELFNOTE_SUPPORTED_FEATURES, (1 << XENFEAT_writable_page_tables) | (1 << XENFEAT_dom0)
#endif

    .section .text.entry, "ax"
    .globl _start
_start:
    /* Keep what the VMM handed over before anything changes it. */
    movq %rax, entry_regs+0x00(%rip)
    movq %rbx, entry_regs+0x08(%rip)
    movq %rcx, entry_regs+0x10(%rip)
    movq %rdx, entry_regs+0x18(%rip)
    movq %rsi, entry_regs+0x20(%rip)
    movq %rdi, entry_regs+0x28(%rip)
    movq %rbp, entry_regs+0x30(%rip)
    movq %rsp, entry_regs+0x38(%rip)
    movq %r8, entry_regs+0x40(%rip)
    movq %r9, entry_regs+0x48(%rip)
    movq %r10, entry_regs+0x50(%rip)
    movq %r11, entry_regs+0x58(%rip)
    movq %r12, entry_regs+0x60(%rip)
    movq %r13, entry_regs+0x68(%rip)
    movq %r14, entry_regs+0x70(%rip)
    movq %r15, entry_regs+0x78(%rip)
    pushfq
    popq entry_regs+0x80(%rip)
    movw %cs, entry_regs+0x88(%rip)
    movw %ss, entry_regs+0x90(%rip)
    movw %ds, entry_regs+0x98(%rip)
    movw %es, entry_regs+0xa0(%rip)
    movw %fs, entry_regs+0xa8(%rip)
    movw %gs, entry_regs+0xb0(%rip)
    cld
    leaq boot_stack + KERNEL_STACK(%rip), %rsp
    movq %rsi, %rdi
    xorl %ebp, %ebp
    call guest_start
    ud2

    .balign 4096
    .globl hypercall_page
hypercall_page:
#ifdef GUEST_HYPERCALL_PAGE
    .skip 4096, 0xcc
#endif

    .text
/* Build one struct regs (see trap.h) and call the C handler with it. */
trap_common:
    cld
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    /* The C code wants a 16-byte aligned stack whatever the bounced one was. */
    movq %rsp, %rbp
    andq $-16, %rsp
    call trap_handler
    movq %rbp, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    pushq $0
    pushq %rcx
    pushq %r11
    pushq %rax
    movl $__HYPERVISOR_iret, %eax
    syscall
    ud2

/* One stub per vector; the vectors with an error code are the CPU's. */
    .altmacro
.macro trap_stub vec
    .balign 16
trap_stub_\vec:
    popq %rcx
    popq %r11
    .if (\vec == 8) || (\vec == 10) || (\vec == 11) || (\vec == 12) || (\vec == 13) || (\vec == 14) || (\vec == 17) || (\vec == 21) || (\vec == 29) || (\vec == 30)
    .else
    pushq $0
    .endif
    pushq $\vec
    jmp trap_common
.endm
.macro trap_address vec
    .quad trap_stub_\vec
.endm

.set i, 0
.rept 256
    trap_stub %i
    .set i, i + 1
.endr

    .section .rodata
    .balign 8
    .globl trap_stubs
trap_stubs:
.set i, 0
.rept 256
    trap_address %i
    .set i, i + 1
.endr
    .text

/* Callbacks get pseudo-vectors above 255 (enum in trap.h). */
.macro callback_stub name, vec
    .globl \name
    .balign 16
\name:
    popq %rcx
    popq %r11
    pushq $0
    pushq $\vec
    jmp trap_common
.endm
    callback_stub event_callback, 0x100
    callback_stub nmi_callback, 0x102
    callback_stub syscall_callback, 0x103
    callback_stub syscall32_callback, 0x104
    callback_stub sysenter_callback, 0x105
    callback_stub event_callback2, 0x106

    .globl failsafe_callback
    .balign 16
failsafe_callback:
    popq %rcx
    popq %r11
    popq failsafe_selectors+0(%rip)
    popq failsafe_selectors+8(%rip)
    popq failsafe_selectors+16(%rip)
    popq failsafe_selectors+24(%rip)
    pushq $0
    pushq $0x101
    jmp trap_common

/*
 * void user_enter(const struct iret_context *ctx)
 * Leaves to whatever ctx says by the iret hypercall.  Comes back, by
 * user_leave(), when the guest next traps from user mode.
 */
    .globl user_enter
user_enter:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, user_return_rsp(%rip)
    subq $72, %rsp
    movq (%rdi), %rax
    movq %rax, (%rsp)
    movq 8(%rdi), %rax
    movq %rax, 8(%rsp)
    movq 16(%rdi), %rax
    movq %rax, 16(%rsp)
    movq 24(%rdi), %rax
    movq %rax, 24(%rsp)
    movq 32(%rdi), %rax
    movq %rax, 32(%rsp)
    movq 40(%rdi), %rax
    movq %rax, 40(%rsp)
    movq 48(%rdi), %rax
    movq %rax, 48(%rsp)
    movq 56(%rdi), %rax
    movq %rax, 56(%rsp)
    movq 64(%rdi), %rax
    movq %rax, 64(%rsp)
    movq $0x1bbb, %rbx
    movq $0x1ddd, %rdx
    movq $0x1515, %rsi
    movq $0x1d1d, %rdi
    movq $0x1b5b, %rbp
    movq $0x1888, %r8
    movq $0x1999, %r9
    movq $0x1aaa, %r10
    movq $0x1ccc, %r12
    movq $0x1313, %r13
    movq $0x1414, %r14
    movq $0x1515, %r15
    movl $__HYPERVISOR_iret, %eax
    syscall
    /* Only reached when the hypercall is refused. */
    addq $72, %rsp
    .globl user_leave
user_leave:
    movq user_return_rsp(%rip), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .bss
    .balign 16
    .globl entry_regs, failsafe_selectors, user_return_rsp
entry_regs:
    .skip 0xc0
failsafe_selectors:
    .skip 32
user_return_rsp:
    .skip 8
    .section .bss.page, "aw", @nobits
    .balign 4096
    .globl boot_stack
boot_stack:
    .skip KERNEL_STACK
    .section .note.GNU-stack, "", @progbits
