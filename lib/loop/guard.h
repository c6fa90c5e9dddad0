/* SPDX-License-Identifier: MIT */
/*
 * guard: what must be looked at before something starts or moves: whether the loop may
 * change, whether max_pending allows it, whether the alarm goes off in time.
 *
 * Starts, the hot path, look at one flag, loop.guarded, which says whether any of it can
 * be so (loop_must_guard).
 */
#ifndef TW_GUARD_H
#define TW_GUARD_H

#include "alarm.h"

/* Something pending moves to this deadline. */
TW_INLINE void guard_move(tw_loop *loop, uint64_t when_ns)
{
    if (TW_UNLIKELY(when_ns < loop->alarm_ns))
        alarm_wake_earlier(loop, when_ns);
}

/* The start of something while the loop is guarded: whether it may be started
 * all the same; else sets errno. */
bool guard_look_at_start(tw_loop *loop, uint64_t when_ns);

/* Whether something not pending may be started now, to be due at when_ns (0 for
 * soon calls); else sets errno. */
TW_INLINE bool guard_may_start(tw_loop *loop, uint64_t when_ns)
{
    return TW_LIKELY(!loop->guarded) || guard_look_at_start(loop, when_ns);
}

#endif
