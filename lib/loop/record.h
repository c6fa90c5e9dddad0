/* SPDX-License-Identifier: MIT */
/*
 * record: writes down what happens to a loop's timers, as a trace.
 *
 * While nothing is recorded it costs the hot paths nothing: they compare a
 * timer's state with calendar.fast_state, or look at loop.guarded, anyway.
 * tw_record_start sets both so that every operation takes the long way round,
 * where record_event is.
 */
#ifndef TW_RECORD_H
#define TW_RECORD_H

#include "loop.h"
#include "trace_format.h"

/* Something has happened to the timer, or is about to, if it fires. For a run,
 * timer is NULL. */
void record_add(tw_loop *loop, enum trace_op op, const tw_bare_timer *timer);

/* The timer is not held here: if it was parked once, its id is free. */
void record_forget(tw_loop *loop, const tw_bare_timer *timer);

/* Something happens to a timer (NULL: the loop is run). Only for where the common
 * cases do not come through, or do much else. */
TW_INLINE void record_event(tw_loop *loop, enum trace_op op, const tw_bare_timer *timer)
{
    if (TW_UNLIKELY(loop->recorder != NULL))
        record_add(loop, op, timer);
}

#endif
