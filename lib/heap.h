/*
 * heap: the timers beyond the wheel's span, earliest first.
 *
 *                      0
 *            1     2     3     4          the children of i: 4i + 1 to 4i + 4
 *         5 6 7 8  9 ...
 *
 * A 4-ary heap of (key, timer) pairs. The key is the deadline with which the
 * timer came in; the timer may since have been moved further out or parked, and
 * is dealt with when its key comes up. place_ of a timer in the heap is its
 * index plus one, so that it can be taken out from anywhere.
 *
 * The pairs lie in pages found through a directory, so that growing copies
 * nothing but the directory: no push pays for a million others.
 *
 * Cost: push, pop and remove O(log n) of the heap's own size; top O(1).
 */
#ifndef TW_HEAP_H
#define TW_HEAP_H

#include "memory.h"

#define HEAP_PAGE_BITS 8
#define HEAP_PAGE ((size_t)1 << HEAP_PAGE_BITS)   /* pairs in a page: 4 KiB */

struct heap_pair {
    uint64_t key;       /* ns */
    tw_timer *timer;
};

struct heap {
    struct heap_pair **pages;
    size_t count;           /* pairs */
    size_t page_count;
    size_t directory;       /* entries there is room for in `pages` */
    struct memory *memory;
};

void heap_init(struct heap *heap, struct memory *memory);
void heap_free(struct heap *heap);

/* Makes room for `count` pairs in all. touch: also its page faults.
 * 0, or -1 if there is no memory. */
int heap_reserve(struct heap *heap, size_t count, bool touch);

static inline struct heap_pair *heap_at(const struct heap *heap, size_t index)
{
    return &heap->pages[index >> HEAP_PAGE_BITS][index & (HEAP_PAGE - 1)];
}

static inline bool heap_full(const struct heap *heap)
{
    return heap->count == heap->page_count * HEAP_PAGE;
}

/* The earliest key; the heap is not empty. */
static inline uint64_t heap_top_key(const struct heap *heap)
{
    return heap_at(heap, 0)->key;
}

/* Puts the timer in under its deadline; the heap is not full. */
void heap_push(struct heap *heap, tw_timer *timer);

/* Takes the timer out, wherever it is. place_ then means nothing. */
void heap_remove(struct heap *heap, tw_timer *timer);

/* Takes the earliest out; the heap is not empty. */
tw_timer *heap_pop(struct heap *heap);

#endif
