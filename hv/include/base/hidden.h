/*
 * Included before every source: declarations, too, are hidden, so that
 * references to other files' symbols are direct, not through a GOT.
 */
#pragma GCC visibility push(hidden)
