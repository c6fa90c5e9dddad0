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

struct sort_entry {
    uint64_t deadline;
    uint64_t sequence;   /* compared by timer_scheduled_before */
    tw_timer *timer;
};

/* Sorts n entries. spare: room for (n + 1) / 2 more of them.
 * Cost: O(n log n); O(n) if they are in order already, as a herd of timers with
 * one deadline nearly always is. */
void sort_entries(struct sort_entry *entries, size_t n, struct sort_entry *spare);

/* Sorts a list that goes from timer to timer through place_, and answers its
 * new first. Cost: O(n log n), with a cache miss at every step of a long list. */
tw_timer *sort_list(tw_timer *list);

#endif
