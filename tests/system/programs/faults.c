/* Commits the fault that its argument names, and dies of it. */

#include <stdlib.h>
#include <string.h>

static volatile int zero;

int main(int argc, char **argv)
{
    const char *fault = argc > 1 ? argv[1] : "";

    if (!strcmp(fault, "divide"))
        return 100 / zero;
    if (!strcmp(fault, "null"))
        *(volatile int *)16 = 1;
    if (!strcmp(fault, "hole"))
        *(volatile int *)0xffff800000000000 = 1;
    if (!strcmp(fault, "non-canonical"))
        *(volatile int *)0x8000000000000000 = 1;
    if (!strcmp(fault, "read-only"))
        *(volatile char *)"text" = 1;
    if (!strcmp(fault, "undefined"))
        __asm__ volatile("ud2");
    if (!strcmp(fault, "privileged"))
        __asm__ volatile("hlt");
    if (!strcmp(fault, "cli"))
        __asm__ volatile("cli");
    if (!strcmp(fault, "port"))
        __asm__ volatile("outb %%al, $0x80" : : "a"(0));
    if (!strcmp(fault, "interrupt"))
        __asm__ volatile("int $0x30");
    if (!strcmp(fault, "breakpoint"))
        __asm__ volatile("int3");
    if (!strcmp(fault, "step"))
        __asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc");
    return 0;
}
