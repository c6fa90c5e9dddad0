/* SPDX-License-Identifier: MIT */
/* A build with TW_HARDENED: a timer that was overwritten while it was active or parked
 * is noticed before anything is written to where it points. */
#include "support.h"

#include <signal.h>
#include <stdlib.h>

static tw_loop *loop;
static tw_timer timer, other;
static void *elsewhere[3];

static void ignore(void *arg)
{
    (void)arg;
}

static void (*before)(int number);

/* abort goes on when it has returned. */
static void watch(int number)
{
    if (elsewhere[0] || elsewhere[1] || elsewhere[2])
        _Exit(1);
    if (before != SIG_DFL && before != SIG_ERR)
        before(number);
}

/* Two timers in one place, of which one has been led to memory that is none of ours. */
static void overwrite(uint64_t delay_ns)
{
    before = signal(SIGABRT, watch);
    loop = tw_loop_new(NULL);
    tw_timer_init(&timer, ignore, NULL);
    tw_timer_init(&other, ignore, NULL);
    tw_timer_start_later_ns(loop, &timer, delay_ns);
    tw_timer_start_later_ns(loop, &other, delay_ns);
    timer.bare_.place_ = &elsewhere[1];
}

#define SECONDS UINT64_C(1000000000)

Test(hardened, overwritten_timer_is_not_stopped, .signal = SIGABRT)
{
    overwrite(5 * SECONDS);
    tw_timer_stop(loop, &timer);
}

Test(hardened, overwritten_timer_beyond_the_span_is_not_stopped, .signal = SIGABRT)
{
    overwrite(100000 * SECONDS);
    tw_timer_stop(loop, &timer);
}

Test(hardened, overwritten_timer_that_is_due_is_not_stopped, .signal = SIGABRT)
{
    overwrite(0);
    tw_timer_stop(loop, &timer);
}

Test(hardened, overwritten_timer_is_not_moved_closer, .signal = SIGABRT)
{
    overwrite(5 * SECONDS);
    tw_timer_start_later_ns(loop, &timer, 1);
}

Test(hardened, overwritten_parked_timer_is_not_stopped, .signal = SIGABRT)
{
    overwrite(5 * SECONDS);
    tw_timer_park(loop, &timer);
    tw_timer_stop(loop, &timer);
}

static uint64_t now_ns = UINT64_C(1000000) << 20;

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now_ns;
}

/* It waits in a sorted run: its tick has begun, its time has not come. */
Test(hardened, overwritten_timer_of_the_open_tick_is_not_stopped, .signal = SIGABRT)
{
    tw_options options = {.size = sizeof options, .clock = read_clock};
    overwrite(SECONDS);
    loop = tw_loop_new(&options);
    for (int i = 0; i < 2; i++) {
        tw_timer_init(i ? &other : &timer, ignore, NULL);
        tw_timer_start_at_ns(loop, i ? &other : &timer, now_ns + 1000);
    }
    now_ns++;
    tw_run(loop);
    timer.bare_.place_ = &elsewhere[1];
    tw_timer_stop(loop, &timer);
}

/* Whose state is whole, but not the place that its cell should have. */
Test(hardened, overwritten_timer_is_not_run, .signal = SIGABRT)
{
    tw_options options = {.size = sizeof options, .clock = read_clock};
    overwrite(SECONDS);
    loop = tw_loop_new(&options);
    tw_timer_init(&timer, ignore, NULL);
    tw_timer_start_at_ns(loop, &timer, now_ns + SECONDS);
    timer.bare_.place_ = &elsewhere[1];
    now_ns += SECONDS;
    tw_run(loop);
}

/* In a bucket, in a sorted run, and in one that other timers are taken out of. */
Test(hardened, sound_timers_are_stopped_and_moved)
{
    tw_options options = {.size = sizeof options, .clock = read_clock};
    loop = tw_loop_new(&options);
    for (int open = 0; open < 2; open++) {
        for (int i = 0; i < 2; i++) {
            tw_timer_init(i ? &other : &timer, ignore, NULL);
            tw_timer_start_at_ns(loop, i ? &other : &timer, now_ns + (open ? 1000 : SECONDS));
        }
        now_ns++;
        tw_run(loop);
        cr_assert_eq(tw_timer_start_at_ns(loop, &other, now_ns + 2 * SECONDS), 0);
        tw_timer_stop(loop, &timer);
        tw_timer_stop(loop, &other);
        cr_assert_eq(tw_pending_count(loop), 0u);
        cr_assert_null(tw_check(loop));
    }
    tw_loop_free(loop);
}
