/* SPDX-License-Identifier: MIT */
/*
 * embedded: timers that live in the caller's own structs, with a callback each, or
 * bare ones, for a loop whose timers all end in one function.
 *
 * What a loop holds of one is a single cell; a timer without a place is
 * known to no loop, and its memory is the caller's to free.
 *
 * The common cases tell by one comparison of the timer's state that this loop
 * holds it; so only the rare paths, and starts of what has no place, look whether
 * it is of the loop's kind.
 */
#include "check.h"
#include "guard.h"
#include "owner.h"
#include "record.h"

static TW_NOINLINE int fail(int error)
{
    errno = error;
    return -1;
}

/* ------------------------------------------------------- what both kinds have */

/* Whether the loop's timers are of this kind. */
TW_INLINE bool is_kind(const tw_loop *loop, bool bare)
{
    return loop->calendar.bare == bare;
}

TW_INLINE bool is_active(const tw_bare_timer *timer)
{
    return timer && timer_placed(timer) && !timer_parked(timer);
}

/* start_unplaced while starts are looked at, or where it takes more than a cell. */
static TW_NOINLINE int start_elsewhere(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns,
                                       unsigned slot)
{
    if (!guard_may_start(loop, when_ns))
        return -1;
    if (TW_UNLIKELY(calendar_start_elsewhere(&loop->calendar, timer, when_ns, 0, slot) != 0)) {
        if (!loop_restarts(loop, timer))
            return fail(ENOMEM);
        timer->state_ = 0;
        calendar_restart(&loop->calendar, timer, when_ns);
    }
    loop->counts.starts++;
    record_event(loop, TRACE_START, timer);
    return 0;
}

/* Starts a timer that no cell leads to. Whatever is rare is a last call, so that the rest
 * saves no registers. */
TW_INLINE int start_unplaced(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns, bool bare)
{
    if (TW_UNLIKELY(!is_kind(loop, bare) || (!bare && !timer_whole(timer)->callback_)))
        return fail(EINVAL);
    unsigned slot = calendar_slot_for(&loop->calendar, when_ns);
    if (TW_UNLIKELY(loop->guarded) ||
        !calendar_start_in_wheel(&loop->calendar, timer, when_ns, 0, slot))
        return start_elsewhere(loop, timer, when_ns, slot);
    loop->counts.starts++;
    return 0;
}

/* Moves a timer that has a place, parked or not, wherever to. */
static TW_NOINLINE int move(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns, bool bare)
{
    if (TW_UNLIKELY(!calendar_owns(&loop->calendar, timer)))
        return fail(is_kind(loop, bare) ? EBUSY : EINVAL);
    if (!loop_may_change(loop))
        return -1;
    bool parked = timer_parked(timer);
    if (parked && !guard_may_start(loop, when_ns))
        return -1;
    guard_move(loop, when_ns);
    calendar_move(&loop->calendar, timer, when_ns);
    record_event(loop, parked ? TRACE_START : TRACE_MOVE, timer);
    return 0;
}

/* Starts a timer that is parked in the wheel, for earlier. */
static TW_NOINLINE int unpark_closer(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns)
{
    calendar_move(&loop->calendar, timer, when_ns);
    return 0;
}

static TW_NOINLINE int start_unplaced_timer(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns)
{
    return start_unplaced(loop, timer, when_ns, false);
}

static TW_NOINLINE int start_unplaced_bare(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns)
{
    return start_unplaced(loop, timer, when_ns, true);
}

TW_INLINE int start_at(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns, bool bare)
{
    TW_ASSERT_OWNED(loop);
    struct calendar *calendar = &loop->calendar;
    int result = 0;
    /* An active timer that moves further out: an idle timeout is refreshed. */
    if (calendar_waits(calendar, timer, 0)) {
        if (TW_LIKELY(when_ns >= timer->deadline_))
            calendar_move_later(calendar, timer, when_ns);
        else
            result = move(loop, timer, when_ns, bare);
    } else if (!timer_placed(timer)) {
        result = bare ? start_unplaced_bare(loop, timer, when_ns)
                      : start_unplaced_timer(loop, timer, when_ns);
    /* A parked one: the timeout of the next request. */
    } else if (!loop->guarded && calendar_waits(calendar, timer, TIMER_PARKED)) {
        if (when_ns >= timer->deadline_)
            calendar_unpark_later(calendar, timer, when_ns);
        else
            result = unpark_closer(loop, timer, when_ns);
    } else {
        result = move(loop, timer, when_ns, bare);
    }
    TW_ASSERT_SOUND(loop);
    return result;
}

/* Whether this loop holds the timer, not NULL, and may let go of it; else, if it is
 * placed, EBUSY. */
static bool held_here(const tw_loop *loop, const tw_bare_timer *timer)
{
    if (!timer_placed(timer))
        return false;
    if (calendar_owns(&loop->calendar, timer))
        return loop_may_change(loop);
    errno = EBUSY;
    return false;
}

/* Stops a timer that does not simply wait in the wheel. Whether it was active. */
static TW_NOINLINE bool stop_elsewhere(tw_loop *loop, tw_bare_timer *timer)
{
    if (!held_here(loop, timer)) {
        if (TW_UNLIKELY(loop->recorder != NULL))
            record_forget(loop, timer);
        return false;
    }
    TW_PROBE_CANCEL(timer);
    bool active = !timer_parked(timer);
    loop->counts.stops += active;
    calendar_remove(&loop->calendar, timer);
    record_event(loop, TRACE_STOP, timer);
    return active;
}

TW_INLINE bool stop(tw_loop *loop, tw_bare_timer *timer)
{
    TW_ASSERT_OWNED(loop);
    bool active = true;
    if (calendar_remove_from_wheel(&loop->calendar, timer)) {
        TW_PROBE_CANCEL(timer);
        loop->counts.stops++;
    } else {
        active = stop_elsewhere(loop, timer);
    }
    TW_ASSERT_SOUND(loop);
    return active;
}

/* Parks a timer that does not simply wait in the wheel. */
static TW_NOINLINE void park_elsewhere(tw_loop *loop, tw_bare_timer *timer)
{
    if (!held_here(loop, timer) || timer_parked(timer))
        return;
    TW_PROBE_CANCEL(timer);
    loop->counts.stops += !calendar_park(&loop->calendar, timer);
    record_event(loop, TRACE_PARK, timer);
}

TW_INLINE void park(tw_loop *loop, tw_bare_timer *timer)
{
    TW_ASSERT_OWNED(loop);
    if (calendar_park_in_wheel(&loop->calendar, timer, 0))
        TW_PROBE_CANCEL(timer);
    else
        park_elsewhere(loop, timer);
    TW_ASSERT_SOUND(loop);
}

/* ------------------------------------------------------ timers with a callback */

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
    return timer && is_active(&timer->bare_);
}

uint64_t tw_timer_when_ns(const tw_timer *timer)
{
    return tw_timer_active(timer) ? timer->bare_.deadline_ : UINT64_MAX;
}

int tw_timer_start_at_ns(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (TW_UNLIKELY(!loop || !timer))
        return fail(EINVAL);
    return start_at(loop, &timer->bare_, when_ns, false);
}

int tw_timer_start_later_ns(tw_loop *loop, tw_timer *timer, uint64_t delay_ns)
{
    if (TW_UNLIKELY(!loop || !timer))
        return fail(EINVAL);
    uint64_t when_ns = bits_add_saturated(loop_now_for_starts(loop), delay_ns);
    return start_at(loop, &timer->bare_, when_ns, false);
}

int tw_timer_start_between_ns(tw_loop *loop, tw_timer *timer, uint64_t earliest_ns,
                              uint64_t latest_ns)
{
    if (TW_UNLIKELY(!loop || !timer || latest_ns < earliest_ns))
        return fail(EINVAL);
    bool held = is_active(&timer->bare_) && calendar_owns(&loop->calendar, &timer->bare_);
    uint64_t when_ns = timer->bare_.deadline_;
    if (held && when_ns >= earliest_ns && when_ns <= latest_ns)
        return 0;
    return start_at(loop, &timer->bare_, loop_point_between(loop, earliest_ns, latest_ns), false);
}

void tw_timer_stop(tw_loop *loop, tw_timer *timer)
{
    if (TW_UNLIKELY(!loop || !timer))
        errno = EINVAL;
    else
        (void)stop(loop, &timer->bare_);
}

void tw_timer_park(tw_loop *loop, tw_timer *timer)
{
    if (TW_UNLIKELY(!loop || !timer))
        errno = EINVAL;
    else
        park(loop, &timer->bare_);
}

/* ------------------------------------------------------------------ bare timers */

bool tw_bare_active(const tw_bare_timer *timer)
{
    return is_active(timer);
}

uint64_t tw_bare_when_ns(const tw_bare_timer *timer)
{
    return is_active(timer) ? timer->deadline_ : UINT64_MAX;
}

int tw_bare_start_at_ns(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns)
{
    if (TW_UNLIKELY(!loop || !timer))
        return fail(EINVAL);
    return start_at(loop, timer, when_ns, true);
}

int tw_bare_start_later_ns(tw_loop *loop, tw_bare_timer *timer, uint64_t delay_ns)
{
    if (TW_UNLIKELY(!loop || !timer))
        return fail(EINVAL);
    uint64_t when_ns = bits_add_saturated(loop_now_for_starts(loop), delay_ns);
    return start_at(loop, timer, when_ns, true);
}

bool tw_bare_stop(tw_loop *loop, tw_bare_timer *timer)
{
    if (TW_UNLIKELY(!loop || !timer || !is_kind(loop, true))) {
        errno = EINVAL;
        return false;
    }
    return stop(loop, timer);
}

void tw_bare_park(tw_loop *loop, tw_bare_timer *timer)
{
    if (TW_UNLIKELY(!loop || !timer || !is_kind(loop, true)))
        errno = EINVAL;
    else
        park(loop, timer);
}
