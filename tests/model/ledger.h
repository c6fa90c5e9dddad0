/* SPDX-License-Identifier: MIT */
/*
 * ledger: what the loop should do, worked out the dumb way.
 *
 *     |soon 1|soon 4|t=3 #2|t=3 #7|t=9 #5|t=9 #6|
 *
 * A sorted array of everything pending, in the order of the contract: soon
 * calls first, as scheduled; then timers by deadline, and among equal deadlines
 * as scheduled. What runs next is its first entry that the run may make.
 */
#ifndef TICKWHEEL_TESTS_MODEL_LEDGER_H
#define TICKWHEEL_TESTS_MODEL_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ledger_line {
    bool soon;
    uint64_t deadline;     /* ns */
    uint64_t order;        /* of scheduling; never repeats, never wraps */
    unsigned entry;        /* who */
};

struct ledger {
    struct ledger_line *lines;   /* the first one; what ran before it has left room in front */
    size_t count;
    struct ledger_line *memory;
    size_t room;                 /* lines from there on */
    uint64_t last_order;
};

void ledger_free(struct ledger *ledger);

/* Schedules the entry, which is not in the ledger. */
void ledger_add(struct ledger *ledger, unsigned entry, bool soon, uint64_t deadline);

/* Takes the entry out; it is in the ledger. */
void ledger_remove(struct ledger *ledger, unsigned entry);

/* The entry's line; NULL: it is not pending. */
const struct ledger_line *ledger_find(const struct ledger *ledger, unsigned entry);

/* What a run at `now` makes next of what was scheduled up to `last_order`: the
 * soon calls up to `last_soon`, then timers. NULL: nothing. */
const struct ledger_line *ledger_next(const struct ledger *ledger, uint64_t now,
                                      uint64_t last_order, uint64_t last_soon);

/* The earliest deadline of a timer; UINT64_MAX: none. */
uint64_t ledger_earliest(const struct ledger *ledger);

/* Whether a soon call is pending. */
bool ledger_has_soon(const struct ledger *ledger);

#endif
