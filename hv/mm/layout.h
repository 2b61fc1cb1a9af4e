/*
 * The VMM's part of every address space: L4 slots 256-271. Guests may not map
 * anything there; only the machine-to-phys table at its start is readable by
 * them (fixed by the ABI, <xen/arch-x86/xen-x86_64.h>: HYPERVISOR_VIRT_START).
 */
#ifndef MM_LAYOUT_H
#define MM_LAYOUT_H

#define VMM_L4_FIRST 256
#define VMM_L4_LAST  271

#define VMM_VIRT_START 0xffff800000000000 /* slot 256: M2P, read-only for guests (and for us) */
#define VMM_VIRT_END   0xffff880000000000

#define RO_M2P_START     0xffff800000000000
#define RO_M2P_END       0xffff804000000000
#define IOREMAP_START    0xffff808000000000 /* slot 257: devices, uncached */
#define IOREMAP_END      0xffff80c000000000
#define DESC_AREA_START  0xffff810000000000 /* slot 258: one window per vCPU for its GDT and LDT */
#define DESC_AREA_END    0xffff818000000000
#define STACKS_START     0xffff818000000000 /* slot 259: one stack block per CPU */
#define PERCPU_START     0xffff81c000000000 /* per-CPU areas */
#define VMM_IMAGE_START  0xffff820000000000 /* slot 260: VMM_IMAGE_START + its physical address */
#define FRAMETABLE_START 0xffff828000000000 /* slot 261: struct page_info per frame */
#define FRAMETABLE_END   0xffff82c000000000
#define RW_M2P_START     0xffff82c000000000 /* the M2P again, writable */
#define RW_M2P_END       0xffff830000000000
#define DIRECTMAP_START  0xffff830000000000 /* slots 262-271: all RAM, 5 TiB */
#define DIRECTMAP_END    0xffff880000000000

#endif
