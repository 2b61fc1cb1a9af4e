#include <base/atomic.h>
#include <base/spinlock.h>
#include <control/control_lock.h>
#include <control/hypercall.h>

static DEFINE_SPINLOCK(lock, LOCK_DOMCTL);

bool control_lock(void)
{
    while (!spin_trylock(&lock)) {
        if (hypercall_preempt_check())
            return false;
        cpu_relax();
    }
    return true;
}

void control_unlock(void)
{
    spin_unlock(&lock);
}
