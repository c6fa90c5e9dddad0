/* SPDX-License-Identifier: MIT */
/*
 * alarm: the alarm, and the word by which other threads know whether the loop is awake;
 * see alarm.h and post.h.
 */
#include "alarm.h"

void alarm_set(tw_loop *loop, uint64_t when_ns)
{
    struct runner *runner = &loop->runner;
    TW_ASSERT(runner->process != 0); /* the back end is open */
    uint64_t armed_ns = runner->backend.armed_ns;
    if (armed_ns <= when_ns && armed_ns > loop->clock_ns)
        return;
    backend_arm(&runner->backend, when_ns);
    runner->alarms++;
}

void alarm_fall_asleep(tw_loop *loop)
{
    TW_ASSERT(post_reader(&loop->posts) == POST_AWAKE);
    post_alarm_is(&loop->posts, loop->runner.backend.armed_ns);
    post_reader_is(&loop->posts, loop->runner.wake_owed ? POST_WOKEN : POST_ASLEEP);
}

/* A loop that did not get to sleep is still awake, since nobody else says so: the load
 * spares a busy loop the exchange, 4 ns of 65 a turn. */
void alarm_mark_awake(tw_loop *loop, bool woken)
{
    if (post_reader(&loop->posts) == POST_AWAKE)
        return;
    if (post_reader_is(&loop->posts, POST_AWAKE) == POST_WOKEN)
        loop->runner.wake_owed = true;
    TW_ASSERT(!woken || loop->runner.wake_owed); /* S1: each mark is one that was owed */
    if (woken)
        loop->runner.wake_owed = false;
}

void alarm_wake(tw_loop *loop)
{
    /* A child's loop that has no descriptors of its own yet is awake: it only copied
     * the word that says otherwise, and looks at what has come before it sleeps. */
    if (!runner_inherited(&loop->runner))
        backend_wake(&loop->runner.backend);
}

void alarm_make_readable(tw_loop *loop)
{
    TW_ASSERT(loop->awaited);
    loop_watch_starts(loop, 0);
    if (post_reader_is(&loop->posts, POST_WOKEN) != POST_WOKEN && !loop->runner.wake_owed)
        backend_wake(&loop->runner.backend);
}

void alarm_expect_own_descriptors(const struct runner *runner)
{
#if TW_CHECKED >= 1
    if (runner_inherited(runner))
        tw_misuse("a loop with a tw_fd was used after fork before tw_fd was called again");
#else
    (void)runner;
#endif
}

bool alarm_stays_awake(tw_loop *loop)
{
    if (TW_LIKELY(!runner_inherited(&loop->runner)))
        return false;
    loop_watch_starts(loop, 0);
    return true;
}

void alarm_wake_earlier(tw_loop *loop, uint64_t when_ns)
{
    struct runner *runner = &loop->runner;
    alarm_expect_own_descriptors(runner);
    if (alarm_stays_awake(loop))
        return;
    if (when_ns <= loop->clock_ns) {
        alarm_make_readable(loop);
        return;
    }
    TW_ASSERT(when_ns < loop->alarm_ns && !loop->calendar.running); /* F7 */
    alarm_set(loop, loop_put_off(loop, when_ns));
    post_alarm_is(&loop->posts, runner->backend.armed_ns);
    loop_watch_starts(loop, runner->backend.armed_ns);
}
