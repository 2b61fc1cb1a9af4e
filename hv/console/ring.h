/*
 * A ring of characters that keeps the newest ones.  Positions count all characters ever written,
 * modulo 2^32, as the index of XEN_SYSCTL_readconsole does.  No locking: the caller's.
 */
#ifndef CONSOLE_RING_H
#define CONSOLE_RING_H

#include <base/types.h>

struct char_ring {
    char *buf;
    uint32_t size;  /* a power of two */
    uint32_t begin; /* position of the oldest character kept */
    uint32_t end;   /* position after the newest one; end - begin <= size */
};

/* Overwrites the oldest characters when the ring is full. */
void ring_put(struct char_ring *ring, char c);

/*
 * Copies up to @len characters from position *@pos on into @buf, moving *@pos past them; a position
 * that is no longer (or not yet) in the ring starts at the oldest one.  Returns the number copied.
 */
uint32_t ring_copy(const struct char_ring *ring, uint32_t *pos, char *buf, uint32_t len);

/* Moves the contents into a larger buffer of @size bytes (a power of two). */
void ring_grow(struct char_ring *ring, char *buf, uint32_t size);

#endif
