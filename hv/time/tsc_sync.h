/* How far a starting CPU's TSC is from the boot CPU's. */
#ifndef TIME_TSC_SYNC_H
#define TIME_TSC_SYNC_H

#include <base/types.h>

/* Boot CPU: answers the other CPU until that has done or takes too long. */
void tsc_sync_serve(uint32_t cpu);
/* The other CPU: what to add to its TSC; 0 when the difference is too small to be told, or nobody answers. */
int64_t tsc_sync_ask(uint32_t cpu, uint64_t khz);

#endif
