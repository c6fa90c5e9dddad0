/* SPDX-License-Identifier: MIT */
/*
 * sort: puts timers in the order in which they run: by deadline, and among equal
 * deadlines by sequence number.
 */
#ifndef TW_SORT_H
#define TW_SORT_H

#include "timer.h"

/* Entries that are sorted at once, at most. */
#define SORT_MOST 65535u

struct sort_entry {
    uint64_t deadline;
    uint64_t sequence;   /* compared by timer_scheduled_before */
    tw_bare_timer *timer;
};

TW_INLINE bool sort_before(const struct sort_entry *a, const struct sort_entry *b)
{
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return timer_scheduled_before(a->sequence, b->sequence);
}

/* Sorts n entries. spare: room for as many more. Returns whether they were in order already.
 * Cost: O(n log n); O(n) if they are in order already, or in the opposite one, as
 * a burst of timers with one deadline nearly always is, or if their deadlines are
 * spread evenly, as those of a tick nearly always are. */
bool sort_entries(struct sort_entry *entries, size_t n, struct sort_entry *spare);

#endif
