/*
 * embedded: timers that live in the caller's own structs.
 *
 * What a loop holds of one is a single cell; a timer whose place_ is NULL is
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
    return timer && timer->place_ && !timer_parked(timer);
}

uint64_t tw_timer_when_ns(const tw_timer *timer)
{
    return tw_timer_active(timer) ? timer->deadline_ : UINT64_MAX;
}

/* Starts a timer that is not active. */
static int start(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (!loop_may_start(loop))
        return -1;
    if (timer->place_) {
        calendar_move(&loop->calendar, timer, when_ns);
    } else {
        timer->order_ = 0;
        if (calendar_start(&loop->calendar, timer, when_ns) != 0)
            return fail(ENOMEM);
    }
    loop_count_start(loop);
    return 0;
}

/* All but the commonest cases. */
static int start_or_move(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (!timer->callback_)
        return fail(EINVAL);
    if (timer->place_ && !calendar_owns(&loop->calendar, timer))
        return fail(EBUSY);
    if (!tw_timer_active(timer))
        return start(loop, timer, when_ns);
    calendar_move(&loop->calendar, timer, when_ns);
    loop->rearmed++;
    return 0;
}

/* A timer of ours with a place that moves further out: an idle timeout that is
 * refreshed, a request's timeout that was parked. Answers whether it was that,
 * and is done. */
TW_INLINE bool push_back(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    if (!timer->place_ || TW_UNLIKELY(!calendar_owns(&loop->calendar, timer)))
        return false;
    bool parked = timer_parked(timer);
    if (parked && TW_UNLIKELY(loop->pending >= loop->max_pending))
        return false;
    if (!calendar_push_back(&loop->calendar, timer, when_ns))
        return false;
    loop->pending += parked;
    loop->started += parked;
    loop->rearmed += !parked;
    return true;
}

TW_INLINE int start_at(tw_loop *loop, tw_timer *timer, uint64_t when_ns)
{
    int result = 0;
    if (!push_back(loop, timer, when_ns))
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

/* Whether this loop holds the timer; else, if another one does, EBUSY. */
static bool held_here(const tw_loop *loop, const tw_timer *timer)
{
    if (TW_UNLIKELY(!loop || !timer)) {
        errno = EINVAL;
        return false;
    }
    if (!timer->place_)
        return false;
    if (TW_LIKELY(calendar_owns(&loop->calendar, timer)))
        return true;
    errno = EBUSY;
    return false;
}

void tw_timer_stop(tw_loop *loop, tw_timer *timer)
{
    if (!held_here(loop, timer))
        return;
    if (!timer_parked(timer))
        loop_count_cancel(loop);
    calendar_remove(&loop->calendar, timer);
    TW_ASSERT_SOUND(loop);
}

void tw_timer_park(tw_loop *loop, tw_timer *timer)
{
    if (!held_here(loop, timer) || timer_parked(timer))
        return;
    calendar_park(&loop->calendar, timer);
    loop_count_cancel(loop);
    TW_ASSERT_SOUND(loop);
}
