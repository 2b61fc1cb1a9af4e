#include <base/bug.h>
#include <base/compiler.h>
#include <base/errno.h>
#include <boot/cmdline.h>
#include <boot/dom0.h>
#include <boot/dom0_layout.h>
#include <boot/kernel.h>
#include <boot/screen.h>
#include <boot/boot_info.h>
#include <console/printk.h>
#include <cpu/desc.h>
#include <cpu/smp.h>
#include <cpu/softirq.h>
#include <domain/domain.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <pv/pv.h>
#include <pv/traps.h>
#include <sched/sched.h>
#include <time/time.h>
#include <xen/elfnote.h>
#include <xen/xen.h>

#define MIN_PAGES ((32UL << 20) / PAGE_SIZE)

static struct dom0_chunk chunks[DOM0_MAX_CHUNKS] __initdata;

mfn_t __init dom0_mfn(const struct dom0_layout *l, uint64_t pfn)
{
    uint32_t low = 0, high = l->nr_chunks;

    /* Chunks are sorted and cover every pfn below nr_pages. */
    while (high - low > 1) {
        uint32_t mid = (low + high) / 2;

        if (l->chunks[mid].pfn <= pfn)
            low = mid;
        else
            high = mid;
    }
    return mfn_add(l->chunks[low].mfn, pfn - l->chunks[low].pfn);
}

static void *__init dom0_page(const struct dom0_layout *l, uint64_t pfn)
{
    return mfn_to_virt(dom0_mfn(l, pfn));
}

/* Copies to dom0's pseudo-physical memory; src NULL zeroes. */
static void __init dom0_write(const struct dom0_layout *l, uint64_t paddr, const void *src, uint64_t len)
{
    while (len) {
        uint64_t offset = paddr & ~PAGE_MASK, n = MIN(PAGE_SIZE - offset, len);
        char *dst = (char *)dom0_page(l, paddr >> PAGE_SHIFT) + offset;

        if (src) {
            memcpy(dst, src, n);
            src = (const char *)src + n;
        } else {
            memset(dst, 0, n);
        }
        paddr += n;
        len -= n;
    }
}

static uint64_t __init page_up(uint64_t x)
{
    return ROUND_UP(x, PAGE_SIZE);
}

static void __init add_chunk(struct dom0_layout *l, uint64_t pfn, mfn_t mfn, uint64_t pages)
{
    if (l->nr_chunks == DOM0_MAX_CHUNKS)
        boot_refuse("memory for dom0 is in more than %d pieces", DOM0_MAX_CHUNKS);
    l->chunks[l->nr_chunks++] = (struct dom0_chunk){pfn, pages, mfn};
    for (uint64_t i = 0; i < pages; i++)
        set_gpfn_from_mfn(mfn_add(mfn, i), pfn + i);
}

/* Memory from before boot belongs to no guest: dom0's is not scrubbed, only what the builder fills is
 * cleared. */
static void __init fill_pfns(struct domain *d, struct dom0_layout *l, uint64_t pfn, uint64_t end)
{
    unsigned int order = MAX_ORDER;

    while (pfn < end) {
        struct page_info *page = NULL;

        while ((1UL << order) > end - pfn)
            order--;
        while (!(page = alloc_frames(d, order, ALLOC_NO_SCRUB))) {
            if (!order)
                boot_refuse("too little memory: dom0 lacks %lu MiB", (end - pfn) >> 8);
            order--;
        }
        add_chunk(l, pfn, page_to_mfn(page), 1UL << order);
        pfn += 1UL << order;
    }
}

/* The RAM disk's own frames become dom0's: nothing is copied. */
static void __init donate_initrd(struct domain *d, struct dom0_layout *l, const struct boot_module *initrd)
{
    mfn_t first = paddr_to_mfn(_paddr(initrd->start));
    uint64_t tail = l->initrd_pages * PAGE_SIZE - l->initrd_bytes;

    memset((char *)paddr_to_virt(_paddr(initrd->end)), 0, tail);
    for (uint64_t i = 0; i < l->initrd_pages; i++)
        BUG_ON(assign_frames(d, mfn_to_page(mfn_add(first, i)), 0, 0));
    add_chunk(l, l->initrd_pfn, first, l->initrd_pages);
}

static void __init allocate_memory(struct domain *d, struct dom0_layout *l, const struct boot_module *initrd)
{
    l->chunks = chunks;
    fill_pfns(d, l, 0, l->initrd_pages ? l->initrd_pfn : l->nr_pages);
    if (!l->initrd_pages)
        return;
    donate_initrd(d, l, initrd);
    fill_pfns(d, l, l->initrd_pfn + l->initrd_pages, l->nr_pages);
}

static void __init write_p2m(const struct dom0_layout *l)
{
    for (uint32_t c = 0; c < l->nr_chunks; c++)
        for (uint64_t i = 0; i < l->chunks[c].pages; i++) {
            uint64_t pfn = l->chunks[c].pfn + i;
            uint64_t *list = dom0_page(l, l->p2m_pfn + pfn / (PAGE_SIZE / sizeof(uint64_t)));

            list[pfn % (PAGE_SIZE / sizeof(uint64_t))] = mfn_x(l->chunks[c].mfn) + i;
        }
}

/* Power-management data: dom0 may collect and upload it (SIF_PM_MASK). */
#define SIF_PM_ALL (3u << 8)

static void __init write_start_info(const struct domain *d, const struct dom0_layout *l, const char *cmdline)
{
    start_info_t *si = dom0_page(l, dom0_va_to_pfn(l, l->start_info_va));

    memset(si, 0, PAGE_SIZE);
    memcpy(si->magic, "xen-3.0-x86_64p", sizeof("xen-3.0-x86_64p"));
    si->nr_pages = l->nr_pages;
    si->shared_info = paddr_x(mfn_to_paddr(virt_to_mfn(d->shared_info)));
    si->flags = SIF_PRIVILEGED | SIF_INITDOMAIN | SIF_PM_ALL;
    si->pt_base = l->tables_va;
    si->nr_pt_frames = l->nr_tables;
    si->mfn_list = l->p2m_va;
    if (!l->p2m_mapped) {
        si->first_p2m_pfn = l->p2m_pfn;
        si->nr_p2m_frames = l->p2m_pages + l->p2m_table_pages;
    }
    if (l->initrd_pages) {
        si->mod_start = l->initrd_mapped ? l->virt_base + (l->initrd_pfn << PAGE_SHIFT) : l->initrd_pfn;
        si->mod_len = l->initrd_bytes;
        if (!l->initrd_mapped)
            si->flags |= SIF_MOD_START_PFN;
    }
    si->console.dom0.info_off = sizeof(*si);
    si->console.dom0.info_size = screen_describe((struct dom0_vga_console_info *)(si + 1));
    cmdline_for_dom0((char *)si->cmd_line, sizeof(si->cmd_line), cmdline);
}

static void __init load_image(const struct dom0_layout *l, const struct kernel_image *k)
{
    for (uint32_t i = 0; i < k->nr_segments; i++) {
        const struct kernel_segment *s = &k->segment[i];
        uint64_t paddr = s->virt - l->virt_base;

        dom0_write(l, paddr, s->data, s->file_size);
        dom0_write(l, paddr + s->file_size, NULL, s->mem_size - s->file_size);
    }
    if (k->hypercall_page)
        pv_fill_hypercall_page(dom0_page(l, dom0_va_to_pfn(l, k->hypercall_page)));
}

/* One reference and type of the L4; validation may want softirqs to run in between. */
static void __init hold_l4(struct domain *d, struct page_info *table)
{
    int rc;

    if (!get_page(table, d))
        panic("dom0's first page table is not its own");
    while ((rc = get_page_type(table, PGT_L4)) == -ERESTART)
        do_softirq();
    if (rc)
        panic("dom0's first page tables are refused by the type engine: error %d", rc);
}

static void __init start_vcpu0(struct vcpu *v, const struct dom0_layout *l, const struct kernel_image *k,
                               mfn_t l4)
{
    struct page_info *table = mfn_to_page(l4);

    hold_l4(v->domain, table); /* as the vCPU's base */
    hold_l4(v->domain, table); /* and pinned, which the kernel undoes when it has tables of its own */
    if (!page_set_pinned(table))
        panic("dom0's first page table is pinned already");
    v->pv.kernel_table = table;
    v->regs.rip = k->entry;
    v->regs.rsp = l->stack_va + PAGE_SIZE;
    v->regs.rsi = l->start_info_va;
    v->regs.cs = GUEST_CS64;
    v->regs.ss = GUEST_DS;
    v->regs.ds = v->regs.es = v->regs.fs = v->regs.gs = 0;
    v->regs.rflags = 0x202;
    v->vcpu_info->evtchn_upcall_mask = 1;
    pv_update_user_cr3(v);
    pv_update_kernel_cr3(v);
    v->is_initialised = true;
    __atomic_fetch_and(&v->sched.pause_flags, ~VPF_DOWN, __ATOMIC_SEQ_CST);
}

static void __init create_vcpus(struct domain *d, uint32_t vcpus)
{
    for (uint32_t i = 0; i < vcpus; i++)
        if (vcpu_create(d, i, i % nr_cpus))
            boot_refuse("too little memory: dom0's vCPU %u cannot be created", i);
}

/* Frames that can be dom0's now: those that are free, but for the builder's own needs, and the RAM disk's. */
static uint64_t __init room_for_dom0(const struct boot_module *initrd, uint32_t vcpus)
{
    uint64_t needs = LOW_RESERVE + (8UL << 20) / PAGE_SIZE + vcpus * 64UL, have = free_page_count();

    if (initrd)
        have += page_up(initrd->end - initrd->start) / PAGE_SIZE;
    return have > needs ? have - needs : 0;
}

/* Of the modules only the RAM disk, which is dom0's now, is still of use. */
static void __init release_modules(const struct boot_module *initrd)
{
    for (uint32_t i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.module[i];

        if (m != initrd)
            free_frame_range(paddr_to_mfn(_paddr(m->start)), page_up(m->end - m->start) / PAGE_SIZE);
    }
}

void __init dom0_create(void)
{
    struct dom0_size size = dom0_choose_size(free_page_count(), nr_cpus);
    const struct boot_module *initrd = boot_info.nr_modules > 1 ? &boot_info.module[1] : NULL;
    struct domain_config config = {.max_vcpus = size.vcpus,
                                   .max_evtchn_port = ~0u,
                                   .max_grant_frames = -1,
                                   .max_maptrack_frames = -1,
                                   .privileged = true};
    struct kernel_image kernel;
    struct dom0_layout layout = {0};

    if (!boot_info.nr_modules)
        boot_refuse("no kernel for dom0: the loader passed no module");
    kernel_open(&kernel, &boot_info.module[0]);
    /* What kernel_open() took comes back only when dom0 has its memory. */
    size.pages = MIN(size.pages, room_for_dom0(initrd, size.vcpus));
    if (domain_create(&config, &dom0))
        boot_refuse("too little memory: dom0 cannot be created");
    dom0->mm.max_pages = size.max_pages;
    if (size.pages < MIN_PAGES)
        boot_refuse("too little memory: dom0 would get %lu MiB", size.pages >> 8);
    dom0_choose_layout(&layout, &kernel, initrd, size.pages);
    allocate_memory(dom0, &layout, initrd);
    load_image(&layout, &kernel);
    write_p2m(&layout);
    write_start_info(dom0, &layout, kernel.cmdline);

    mfn_t l4 = dom0_build_tables(&layout);

    create_vcpus(dom0, size.vcpus);
    start_vcpu0(dom0->vcpu[0], &layout, &kernel, l4);
    time_update_wallclock(dom0);
    dom0->creation_finished = true;
    printk_info("dom0: %lu MiB, %u vCPUs, kernel entry %#lx\n", size.pages >> 8, size.vcpus, kernel.entry);
    kernel_close(&kernel);
    release_modules(initrd);
}
