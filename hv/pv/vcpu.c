/* A PV vCPU's beginning, its first context, and its end. */
#include <base/errno.h>
#include <cpu/control.h>
#include <cpu/cpuid_policy.h>
#include <cpu/fpu.h>
#include <cpu/msr_policy.h>
#include <lib/string.h>
#include <mm/guest_access.h>
#include <mm/page_type.h>
#include <pv/debugreg.h>
#include <pv/descriptor.h>
#include <pv/flags.h>
#include <pv/pv.h>
#include <pv/segment.h>

int pv_vcpu_init(struct vcpu *v)
{
    v->pv.kernel_mode = true;
    v->pv.xcr0 = XCR0_X87;
    v->pv.mcg_cap = guest_mcg_cap_default();
    pv_debug_init_vcpu(v);
    return v->domain->is_idle ? 0 : pv_desc_init_vcpu(v);
}

void pv_vcpu_reset(struct vcpu *v)
{
    struct pv_vcpu *pv = &v->pv;

    pv_release_descriptors(v);
    memset(&v->regs, 0, sizeof(v->regs));
    memset(pv->trap_table, 0, sizeof(pv->trap_table));
    pv->kernel_mode = true;
    pv->event = pv->failsafe = pv->syscall = pv->syscall32 = pv->sysenter = (struct pv_callback){0};
    pv->kernel_sp = pv->fs_base = pv->gs_base_kernel = pv->gs_base_user = 0;
    pv->kernel_ss = pv->syscall32_cs = pv->sysenter_cs = 0;
    pv->cr0_guest = pv->cr2 = pv->cr4_guest = pv->ldt_base = 0;
    pv->xcr0 = XCR0_X87;
    pv->iopl = pv->iobitmap_ports = pv->tsc_aux = 0;
    pv->cpuid_faulting = pv->in_nmi = pv->nmi_pending = pv->debug_pending = false;
    pv_debug_init_vcpu(v);
}

void pv_vcpu_destroy(struct vcpu *v)
{
    pv_desc_destroy_vcpu(v);
}

static bool context_ok(const struct vcpu_guest_context *c)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++)
        if (!is_canonical(c->trap_ctxt[i].address))
            return false;
    /* cpu_user_regs' flags of debug and data registers are checked where they are used. */
    return is_canonical(c->kernel_sp) && is_canonical(c->event_callback_eip) &&
           is_canonical(c->failsafe_callback_eip) && is_canonical(c->syscall_callback_eip) &&
           is_canonical(c->user_regs.rip) && is_canonical(c->fs_base) && is_canonical(c->gs_base_kernel) &&
           is_canonical(c->gs_base_user) && c->gdt_ents <= PV_GDT_FRAMES * 512 &&
           c->ldt_ents <= MAX_LDT_ENTRIES && !(c->ldt_base & ~PAGE_MASK) &&
           (!c->ldt_ents || guest_range_ok(c->ldt_base, c->ldt_ents * 8)) &&
           (c->flags & VGCF_in_kernel || c->ctrlreg[1]) && !(c->vm_assist & ~PV_KNOWN_ASSISTS);
}

/* The L4 named by a CR3 value, with type and reference held. */
static int get_table(struct domain *d, uint64_t cr3, struct page_info **table)
{
    struct page_info *page;
    int rc;

    *table = NULL;
    if (cr3 & ~PTE_ADDR_MASK & ~1UL)
        return -EINVAL;
    page = get_page_from_mfn(pte_mfn(cr3), d);
    if (!page)
        return -EINVAL;
    rc = get_page_type(page, PGT_L4);
    if (rc) {
        put_page(page);
        return rc;
    }
    *table = page;
    return 0;
}

static int get_tables(struct domain *d, const struct vcpu_guest_context *c, struct page_info **kernel,
                      struct page_info **user)
{
    int rc = get_table(d, c->ctrlreg[3], kernel);

    *user = NULL;
    if (rc || !c->ctrlreg[1])
        return rc;
    rc = get_table(d, c->ctrlreg[1], user);
    if (rc)
        release_page_and_type(*kernel);
    return rc;
}

static void set_callbacks(struct pv_vcpu *pv, const struct vcpu_guest_context *c)
{
    pv->event.eip = c->event_callback_eip;
    pv->failsafe.eip = c->failsafe_callback_eip;
    pv->failsafe.mask_events = c->flags & VGCF_failsafe_disables_events;
    pv->syscall.eip = c->syscall_callback_eip;
    pv->syscall.mask_events = c->flags & VGCF_syscall_disables_events;
    memcpy(pv->trap_table, c->trap_ctxt, sizeof(pv->trap_table));
    for (unsigned int i = 0; i < ARRAY_SIZE(pv->trap_table); i++)
        pv->trap_table[i].cs |= 3;
}

static void set_registers(struct vcpu *v, const struct vcpu_guest_context *c)
{
    v->regs = c->user_regs;
    v->regs.entry_vector = 0;
    v->regs.cs |= 3;
    v->regs.ss |= 3;
    v->pv.iopl = (v->regs.rflags & RFLAGS_IOPL) >> 12;
    v->regs.rflags = pv_real_rflags(v->regs.rflags);
    v->pv.kernel_mode = c->flags & VGCF_in_kernel;
    v->pv.fs_base = c->fs_base;
    v->pv.gs_base_kernel = c->gs_base_kernel;
    v->pv.gs_base_user = c->gs_base_user;
    v->pv.kernel_sp = c->kernel_sp;
    v->pv.kernel_ss = (uint16_t)c->kernel_ss;
    v->pv.cr0_guest = c->ctrlreg[0] & CR0_TS;
    v->pv.cr2 = c->ctrlreg[2];
    v->pv.cr4_guest = c->ctrlreg[4] & pv_guest_cr4_mask(v);
    for (uint32_t i = 0; i < 8; i++)
        if (i != 4 && i != 5)
            pv_set_debugreg(v, i, c->debugreg[i]);
}

static uint64_t table_cr3(const struct page_info *table)
{
    return table ? paddr_x(mfn_to_paddr(page_to_mfn(table))) : 0;
}

/* On an initialised vCPU what tables are in use stays as it is: those would have to be given up first. */
static bool tables_are(const struct vcpu *v, const struct vcpu_guest_context *c)
{
    const struct pv_vcpu *pv = &v->pv;

    if (c->ctrlreg[3] != table_cr3(pv->kernel_table) || (c->ctrlreg[1] & ~1UL) != table_cr3(pv->user_table))
        return false;
    for (unsigned int i = 0; i < PV_GDT_FRAMES; i++)
        if (c->gdt_frames[i] != (pv->gdt_pages[i] ? mfn_x(page_to_mfn(pv->gdt_pages[i])) : 0))
            return false;
    return c->gdt_ents == pv->gdt_entries && c->ldt_base == pv->ldt_base && c->ldt_ents == pv->ldt_entries;
}

static int set_tables(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct page_info *kernel, *user;
    int rc = release_pending(current); /* of tables that were refused before */

    if (!rc)
        rc = get_tables(v->domain, c, &kernel, &user);
    if (rc)
        return rc;
    rc = pv_set_gdt(v, c->gdt_frames, (uint32_t)c->gdt_ents);
    if (!rc)
        rc = pv_set_ldt(v, c->ldt_base, (uint32_t)c->ldt_ents);
    if (rc) {
        if (user)
            release_page_and_type(user);
        release_page_and_type(kernel);
        return rc;
    }
    v->pv.kernel_table = kernel;
    v->pv.user_table = user;
    return 0;
}

int pv_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    int rc;

    /* One whose domain died has neither tables nor a place for descriptors, and would not lose them again. */
    if (v->memory_dropped || !context_ok(c))
        return -EINVAL;
    if (v->is_initialised)
        rc = tables_are(v, c) ? 0 : -EOPNOTSUPP;
    else if (v->pv.kernel_table || v->pv.user_table)
        rc = -EINVAL; /* its reset has yet to drop these */
    else
        rc = set_tables(v, c);
    if (rc)
        return rc;
    set_callbacks(&v->pv, c);
    set_registers(v, c);
    if (c->flags & VGCF_I387_VALID)
        fpu_import(v, &c->fpu_ctxt);
    fpu_context_set(v);
    pv_update_user_cr3(v);
    pv_update_kernel_cr3(v);
    atomic_or(&v->domain->vm_assist, c->vm_assist);
    v->is_initialised = true;
    return 0;
}

void pv_get_context(struct vcpu *v, struct vcpu_guest_context *c)
{
    const struct pv_vcpu *pv = &v->pv;

    memset(c, 0, sizeof(*c));
    fpu_export(v, &c->fpu_ctxt);
    c->flags = VGCF_I387_VALID | (pv->kernel_mode ? VGCF_in_kernel : 0) |
               (pv->failsafe.mask_events ? VGCF_failsafe_disables_events : 0) |
               (pv->syscall.mask_events ? VGCF_syscall_disables_events : 0) |
               (v->sched.pause_flags & VPF_DOWN ? 0 : VGCF_online);
    c->user_regs = v->regs;
    /* IOPL is virtual: it travels in the flags. */
    c->user_regs.rflags = (c->user_regs.rflags & ~RFLAGS_IOPL) | (uint64_t)pv->iopl << 12;
    memcpy(c->trap_ctxt, pv->trap_table, sizeof(c->trap_ctxt));
    c->ldt_base = pv->ldt_base;
    c->ldt_ents = pv->ldt_entries;
    for (unsigned int i = 0; i < PV_GDT_FRAMES && pv->gdt_pages[i]; i++)
        c->gdt_frames[i] = mfn_x(page_to_mfn(pv->gdt_pages[i]));
    c->gdt_ents = pv->gdt_entries;
    c->kernel_ss = pv->kernel_ss;
    c->kernel_sp = pv->kernel_sp;
    c->ctrlreg[0] = HOST_CR0 | (pv->cr0_guest & CR0_TS);
    c->ctrlreg[1] = table_cr3(pv->user_table);
    c->ctrlreg[2] = pv->cr2;
    c->ctrlreg[3] = table_cr3(pv->kernel_table);
    c->ctrlreg[4] = CR4_VISIBLE | pv->cr4_guest;
    memcpy(c->debugreg, pv->debugreg, sizeof(c->debugreg));
    c->event_callback_eip = pv->event.eip;
    c->failsafe_callback_eip = pv->failsafe.eip;
    c->syscall_callback_eip = pv->syscall.eip;
    c->vm_assist = v->domain->vm_assist;
    c->fs_base = pv->fs_base;
    c->gs_base_kernel = pv->gs_base_kernel;
    c->gs_base_user = pv->gs_base_user;
}
