/* Per-CPU variables: DEFINE_PER_CPU(int, x); this_cpu(x) = 1; per_cpu(x, cpu). */
#ifndef CPU_PERCPU_H
#define CPU_PERCPU_H

#include <base/types.h>
#include <base/compiler.h>
#include <cpu/cpu_info.h>

#define MAX_CPUS 256

#ifndef HOSPES_UNIT_TEST

#define DEFINE_PER_CPU(type, name)  __section(".percpu.bss") __typeof__(type) percpu_##name
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) percpu_##name

extern uint64_t percpu_offsets[MAX_CPUS];

/* A zeroed per-CPU area and reserved GDT page for the CPU. 0 or -ENOMEM. */
int percpu_create(uint32_t cpu);

#define PERCPU_PTR(name, offset) ((__typeof__(percpu_##name) *)((char *)&percpu_##name + (offset)))

#define this_cpu(name)     (*PERCPU_PTR(name, get_cpu_info()->percpu_offset))
#define per_cpu(name, cpu) (*PERCPU_PTR(name, percpu_offsets[cpu]))

#else

#define TEST_CPUS                   8
#define DEFINE_PER_CPU(type, name)  __typeof__(type) percpu_##name[TEST_CPUS]
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) percpu_##name[TEST_CPUS]
#define this_cpu(name)              (percpu_##name[smp_processor_id()])
#define per_cpu(name, cpu)          (percpu_##name[cpu])

#endif

#endif
