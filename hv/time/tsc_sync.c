/*
 * Round trips through a shared line, as between two machines' clocks:
 *
 *   this CPU     t0 ----------> t1
 *                   \        ^
 *   boot CPU         `-> tb -'
 *
 * tb was read between t0 and t1, so the offset is tb - (t0 + t1) / 2, wrong by
 * at most (t1 - t0) / 2. The quickest trip counts. An offset within its own
 * error is taken as zero: then the counters were started together, as they are
 * on every machine with a sane firmware.
 */
#include <base/atomic.h>
#include <base/compiler.h>
#include <cpu/insn.h>
#include <cpu/percpu.h>
#include <time/time.h>
#include <time/tsc_sync.h>

#define ROUND_TRIPS 64
#define PATIENCE_US 20000

#define DONE UINT32_MAX

static struct {
    uint32_t cpu;      /* whose turn it is, plus one */
    uint32_t request;  /* number of the trip; DONE */
    uint32_t response; /* number of the trip answered */
    uint64_t stamp;    /* boot CPU's TSC */
} __aligned(64) line;

static bool wait_for(const uint32_t *word, uint32_t value, uint64_t start, uint64_t ticks)
{
    while (load_acquire(word) != value) {
        if (rdtsc() - start > ticks)
            return false;
        cpu_relax();
    }
    return true;
}

void tsc_sync_serve(uint32_t cpu)
{
    uint64_t start = rdtsc(), ticks = PATIENCE_US * tsc_khz / 1000;
    uint32_t answered = 0;

    WRITE_ONCE(line.request, 0);
    WRITE_ONCE(line.response, 0);
    store_release(&line.cpu, cpu + 1);
    while (rdtsc() - start <= 2 * ticks) {
        uint32_t request = load_acquire(&line.request);

        if (request == DONE)
            break;
        if (request != answered) {
            line.stamp = rdtsc_ordered();
            store_release(&line.response, answered = request);
        }
        cpu_relax();
    }
    store_release(&line.cpu, 0);
}

int64_t tsc_sync_ask(uint32_t cpu, uint64_t khz)
{
    uint64_t start = rdtsc(), ticks = PATIENCE_US * khz / 1000, quickest = UINT64_MAX;
    int64_t offset = 0;

    if (!wait_for(&line.cpu, cpu + 1, start, ticks))
        return 0;
    for (uint32_t i = 1; i <= ROUND_TRIPS; i++) {
        uint64_t t0 = rdtsc_ordered(), t1;

        store_release(&line.request, i);
        if (!wait_for(&line.response, i, start, ticks))
            break;
        t1 = rdtsc_ordered();
        if (t1 - t0 < quickest) {
            quickest = t1 - t0;
            offset = (int64_t)(line.stamp - (t0 + quickest / 2));
        }
    }
    store_release(&line.request, DONE);
    if (quickest == UINT64_MAX)
        return 0;
    return offset <= (int64_t)(quickest / 2 + 1) && offset >= -(int64_t)(quickest / 2 + 1) ? 0 : offset;
}
