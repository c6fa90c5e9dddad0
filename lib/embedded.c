/*
 * embedded: timers that live in the caller's own structs.
 *
 * What a loop holds of one is a single cell; a timer without a place is
 * known to no loop, and its memory is the caller's to free.
 */
#include "loop.h"

static int fail(int error)
{
    errno = error;
    return -1;
}

void tw_timer_init(tw_timer *timer, tw_callback *callback, void *arg)
{
    if (!timer) {
        errno = EINVAL;
        return;
    }
    *timer = (tw_timer){.callback_ = callback, .arg_ = arg};
}

bool tw_timer_active(const tw_timer *timer)
{
    return timer && timer_placed(timer) && !timer_parked(timer);
}

uint64_t tw_timer_when_ns(const tw_timer *timer)
{
    return tw_timer_active(timer) ? timer->deadline_ : UINT64_MAX;
}

TW_INLINE int place(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (TW_UNLIKELY(calendar_start(&loop->calendar, timer, when_ns, 0) != 0))
        return fail(ENOMEM);
    loop->counts.starts++;
    return 0;
}

/* start, while the loop is guarded. */
static TW_NOINLINE int start_guarded(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (!loop_look_at_start(loop, when_ns) || place(loop, timer, when_ns) != 0)
        return -1;
    loop_record(loop, TRACE_START, timer);
    return 0;
}

/* Starts a timer that no cell leads to. */
TW_INLINE int start(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (TW_UNLIKELY(!timer->callback_))
        return fail(EINVAL);
    if (TW_UNLIKELY(loop->guarded))
        return start_guarded(loop, timer, when_ns);
    return place(loop, timer, when_ns);
}

/* Moves a timer that has a place, parked or not, wherever to. */
static TW_NOINLINE int move(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (TW_UNLIKELY(!calendar_owns(&loop->calendar, timer)))
        return fail(EBUSY);
    if (!loop_may_change(loop))
        return -1;
    bool parked = timer_parked(timer);
    if (parked && !loop_may_start(loop, when_ns))
        return -1;
    loop_look_at_move(loop, when_ns);
    calendar_move(&loop->calendar, timer, when_ns);
    loop_record(loop, parked ? TRACE_START : TRACE_MOVE, timer);
    return 0;
}

/* Any timer but an active one that moves further out. */
static TW_NOINLINE int start_or_move(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (!timer_placed(timer))
        return start(loop, timer, when_ns);
    /* A parked one: the timeout of the next request. */
    if (TW_LIKELY(!loop->guarded) && calendar_unpark(&loop->calendar, timer, when_ns, 0))
        return 0;
    return move(loop, timer, when_ns);
}

TW_INLINE int start_at(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    TW_ASSERT_OWNED(loop);
    int result = 0;
    /* An active timer that moves further out: an idle timeout is refreshed. */
    if (!calendar_push_back(&loop->calendar, timer, when_ns, 0))
        result = start_or_move(loop, timer, when_ns);
    TW_ASSERT_SOUND(loop);
    return result;
}

int tw_timer_start_at_ns(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    return TW_UNLIKELY(!loop || !timer) ? fail(EINVAL) : start_at(loop, timer, when_ns);
}

int tw_timer_start_later_ns(tw_loop *loop, tw_timer *timer, uint64_t delay_ns)
{
    if (TW_UNLIKELY(!loop || !timer))
        return fail(EINVAL);
    return start_at(loop, timer, bits_add_saturated(loop_read_clock(loop), delay_ns));
}

/* Whether this loop holds the timer, not NULL, and may let go of it; else, if it is
 * placed, EBUSY. */
static bool held_here(const tw_loop *loop, const tw_timer *timer)
{
    if (!timer_placed(timer))
        return false;
    if (calendar_owns(&loop->calendar, timer))
        return loop_may_change(loop);
    errno = EBUSY;
    return false;
}

/* Stops a timer that does not simply wait in the wheel. */
static TW_NOINLINE void stop(tw_loop *loop, tw_timer *timer)
{
    if (held_here(loop, timer)) {
        TW_PROBE_CANCEL(timer);
        loop->counts.stops += !timer_parked(timer);
        calendar_remove(&loop->calendar, timer);
        loop_record(loop, TRACE_STOP, timer);
    } else if (TW_UNLIKELY(loop->recorder != NULL)) {
        record_forget(loop, timer);
    }
}

void tw_timer_stop(tw_loop *loop, tw_timer *timer)
{
    if (TW_UNLIKELY(!loop || !timer)) {
        errno = EINVAL;
        return;
    }
    TW_ASSERT_OWNED(loop);
    if (calendar_remove_from_wheel(&loop->calendar, timer)) {
        TW_PROBE_CANCEL(timer);
        loop->counts.stops++;
    } else {
        stop(loop, timer);
    }
    TW_ASSERT_SOUND(loop);
}

/* Parks a timer that does not simply wait in the wheel. */
static TW_NOINLINE void park(tw_loop *loop, tw_timer *timer)
{
    if (!held_here(loop, timer) || timer_parked(timer))
        return;
    TW_PROBE_CANCEL(timer);
    loop->counts.stops += !calendar_park(&loop->calendar, timer);
    loop_record(loop, TRACE_PARK, timer);
}

void tw_timer_park(tw_loop *loop, tw_timer *timer)
{
    if (TW_UNLIKELY(!loop || !timer)) {
        errno = EINVAL;
        return;
    }
    TW_ASSERT_OWNED(loop);
    if (calendar_park_in_wheel(&loop->calendar, timer, 0))
        TW_PROBE_CANCEL(timer);
    else
        park(loop, timer);
    TW_ASSERT_SOUND(loop);
}
