/*
 * Machine checks (SDM vol 3, chapter 15): what the CPUs find wrong with the machine. What was corrected, or
 * has harmed nobody yet, is told to dom0 (control/mca.h); anything else ends the VMM.
 */
#ifndef CPU_MACHINE_CHECK_H
#define CPU_MACHINE_CHECK_H

#include <base/types.h>

/* IA32_MCi_STATUS, MCG_CAP and MCG_STATUS: 15.3. */
#define MCI_VALID       BIT(63)
#define MCI_OVERFLOW    BIT(62)
#define MCI_UNCORRECTED BIT(61)
#define MCI_MISC_VALID  BIT(59)
#define MCI_ADDR_VALID  BIT(58)
#define MCI_CORRUPT     BIT(57) /* the interrupted program cannot go on */
#define MCI_SIGNALED    BIT(56)
#define MCI_ACTION      BIT(55) /* what was interrupted has used the bad data */
#define MCG_CAP_BANKS   0xffu
#define MCG_CAP_CTL     BIT(8)
#define MCG_CAP_RECOVER BIT(24) /* signaled and action bits have that meaning */
#define MCG_RESTART     BIT(0)
#define MCG_IN_PROGRESS BIT(2)

enum mce_severity { MCE_NONE, MCE_CORRECTED, MCE_HARMLESS, MCE_FATAL };

/* What an error means; harmless: uncorrected, but nothing has used the data (15.6.3: UCNA, SRAO). */
enum mce_severity mce_severity(uint64_t mcg_cap, uint64_t mcg_status, uint64_t status);

/* Switches reporting on, on this CPU, and forgets what banks hold from before. CR4.MCE is set already. */
void mce_init_cpu(void);
/* Has banks looked at from time to time, on all CPUs that are online. After mce_init_cpu() on each. */
void mce_start(void);

#endif
