#include <base/compiler.h>
#include <boot/unpack_env.h>
#include <cpu/desc.h>
#include <cpu/insn.h>

#define MSR_FS_BASE    0xc0000100
#define CR0_MP         BIT(1)
#define CR0_EM         BIT(2)
#define CR0_TS         BIT(3)
#define CR4_OSFXSR     BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define MXCSR_DEFAULT  0x1f80 /* all exceptions masked */
#define GUARD_WORD     (0x28 / 8)
#define NR_EXCEPTIONS  32

/* The handlers end in a panic here, so that they may all share the double fault's stack. */
static __init void move_exceptions(struct unpack_env *env)
{
    for (uint32_t vector = 0; vector < NR_EXCEPTIONS; vector++)
        if (idt_get_ist(vector) == IST_NONE) {
            idt_set_ist(vector, IST_DF);
            env->moved_vectors |= 1u << vector;
        }
}

static __init void move_exceptions_back(const struct unpack_env *env)
{
    for (uint32_t vector = 0; vector < NR_EXCEPTIONS; vector++)
        if (env->moved_vectors >> vector & 1)
            idt_set_ist(vector, IST_NONE);
}

__init void unpack_env_enter(struct unpack_env *env)
{
    uint32_t mxcsr = MXCSR_DEFAULT;

    *env = (struct unpack_env){
        .flags = local_irq_save(), .cr0 = read_cr0(), .cr4 = read_cr4(), .fs_base = rdmsr(MSR_FS_BASE)};
    /* Zero in the low byte, as usual, so that a string function stops there; the rest unlikely. */
    env->thread[0] = (uint64_t)env->thread;
    env->thread[GUARD_WORD] = rdtsc() * 0x9e3779b97f4a7c15 & ~0xffull;

    move_exceptions(env);
    write_cr0((env->cr0 & ~(CR0_EM | CR0_TS)) | CR0_MP);
    write_cr4(env->cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
    __asm__ __volatile__("fninit; ldmxcsr %0" : : "m"(mxcsr));
    wrmsr(MSR_FS_BASE, (uint64_t)env->thread);
}

__init void unpack_env_leave(struct unpack_env *env)
{
    wrmsr(MSR_FS_BASE, env->fs_base);
    write_cr4(env->cr4);
    write_cr0(env->cr0);
    move_exceptions_back(env);
    local_irq_restore(env->flags);
}
