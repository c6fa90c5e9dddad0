/* SPDX-License-Identifier: MIT */
/*
 * call: calls by handle.
 *
 * A cancelled call's node keeps its cell, parked, and is the next to be taken:
 * so the cancel and call_later of a usual request timeout touch one cache line
 * and never the wheel.
 */
#include "check.h"
#include "context.h"
#include "guard.h"
#include "owner.h"
#include "record.h"
#include "remote_call.h"
#include "remote_loop.h"

/* ------------------------------------------------------------------- starting */

static TW_NOINLINE bool refuse(void)
{
    errno = EINVAL;
    return false;
}

static bool is_nan(double x)
{
    return x != x;
}

/* Everything a call needs but its place. NULL: errno says why. */
TW_INLINE struct node *new_call(tw_loop *loop, tw_callback *callback, void *arg)
{
    struct node *node = pool_take(&loop->pool);
    if (!node) {
        errno = ENOMEM;
        return NULL;
    }
    node->timer.callback_ = callback;
    node->timer.arg_ = arg;
    return node;
}

/* There was no memory for the call's place. */
static tw_handle give_up_call(tw_loop *loop, struct node *node)
{
    pool_give(&loop->pool, node);
    errno = ENOMEM;
    return 0;
}

/* The call has its place, by this operation. */
static tw_handle finish_call(tw_loop *loop, struct node *node, tw_context *context,
                             enum trace_op op)
{
    node->context = context ? context : loop->context;
    context_retain(loop, node->context);
    record_event(loop, op, &node->timer.bare_);
    TW_ASSERT_SOUND(loop);
    return pool_handle(node);
}

/* Gives the call a place, or moves the one that a cancelled call's node still has. false:
 * there is no memory. */
TW_INLINE bool place_call(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns)
{
    if (TW_LIKELY(calendar_unpark(&loop->calendar, timer, when_ns, TIMER_NODE)))
        return true;
    if (timer_placed(timer)) {
        calendar_move(&loop->calendar, timer, when_ns);
        return true;
    }
    if (TW_UNLIKELY(calendar_start(&loop->calendar, timer, when_ns, TIMER_NODE) != 0)) {
        if (!loop_restarts(loop, timer))
            return false;
        timer->state_ = TIMER_NODE;
        calendar_restart(&loop->calendar, timer, when_ns);
    }
    loop->counts.starts++;
    return true;
}

/* start_call while starts are looked at, or where it takes more than a cell. */
static TW_NOINLINE tw_handle start_call_elsewhere(tw_loop *loop, uint64_t when_ns,
                                                  uint64_t interval_ns, tw_callback *callback,
                                                  void *arg, tw_context *context)
{
    if (!guard_may_start(loop, when_ns))
        return 0;
    struct node *node = new_call(loop, callback, arg);
    if (!node)
        return 0;
    node->interval_ns = interval_ns;
    if (!place_call(loop, &node->timer.bare_, when_ns))
        return give_up_call(loop, node);
    return finish_call(loop, node, context, TRACE_START);
}

static TW_NOINLINE tw_handle handle_with_context(tw_loop *loop, struct node *node)
{
    context_retain(loop, node->context);
    return pool_handle(node);
}

/* The first of the free nodes has got its place: it becomes a call. */
TW_INLINE tw_handle hand_out(tw_loop *loop, struct node *node, tw_callback *callback, void *arg,
                             uint64_t interval_ns, tw_context *context)
{
    pool_take_first(&loop->pool);
    node->timer.callback_ = callback;
    node->timer.arg_ = arg;
    node->interval_ns = interval_ns;
    node->context = context;
    TW_ASSERT_SOUND(loop);
    return context ? handle_with_context(loop, node) : pool_handle(node);
}

/* Gives the first of the free nodes its place, where that takes no more than a cell: one
 * that has none, or one that was cancelled, and is parked, and is due later now. Else
 * does nothing. */
TW_INLINE bool place_first(tw_loop *loop, tw_bare_timer *timer, uint64_t when_ns)
{
    struct calendar *calendar = &loop->calendar;
    if (timer_placed(timer)) {
        if (TW_UNLIKELY(!calendar_waits(calendar, timer, TIMER_NODE | TIMER_PARKED)) ||
            TW_UNLIKELY(when_ns < timer->deadline_))
            return false;
        calendar_unpark_later(calendar, timer, when_ns);
        return true;
    }
    unsigned slot = calendar_slot_for(calendar, when_ns);
    if (!calendar_start_in_wheel(calendar, timer, when_ns, TIMER_NODE, slot))
        return false;
    loop->counts.starts++;
    return true;
}

/* The common cases stand here, and what is rare is called last: so no registers are
 * saved. */
TW_INLINE tw_handle start_call(tw_loop *loop, uint64_t when_ns, uint64_t interval_ns,
                               tw_callback *callback, void *arg, tw_context *context)
{
    TW_ASSERT_OWNED(loop);
    struct node *node = loop->pool.free;
    if (!node || loop->guarded || !place_first(loop, &node->timer.bare_, when_ns))
        return start_call_elsewhere(loop, when_ns, interval_ns, callback, arg, context);
    return hand_out(loop, node, callback, arg, interval_ns, context ? context : loop->context);
}

/* tw_call_soon while starts are looked at, or where it takes more than a cell. */
static TW_NOINLINE tw_handle start_soon_call_elsewhere(tw_loop *loop, tw_callback *callback,
                                                       void *arg)
{
    if (!guard_may_start(loop, 0))
        return 0;
    struct node *node = new_call(loop, callback, arg);
    if (!node)
        return 0;
    node->interval_ns = 0;
    if (timer_placed(&node->timer.bare_))
        calendar_remove(&loop->calendar, &node->timer.bare_);
    if (calendar_start_soon(&loop->calendar, &node->timer.bare_, loop->now_ns) != 0)
        return give_up_call(loop, node);
    loop->soon_cut = false;
    loop->counts.starts++;
    return finish_call(loop, node, NULL, TRACE_SOON);
}

/* As start_call. */
tw_handle tw_call_soon(tw_loop *loop, tw_callback *callback, void *arg)
{
    if (!loop || !callback)
        return refuse();
    TW_ASSERT_OWNED(loop);
    struct node *node = loop->pool.free;
    if (!node || loop->guarded || timer_placed(&node->timer.bare_) ||
        !calendar_start_soon_hot(&loop->calendar, &node->timer.bare_, loop->now_ns))
        return start_soon_call_elsewhere(loop, callback, arg);
    loop->soon_cut = false;
    loop->counts.starts++;
    return hand_out(loop, node, callback, arg, 0, loop->context);
}

tw_handle tw_call_later_ns(tw_loop *loop, uint64_t delay_ns, tw_callback *callback, void *arg)
{
    if (!loop || !callback)
        return refuse();
    uint64_t when_ns = bits_add_saturated(loop_now_for_starts(loop), delay_ns);
    return start_call(loop, when_ns, 0, callback, arg, NULL);
}

tw_handle tw_call_at_ns(tw_loop *loop, uint64_t when_ns, tw_callback *callback, void *arg)
{
    if (!loop || !callback)
        return refuse();
    return start_call(loop, when_ns, 0, callback, arg, NULL);
}

tw_handle tw_call_between_ns(tw_loop *loop, uint64_t earliest_ns, uint64_t latest_ns,
                             tw_callback *callback, void *arg)
{
    if (!loop || !callback || latest_ns < earliest_ns)
        return refuse();
    uint64_t when_ns = loop_point_between(loop, earliest_ns, latest_ns);
    return start_call(loop, when_ns, 0, callback, arg, NULL);
}

tw_handle tw_call_every_ns(tw_loop *loop, uint64_t interval_ns, tw_callback *callback, void *arg)
{
    if (!loop || !callback || interval_ns == 0)
        return refuse();
    uint64_t when_ns = bits_add_saturated(loop_now_for_starts(loop), interval_ns);
    return start_call(loop, when_ns, interval_ns, callback, arg, NULL);
}

tw_handle tw_call_later_in(tw_loop *loop, double delay, tw_callback *callback, void *arg,
                           tw_context *context)
{
    if (!loop || !callback || is_nan(delay))
        return refuse();
    uint64_t when_ns = bits_add_saturated(loop_now_for_starts(loop), bits_ns_from_seconds(delay));
    return start_call(loop, when_ns, 0, callback, arg, context);
}

tw_handle tw_call_at_in(tw_loop *loop, double when, tw_callback *callback, void *arg,
                        tw_context *context)
{
    if (!loop || !callback || is_nan(when))
        return refuse();
    return start_call(loop, bits_ns_from_seconds(when), 0, callback, arg, context);
}

tw_handle tw_call_later(tw_loop *loop, double delay, tw_callback *callback, void *arg)
{
    return tw_call_later_in(loop, delay, callback, arg, NULL);
}

tw_handle tw_call_at(tw_loop *loop, double when, tw_callback *callback, void *arg)
{
    return tw_call_at_in(loop, when, callback, arg, NULL);
}

tw_handle tw_call_every(tw_loop *loop, double interval, tw_callback *callback, void *arg)
{
    if (!(interval > 0))
        return refuse();
    return tw_call_every_ns(loop, bits_ns_from_seconds(interval), callback, arg);
}

/* ------------------------------------------------- asking, cancelling, moving */

static struct node *find(const tw_loop *loop, tw_handle handle)
{
    if (TW_UNLIKELY(!loop)) {
        errno = EINVAL;
        return NULL;
    }
    TW_ASSERT_OWNED(loop);
    return pool_find(&loop->pool, handle);
}

/* The same for where a call as the last step takes care of the rest: NULL if a second
 * look is needed. */
TW_INLINE struct node *find_at_once(const tw_loop *loop, tw_handle handle)
{
    return TW_LIKELY(loop != NULL) ? pool_find_at_once(&loop->pool, handle) : NULL;
}

TW_INLINE bool cancel_found(tw_loop *loop, struct node *node)
{
    TW_PROBE_CANCEL(&node->timer.bare_);
    if (!calendar_park_in_wheel(&loop->calendar, &node->timer.bare_, TIMER_NODE)) {
        if (!loop_may_change(loop))
            return false;
        loop->counts.stops += !calendar_park(&loop->calendar, &node->timer.bare_);
        record_event(loop, TRACE_STOP, &node->timer.bare_);
    }
    tw_context *context = pool_retire(&loop->pool, node);
    TW_ASSERT_SOUND(loop);
    context_release(context);
    return true;
}

static TW_NOINLINE bool cancel_elsewhere(tw_loop *loop, tw_handle handle)
{
    struct node *node = find(loop, handle);
    if (node)
        return cancel_found(loop, node);
    return loop && loop_may_change(loop) && remote_cancel(loop, handle);
}

bool tw_cancel(tw_loop *loop, tw_handle handle)
{
    struct node *node = find_at_once(loop, handle);
    if (!node)
        return cancel_elsewhere(loop, handle);
    TW_ASSERT_OWNED(loop);
    return cancel_found(loop, node);
}

bool tw_pending(const tw_loop *loop, tw_handle handle)
{
    return find(loop, handle) != NULL || (loop && remote_pending(loop, handle));
}

uint64_t tw_when_ns(const tw_loop *loop, tw_handle handle)
{
    const struct node *node = find(loop, handle);
    if (!node)
        return loop ? remote_when_ns(loop, handle) : UINT64_MAX;
    return node->timer.bare_.deadline_;
}

bool tw_set_interval_ns(tw_loop *loop, tw_handle handle, uint64_t interval_ns)
{
    struct node *node = find(loop, handle);
    if (!node && !(loop && remote_pending(loop, handle)))
        return false;
    if (!node || interval_ns == 0 || node->interval_ns == 0)
        return refuse(); /* calls of other threads run once */
    if (!loop_may_change(loop))
        return false;
    node->interval_ns = interval_ns;
    return true;
}

TW_INLINE bool reschedule_found(tw_loop *loop, struct node *node, uint64_t when_ns)
{
    tw_bare_timer *timer = &node->timer.bare_;
    if (TW_LIKELY(calendar_waits(&loop->calendar, timer, TIMER_NODE) &&
                  when_ns >= timer->deadline_)) {
        calendar_move_later(&loop->calendar, timer, when_ns);
    } else {
        if (!loop_may_change(loop))
            return false;
        guard_move(loop, when_ns);
        calendar_move(&loop->calendar, timer, when_ns);
        record_event(loop, TRACE_MOVE, timer);
    }
    TW_ASSERT_SOUND(loop);
    return true;
}

static TW_NOINLINE bool reschedule_elsewhere(tw_loop *loop, tw_handle handle, uint64_t when_ns)
{
    struct node *node = find(loop, handle);
    if (node)
        return reschedule_found(loop, node, when_ns);
    return loop && remote_reschedule(loop, handle, when_ns);
}

bool tw_reschedule_at_ns(tw_loop *loop, tw_handle handle, uint64_t when_ns)
{
    struct node *node = find_at_once(loop, handle);
    if (!node)
        return reschedule_elsewhere(loop, handle, when_ns);
    TW_ASSERT_OWNED(loop);
    return reschedule_found(loop, node, when_ns);
}

bool tw_reschedule_later_ns(tw_loop *loop, tw_handle handle, uint64_t delay_ns)
{
    if (!loop)
        return refuse();
    uint64_t when_ns = bits_add_saturated(loop_now_for_starts(loop), delay_ns);
    return tw_reschedule_at_ns(loop, handle, when_ns);
}

bool tw_reschedule_later(tw_loop *loop, tw_handle handle, double delay)
{
    if (is_nan(delay))
        return refuse();
    return tw_reschedule_later_ns(loop, handle, bits_ns_from_seconds(delay));
}

bool tw_reschedule_at(tw_loop *loop, tw_handle handle, double when)
{
    if (is_nan(when))
        return refuse();
    return tw_reschedule_at_ns(loop, handle, bits_ns_from_seconds(when));
}
