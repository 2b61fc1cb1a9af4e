/* Setting up the frame table and the machine-to-phys table. */
#ifndef MM_FRAMETABLE_H
#define MM_FRAMETABLE_H

/* Boot CPU, after vmm_paging_init(): sized by the RAM in host_e820. All frames are in use by the VMM at
 * first. */
void frametable_init(void);

#endif
