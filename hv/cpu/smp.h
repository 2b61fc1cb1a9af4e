/* The set of CPUs, and calls from one to others. */
#ifndef CPU_SMP_H
#define CPU_SMP_H

#include <base/types.h>
#include <cpu/percpu.h>

typedef struct {
    uint64_t bits[MAX_CPUS / 64];
} cpumask_t;

extern cpumask_t cpu_online_map; /* CPUs that run the VMM */
extern unsigned int nr_cpus;     /* CPUs 0 .. nr_cpus-1 were brought up */
extern uint32_t cpu_to_apicid[MAX_CPUS];
extern uint32_t cpu_to_acpiid[MAX_CPUS];

static inline bool cpumask_test(const cpumask_t *m, unsigned int cpu)
{
    return m->bits[cpu / 64] >> (cpu % 64) & 1;
}
static inline void cpumask_set(cpumask_t *m, unsigned int cpu)
{
    __atomic_fetch_or(&m->bits[cpu / 64], 1UL << (cpu % 64), __ATOMIC_SEQ_CST);
}
static inline void cpumask_clear(cpumask_t *m, unsigned int cpu)
{
    __atomic_fetch_and(&m->bits[cpu / 64], ~(1UL << (cpu % 64)), __ATOMIC_SEQ_CST);
}
static inline bool cpumask_empty(const cpumask_t *m)
{
    for (unsigned int i = 0; i < MAX_CPUS / 64; i++)
        if (m->bits[i])
            return false;
    return true;
}
/* First set CPU at or after start; MAX_CPUS if none. */
static inline unsigned int cpumask_next(const cpumask_t *m, unsigned int start)
{
    for (unsigned int cpu = start; cpu < MAX_CPUS; cpu++) {
        uint64_t rest = m->bits[cpu / 64] >> (cpu % 64);

        if (rest)
            return cpu + (unsigned int)__builtin_ctzl(rest);
        cpu |= 63;
    }
    return MAX_CPUS;
}

#define for_each_cpu(cpu, mask)                                                                              \
    for ((cpu) = cpumask_next((mask), 0); (cpu) < MAX_CPUS; (cpu) = cpumask_next((mask), (cpu) + 1))
#define for_each_online_cpu(cpu) for_each_cpu(cpu, &cpu_online_map)

/*
 * Runs fn(arg) on every online CPU of mask, with interrupts off there, and
 * returns when all have finished. Includes the caller if it is in the mask.
 * Caller: interrupts on, holds no lock that an interrupt handler takes.
 */
void on_selected_cpus(const cpumask_t *mask, void (*fn)(void *), void *arg);

/* Registers the vectors of the IPIs above; boot CPU. */
void smp_ipi_init(void);

/* Makes the other CPU look at its softirqs soon; no effect on the caller itself. */
void smp_send_event_check(unsigned int cpu);

#endif
