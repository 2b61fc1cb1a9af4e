/*
 * Microbenchmarks of the operations that virtualisation makes slow, to be run as a program inside a
 * guest, dom0 or on the bare machine. Prints one line per operation:
 *
 *     bench NAME MEDIAN ns
 *
 * the median over samples of the time per operation by CLOCK_MONOTONIC. In an emulator that counts
 * instructions as time (QEMU's -icount shift=0) one nanosecond is one instruction.
 *
 * usage: micro [operation ...]
 */

#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE    4096UL
#define SAMPLES 15

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static volatile char *map(size_t pages)
{
    void *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        fail("mmap");
    madvise(p, pages * PAGE, MADV_NOHUGEPAGE);
    return p;
}

static void touch(volatile char *p, size_t pages)
{
    for (size_t i = 0; i < pages; i++)
        p[i * PAGE] = 1;
}

/* Each measuring function does COUNT operations and returns the time they took. */

static int64_t getppid_calls(int count)
{
    int64_t start = now();

    for (int i = 0; i < count; i++)
        syscall(SYS_getppid);
    return now() - start;
}

static int64_t page_faults(int count)
{
    volatile char *p = map(count);
    int64_t start = now(), took;

    touch(p, count);
    took = now() - start;
    munmap((void *)p, count * PAGE);
    return took;
}

static int64_t munmap_pages(int count)
{
    volatile char *p = map(count);
    int64_t start;

    touch(p, count);
    start = now();
    if (munmap((void *)p, count * PAGE))
        fail("munmap");
    return now() - start;
}

static int64_t mprotect_and_write(int count)
{
    volatile char *p = map(16);
    int64_t start, took;

    touch(p, 16);
    start = now();
    for (int i = 0; i < count; i++) {
        if (mprotect((void *)p, 16 * PAGE, PROT_READ) ||
            mprotect((void *)p, 16 * PAGE, PROT_READ | PROT_WRITE))
            fail("mprotect");
        touch(p, 16);
    }
    took = now() - start;
    munmap((void *)p, 16 * PAGE);
    return took;
}

static int64_t pipe_round_trips(int count)
{
    int to[2], from[2];
    char byte = 0;
    int64_t start, took;
    pid_t child;

    if (pipe(to) || pipe(from))
        fail("pipe");
    child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        close(to[1]);
        close(from[0]);
        while (read(to[0], &byte, 1) == 1)
            if (write(from[1], &byte, 1) != 1)
                _exit(1);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    start = now();
    for (int i = 0; i < count; i++)
        if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
            fail("pipe round trip");
    took = now() - start;
    close(to[1]);
    close(from[0]);
    waitpid(child, NULL, 0);
    return took;
}

static void wait_for(pid_t child)
{
    int status;

    if (child < 0)
        fail("fork");
    if (waitpid(child, &status, 0) != child || status != 0)
        fail("waitpid");
}

static int64_t forks(int count)
{
    int64_t start = now();

    for (int i = 0; i < count; i++) {
        pid_t child = fork();

        if (child == 0)
            _exit(0);
        wait_for(child);
    }
    return now() - start;
}

/* On its own: what a function holds in registers across vfork() is uncertain. */
static pid_t spawn_self(void)
{
    pid_t child = vfork();

    if (child == 0) {
        execl("/proc/self/exe", "micro", "--exit", (char *)NULL);
        _exit(1);
    }
    return child;
}

static int64_t vfork_execs(int count)
{
    int64_t start = now();

    for (int i = 0; i < count; i++)
        wait_for(spawn_self());
    return now() - start;
}

static const struct operation {
    const char *name;
    int64_t (*measure)(int count);
    int count;
} operations[] = {
    {"getppid", getppid_calls, 2000},   {"page-fault", page_faults, 512},
    {"munmap-page", munmap_pages, 512}, {"mprotect", mprotect_and_write, 50},
    {"pipe", pipe_round_trips, 200},    {"fork", forks, 20},
    {"vfork-exec", vfork_execs, 10},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void run(const struct operation *operation)
{
    double samples[SAMPLES];

    operation->measure(operation->count); /* warm up */
    for (int i = 0; i < SAMPLES; i++)
        samples[i] = (double)operation->measure(operation->count) / operation->count;
    qsort(samples, SAMPLES, sizeof(samples[0]), compare);
    printf("bench %s %.1f ns\n", operation->name, samples[SAMPLES / 2]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--exit"))
        return 0;
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        int wanted = argc == 1;

        for (int j = 1; j < argc; j++)
            wanted |= !strcmp(argv[j], operations[i].name);
        if (wanted)
            run(&operations[i]);
    }
    puts("bench done");
    return 0;
}
