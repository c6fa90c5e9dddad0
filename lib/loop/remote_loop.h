/* SPDX-License-Identifier: MIT */
/*
 * remote_loop: the loop's side of calls that other threads start (remote.h): taking them
 * in, making them, dropping them, and what its own thread asks of them by handle. For the
 * loop's thread only.
 */
#ifndef TW_REMOTE_LOOP_H
#define TW_REMOTE_LOOP_H

#include "loop.h"

void remote_init(tw_loop *loop);
void remote_free(tw_loop *loop);

/* Arrivals that a bounded run looks at, some 70 ns each. */
#define REMOTE_SHORT ((size_t)4096)

/* Takes in what other threads have started and cancelled until now. */
void remote_collect(tw_loop *loop);

/* The same as far as REMOTE_SHORT goes; loop_has_arrivals says whether that is all.
 * Returns how many it has looked at. */
size_t remote_collect_bounded(tw_loop *loop);

/* A run begins: the same as far as its budget goes. Returns what is left of the budget: 0
 * if something is still to be taken in. */
size_t remote_begin_run(tw_loop *loop, size_t budget);

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

/* What tw_pending and its like do with a handle that is none of the loop's own. */
bool remote_pending(const tw_loop *loop, tw_handle handle);
uint64_t remote_when_ns(const tw_loop *loop, tw_handle handle);
bool remote_reschedule(tw_loop *loop, tw_handle handle, uint64_t when_ns);

#endif
