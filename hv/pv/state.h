/* Paravirtual state embedded in struct domain and struct vcpu: all plain data that can be saved. */
#ifndef PV_STATE_H
#define PV_STATE_H

#include <base/types.h>
#include <xen/xen.h>

struct desc_window;
struct page_info;

#define PV_GDT_FRAMES 14 /* FIRST_RESERVED_GDT_PAGE: what a guest may fill */

/* Where the VMM enters the guest for an event that is not an exception. */
struct pv_callback {
    uint64_t eip;
    bool mask_events; /* CALLBACKF_mask_events */
};

struct pv_vcpu {
    struct trap_info trap_table[256];           /* flags, cs, address as the guest gave them, cs made CPL 3 */
    struct page_info *gdt_pages[PV_GDT_FRAMES]; /* each with a PGT_DESC reference */
    uint32_t gdt_entries;
    uint64_t ldt_base; /* guest linear address; entries are mapped on demand */
    uint32_t ldt_entries;
    uint32_t ldt_mapped; /* bit n: LDT page n is mapped in the window, with a PGT_DESC reference */
    struct page_info *ldt_pages[16];
    uint64_t desc_window;     /* this vCPU's window in the descriptor area (pv/descriptor.c) */
    struct desc_window *desc; /* host-only: the window's page-table entries */

    uint64_t kernel_sp; /* stack_switch() */
    uint16_t kernel_ss;
    bool kernel_mode; /* guest-kernel tables and GS base are loaded */

    struct pv_callback event, failsafe, syscall, syscall32, sysenter;
    uint16_t sysenter_cs, syscall32_cs; /* for whoever saves them: 64-bit kernels have one selector */

    uint64_t fs_base;        /* saved while not running */
    uint64_t gs_base_kernel; /* the base that is not loaded is always kept here ... */
    uint64_t gs_base_user;   /* ... or here; the loaded one is saved here by a context switch */

    struct page_info *kernel_table; /* L4: type and general reference */
    struct page_info *user_table;   /* L4 or NULL */

    uint64_t cr0_guest; /* bits the guest sees: TS, and constant ones */
    uint64_t cr2;       /* arch.cr2 is in vcpu_info; this is for mov from CR2 without one */
    uint64_t cr4_guest; /* bits the guest may choose (TSD, DE, FSGSBASE, OSXSAVE), none that the CPU lacks */
    uint64_t xcr0;
    uint64_t debugreg[8]; /* 0-3, 6, 7 */
    bool debug_active;    /* any breakpoint enabled in debugreg[7] */
    bool debug_pending;   /* an emulated port access hit an I/O breakpoint */
    uint32_t iopl;        /* virtual IOPL: 0-3; the kernel needs 1 (0 with architectural IOPL), programs 3 */
    uint64_t mcg_cap;     /* MSR_MCG_CAP */
    uint32_t tsc_aux;     /* MSR_TSC_AUX */
    bool cpuid_faulting;  /* the guest wants #GP for CPUID in its user mode */
    uint64_t iobitmap;    /* PHYSDEVOP_set_iobitmap: guest address; a clear bit lets programs use the port */
    uint32_t iobitmap_ports; /* bits in it: ports from there on are not allowed */
    bool in_nmi, nmi_pending;
    bool in_fault_bounce; /* a frame is being built: a second fault crashes */
};

struct pv_domain {
    /* I/O ports it was given, bit per port; of the hardware domain, those taken from it. NULL: none. */
    uint8_t *ioport_bitmap;
    uint32_t pci_address; /* as last written to port CF8 */
    uint8_t cmos_index;   /* as last written to port 70 */
    uint32_t features_required;
};

#endif
