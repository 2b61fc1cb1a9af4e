/*
 * uint64_t efi_call_raw(uint64_t function, const uint64_t args[6])
 *
 * From our calling convention to the firmware's (UEFI specification 2.10, 2.3.4.2): RCX, RDX, R8, R9, the rest on the
 * stack above 32 bytes of the callee's; RSP a multiple of 16 at the call. The firmware keeps RBX, RBP, RDI, RSI and
 * R12-R15 itself, unless it faults.
 */
    .text
    .globl efi_call_raw, efi_call_faulted
efi_call_raw:
    push    %rbp
    mov     %rsp, %rbp
    push    %rbx
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    sub     $56, %rsp
    mov     %rsp, efi_call_rsp(%rip)
    mov     %rdi, %rax
    mov     %rsi, %r10
    mov     (%r10), %rcx
    mov     8(%r10), %rdx
    mov     16(%r10), %r8
    mov     24(%r10), %r9
    mov     32(%r10), %r11
    mov     %r11, 32(%rsp)
    mov     40(%r10), %r11
    mov     %r11, 40(%rsp)
    call    *%rax
efi_call_faulted:
    cld
    add     $56, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbx
    pop     %rbp
    ret
