/* Errors of the machine that did no harm, kept for dom0 to fetch. */
#ifndef CONTROL_MCA_H
#define CONTROL_MCA_H

#include <base/types.h>

struct mca_record {
    uint32_t cpu, bank;
    bool uncorrected;
    uint64_t gstatus, status, address, misc, tsc;
};

/* One line, rate-limited; kept until dom0 has it (the newest are lost if it does not come); VIRQ_MCA. Takes
 * LOCK_MCA; not from interrupts. */
void mca_report(const struct mca_record *r);

#endif
