/*
 * One control operation at a time: domctl, sysctl and platform_op (LOCK_DOMCTL).
 */
#ifndef CONTROL_CONTROL_LOCK_H
#define CONTROL_CONTROL_LOCK_H

#include <base/compiler.h>
#include <base/types.h>

/* False: another CPU has it for long, and there is other work: the hypercall is to return -ERESTART. */
bool control_lock(void) __must_check;
void control_unlock(void);

#endif
