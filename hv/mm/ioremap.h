/* Mappings in the VMM's own address space. */
#ifndef MM_IOREMAP_H
#define MM_IOREMAP_H

#include <base/types.h>

/* Maps device memory uncached, read-write; NULL if out of memory. Any alignment. */
volatile void *ioremap(paddr_t pa, size_t len);
/* Write-back, read-only view of firmware tables. NULL if out of memory. */
const void *map_firmware(paddr_t pa, size_t len);
/*
 * One naturally aligned write of 1, 2, 4 or 8 bytes to device memory that is not mapped. Takes
 * LOCK_DEVICE_WINDOW; not from interrupts.
 */
void mmio_write_once(paddr_t pa, unsigned int bytes, uint64_t value);
void vunmap_range(const volatile void *va, size_t len);

#endif
