/* Reads the clock on every CPU in turn, from two threads of control: it may never go back. */

#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <time.h>

static long long now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
    const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME, CLOCK_BOOTTIME};
    long long last[4] = {0};
    int cpus = 0, backwards = 0;

    for (int round = 0; round < 4000; round++) {
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET(round % CPU_SETSIZE % 4, &set);
        if (sched_setaffinity(0, sizeof(set), &set) == 0)
            cpus |= 1 << sched_getcpu();
        for (int i = 0; i < 4; i++) {
            long long t = now(clocks[i]);

            if (t < last[i])
                backwards++;
            last[i] = t;
        }
    }
    printf("cpus %x backwards %d\n", cpus, backwards);
    return backwards != 0;
}
