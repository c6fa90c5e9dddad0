/* SPDX-License-Identifier: MIT */
/*
 * sleep: getting ready to sleep when a run is over, and saying that the loop is awake when
 * one begins.
 */
#include "sleep.h"

#include "alarm.h"

/* Calls that other threads start meanwhile may change until when; but if they do so
 * again and again, the loop is better run. */
bool sleep_prepare(tw_loop *loop)
{
    TW_ASSERT(loop->awaited && !loop->calendar.running);
    /* by a race alone: three arrivals in three attempts */
    for (unsigned attempts = 0; attempts < 3; attempts++) {
        uint64_t now_ns = loop_read_clock(loop); /* first: what is due by it is not put off */
        uint64_t next_ns = tw_next_ns(loop);
        if (next_ns <= now_ns)
            return false;
        alarm_set(loop, next_ns);
        alarm_fall_asleep(loop);
        if (post_waiting(&loop->posts))
            return false;
        if (!post_has_arrivals(&loop->posts))
            return true;
        alarm_mark_awake(loop, false);
    }
    return false;
}

void sleep_before_run(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    alarm_expect_own_descriptors(runner);
    loop_watch_starts(loop, 0);
    if (runner->driver || alarm_stays_awake(loop))
        return; /* tw_run_forever goes to sleep and wakes by itself */
    alarm_mark_awake(loop, false);
    /* An outer poller is not to see the mark again. */
    if (runner->wake_owed && backend_wait(&runner->backend, false) > 0)
        runner->wake_owed = false;
}

void sleep_after_run(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    if (runner->driver || alarm_stays_awake(loop))
        return; /* the callbacks that have just run may have forked */
    if (sleep_prepare(loop))
        loop_watch_starts(loop, runner->backend.armed_ns);
    else
        alarm_make_readable(loop);
}

void sleep_run_left(tw_loop *loop)
{
    struct runner *runner = &loop->runner;
    runner->driver = NULL;
    runner->ends_empty = false;
    atomic_store(&loop->remote.ends_empty, false);
    loop_note_awaited(loop);
}
