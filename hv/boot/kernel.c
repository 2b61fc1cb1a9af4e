#include <base/bug.h>
#include <base/compiler.h>
#include <boot/bzimage.h>
#include <boot/elf.h>
#include <boot/kernel.h>
#include <boot/unpack.h>
#include <console/printk.h>
#include <lib/string.h>
#include <mm/page.h>
#include <mm/page_alloc.h>
#include <xen/features.h>

static unsigned int __init order_of(size_t size)
{
    unsigned int order = 0;

    while (PAGE_SIZE << order < size)
        order++;
    return order;
}

/* Not zeroed: whatever is used of it is written first, and zeroing it takes longer than all else but
 * unpacking. */
static void *__init alloc_uncleared(unsigned int order)
{
    struct page_info *page = order <= MAX_ORDER ? alloc_frames(NULL, order, ALLOC_NO_SCRUB) : NULL;

    return page ? page_to_virt(page) : NULL;
}

/* Unpacks a bzImage's payload into VMM pages; returns the ELF image. */
static const void *__init unpack_kernel(struct kernel_image *k, const void *image, size_t size,
                                        size_t *elf_size)
{
    const void *payload;
    const char *why;
    size_t len;
    void *arena;

    if (bzimage_payload(image, size, &payload, &len, &why) || unpack_size(payload, len, elf_size, &why))
        boot_refuse("dom0's kernel: %s", why);
    k->unpacked_order = order_of(*elf_size);
    k->unpacked = alloc_uncleared(k->unpacked_order);
    arena = alloc_uncleared(order_of(UNPACK_ARENA));
    if (!k->unpacked || !arena)
        boot_refuse("too little memory: no %zu MiB to unpack dom0's kernel",
                    (*elf_size + UNPACK_ARENA) >> 20);
    if (unpack(payload, len, k->unpacked, *elf_size, arena, UNPACK_ARENA, &why))
        boot_refuse("dom0's kernel: %s", why);
    free_vmm_pages(arena, order_of(UNPACK_ARENA));
    return k->unpacked;
}

static void __init check_features(const struct xen_elfnotes *notes)
{
    /* Kernels list here what they use in any case (writable page tables by vm_assist); these would not work.
     */
    const uint32_t absent = 1u << XENFEAT_auto_translated_physmap | 1u << XENFEAT_supervisor_mode_kernel |
                            1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock |
                            1u << XENFEAT_hvm_pirqs;
    uint32_t missing = notes->features_required & absent;

    if (missing)
        boot_refuse("dom0's kernel requires Xen features that this VMM does not have: bits %#x", missing);
}

static void __init take_notes(struct kernel_image *k, const struct elf_image *elf)
{
    struct xen_elfnotes notes;
    const char *why = "no Xen notes: not a kernel for paravirtual guests";

    if (elf_xen_notes(elf, &notes, &why) || !notes.present)
        boot_refuse("dom0's kernel: %s", why);
    if (!xen_note_present(&notes, XEN_ELFNOTE_VIRT_BASE))
        boot_refuse("dom0's kernel: no Xen note VIRT_BASE: not a kernel for paravirtual guests");
    check_features(&notes);
    k->virt_base = notes.value[XEN_ELFNOTE_VIRT_BASE];
    k->entry = xen_note_present(&notes, XEN_ELFNOTE_ENTRY) ? notes.value[XEN_ELFNOTE_ENTRY] : elf->entry;
    k->hypercall_page = notes.value[XEN_ELFNOTE_HYPERCALL_PAGE];
    k->has_init_p2m = xen_note_present(&notes, XEN_ELFNOTE_INIT_P2M);
    k->init_p2m = notes.value[XEN_ELFNOTE_INIT_P2M];
    k->mod_start_pfn = notes.value[XEN_ELFNOTE_MOD_START_PFN];

    /* A segment's place: physical address relative to that of the mapping's start. */
    uint64_t offset = k->virt_base - notes.value[XEN_ELFNOTE_PADDR_OFFSET];

    k->virt_start = elf->paddr_start + offset;
    k->virt_end = elf->paddr_end + offset;
    for (uint32_t i = 0; i < elf->nr_segments; i++) {
        const struct elf_segment *s = &elf->segments[i];

        if (k->nr_segments == KERNEL_MAX_SEGMENTS)
            boot_refuse("dom0's kernel: more than %d segments", KERNEL_MAX_SEGMENTS);
        k->segment[k->nr_segments++] =
            (struct kernel_segment){s->paddr + offset, s->data, s->filesz, s->memsz};
    }
}

/* The mapping must be one L3's worth in the guest's upper half, and the addresses within must lie in it. */
static void __init check_addresses(const struct kernel_image *k)
{
    const uint64_t limit = 1UL << 30;

    if (k->virt_base < 0xffff880000000000 || (k->virt_base & ((4UL << 20) - 1)))
        boot_refuse("dom0's kernel: note VIRT_BASE %#lx is no place for a kernel", k->virt_base);
    if (k->virt_start < k->virt_base || k->virt_end < k->virt_start || k->virt_end - k->virt_base > limit)
        boot_refuse("dom0's kernel: its segments %#lx-%#lx are not within 1 GiB from VIRT_BASE",
                    k->virt_start, k->virt_end);
    if (k->entry < k->virt_start || k->entry >= k->virt_end)
        boot_refuse("dom0's kernel: its entry point %#lx is outside of it", k->entry);
    if (k->hypercall_page && ((k->hypercall_page & ~PAGE_MASK) || k->hypercall_page < k->virt_start ||
                              k->hypercall_page >= k->virt_end))
        boot_refuse("dom0's kernel: its hypercall page %#lx is outside of it", k->hypercall_page);
    if (k->has_init_p2m && ((k->init_p2m & ((1UL << 39) - 1)) || k->init_p2m >> 47))
        boot_refuse("dom0's kernel: note INIT_P2M %#lx is not an L4 slot of the lower half", k->init_p2m);
}

static const char *__init skip_name(const char *cmdline)
{
    while (*cmdline && *cmdline != ' ')
        cmdline++;
    while (*cmdline == ' ')
        cmdline++;
    return cmdline;
}

void __init kernel_open(struct kernel_image *k, const struct boot_module *module)
{
    const void *data = paddr_to_virt(_paddr(module->start));
    size_t size = module->end - module->start;
    static struct elf_image elf __initdata;
    const char *why;

    memset(k, 0, sizeof(*k));
    k->cmdline = boot_info.image_names ? skip_name(module->cmdline) : module->cmdline;
    if (bzimage_detect(data, size))
        data = unpack_kernel(k, data, size, &size);
    if (elf_open(&elf, data, size, &why))
        boot_refuse("dom0's kernel: %s", why);
    take_notes(k, &elf);
    check_addresses(k);
}

void __init kernel_close(struct kernel_image *k)
{
    free_vmm_pages(k->unpacked, k->unpacked_order);
    k->unpacked = NULL;
}
