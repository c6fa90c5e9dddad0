/* SPDX-License-Identifier: MIT */
/*
 * remote: calls with a deadline that other threads start, and cancel.
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
 * cancel needs no answer from the loop.
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

#include "memory.h"
#include "remote_pool.h"

struct remote {
    /* Any thread's. `newest` is in struct post_queue, where a run looks anyway. */
    _Alignas(64) _Atomic(uint64_t) started; /* calls, ever: the number of the last one */
    _Atomic(uint64_t) cancelled;            /* of them, or dropped */
    struct remote_pool pool;

    /* Told to other threads by the loop's. */
    _Alignas(64) _Atomic(uint64_t) over;    /* calls that have run */
    _Atomic(uint64_t) others;               /* calls and timers of the loop's own that are
                                               pending, if max_pending was given; at least */
    _Atomic(uint64_t) told_ns;              /* the loop's highest reading of the clock */
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

void remote_init(tw_loop *loop);
void remote_free(tw_loop *loop);

/* --------------------------------------------------------- the loop's thread only */

/* Arrivals that a bounded run looks at, some 70 ns each. */
#define REMOTE_SHORT ((size_t)4096)

/* Takes in what other threads have started and cancelled until now. */
void remote_collect(tw_loop *loop);

/* The same as far as REMOTE_SHORT goes; remote_has_arrivals says whether that is all.
 * Returns how many it has looked at. */
size_t remote_collect_bounded(tw_loop *loop);

/* A run begins: the same as far as its budget goes. Returns what is left of the budget: 0
 * if something is still to be taken in. */
size_t remote_begin_run(tw_loop *loop, size_t budget);

/* The loop's own pending calls have changed, or a call is about to be one of them. */
void remote_tell_others(tw_loop *loop, size_t others);

/* A call is due and has been taken out of its place: whether it may start, which a
 * cancel may have prevented. When it has returned it is over, and those that it called
 * in turn; NULL: every one, since longjmp or an exception has left them. */
bool remote_start_callback(tw_loop *loop, struct node *node);
void remote_end_callback(tw_loop *loop, struct node *node);

/* Hands each that is pending to drop(loop, callback, arg). How many. */
size_t remote_drop_all(tw_loop *loop,
                       void (*drop)(tw_loop *loop, tw_callback *callback, void *arg));

/* Gives memory back that no call needs. How many bytes. */
size_t remote_trim(tw_loop *loop);

/* Pushes a node that the caller has marked as linked. Any thread. */
struct post_queue;
void remote_push_arrival(struct post_queue *queue, struct remote_node *node);

/* What tw_cancel and its like do with a handle that is none of the loop's own. */
bool remote_cancel(tw_loop *loop, tw_handle handle);
bool remote_pending(const tw_loop *loop, tw_handle handle);
uint64_t remote_when_ns(const tw_loop *loop, tw_handle handle);
bool remote_reschedule(tw_loop *loop, tw_handle handle, uint64_t when_ns);

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

#endif
