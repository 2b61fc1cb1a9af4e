#include <console/ring.h>

void ring_put(struct char_ring *ring, char c)
{
    ring->buf[ring->end++ & (ring->size - 1)] = c;
    if (ring->end - ring->begin > ring->size)
        ring->begin = ring->end - ring->size;
}

uint32_t ring_copy(const struct char_ring *ring, uint32_t *pos, char *buf, uint32_t len)
{
    uint32_t n = 0;

    /* As unsigned distances, so that the counters may wrap. */
    if (*pos - ring->begin > ring->end - ring->begin)
        *pos = ring->begin;
    while (n < len && *pos != ring->end)
        buf[n++] = ring->buf[(*pos)++ & (ring->size - 1)];
    return n;
}

void ring_grow(struct char_ring *ring, char *buf, uint32_t size)
{
    for (uint32_t pos = ring->begin; pos != ring->end; pos++)
        buf[pos & (size - 1)] = ring->buf[pos & (ring->size - 1)];
    ring->buf = buf;
    ring->size = size;
}
