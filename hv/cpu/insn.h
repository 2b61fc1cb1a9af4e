/* Privileged instructions as functions. No policy here. */
#ifndef CPU_INSN_H
#define CPU_INSN_H

#include <base/types.h>
#include <base/compiler.h>

#ifdef HOSPES_UNIT_TEST

/* Tests of what programs the CPU or its APIC bring their own. */
uint64_t rdmsr(uint32_t msr) __attribute__((weak));
void wrmsr(uint32_t msr, uint64_t v) __attribute__((weak));
uint32_t mmio_read32(const volatile void *p) __attribute__((weak));
void mmio_write32(volatile void *p, uint32_t v) __attribute__((weak));
#define DEFINE_DR(n)                                                                                         \
    uint64_t read_dr##n(void) __attribute__((weak));                                                         \
    void write_dr##n(uint64_t v) __attribute__((weak));

static inline void local_irq_disable(void)
{
}
static inline void local_irq_enable(void)
{
}

#else

static inline uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ __volatile__("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ __volatile__("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static inline uint32_t mmio_read32(const volatile void *p)
{
    return *(const volatile uint32_t *)p;
}
static inline void mmio_write32(volatile void *p, uint32_t v)
{
    *(volatile uint32_t *)p = v;
}

static inline void local_irq_disable(void)
{
    __asm__ __volatile__("cli" ::: "memory");
}
static inline void local_irq_enable(void)
{
    __asm__ __volatile__("sti" ::: "memory");
}

#endif

/* As above, but a #GP gives false instead (by the exception table). */
bool rdmsr_safe(uint32_t msr, uint64_t *v);
bool wrmsr_safe(uint32_t msr, uint64_t v);

#define DEFINE_CR(n)                                                                                         \
    static inline uint64_t read_cr##n(void)                                                                  \
    {                                                                                                        \
        uint64_t v;                                                                                          \
        __asm__ __volatile__("mov %%cr" #n ", %0" : "=r"(v));                                                \
        return v;                                                                                            \
    }                                                                                                        \
    static inline void write_cr##n(uint64_t v)                                                               \
    {                                                                                                        \
        __asm__ __volatile__("mov %0, %%cr" #n : : "r"(v) : "memory");                                       \
    }
DEFINE_CR(0)
DEFINE_CR(2)
DEFINE_CR(3)
DEFINE_CR(4)
#undef DEFINE_CR

#ifndef HOSPES_UNIT_TEST
#define DEFINE_DR(n)                                                                                         \
    static inline uint64_t read_dr##n(void)                                                                  \
    {                                                                                                        \
        uint64_t v;                                                                                          \
        __asm__ __volatile__("mov %%dr" #n ", %0" : "=r"(v));                                                \
        return v;                                                                                            \
    }                                                                                                        \
    static inline void write_dr##n(uint64_t v)                                                               \
    {                                                                                                        \
        __asm__ __volatile__("mov %0, %%dr" #n : : "r"(v));                                                  \
    }
#endif
DEFINE_DR(0)
DEFINE_DR(1)
DEFINE_DR(2)
DEFINE_DR(3)
DEFINE_DR(6)
DEFINE_DR(7)
#undef DEFINE_DR

static inline uint8_t inb(uint16_t port)
{
    uint8_t v;
    __asm__ __volatile__("inb %w1, %b0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint16_t inw(uint16_t port)
{
    uint16_t v;
    __asm__ __volatile__("inw %w1, %w0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline uint32_t inl(uint16_t port)
{
    uint32_t v;
    __asm__ __volatile__("inl %w1, %k0" : "=a"(v) : "Nd"(port));
    return v;
}
static inline void outb(uint16_t port, uint8_t v)
{
    __asm__ __volatile__("outb %b0, %w1" : : "a"(v), "Nd"(port));
}
static inline void outw(uint16_t port, uint16_t v)
{
    __asm__ __volatile__("outw %w0, %w1" : : "a"(v), "Nd"(port));
}
static inline void outl(uint16_t port, uint32_t v)
{
    __asm__ __volatile__("outl %k0, %w1" : : "a"(v), "Nd"(port));
}

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ __volatile__("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

/* After all earlier loads: SDM vol 2, RDTSC; LFENCE is dispatch-serializing on Intel and, by MSR, on AMD. */
static inline uint64_t rdtsc_ordered(void)
{
    __asm__ __volatile__("lfence" ::: "memory");
    return rdtsc();
}

static inline void invlpg(uint64_t va)
{
    __asm__ __volatile__("invlpg (%0)" : : "r"(va) : "memory");
}

static inline uint64_t read_flags(void)
{
    uint64_t f;

    __asm__ __volatile__("pushfq; popq %0" : "=r"(f));
    return f;
}
static inline bool local_irq_is_enabled(void)
{
    return read_flags() >> 9 & 1;
}
static inline uint64_t local_irq_save(void)
{
    uint64_t f = read_flags();

    local_irq_disable();
    return f;
}
static inline void local_irq_restore(uint64_t f)
{
    if (f >> 9 & 1)
        local_irq_enable();
}
/* Waits for an interrupt; STI takes effect after HLT, so none is lost in between. */
static inline void safe_halt(void)
{
    __asm__ __volatile__("sti; hlt" ::: "memory");
}

#endif
