#include <base/bug.h>
#include <base/errno.h>
#include <console/printk.h>
#include <cpu/cpu_info.h>
#include <cpu/fpu.h>
#include <cpu/insn.h>
#include <cpu/traps.h>
#include <domain/domain.h>
#include <efi/memory.h>
#include <efi/runtime.h>
#include <efi/system.h>
#include <efi/types.h>
#include <mm/iomem.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <mm/tlb.h>
#include <mm/vmm_paging.h>

#define LOWER_HALF_END (1UL << 47)
#define LARGE_PAGE     (1UL << 21)
#define MAX_PROTECTED  128 /* fewer than mm/iomem.c has room for */
#define NO_CPU         (~0u)

extern const char _stext[], _etext[], efi_call_faulted[];
extern uint64_t efi_call_raw(uint64_t function, const uint64_t *args);
extern uint64_t efi_call_rsp;
uint64_t efi_call_rsp; /* the VMM's stack pointer during a call */

static uint64_t service[NR_EFI_SERVICES] __ro_after_init; /* physical addresses of functions */
static const char *const service_name[] = {
    "GetTime",           "SetTime",
    "GetWakeupTime",     "SetWakeupTime",
    "GetVariable",       "GetNextVariableName",
    "SetVariable",       "GetNextHighMonotonicCount",
    "QueryVariableInfo",
};
static pte_t *efi_l4 __ro_after_init;
static bool broken;                   /* a service faulted */
static uint32_t calling_cpu = NO_CPU; /* the one in the firmware */
static enum efi_service calling;      /* what it calls */

void __init efi_runtime_services_read(const void *table)
{
    const EFI_RUNTIME_SERVICES *rs = table;
    const uint64_t functions[NR_EFI_SERVICES] = {
        [EFI_GetTime] = (uint64_t)rs->GetTime,
        [EFI_SetTime] = (uint64_t)rs->SetTime,
        [EFI_GetWakeupTime] = (uint64_t)rs->GetWakeupTime,
        [EFI_SetWakeupTime] = (uint64_t)rs->SetWakeupTime,
        [EFI_GetVariable] = (uint64_t)rs->GetVariable,
        [EFI_GetNextVariableName] = (uint64_t)rs->GetNextVariableName,
        [EFI_SetVariable] = (uint64_t)rs->SetVariable,
        [EFI_GetNextHighMonotonicCount] = (uint64_t)rs->GetNextHighMonotonicCount,
        [EFI_QueryVariableInfo] = (uint64_t)rs->QueryVariableInfo,
    };

    for (uint32_t i = 0; i < NR_EFI_SERVICES; i++)
        service[i] = functions[i];
}

/* NULL if out of memory. */
static pte_t *__init next_table(pte_t *e)
{
    if (!(*e & PTE_P)) {
        void *page = alloc_vmm_pages(0);

        if (!page)
            return NULL;
        *e = pte_make(virt_to_mfn(page), PTE_P | PTE_RW | PTE_A | PTE_D);
    }
    return mfn_to_virt(pte_mfn(*e));
}

/*
 * Code may be written to where the firmware does not say otherwise: its "code" ranges hold the whole images
 * of drivers, with their data. These tables are loaded only during a call.
 */
static uint64_t __init page_flags(const struct efi_range *r, uint64_t pa)
{
    uint64_t flags = PTE_P | PTE_RW | PTE_A | PTE_D, protect = efi_memory_protection(pa);

    if (r->type != EfiRuntimeServicesCode || protect & EFI_PROTECT_EXECUTE)
        flags |= PTE_NX;
    if (protect & EFI_PROTECT_WRITE)
        flags &= ~PTE_RW;
    if (!(r->attributes & EFI_MEMORY_WB))
        flags |= PTE_PCD | PTE_PWT;
    return flags;
}

/* Maps a range at its own address: devices by 2 MiB pages where that fits, as they can be large. */
static bool __init map_range(const struct efi_range *r)
{
    uint64_t end = r->start + r->size;

    for (uint64_t pa = r->start; pa < end;) {
        bool large = !(r->attributes & EFI_MEMORY_WB) && !(pa % LARGE_PAGE) && end - pa >= LARGE_PAGE;
        pte_t *table = efi_l4;

        for (unsigned int level = 4; level > (large ? 2 : 1); level--) {
            table = next_table(&table[pt_index(pa, level)]);
            if (!table)
                return false;
        }
        table[pt_index(pa, large ? 2 : 1)] = pa | page_flags(r, pa) | (large ? PTE_PSE : 0);
        pa += large ? LARGE_PAGE : PAGE_SIZE;
    }
    return true;
}

static bool __init build_tables(void)
{
    const struct efi_range *r;

    efi_l4 = alloc_vmm_pages(0);
    if (!efi_l4)
        return false;
    for (unsigned int slot = VMM_L4_FIRST; slot <= VMM_L4_LAST; slot++)
        efi_l4[slot] = vmm_l4[slot];
    for (uint32_t i = 0; (r = efi_runtime_range(i)); i++)
        if (r->start + r->size <= LOWER_HALF_END && !map_range(r))
            return false;
    return true;
}

/* What the VMM itself will run and trust is only to be read by dom0, which finds tables there. */
static void __init protect_from_guests(void)
{
    const struct efi_range *r;

    for (uint32_t i = 0; (r = efi_runtime_range(i)) && i < MAX_PROTECTED; i++)
        if (r->attributes & EFI_MEMORY_WB)
            iomem_set_read_only(paddr_to_mfn(_paddr(r->start)), r->size / PAGE_SIZE);
    if (r)
        printk_warn("EFI: more than %u run-time ranges, the rest is not protected\n", MAX_PROTECTED);
}

void __init efi_runtime_init(void)
{
    if (!efi_system.runtime_revision)
        return;
    protect_from_guests();
    if (build_tables())
        return;
    printk_warn("EFI: no memory to map the runtime services, not used\n");
    efi_l4 = NULL;
}

bool efi_runtime_usable(void)
{
    return efi_l4 && !READ_ONCE(broken);
}

/*
 * Interrupts stay on during the call, as a change of flash memory takes long. Their handlers find this CPU's
 * stack, the VMM's mappings and nothing else. What guests may have made global goes from the TLB before the
 * firmware's addresses are used.
 */
int efi_call(enum efi_service which, const uint64_t *args, uint64_t *status)
{
    uint64_t cr3 = read_cr3(), flags = local_irq_save();

    fpu_borrow(current);
    load_cr3(paddr_x(mfn_to_paddr(virt_to_mfn(efi_l4))));
    flush_tlb_local_global();
    calling = which;
    WRITE_ONCE(calling_cpu, smp_processor_id());
    local_irq_restore(flags);

    *status = efi_call_raw(service[which], args);

    local_irq_disable(); /* off already if it faulted with them off; on after it as they were before */
    WRITE_ONCE(calling_cpu, NO_CPU);
    load_cr3(cr3);
    fpu_give_back(current);
    local_irq_restore(flags);
    return READ_ONCE(broken) ? -EIO : 0;
}

bool efi_fixup_fault(struct cpu_user_regs *regs)
{
    if (READ_ONCE(calling_cpu) != smp_processor_id())
        return false;
    if (regs->rip >= (uint64_t)_stext && regs->rip < (uint64_t)_etext)
        return false; /* an interrupt's handler, or the audit of one: our own fault */
    printk_err("EFI: %s in the firmware's %s at %#lx, error code %#x, CR2 %#lx: its services are not used "
               "any more\n",
               trap_name(regs->entry_vector), service_name[calling], regs->rip, regs->error_code, read_cr2());
    WRITE_ONCE(broken, true);
    regs->rip = (uint64_t)efi_call_faulted;
    regs->rsp = efi_call_rsp;
    return true;
}
