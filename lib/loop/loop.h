/* SPDX-License-Identifier: MIT */
/*
 * loop: what a tw_loop is made of, its clock, and what follows from its state. Nothing
 * here calls up: the public calls stand on it, in
 *     call.c       calls by handle
 *     embedded.c   timers in the caller's structs
 *     run.c        running what is due
 *     next.c       when to run next
 *     forever.c    running and sleeping in turn
 *     remote_call.c  what other threads call
 *     create.c     making and freeing
 * and in smaller ones: docs/DESIGN.md has the list, in the order of dependence.
 */
#ifndef TW_LOOP_H
#define TW_LOOP_H

#include <errno.h>

#include "calendar.h"
#include "pool.h"
#include "post.h"
#include "remote.h"
#include "runner.h"

struct recorder;

/* Each start, stop and firing counts in one place: here, or by calendar_park and
 * the moves of parked timers in the calendar. tw_stats_get works out of them
 * what it reports. */
struct loop_counts {
    uint64_t starts;                /* of what had no place, posts left aside */
    uint64_t stops;                 /* of what lost its place by it */
    uint64_t fired;
    uint64_t posts;                 /* calls made for other threads */
    uint64_t dropped;               /* by tw_loop_free */
    uint64_t gathered;              /* sequence numbers that tw_cancel_all gave out */
    uint64_t reserved;              /* and those kept for calls of other threads that did not
                                       come */
};

/* The innermost run under way. */
struct run_state {
    const char *frame;              /* the stack frame of the function that makes its calls */
    const char *outermost;          /* that of the outermost run */
    tw_context *outside;            /* the loop's own context: current when no run is under way */
    tw_context *held;               /* of the call being made: a reference to be released; NULL */
    tw_context *entered;            /* the same, once it has been entered and is to be left */
    uint64_t left_out;              /* what tw_missed returns */
    const tw_bare_timer *firing;    /* whose callback is under way: an address, perhaps freed */
};

struct tw_loop {
    /* Hot: touched by starts and stops. */
    struct loop_counts counts;
    bool guarded;                   /* guard_look_at_start is to look at every start */
    bool plain_calls;               /* loop_calls_plainly */
    tw_context *context;            /* the current one; NULL: none */
    uint64_t now_ns;                /* the clock as the last run saw it */
    uint64_t clock_ns;              /* the highest reading of the clock so far */
    uint64_t (*clock)(void *clock_arg);
    void *clock_arg;
    uint64_t alarm_ns;              /* what is due before it must set the alarm anew; 0: nothing */
    bool closing;                   /* tw_loop_free is under way */
    bool dropping;                  /* it, or tw_cancel_all, is handing over what is pending */
    bool reading;                   /* options.clock is being asked */
    bool cached_now;                /* options.cached_now */
    unsigned locked;                /* hooks under way in which the loop must not change */
    bool awaited;                   /* runner_awaited, where a run has it at hand */
    bool soon_cut;                  /* the last run was cut short before the turn of its timers,
                                       and no soon call was scheduled since: the next goes on with
                                       it */
    struct run_state run;           /* all 0 if none is under way */
    uint64_t runs;                  /* how many have begun */
    struct recorder *recorder;      /* NULL: nothing is recorded */
    uint64_t soon_end;              /* if soon_cut: the last sequence number that the soon calls of
                                       that run may have */

    struct pool pool;
    struct calendar calendar;
    struct post_queue posts;
    struct remote remote;

    /* Cold. */
    struct runner runner;
    size_t pending_cap;             /* options.max_pending; SIZE_MAX: none */
    uint64_t slack_ns;
    uint64_t sharp_until_ns;        /* what is due by then is not put off by the slack: a window
                                       that is shorter than it ends soon after */
    bool own_clock;                 /* options.clock was given */
    int missed;                     /* TW_MISSED_... */
    bool nested;                    /* options.nested */
    uint64_t slow_callback_ns;      /* 0: off */
    void (*on_slow)(void *hook_arg, tw_callback *callback, void *arg, uint64_t took_ns);
    void (*on_drop)(void *hook_arg, tw_callback *callback, void *arg);
    void (*on_bare)(void *hook_arg, tw_bare_timer *timer);  /* NULL: timers have callbacks */
    void *hook_arg;
    uint64_t late[64];              /* see tw_stats */
    int record_error;               /* the errno that ended a recording; 0: none did */
    uint64_t (*given_clock)(void *clock_arg); /* options.clock and its argument */
    void *given_clock_arg;
    uint64_t unlocked_ready_ns;     /* calendar.ready_ns from before loop_lock */
    tw_allocator allocator;         /* memory's, without the lock that we put around it */
    struct memory memory;
};

/* It is this late, which is no earlier than the highest reading. */
TW_INLINE void loop_set_clock(tw_loop *loop, uint64_t now_ns)
{
    loop->clock_ns = now_ns;
    atomic_store_explicit(&loop->remote.reported_ns, now_ns, memory_order_relaxed);
}

/* It is this late. What is before the highest reading is ignored, in other threads too. */
TW_INLINE void loop_raise_clock(tw_loop *loop, uint64_t now_ns)
{
    if (now_ns > loop->clock_ns)
        loop_set_clock(loop, now_ns);
}

/* Reads the clock. Readings that go backwards are ignored. */
TW_INLINE uint64_t loop_read_clock(tw_loop *loop)
{
    loop_raise_clock(loop, bits_clamp_now(loop->clock(loop->clock_arg)));
    return loop->clock_ns;
}

/* What a relative start or move counts from. */
TW_INLINE uint64_t loop_now_for_starts(tw_loop *loop)
{
    return TW_UNLIKELY(loop->cached_now) ? loop->clock_ns : loop_read_clock(loop);
}

/* Whether starts must be looked at, for whatever reason. */
TW_INLINE bool loop_must_guard(const tw_loop *loop)
{
    return loop->alarm_ns != 0 || loop->pending_cap != SIZE_MAX || loop->recorder ||
           loop->closing || loop->locked;
}

/* Whether a timer's callback is called with nothing around it: nobody records it, measures it
 * or has it called by a hook. */
TW_INLINE bool loop_calls_plainly(const tw_loop *loop)
{
    return !loop->recorder && loop->slow_callback_ns == 0 && !loop->on_bare;
}

/* From now on what is due before alarm_ns sets the alarm anew; 0: nothing does.
 * Moves compare with alarm_ns. Starts, the hot path, do not: the flag that the
 * cap on pending timers needs anyway sends them to guard_look_at_start, and, if
 * they are recorded, to the recorder. */
TW_INLINE void loop_watch_starts(tw_loop *loop, uint64_t alarm_ns)
{
    loop->alarm_ns = alarm_ns;
    loop->guarded = loop_must_guard(loop);
}

/* Whoever sleeps between the runs has begun or ended to. */
TW_INLINE void loop_note_awaited(tw_loop *loop)
{
    loop->awaited = runner_awaited(&loop->runner);
}

/* While a hook is under way that is called where the loop cannot change, or must
 * not, all that would change it is refused with EBUSY: the allocator's, a context's
 * retain, a recorder's write, and whoever is shown the timers. May be nested. The
 * calls' short cuts are closed meanwhile, so only the long ways look at it. */
void loop_lock(tw_loop *loop);
void loop_unlock(tw_loop *loop);

/* The same for the short cuts, and for plain calls: they pass by the recorder, or by the lock. */
void loop_set_short_cuts(tw_loop *loop);

/* Whether the loop may be changed; else sets errno. */
TW_INLINE bool loop_may_change(const tw_loop *loop)
{
    if (TW_LIKELY(!loop->locked))
        return true;
    errno = EBUSY;
    return false;
}

/* Whether a run, or the end, must wait: there is a callback or a hook under way
 * that comes back to the loop. */
TW_INLINE bool loop_busy(const tw_loop *loop)
{
    return loop->calendar.running || loop->dropping || loop->reading || loop->locked;
}

/* Whether the timer, which has no place, is started from its own callback: then it
 * does not fail for memory. A call by handle that is the first to be started in the
 * callback of another has the very node of that one. */
TW_INLINE bool loop_restarts(const tw_loop *loop, const tw_bare_timer *timer)
{
    return loop->calendar.running && loop->run.firing == timer;
}

/* When to wake for what is due then. */
TW_INLINE uint64_t loop_put_off(const tw_loop *loop, uint64_t when_ns)
{
    if (when_ns <= loop->sharp_until_ns)
        return bits_clamp_now(when_ns);
    return bits_clamp_now(bits_add_saturated(when_ns, loop->slack_ns));
}

/* A moment of the window from earliest_ns to latest_ns, and not after what is left of it
 * when the loop has been put off by its slack: the one that is the multiple of the
 * largest power of two, so that windows that overlap mostly share it. */
uint64_t loop_point_between(tw_loop *loop, uint64_t earliest_ns, uint64_t latest_ns);

TW_INLINE uint64_t loop_started(const tw_loop *loop)
{
    return loop->counts.starts + loop->calendar.unparks + loop->counts.posts;
}

/* How often something was moved while pending: of all that was given a number,
 * what is neither a start nor being dropped. Modulo 2^48, as the numbers are. */
TW_INLINE uint64_t loop_rearmed(const tw_loop *loop)
{
    const struct calendar *calendar = &loop->calendar;
    uint64_t starts = loop->counts.starts + calendar->unparks + loop->counts.gathered +
                      loop->counts.reserved;
    return (calendar->sequence - starts * TIMER_SEQUENCE_ONE) / TIMER_SEQUENCE_ONE;
}

TW_INLINE uint64_t loop_cancelled(const tw_loop *loop)
{
    return loop->counts.stops + loop->calendar.parks;
}

/* Calls and timers in the calendar that will still run. Of those that other threads
 * have started it has those that are placed, cancelled just now or not. */
TW_INLINE size_t loop_pending(const tw_loop *loop)
{
    return (size_t)(loop_started(loop) - loop_cancelled(loop) - loop->counts.fired -
                    loop->counts.dropped);
}

/* Calls and timers that other threads have nothing to do with. */
TW_INLINE size_t loop_pending_own(const tw_loop *loop)
{
    return loop_pending(loop) - (size_t)remote_placed(&loop->remote);
}

/* Whether other threads have started or cancelled something that is still to be taken
 * in. */
TW_INLINE bool loop_has_arrivals(const tw_loop *loop)
{
    return loop->remote.arrived || post_has_arrivals(&loop->posts);
}

/* Everything that will still run, posts left aside. */
TW_INLINE size_t loop_pending_all(const tw_loop *loop)
{
    return loop_pending_own(loop) + (size_t)remote_counts(&loop->remote).live;
}

#endif
