/*
 * What is done at the boundary to guests against speculation, out of line: on
 * CPUs that need none of it, the entry and exit paths are as if it did not
 * exist. Each MITIGATE site in entry.S is an ordinary instruction of at least
 * five bytes; mitigate_patch() puts a jump over it to a stub that calls the
 * routine of cpu/mitigate.S, executes the instruction, and jumps back.
 *
 *   MIT_XPTI  guests run on page tables without the VMM (Meltdown, CVE-2017-5754): mm/xpti.h
 *   MIT_VERW  buffers are overwritten on the way out (MDS, TAA, MMIO stale data: SDM vol 2, VERW,
 *             and Intel's "Microarchitectural data sampling")
 *   MIT_RSB   the return stack is filled on the way in (ret2spec/SpectreRSB, CVE-2018-15572):
 *             needed where SMEP does not keep the VMM from speculating into guest code
 */
#ifndef CPU_MITIGATE_H
#define CPU_MITIGATE_H

#define MIT_XPTI 1
#define MIT_VERW 2
#define MIT_RSB  4

#ifndef __ASSEMBLER__

#include <base/types.h>

/* Boot CPU, once, while the image's text is writable and before any guest runs; 0: nothing is changed. */
void mitigate_patch(uint32_t flags);

/* Puts entries that cannot be returned to over all of this CPU's return stack. */
void mitigate_fill_return_stack(void);

#endif
#endif
