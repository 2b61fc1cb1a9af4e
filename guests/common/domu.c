#include "domu.h"
#include "context.h"
#include "event.h"
#include "hypercall.h"
#include "trap.h"
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/sysctl.h>

#define L1_ENTRIES 512u
#define LIMIT_NS   20000000000ul

extern char _image_start[], _data_start[], _data_end[], _bss_start[], _image_end[], boot_stack[], _start[];

static char link_page[4096] __attribute__((aligned(4096)));
struct domu_link *domu_self;
struct xen_domctl domctl_arg;

long domctl(uint32_t cmd, domid_t id)
{
    domctl_arg.cmd = cmd;
    domctl_arg.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    domctl_arg.domain = id;
    return HC1(__HYPERVISOR_domctl, &domctl_arg);
}

long map_foreign(void *at, unsigned long mfn, uint64_t flags, domid_t owner)
{
    struct mmu_update u = {.ptr = virt_to_machine(pte_of((unsigned long)at, 1)), .val = pte_make(mfn, flags)};
    long ret = HC4(__HYPERVISOR_mmu_update, &u, 1, 0, owner);

    mmuext(MMUEXT_INVLPG_LOCAL, (unsigned long)at, 0);
    return ret;
}

void unmap_page(void *at)
{
    must("unmap page", hc_update_va_mapping((unsigned long)at, 0, UVMF_INVLPG));
}

uint32_t domu_flags(domid_t id)
{
    memset(&domctl_arg, 0, sizeof(domctl_arg));
    if (domctl(XEN_DOMCTL_getdomaininfo, id) || domctl_arg.domain != id)
        return 0;
    return domctl_arg.u.getdomaininfo.flags;
}

/* Until the port is pending, or for so long; whatever became of the port. */
static void sleep_on(uint32_t port, uint64_t ns)
{
    struct sched_poll poll = {.nr_ports = 1, .timeout = system_time() + ns};
    evtchn_port_t ports[1] = {port};

    set_xen_guest_handle(poll.ports, ports);
    if (HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll)) {
        poll.nr_ports = 0;
        HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
    }
}

/* Blocks, so that what the VMM does when a CPU is idle gets done. */
static void sleep_ns(uint64_t ns)
{
    struct sched_poll poll = {.nr_ports = 0, .timeout = system_time() + ns};

    HC2(__HYPERVISOR_sched_op, SCHEDOP_poll, &poll);
}

bool domu_wait_flag(domid_t id, uint32_t flag)
{
    uint64_t end = system_time() + LIMIT_NS;

    while (!(domu_flags(id) & flag) && system_time() < end)
        sleep_ns(1000000);
    return domu_flags(id) & flag;
}

bool domu_gone(domid_t id)
{
    uint64_t end = system_time() + LIMIT_NS / 4;

    do {
        memset(&domctl_arg, 0, sizeof(domctl_arg));
        if (domctl(XEN_DOMCTL_getdomaininfo, id) || domctl_arg.domain != id)
            return true;
        sleep_ns(1000000);
    } while (system_time() < end);
    return false;
}

uint64_t machine_free_pages(void)
{
    static struct xen_sysctl s;

    s.cmd = XEN_SYSCTL_physinfo;
    s.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    must("physinfo", HC1(__HYPERVISOR_sysctl, &s));
    return s.u.physinfo.free_pages + s.u.physinfo.scrub_pages;
}

uint64_t machine_settled_pages(void)
{
    uint64_t seen = machine_free_pages();

    for (unsigned int same = 0; same < 10; same++) {
        sleep_ns(10000000);
        if (machine_free_pages() != seen) {
            seen = machine_free_pages();
            same = 0;
        }
    }
    return seen;
}

long machine_missing_pages(uint64_t before)
{
    uint64_t end = system_time() + LIMIT_NS / 4;

    while (machine_free_pages() != before && system_time() < end)
        sleep_ns(1000000);
    return (long)(before - machine_free_pages());
}

unsigned long domu_mfn(const struct domu *d, const void *va)
{
    return d->mfn[virt_to_pfn(va) - d->first_pfn];
}

/* A page of ours through which pages of theirs are filled. */
static void *window(void)
{
    static char *page;

    if (!page)
        page = page_hole();
    return page;
}

static void *open_page(const struct domu *d, uint32_t index)
{
    must("map page of the domain", map_foreign(window(), d->mfn[index], PTE_DATA, d->id));
    return window();
}

long domu_create(const struct domu_config *c)
{
    memset(&domctl_arg, 0, sizeof(domctl_arg));
    domctl_arg.u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = c->max_vcpus ? c->max_vcpus : 1,
        .max_evtchn_port = c->max_evtchn_port ? (int32_t)c->max_evtchn_port : 1023,
        .max_grant_frames = c->max_grant_frames ? (int32_t)c->max_grant_frames : 4,
        .max_maptrack_frames = c->max_maptrack_frames ? (int32_t)c->max_maptrack_frames : 4,
        .grant_opts = XEN_DOMCTL_GRANT_version(c->grant_version ? c->grant_version : 2)};
    return domctl(XEN_DOMCTL_createdomain, c->id);
}

/* Where the pages after the image lie: list of frames, start_info, page tables. */
struct layout {
    uint32_t image, list, info, tables, l1, nr_l1, total;
};

static struct layout lay_out(uint32_t first_pfn)
{
    struct layout l;

    l.image = (uint32_t)((unsigned long)(_image_end - _image_start) / PAGE_SIZE);
    l.list = l.image;
    l.info = l.list + 2;
    l.tables = l.info + 1;
    l.l1 = l.tables + 3; /* after L4, L3, L2 */
    l.nr_l1 = (first_pfn + l.l1 + 8 + L1_ENTRIES - 1) / L1_ENTRIES;
    l.total = l.l1 + l.nr_l1;
    return l;
}

static void populate(struct domu *d)
{
    struct xen_memory_reservation r = {.nr_extents = d->nr_frames, .domid = d->id};

    for (uint32_t i = 0; i < d->nr_frames; i++)
        d->mfn[i] = d->first_pfn + i;
    set_xen_guest_handle(r.extent_start, d->mfn);
    must("populate", HC2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &r) - (long)d->nr_frames);
}

/* What lies below the zeroed part never changes: it is the same in a new domain as it is in the running one.
 */
static void copy_image(struct domu *d)
{
    must("guest without initialised data", &_data_end[0] != &_data_start[0]);
    for (const char *p = _image_start; p < _bss_start; p += PAGE_SIZE)
        memcpy(open_page(d, (uint32_t)(virt_to_pfn(p) - d->first_pfn)), p, PAGE_SIZE);
}

static void write_frame_list(const struct domu *d, const struct layout *l)
{
    uint64_t *list = NULL;

    for (uint32_t pfn = 0; pfn < d->first_pfn + d->nr_frames; pfn++) {
        if (pfn % L1_ENTRIES == 0)
            list = open_page(d, l->list + pfn / L1_ENTRIES);
        list[pfn % L1_ENTRIES] = pfn < d->first_pfn ? ~0ul : d->mfn[pfn - d->first_pfn];
    }
}

static void write_tables(const struct domu *d, const struct layout *l)
{
    ((uint64_t *)open_page(d, l->tables))[511] = pte_make(d->mfn[l->tables + 1], PTE_TABLE);
    ((uint64_t *)open_page(d, l->tables + 1))[510] = pte_make(d->mfn[l->tables + 2], PTE_TABLE);
    for (uint32_t t = 0; t < l->nr_l1; t++)
        ((uint64_t *)open_page(d, l->tables + 2))[t] = pte_make(d->mfn[l->l1 + t], PTE_TABLE);
    for (uint32_t t = 0; t < l->nr_l1; t++) {
        uint64_t *l1 = open_page(d, l->l1 + t);

        for (uint32_t i = 0; i < L1_ENTRIES; i++) {
            uint32_t pfn = t * L1_ENTRIES + i;

            if (pfn >= d->first_pfn && pfn < d->first_pfn + d->nr_frames)
                l1[i] =
                    pte_make(d->mfn[pfn - d->first_pfn], pfn - d->first_pfn >= l->tables ? PTE_RO : PTE_DATA);
        }
    }
}

static void write_start_info(const struct domu *d, const struct layout *l)
{
    struct start_info *si;

    must("getdomaininfo", !domu_flags(d->id));
    si = open_page(d, l->info);
    memset(si, 0, sizeof(*si));
    memcpy(si->magic, "xen-3.0-x86_64", 15);
    si->nr_pages = d->first_pfn + d->nr_frames;
    si->shared_info = domctl_arg.u.getdomaininfo.shared_info_frame << 12;
    si->pt_base = (unsigned long)pfn_to_virt(d->first_pfn + l->tables);
    si->nr_pt_frames = 3 + l->nr_l1;
    si->mfn_list = (unsigned long)pfn_to_virt(d->first_pfn + l->list);
}

/* It begins with upcalls masked, as it has no callback yet. */
static void write_shared_info(const struct domu *d)
{
    must("getdomaininfo", !domu_flags(d->id));
    must("map shared info",
         map_foreign(window(), domctl_arg.u.getdomaininfo.shared_info_frame, PTE_DATA, d->id));
    ((struct shared_info *)window())->vcpu_info[0].evtchn_upcall_mask = 1;
}

static void set_context(const struct domu *d, const struct layout *l)
{
    static struct vcpu_guest_context ctx;

    kernel_context(&ctx, (unsigned long)_start, (unsigned long)boot_stack + KERNEL_STACK_SIZE,
                   d->mfn[l->tables]);
    ctx.flags |= VGCF_online;
    ctx.user_regs.rsi = (unsigned long)pfn_to_virt(d->first_pfn + l->info);
    memset(&domctl_arg, 0, sizeof(domctl_arg));
    set_xen_guest_handle(domctl_arg.u.vcpucontext.ctxt, &ctx);
    must("setvcpucontext", domctl(XEN_DOMCTL_setvcpucontext, d->id));
}

/* The channel by which each tells the other that there is something to look at. */
static void connect(struct domu *d)
{
    struct evtchn_alloc_unbound a = {.dom = d->id, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain b = {.remote_dom = d->id};

    must("alloc_unbound", event_op(EVTCHNOP_alloc_unbound, &a));
    b.remote_port = a.port;
    must("bind_interdomain", event_op(EVTCHNOP_bind_interdomain, &b));
    d->port = b.local_port;
    d->link->port = a.port;
    event_mask_bit(d->port);
    event_clear(d->port);
}

void domu_build(struct domu *d, const struct domu_config *c)
{
    struct layout l;
    char *at = d->link_window ? d->link_window : page_hole();

    memset(d, 0, sizeof(*d));
    d->link_window = at;
    d->id = c->id;
    d->first_pfn = (uint32_t)virt_to_pfn(_image_start);
    l = lay_out(d->first_pfn);
    d->nr_frames = l.total;
    d->max_frames = l.total + c->spare_frames;
    must("createdomain", domu_create(c));
    memset(&domctl_arg, 0, sizeof(domctl_arg));
    domctl_arg.u.max_mem.max_memkb = d->max_frames * 4ul;
    must("max_mem", domctl(XEN_DOMCTL_max_mem, d->id));
    domctl_arg.u.max_vcpus.max = c->max_vcpus ? c->max_vcpus : 1;
    must("max_vcpus", domctl(XEN_DOMCTL_max_vcpus, d->id));
    populate(d);
    copy_image(d);
    write_frame_list(d, &l);
    write_tables(d, &l);
    write_start_info(d, &l);
    write_shared_info(d);
    unmap_page(window());
    set_context(d, &l);
    must("map link", map_foreign(at, domu_mfn(d, link_page), PTE_DATA, d->id));
    d->link = (struct domu_link *)at;
    connect(d);
}

void domu_run(struct domu *d)
{
    must("unpause", domctl(XEN_DOMCTL_unpausedomain, d->id));
}

static void wait_a_little(uint32_t port)
{
    sleep_on(port, 2000000);
    event_clear(port);
}

void domu_begin(struct domu *d, domu_fn *fn, long a, long b, long c)
{
    d->link->fn = fn;
    d->link->args[0] = a;
    d->link->args[1] = b;
    d->link->args[2] = c;
    __sync_synchronize();
    d->link->begun++;
    event_send(d->port);
}

long domu_end(struct domu *d)
{
    uint64_t end = system_time() + LIMIT_NS;

    while (d->link->done != d->link->begun) {
        wait_a_little(d->port);
        if (d->link->done == d->link->begun)
            break;
        if (system_time() > end || (domu_flags(d->id) & XEN_DOMINF_shutdown)) {
            print("FAILED call in domain %u, flags %x: %s\n", d->id, domu_flags(d->id),
                  (const char *)d->link->message);
            finish();
        }
    }
    return d->link->result;
}

long domu_call(struct domu *d, domu_fn *fn, long a, long b, long c)
{
    domu_begin(d, fn, a, b, c);
    return domu_end(d);
}

void domu_unlink(struct domu *d)
{
    if (!d->link)
        return;
    unmap_page((void *)d->link);
    d->link = NULL;
}

long domu_destroy(struct domu *d)
{
    long ret;

    do
        ret = domctl(XEN_DOMCTL_destroydomain, d->id);
    while (ret == -85); /* -ERESTART */
    return ret;
}

static void keep_message(const char *text, size_t len)
{
    size_t n = len < sizeof(domu_self->message) ? len : sizeof(domu_self->message) - 1;

    memcpy(domu_self->message, text, n);
    domu_self->message[n] = 0;
}

static void end_by_crash(void)
{
    struct sched_shutdown arg = {.reason = SHUTDOWN_crash};

    for (;;)
        HC2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &arg);
}

bool domu_is_second(void)
{
    return ((struct domu_link *)link_page)->port;
}

void domu_main(void)
{
    domu_self = (struct domu_link *)link_page;
    print_hook = keep_message;
    finish_hook = end_by_crash;
    event_mask_bit(domu_self->port);
    for (;;) {
        uint32_t begun = domu_self->begun;

        if (begun == domu_self->done) {
            wait_a_little(domu_self->port);
            continue;
        }
        domu_self->result = domu_self->fn(domu_self->args[0], domu_self->args[1], domu_self->args[2]);
        __sync_synchronize();
        domu_self->done = begun;
        event_send(domu_self->port);
    }
}
