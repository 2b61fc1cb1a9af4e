/* Building the first domain from the boot modules. */
#ifndef BOOT_DOM0_H
#define BOOT_DOM0_H

#include <base/types.h>

/*
 * Creates dom0 from module 0 (its kernel) and, if there is one, module 1 (its
 * initial RAM disk). Leaves it paused. Panics with one line that names what is
 * wrong with the modules, the options or the memory.
 */
void dom0_create(void);

/* From boot options: frames dom0 gets now, at most later, and its vCPUs. */
struct dom0_size {
    uint64_t pages, max_pages;
    uint32_t vcpus;
};
/* free: frames the allocator has. */
struct dom0_size dom0_choose_size(uint64_t free, uint32_t cpus);

#endif
