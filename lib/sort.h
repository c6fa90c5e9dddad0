/*
 * sort: puts timers in the order in which they run.
 *
 * By deadline, and among equal deadlines by sequence number. Two ways: of an
 * array of keys, which is fast, and of a list linked through the timers' own
 * place_, which needs no memory at all.
 */
#ifndef TW_SORT_H
#define TW_SORT_H

#include "timer.h"

/* Up to here entries are dealt into piles by their deadlines, and the piles sorted:
 * what has to be looked up meanwhile fits the fastest cache. */
#define SORT_BY_DEALING ((size_t)4096)

struct sort_entry {
    uint64_t deadline;
    uint64_t sequence;   /* compared by timer_scheduled_before */
    tw_timer *timer;
};

/* Entries of spare room that sorting n entries needs. */
TW_INLINE size_t sort_spare(size_t n)
{
    return n <= SORT_BY_DEALING ? n : n / 2 > SORT_BY_DEALING ? (n + 1) / 2 : SORT_BY_DEALING;
}

/* Sorts n entries. spare: room for sort_spare(n) more of them.
 * Cost: O(n log n); O(n) if they are in order already, as a herd of timers with
 * one deadline nearly always is, or if there are not many and their deadlines are
 * spread evenly, as those of a tick nearly always are. */
void sort_entries(struct sort_entry *entries, size_t n, struct sort_entry *spare);

/* Sorts a list that goes from timer to timer through place_, and answers its
 * new first. Cost: O(n log n), with a cache miss at every step of a long list. */
tw_timer *sort_list(tw_timer *list);

#endif
