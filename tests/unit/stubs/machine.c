#include <stdlib.h>
#include <string.h>

#include <base/errno.h>
#include <control/hypercall.h>
#include <mm/guest_access.h>
#include <mm/page_alloc.h>
#include <mm/page_type.h>
#include <sched/sched.h>
#include "machine.h"

char fake_memory[FAKE_FRAMES][PAGE_SIZE] __attribute__((aligned(4096)));
static struct page_info fake_frames[FAKE_FRAMES];
struct page_info *frame_table = fake_frames;
unsigned int kicks, unblocks, preempt_after;
bool preempt_now, bad_guest_pointer;

static struct cpu_info cpu_info;
static uint64_t next_frame = 1;

struct cpu_info *get_cpu_info(void)
{
    return &cpu_info;
}

void set_current(struct vcpu *v)
{
    cpu_info.current_vcpu = v;
}

uint64_t give_frame(struct domain *d)
{
    uint64_t mfn = next_frame;

    next_frame = next_frame % (FAKE_FRAMES - 1) + 1;
    memset(fake_memory[mfn], 0, PAGE_SIZE);
    fake_frames[mfn].owner = d->id;
    return mfn;
}

unsigned int frame_references(void)
{
    unsigned int n = 0;

    for (unsigned int i = 0; i < FAKE_FRAMES; i++)
        n += fake_frames[i].count_info;
    return n;
}

void *mfn_to_virt(mfn_t mfn)
{
    return (void *)((uint64_t)fake_memory + mfn_x(mfn) * PAGE_SIZE);
}

mfn_t virt_to_mfn(const void *va)
{
    return _mfn(((uint64_t)va - (uint64_t)fake_memory) / PAGE_SIZE);
}

struct page_info *get_page_from_mfn(mfn_t mfn, const struct domain *d)
{
    if (mfn_x(mfn) >= FAKE_FRAMES || fake_frames[mfn_x(mfn)].owner != d->id)
        return NULL;
    fake_frames[mfn_x(mfn)].count_info++;
    return &fake_frames[mfn_x(mfn)];
}

int get_page_type(struct page_info *page, uint64_t type)
{
    page->type_info++;
    return 0;
}

void put_page(struct page_info *page)
{
    page->count_info--;
}

void put_page_and_type(struct page_info *page)
{
    page->type_info--;
    put_page(page);
}

void *xzalloc_bytes(size_t size)
{
    return calloc(1, size);
}

void xfree(void *p)
{
    free(p);
}

void *alloc_vmm_pages(unsigned int order)
{
    void *p = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);

    if (p)
        memset(p, 0, PAGE_SIZE << order);
    return p;
}

void free_vmm_pages(void *va, unsigned int order)
{
    free(va);
}

int copy_from_guest(void *dst, uint64_t gva, size_t len)
{
    if (bad_guest_pointer || !gva)
        return -EFAULT;
    memcpy(dst, (const void *)gva, len);
    return 0;
}

int copy_to_guest(uint64_t gva, const void *src, size_t len)
{
    if (bad_guest_pointer || !gva)
        return -EFAULT;
    memcpy((void *)gva, src, len);
    return 0;
}

bool guest_range_ok(uint64_t gva, size_t len)
{
    return !bad_guest_pointer;
}

bool hypercall_preempt_check(void)
{
    if (preempt_after && --preempt_after == 0)
        return true;
    return preempt_now;
}

void vcpu_kick(struct vcpu *v)
{
    kicks++;
}

void vcpu_unblock(struct vcpu *v)
{
    v->sched.pause_flags &= ~VPF_POLL;
    unblocks++;
}
