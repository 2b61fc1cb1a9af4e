/*
 * Calling the firmware's runtime services (UEFI specification 2.10, chapter 8), in page tables of their own:
 * the VMM's slots, and the ranges that the firmware uses at run time at their physical addresses. Callers
 * hold LOCK_DOMCTL, so that the firmware is entered once at a time (8.1, rules for re-entry).
 */
#ifndef EFI_RUNTIME_H
#define EFI_RUNTIME_H

#include <base/types.h>

struct cpu_user_regs;

enum efi_service {
    EFI_GetTime,
    EFI_SetTime,
    EFI_GetWakeupTime,
    EFI_SetWakeupTime,
    EFI_GetVariable,
    EFI_GetNextVariableName,
    EFI_SetVariable,
    EFI_GetNextHighMonotonicCount,
    EFI_QueryVariableInfo,
    NR_EFI_SERVICES
};

#define EFI_MAX_ARGS 6

/* Boot: keeps the services' addresses; @table: an EFI_RUNTIME_SERVICES. */
void efi_runtime_services_read(const void *table);

/* Boot, once pages can be allocated and exceptions come to their final stacks. Without memory for it there
 * are no services. */
void efi_runtime_init(void);

/* Whether services can be called: there are some, and none has faulted yet. */
bool efi_runtime_usable(void);

/*
 * Calls a service with up to EFI_MAX_ARGS integers or pointers to the VMM's memory. 0 and the firmware's
 * status, or -EIO when it faulted (with one line; then no service is usable any more). Interrupts on.
 */
int efi_call(enum efi_service service, const uint64_t *args, uint64_t *status);
#define EFI_CALL(service, status, ...) efi_call(service, (const uint64_t[EFI_MAX_ARGS]){__VA_ARGS__}, status)

/* An exception outside the VMM's code and outside of guests: true if the firmware caused it; the call ends.
 */
bool efi_fixup_fault(struct cpu_user_regs *regs);

#endif
