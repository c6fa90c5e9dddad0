/* SPDX-License-Identifier: MIT */
/*
 * remote: calls with a deadline that other threads start, and cancel: what both sides
 * share. The loop's side is in remote_loop.c, that of the others in remote_call.c.
 *
 *     any thread                       |  the loop's thread
 *                                      |
 *     start ──> POSTED ─────arrive─────┼──> SCHEDULED ──due──> RUNNING ──> FREE
 *                 │                    |        │
 *     cancel ─────┴──> FREE            |        │
 *     cancel ──────────────────────────┼────────┴──> CANCELLED ──arrive──> FREE
 *
 * Each arrow is one compare-and-swap on the node's state, which holds the
 * generation, too: so whoever makes it has won, and a stale handle wins nothing. A
 * cancel need not wait for the loop.
 *
 *     arrivals   newest ──> ... ──> oldest     a stack: any thread pushes, the loop
 *                                              takes it whole
 *
 * What the loop has to see, a start or the cancel of what it has scheduled, is
 * pushed onto the stack of arrivals. A call that is cancelled before the loop has
 * seen it is free at once, though it is still linked in the stack; and is the next to
 * be taken for another start, which then finds it linked and need not push it. So
 * any number of starts and cancels leaves memory where it was, even if the loop
 * sleeps all the while.
 *
 * A sleeping loop is woken as by a post (post.h), but only for a call that is due
 * before its alarm.
 *
 * A stack that the loop has taken is looked at from its newest call on, in bounded runs
 * as far as their budgets go; until it has been looked at to its end, nothing is given
 * out by them. Each call brings the number of its start, which its sequence number is made
 * of: so nothing has to be turned round or sorted.
 *
 * The callbacks under way are linked through node.next. Invariants X1 to X9: see
 * docs/DESIGN.md.
 */
#ifndef TW_REMOTE_H
#define TW_REMOTE_H

#include "post.h"
#include "remote_pool.h"

struct remote {
    /* Any thread's. `arrivals` is in struct post_queue, where a run looks anyway. */
    _Alignas(64) _Atomic(uint64_t) started; /* calls, ever: the number of the last one */
    _Atomic(uint64_t) cancelled;            /* of them, or dropped */
    struct remote_pool pool;

    /* Told to other threads by the loop's. */
    _Alignas(64) _Atomic(uint64_t) over;    /* calls that have run */
    _Atomic(uint64_t) others;               /* calls and timers of the loop's own that are
                                               pending, if max_pending was given; at least */
    _Atomic(uint64_t) reported_ns;          /* the loop's highest reading of the clock */
    _Atomic(const void *) thread;           /* that makes, or made, such a call last */
    atomic_bool ends_empty;                 /* tw_run_until_empty is under way */
    uint64_t (*clock)(void *clock_arg);     /* these never change */
    void *clock_arg;
    uint64_t slack_ns;
    uint64_t pending_cap;                   /* UINT64_MAX: none */

    /* The loop's. */
    _Alignas(64) uint64_t placed;           /* calls that were given a place in the calendar */
    uint64_t taken_out;                     /* of them lost it by being cancelled */
    uint64_t left;                          /* by running */
    struct remote_node *running;            /* the callbacks under way, the innermost first */
    struct remote_node *arrived;            /* a stack that was taken, as far as it is still to be
                                               looked at; NULL: none */
    uint64_t first, last;                   /* its calls have numbers above the first, up to the
                                               last; others have come late, or anew */
    uint64_t sequence;                      /* the sequence numbers after it are theirs */
};

/* Of all such calls, ever: started and cancelled, and not yet over. */
struct remote_tally {
    uint64_t started, cancelled, live;
};
struct remote_tally remote_counts(const struct remote *remote);

/* Those of them that are in the calendar. */
TW_INLINE uint64_t remote_placed(const struct remote *remote)
{
    return remote->placed - remote->taken_out - remote->left;
}

/* The loop's own pending calls have changed, or a call is about to be one of them. */
TW_INLINE void remote_report_pending(struct remote *remote, size_t others)
{
    atomic_store_explicit(&remote->others, others, memory_order_relaxed);
}

/* Pushes a node that the caller has marked as linked. Any thread. */
void remote_push_arrival(struct post_queue *queue, struct remote_node *node);

#endif
