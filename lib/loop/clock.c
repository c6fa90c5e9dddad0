/* SPDX-License-Identifier: MIT */
/*
 * clock: the clocks that there are, and what time it is.
 */
#include "clock.h"

#include "owner.h"

static uint64_t monotonic_clock(void *arg)
{
    (void)arg;
    return port_clock_ns();
}

static uint64_t boottime_clock(void *arg)
{
    (void)arg;
    return backend_clock_ns(TW_CLOCK_BOOTTIME);
}

/* options.clock, which may use the loop: what asks it for the time meanwhile gets
 * the latest reading. */
static uint64_t given_clock(void *arg)
{
    tw_loop *loop = arg;
    if (TW_UNLIKELY(loop->reading))
        return loop->clock_ns;
    loop->reading = true;
    uint64_t reading = loop->given_clock(loop->given_clock_arg);
    loop->reading = false;
    return reading;
}

void clock_choose(tw_loop *loop, const tw_options *options)
{
    loop->own_clock = options->clock != NULL;
    loop->given_clock = options->clock;
    loop->given_clock_arg = options->clock_arg;
    loop->clock_arg = loop;
    if (options->clock)
        loop->clock = given_clock;
    else
        loop->clock = options->clock_id == TW_CLOCK_BOOTTIME ? boottime_clock : monotonic_clock;
}

double tw_time(tw_loop *loop)
{
    if (!loop)
        return __builtin_nan("");
    TW_ASSERT_OWNED(loop);
    return (double)loop_read_clock(loop) / 1e9;
}

uint64_t tw_time_ns(tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop_read_clock(loop);
}

uint64_t tw_update_now(tw_loop *loop)
{
    return tw_time_ns(loop);
}

uint64_t tw_now_ns(const tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop->now_ns;
}
