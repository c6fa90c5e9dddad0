/* SPDX-License-Identifier: MIT */
/*
 * sleep: what is done between two runs of a loop that somebody sleeps for: tw_run_forever,
 * or an outer poller (loop.awaited).
 */
#ifndef TW_SLEEP_H
#define TW_SLEEP_H

#include "loop.h"

/* Gets ready to sleep. false: there is something to do at once. */
bool sleep_prepare(tw_loop *loop);

/* A run begins, and is over. */
void sleep_before_run(tw_loop *loop);
void sleep_after_run(tw_loop *loop);

/* A run that the loop was left in by a jump is over, and so is tw_run_forever. */
void sleep_run_left(tw_loop *loop);

#endif
