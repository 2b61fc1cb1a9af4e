/*
 * Every way into the VMM, and the one way out to a guest.
 *
 * From a guest the frame is built at the top of the CPU's primary stack, in
 * cpu_info.guest_regs; from the VMM itself (a fault with a fixup, an
 * interrupt) it lies wherever the stack was. Both have the layout of struct
 * cpu_user_regs (<xen/arch-x86/xen-x86_64.h>).
 */
#include <asm_offsets.h>
#include <cpu/cpu_info.h>
#include <cpu/desc.h>
#include <cpu/mitigate.h>

/* entry_vector, VECTOR_SYSCALL and VECTOR_SYSCALL32 of pv/traps.h. */
#define TRAP_SYSCALL   0x100
#define TRAP_SYSCALL32 0x102
#define RFLAGS_TF    0x100
#define RFLAGS_RF    0x10000

    .section .text.entry, "ax"

.macro SAVE_REGS
    push    %rdi
    push    %rsi
    push    %rdx
    push    %rcx
    push    %rax
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
.endm

/* Leaves RSP at error_code. */
.macro RESTORE_REGS
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rax
    pop     %rcx
    pop     %rdx
    pop     %rsi
    pop     %rdi
.endm

/* AC off, so that the VMM does not touch guest memory by accident (patched in where the CPU has SMAP). */
.macro ENTRY_CLAC
661:.byte   0x0f, 0x1f, 0x00
    .pushsection .smap_patch, "a"
    .balign 4
    .long   661b - .
    .byte   0x0f, 0x01, 0xca, 0
    .popsection
.endm

/* The routine may clobber RCX, RDX and R11; mitigate_exit also RAX, RSI and RDI. */
.macro MITIGATE routine:req, insn:vararg
661:
    \insn
662:
    .if (662b - 661b) < 5
    .error "too short to be replaced by a jump"
    .endif
    .pushsection .text.entry.stubs, "ax"
663:
    call    \routine
    \insn
    jmp     662b
    .popsection
    .pushsection .mitigate_sites, "a"
    .balign 4
    .long   661b - .
    .long   663b - .
    .popsection
.endm

/*
 * The same around a call from a handler that returns to where it interrupted,
 * which may have been on a guest's tables.
 */
.macro MITIGATE_CALL function:req
661:
    call    \function
662:
    .pushsection .text.entry.stubs, "ax"
663:
    call    mitigate_ist_enter
    call    \function
    call    mitigate_ist_leave
    jmp     662b
    .popsection
    .pushsection .mitigate_sites, "a"
    .balign 4
    .long   661b - .
    .long   663b - .
    .popsection
.endm

/* RBP chains to the interrupted code only if that is the VMM's. */
    .balign 16
trap_common:
    cld
    SAVE_REGS
    ENTRY_CLAC
    mov     %rsp, %rdi
    testb   $3, REGS_cs(%rsp)
    jz      1f
    xor     %ebp, %ebp
    MITIGATE mitigate_trap, cmpl $0x20, REGS_entry_vector(%rsp)
    jae     2f
4:  call    pv_handle_exception
    jmp     exit_to_guest
2:  cmpl    $0x80, REGS_entry_vector(%rsp) /* the old system call: no interrupt of ours has its vector */
    je      4b
    call    do_irq
    jmp     exit_to_guest

1:  MITIGATE mitigate_vmm_trap, cmpl $0x20, REGS_entry_vector(%rsp)
    jae     3f
    call    handle_vmm_exception
    jmp     return_to_vmm
3:  call    do_irq
return_to_vmm:
    RESTORE_REGS
    add     $8, %rsp
    iretq

/* These run on stacks of their own and may interrupt the VMM anywhere. */
.macro IST_TRAP name, handler
    .balign 16
\name:
    cld
    SAVE_REGS
    ENTRY_CLAC
    mov     %rsp, %rdi
    MITIGATE_CALL \handler
    RESTORE_REGS
    add     $8, %rsp
    iretq
.endm

    IST_TRAP nmi_common, handle_nmi
    IST_TRAP double_fault_common, handle_double_fault
    IST_TRAP machine_check_common, handle_machine_check

/*
 * #DB needs a stack of its own: a guest's MOV SS from a watched address holds
 * the trap back until behind the next instruction, and if that is SYSCALL, the
 * trap comes in ring 0 while RSP is still the guest's (SDM vol 3, 6.8.3). From
 * a guest it goes on like other exceptions, on the primary stack, which is
 * empty then; in the VMM it only notes DR6. No other #DB can come meanwhile:
 * TF is clear, and breakpoints in the VMM's own range are refused.
 */
    .balign 16
debug_common:
    cld
    SAVE_REGS
    ENTRY_CLAC
    testb   $3, REGS_cs(%rsp)
    jz      1f
    mov     %rsp, %rsi
    mov     %rsp, %rdi
    or      $(STACK_BLOCK_SIZE - 1), %rdi
    sub     $(CPU_INFO_SIZE - 1), %rdi /* guest_regs, first in struct cpu_info */
    mov     %rdi, %rsp
    MITIGATE mitigate_syscall, mov $(REGS_es / 8), %ecx
    rep movsq
    mov     %rsp, %rdi
    xor     %ebp, %ebp
    call    pv_handle_exception
    jmp     exit_to_guest
1:  mov     %rsp, %rdi
    MITIGATE_CALL handle_vmm_exception
    jmp     return_to_vmm

    .balign 16
    .globl trap_stubs
trap_stubs:
vector = 0
.rept 256
    .balign 16
    .if (vector != 8) && (vector != 10) && (vector != 11) && (vector != 12) && (vector != 13) && (vector != 14) && (vector != 17) && (vector != 21)
    push    $0
    .endif
    movl    $vector, 4(%rsp)
    .if vector == 1
    jmp     debug_common
    .elseif vector == 2
    jmp     nmi_common
    .elseif vector == 8
    jmp     double_fault_common
    .elseif vector == 18
    jmp     machine_check_common
    .else
    jmp     trap_common
    .endif
vector = vector + 1
.endr

/*
 * SYSCALL does not switch stacks. It clears DF and IF, among others
 * (SYSCALL_FLAG_MASK in cpu/desc.c). KERNEL_GS_BASE holds this CPU's cpu_info
 * whenever a guest runs: SWAPGS cannot be executed by guests, all of which run
 * outside ring 0. Interrupts are off; an NMI between the two SWAPGS is
 * harmless because nothing else in the VMM uses GS.
 */
.macro SYSCALL_FRAME cs, vector
    swapgs
    mov     %rsp, %gs:INFO_syscall_scratch
    mov     %gs:INFO_syscall_stack, %rsp
    swapgs
    pushq   $GUEST_DS
    pushq   INFO_syscall_scratch - REGS_es + 8(%rsp)
    push    %r11
    pushq   $\cs
    push    %rcx
    pushq   $0
    movl    $\vector, 4(%rsp)
    SAVE_REGS
    ENTRY_CLAC
    mov     %rsp, %rdi
    xor     %ebp, %ebp
.endm

/*
 * RSP is at cpu_info now. A program's system call and its kernel's IRET are
 * short, and are done with interrupts off.
 */
    .balign 64
    .globl entry_syscall64
entry_syscall64:
    SYSCALL_FRAME GUEST_CS64, TRAP_SYSCALL
    MITIGATE mitigate_syscall, mov INFO_current(%rsp), %rsi
    cmpb    $0, VCPU_kernel_mode(%rsi)
    je      1f
    cmp     $HYPERCALL_iret, %rax
    je      2f
    sti
    call    pv_handle_hypercall
    jmp     exit_to_guest
1:  call    pv_handle_syscall
    jmp     exit_to_guest
2:  call    pv_iret
    jmp     exit_to_guest

    .balign 16
    .globl entry_syscall32
entry_syscall32:
    SYSCALL_FRAME GUEST_CS32, TRAP_SYSCALL32
    sti
    MITIGATE mitigate_syscall, call pv_handle_syscall32
    jmp     exit_to_guest

/* SYSENTER saves nothing of the caller's; the ABI gives zeroes (compat programs keep it in the vDSO's convention). */
    .balign 16
    .globl entry_sysenter
entry_sysenter:
    pushq   $GUEST_DS
    pushq   $0
    pushfq
    pushq   $3
    pushq   $0
    pushq   $0
    movl    $0x101, 4(%rsp)
    cld
    SAVE_REGS
    ENTRY_CLAC
    pushq   $2                  /* SYSENTER leaves TF, NT and IOPL as they were: IRETQ faults with NT set */
    popfq
    sti
    mov     %rsp, %rdi
    xor     %ebp, %ebp
    MITIGATE mitigate_syscall, call pv_handle_sysenter
    jmp     exit_to_guest

/*
 * The only way into a guest. RSP is at cpu_info. What is to be done before
 * (softirqs, an NMI or an event to deliver) is looked for with interrupts off;
 * pv_exit_work() leaves none.
 */
    .balign 16
    .globl exit_to_guest
exit_to_guest:
    cli
    mov     INFO_current(%rsp), %rax
    mov     INFO_percpu_offset(%rsp), %rcx
    lea     percpu_softirq_pending(%rip), %rdx
    cmpl    $0, (%rdx, %rcx)
    jne     3f
    cmpb    $0, VCPU_nmi_pending(%rax)
    jne     3f
    mov     VCPU_vcpu_info(%rax), %rdx
    cmpb    $0, (%rdx)          /* evtchn_upcall_pending */
    jne     5f
    /* VECTOR_SYSCALL: for SYSRET, which faults in ring 0 on a RIP that is not canonical. */
4:  MITIGATE mitigate_exit, cmpl $TRAP_SYSCALL, REGS_entry_vector(%rsp)
    jne     2f
    testl   $(RFLAGS_RF | RFLAGS_TF), REGS_rflags(%rsp)
    jnz     2f
    mov     REGS_rip(%rsp), %rcx
    sar     $47, %rcx           /* 0 or -1 if it is */
    inc     %ecx
    cmp     $1, %ecx
    jbe     1f
2:  RESTORE_REGS
    add     $8, %rsp
    .globl guest_iretq
guest_iretq:
    iretq

    .pushsection .ex_table, "a"
    .balign 4
    .long   guest_iretq - .
    .long   bad_guest_iretq - .
    .popsection

1:  RESTORE_REGS
    mov     REGS_rip - (REGS_rip - 8)(%rsp), %rcx
    mov     REGS_rflags - (REGS_rip - 8)(%rsp), %r11
    mov     REGS_rsp - (REGS_rip - 8)(%rsp), %rsp
    sysretq

5:  cmpb    $0, 1(%rdx)         /* evtchn_upcall_mask: none is to be delivered now */
    jne     4b
3:  mov     %rax, %rdi
    call    pv_exit_work
    jmp     4b

/*
 * The guest's frame cannot be loaded (a selector it has no right to, a bad
 * RIP): the fault was taken in ring 0 with the frame still in place. RSP is
 * back at the frame; build the registers again and give the guest the
 * exception as if it came from where it wanted to go.
 */
    .balign 16
bad_guest_iretq:
    pushq   $0
    SAVE_REGS
    mov     %rsp, %rdi
    call    pv_bad_iret
    jmp     exit_to_guest
