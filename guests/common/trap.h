/*
 * Traps of a tiny guest: every exception and callback is recorded, then
 * execution continues at the place named beforehand.
 */
#ifndef GUEST_TRAP_H
#define GUEST_TRAP_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>

/* Pseudo-vectors of the callbacks (entry.S). */
enum {
    CALLBACK_EVENT = 0x100,
    CALLBACK_FAILSAFE = 0x101,
    CALLBACK_NMI = 0x102,
    CALLBACK_SYSCALL = 0x103,
    CALLBACK_SYSCALL32 = 0x104,
    CALLBACK_SYSENTER = 0x105,
    CALLBACK_EVENT2 = 0x106,
};

/* As pushed by trap_common, then the bounce frame. */
struct regs {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector, error_code;
    uint64_t rip, cs, rflags, rsp, ss;
};

struct trap_record {
    unsigned int count;      /* traps since the record was cleared */
    struct regs first, last; /* as they came in */
    uint64_t frame;          /* address of the frame's top (just above error code) of the first */
    uint64_t cr2;            /* vcpu_info.arch.cr2 when the first came */
    uint8_t upcall_mask;     /* of vcpu_info when the first came */
    uint16_t ds, es, fs, gs; /* the selectors the handler of the first saw */
};

/* Everything that came in since trap_clear(). */
extern struct trap_record trap;
/* Where a trap taken in kernel mode continues; 0 means it is not expected and ends the guest. */
extern volatile unsigned long trap_resume;
/* Address of the instruction under trial, to report RIP as a distance from it. */
extern volatile unsigned long trap_start;
/* With true a trap out of kernel mode goes on where the frame says. */
extern volatile bool trap_continue;

extern uint64_t failsafe_selectors[4]; /* DS, ES, FS, GS */

void trap_clear(void);
void trap_setup(void);
/* Replaces one entry of the trap table: flags are 0-3 DPL and 4 mask events. */
long trap_set(unsigned int vector, uint8_t flags, bool present);
long trap_set_cs(unsigned int vector, uint8_t flags, uint16_t cs, unsigned long address);
long callback_register(uint16_t type, uint16_t flags, void (*address)(void));

/* Events: called for CALLBACK_EVENT after it was recorded; counts per port. */
extern volatile unsigned int event_count[];
#define EVENT_COUNT_MAX 4096
extern void (*event_hook)(unsigned int port);
/* What a second vCPU does on its own callback, event_callback2. */
extern void (*event2_hook)(struct regs *regs);
/* With true, an upcall is recorded only, and returns with events masked. */
extern volatile bool event_ignore;

struct vcpu_info *vcpu_info(void);

/*
 * Runs code (asm text) that may trap.  After it, trap.count tells whether it
 * did, and trap.first what was seen.  The operands are GNU asm operands.
 */
#define TRY(code, ...)                                                                                       \
    do {                                                                                                     \
        trap_clear();                                                                                        \
        __asm__ volatile("movq $88f, trap_resume(%%rip)\n\tmovq $77f, trap_start(%%rip)\n\t"                 \
                         "77: " code "\n\t"                                                                  \
                         "88: movq $0, trap_resume(%%rip)\n\t" __VA_ARGS__);                                 \
    } while (0)

/* "TEST name: no trap", or the vector, the error code and the distance of RIP. */
void result_trap(const char *name);
/* The same with only the vector, where the rest is the VMM's own business. */
void result_vector(const char *name);
/* The same with selectors, flags (without the arithmetic ones) and both event masks. */
void result_frame(const char *name);

/* User mode. */
#define USER_BASE 0x10000000ul
extern char _user_start[], _user_end[];
#define USER_ADDRESS(symbol) ((unsigned long)(symbol) - (unsigned long)_user_start + USER_BASE)

void user_setup(void);
void user_enter(const struct iret_context *ctx);
void user_leave(void) __attribute__((noreturn));
/* Defines code that runs in user mode; it must end by a trap. */
#define USER_CODE(name, text)                                                                                \
    extern const char name[];                                                                                \
    __asm__(".pushsection .user,\"awx\",@progbits\n.globl " #name "\n" #name ":\n" text                      \
            "\n\tud2\n.popsection")
#define USER_CODE32(name, text) USER_CODE(name, ".code32\n" text "\n.code64")
/* Runs code of the .user section with 64-bit selectors until it traps. */
void user_run(const void *code);
/* A context for code of the .user section; change it, then user_enter_recorded(). */
struct iret_context user_context(const void *code, bool compat);
void user_enter_recorded(const struct iret_context *ctx);

/* Fetched at _start (entry.S). */
struct entry_regs {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rflags, cs, ss, ds, es, fs, gs;
};
extern struct entry_regs entry_regs;

#define KERNEL_STACK_SIZE 16384ul
extern char user_kernel_stack[];

void event_callback(void);
void failsafe_callback(void);
void nmi_callback(void);
void syscall_callback(void);
void syscall32_callback(void);
void sysenter_callback(void);
void event_callback2(void);

#endif
