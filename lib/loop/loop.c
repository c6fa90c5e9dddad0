/* SPDX-License-Identifier: MIT */
/*
 * loop: the lock around hooks, and the moment that is chosen of a window.
 */
#include "loop.h"

void loop_set_short_cuts(tw_loop *loop)
{
    calendar_allow_short_cuts(&loop->calendar, !loop->recorder && !loop->locked);
    loop->plain_calls = loop_calls_plainly(loop);
    loop_watch_starts(loop, loop->alarm_ns);
}

void loop_lock(tw_loop *loop)
{
    if (loop->locked++ > 0)
        return;
    loop->unlocked_ready_ns = loop->calendar.ready_ns;
    loop_set_short_cuts(loop);
}

void loop_unlock(tw_loop *loop)
{
    TW_ASSERT(loop->locked > 0);
    if (--loop->locked > 0)
        return;
    loop_set_short_cuts(loop);
    loop->calendar.ready_ns = loop->unlocked_ready_ns;
}

uint64_t loop_point_between(tw_loop *loop, uint64_t earliest_ns, uint64_t latest_ns)
{
    if (latest_ns - earliest_ns < loop->slack_ns) {
        if (earliest_ns > loop->sharp_until_ns)
            loop->sharp_until_ns = earliest_ns;
        return earliest_ns;
    }
    uint64_t high = latest_ns - loop->slack_ns;
    uint64_t low = earliest_ns > loop->clock_ns ? earliest_ns : loop->clock_ns;
    return low < high ? bits_roundest(low, high) : high;
}
