/* SPDX-License-Identifier: MIT */
/*
 * alarm: until when a loop sleeps, and what wakes it.
 *
 * The alarm is set anew only when it would go off too late, or has gone off. So
 * timers that come and go behind the next deadline cost no system call; the
 * price is one needless wake-up when the timer it was set for has been stopped.
 *
 * Between two runs the loop says in turn that it sleeps (alarm_fall_asleep) and that it
 * is awake (alarm_mark_awake); which of the wake-ups that others write is owed, and whose
 * mark is still there, follows from post_queue.reader and runner.wake_owed together:
 *
 *     reader   wake_owed
 *     AWAKE    no           no mark, and nobody writes one
 *     AWAKE    yes          a mark is there, or will be: whoever woke the loop came too late
 *     ASLEEP   no           the next who posts turns it into WOKEN, and writes
 *     WOKEN    no           somebody has turned it, and has written or will
 *     WOKEN    yes          the loop sleeps with a mark still owed: nobody is to write another
 */
#ifndef TW_ALARM_H
#define TW_ALARM_H

#include "loop.h"

/* Sets the alarm, unless it goes off early enough anyway. */
void alarm_set(tw_loop *loop, uint64_t when_ns);

/* Something was started that is due before loop->alarm_ns. */
void alarm_wake_earlier(tw_loop *loop, uint64_t when_ns);

/* Wakes the loop. Any thread that has claimed to do so. */
void alarm_wake(tw_loop *loop);

/* Says that the loop sleeps, until its alarm. */
void alarm_fall_asleep(tw_loop *loop);

/* The opposite: the loop will look at the queue before it sleeps again. woken: the
 * mark of a wake-up has just been taken away. */
void alarm_mark_awake(tw_loop *loop, bool woken);

/* Makes the descriptor readable. */
void alarm_make_readable(tw_loop *loop);

/* In a child, where the parent's descriptors are all there is: nobody sleeps. Returns
 * whether that is so. */
bool alarm_stays_awake(tw_loop *loop);

/* A run that came after a fork, without the calls that make new descriptors, would set
 * the alarm of the parent process: says so, in builds with TW_CHECKED >= 1. */
void alarm_expect_own_descriptors(const struct runner *runner);

#endif
