/* The VMM's messages go nowhere while fuzzing; a panic is a finding. */
#ifndef FUZZ_QUIET_H
#define FUZZ_QUIET_H

#include <stdlib.h>
#include <base/bug.h>
#include <console/printk.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

void printk(const char *fmt, ...)
{
}

void printk_level(enum log_level level, const char *fmt, ...)
{
}

void panic(const char *fmt, ...)
{
    abort();
}

/* A fuzzer that defines its own goes on with the next input there. */
#ifndef FUZZ_REFUSES
void boot_refuse(const char *fmt, ...)
{
    abort();
}
#endif

#endif
