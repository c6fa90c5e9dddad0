/* SPDX-License-Identifier: MIT */
/*
 * trial: what the integrations with_*.c are put to. A wheel sleeps, with nothing
 * due for an hour, when an event of the other loop starts thousands of timers
 * within the next two seconds: so that a wheel which is not woken earlier than
 * was planned never ends. Some of them start others from their callbacks, up to
 * TRIAL_TIMERS in all. Each checks by CLOCK_MONOTONIC that it is not early, that
 * it is called once, and that it comes after every call with an earlier deadline
 * or with the same deadline and an earlier start.
 */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <tickwheel.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TRIAL_TIMERS 10000
#define TRIAL_EVENT_MS 50 /* when the other loop is to call trial_event */

/* Makes the wheel, with its one far timer. argv[1], if there is one, is the seed
 * of the delays; it is printed. */
tw_loop *trial_new(int argc, char **argv);

/* For the other loop's event: starts the timers. */
void trial_event(void);

/* Whether all have been called. The far timer is then stopped as well, and the
 * wheel has nothing pending. */
bool trial_over(void);

/* Frees the wheel and prints what was seen.
 *   name   of the integration
 *   turns  how often the other loop woke
 * Returns the exit code: 1 if a check failed, or if there were more turns than
 * timers could have asked for. */
int trial_end(const char *name, size_t turns);

#ifdef __cplusplus
}
#endif

#endif
