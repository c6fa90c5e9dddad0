/* SPDX-License-Identifier: MIT */
/*
 * next: when the loop is to be run next.
 */
#include <limits.h>

#include "owner.h"
#include "remote_loop.h"

uint64_t tw_next_ns(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return UINT64_MAX;
    }
    TW_ASSERT_OWNED(loop);
    struct calendar *calendar = &loop->calendar;
    if (!loop_may_change(loop)) /* finding it out moves timers */
        return loop->now_ns;
    if (TW_UNLIKELY(loop_has_arrivals(loop)))
        (void)remote_collect_bounded(loop);
    if (calendar->soon_pending > 0 || post_waiting(&loop->posts) || loop_has_arrivals(loop))
        return loop->now_ns;
    uint64_t next = loop_pending(loop) > 0 ? calendar_next_ns(calendar) : BITS_NEVER;
    if (next <= loop->clock_ns || next == BITS_NEVER)
        return next; /* what is due already is not put off */
    return loop_put_off(loop, next);
}

uint64_t tw_earliest_ns(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return UINT64_MAX;
    }
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop)) /* finding it out may move timers */
        return loop->now_ns;
    remote_collect(loop);
    struct calendar *calendar = &loop->calendar;
    if (calendar->soon_pending > 0 || post_waiting(&loop->posts))
        return loop->now_ns;
    return calendar_earliest_ns(calendar);
}

int tw_timeout_ms(tw_loop *loop)
{
    uint64_t now_ns = loop ? loop_read_clock(loop) : 0;
    uint64_t next_ns = tw_next_ns(loop);
    if (next_ns == BITS_NEVER)
        return -1;
    if (next_ns <= now_ns)
        return 0;
    uint64_t wait_ns = next_ns - now_ns;
    uint64_t wait_ms = wait_ns / 1000000 + (wait_ns % 1000000 != 0);
    return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}
