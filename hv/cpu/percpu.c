#include <base/errno.h>
#include <cpu/desc.h>
#include <cpu/percpu.h>
#include <cpu/stack.h>
#include <mm/page_alloc.h>
#include <mm/vmm_paging.h>

extern const char _spercpu[], _epercpu[];

uint64_t percpu_offsets[MAX_CPUS] __ro_after_init;

int percpu_create(uint32_t cpu)
{
    uint64_t size = (uint64_t)(_epercpu - _spercpu);
    unsigned int order = 0;
    void *gdt_page = alloc_vmm_pages(0), *area;

    while (PAGE_SIZE << order < size)
        order++;
    area = alloc_vmm_pages(order);
    if (!area || !gdt_page) {
        free_vmm_pages(area, order);
        free_vmm_pages(gdt_page, 0);
        return -ENOMEM;
    }
    percpu_offsets[cpu] = (uint64_t)area - (uint64_t)_spercpu;
    desc_alloc_cpu(cpu, gdt_page);
    return 0;
}

int stack_block_create(uint32_t cpu)
{
    static const uint8_t pages[] = {
        STACK_PAGE_DF, STACK_PAGE_NMI, STACK_PAGE_MCE, STACK_PAGE_DB, 9, 10, 11, 12, 13, 14, 15};
    uint64_t block = stack_block_va(cpu);
    struct cpu_info *info = stack_block_info(block);

    for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
        void *page = alloc_vmm_pages(0);

        if (!page || vmm_map(block + pages[i] * PAGE_SIZE, virt_to_mfn(page), VMM_RW))
            return -ENOMEM; /* the CPU stays down for good; its few pages stay with it */
    }
    info->cpu = cpu;
    info->percpu_offset = percpu_offsets[cpu];
    return 0;
}
