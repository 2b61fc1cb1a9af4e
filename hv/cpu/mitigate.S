/*
 * The routines behind the sites of cpu/mitigate.h. Like the entry code, all of
 * this is mapped in guests' mode too: what they read before the VMM's tables
 * are loaded (or after) lies in cpu_info or in the entry code's own pages.
 *
 * cpu_info.vmm_cr3 is not zero exactly while CR3 may be that of guest mode; it
 * is the value to go back to. cpu_info.guest_cr3 is zero for guests that run
 * on their full tables.
 */
#include <asm_offsets.h>
#include <cpu/cpu_info.h>
#include <cpu/desc.h>
#include <cpu/mitigate.h>
#include <mm/layout.h>

#define PF_PRESENT 1
#define VECTOR_PF  14

/* RCX: one behind this CPU's cpu_info, from any of its stacks. */
.macro FIND_INFO
    mov     %rsp, %rcx
    or      $(STACK_BLOCK_SIZE - 1), %rcx
    inc     %rcx
.endm
#define INFO(field) (INFO_##field - CPU_INFO_SIZE)(%rcx)

/*
 * 32 calls, the most that any return stack holds. Speculation that returns to
 * one of them spins. Clobbers RCX.
 */
.macro FILL_RETURN_STACK
    mov     $16, %ecx
1:  call    3f
2:  pause
    lfence
    jmp     2b
3:  call    5f
4:  pause
    lfence
    jmp     4b
5:  dec     %ecx
    jnz     1b
    add     $(32 * 8), %rsp
.endm

    .section .text.entry, "ax"

    .balign 4
    .globl mitigate_flags
mitigate_flags:
    .long   0
/* VERW overwrites buffers only in its memory form, with a selector that may be written to. */
verw_selector:
    .short  VMM_DS

    .balign 16
mitigate_enter:
    FIND_INFO
    mov     INFO(vmm_cr3), %rdx
    test    %rdx, %rdx
    jz      1f
    mov     %rdx, %cr3
    movq    $0, INFO(vmm_cr3)
1:  testl   $MIT_RSB, mitigate_flags(%rip)
    jz      6f
    FILL_RETURN_STACK
6:  lfence                      /* the branches above are not guessed past */
    ret

/* An exception or interrupt from a guest; behind the call RSP is at its registers. */
    .balign 16
    .globl mitigate_trap
mitigate_trap:
    call    mitigate_enter
    cmpl    $VECTOR_PF, 8 + REGS_entry_vector(%rsp)
    jne     1f
    testl   $PF_PRESENT, 8 + REGS_entry_vector - 4(%rsp)
    jnz     1f
    mov     %cr2, %rdi
    call    xpti_entry_missing
    lea     8(%rsp), %rdi
    test    %al, %al
    jnz     2f
1:  ret
2:  add     $8, %rsp            /* the guest tries again, on tables copied anew */
    jmp     exit_to_guest

    .globl mitigate_syscall
    .set    mitigate_syscall, mitigate_enter

/* In the VMM: the last instruction of the way out faulted, or interrupts were on before the tables were loaded. */
    .globl mitigate_vmm_trap
    .set    mitigate_vmm_trap, mitigate_enter

/*
 * On the way out, RSP at cpu_info before the call. The guest's own entries of
 * the level-4 table are copied each time: what other CPUs changed there since,
 * and flushed by an interrupt to this CPU, is never older than that interrupt.
 */
    .balign 16
    .globl mitigate_exit
mitigate_exit:
    FIND_INFO
    mov     mitigate_flags(%rip), %eax
    mov     INFO(guest_cr3), %rdx
    test    %rdx, %rdx
    jz      1f
    mov     INFO(guest_l4), %rdi
    mov     %cr3, %rsi
    mov     %rsi, INFO(vmm_cr3)
    movabs  $DIRECTMAP_START, %rcx
    add     %rcx, %rsi
    mov     $(VMM_L4_FIRST + 1), %ecx /* the machine-to-phys table is the guest's to read */
    rep movsq
    add     $(8 * (VMM_L4_LAST - VMM_L4_FIRST)), %rsi
    add     $(8 * (VMM_L4_LAST - VMM_L4_FIRST)), %rdi
    mov     $(511 - VMM_L4_LAST), %ecx
    rep movsq
    mov     %rdx, %cr3
1:  test    $MIT_VERW, %al
    jz      2f
    verw    verw_selector(%rip)
2:  ret

/*
 * Around a handler on a stack of its own. RBX and R12, which it preserves, keep
 * what was interrupted: maybe a guest, maybe the few instructions next to it.
 */
    .balign 16
    .globl mitigate_ist_enter
mitigate_ist_enter:
    FIND_INFO
    mov     %cr3, %rbx
    mov     INFO(vmm_cr3), %r12
    test    %r12, %r12
    jz      1f
    mov     %r12, %cr3
    movq    $0, INFO(vmm_cr3)
1:  testl   $MIT_RSB, mitigate_flags(%rip)
    jz      6f
    FILL_RETURN_STACK
6:  lfence
    ret

    .balign 16
    .globl mitigate_ist_leave
mitigate_ist_leave:
    test    %r12, %r12
    jz      1f
    FIND_INFO
    mov     %r12, INFO(vmm_cr3)
    mov     %rbx, %cr3
1:  testl   $MIT_VERW, mitigate_flags(%rip)
    jz      2f
    verw    verw_selector(%rip)
2:  ret

    .text
    .balign 16
    .globl mitigate_fill_return_stack
mitigate_fill_return_stack:
    FILL_RETURN_STACK
    lfence
    ret
