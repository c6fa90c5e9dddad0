/* SPDX-License-Identifier: MIT */
/*
 * loop: what a tw_loop is made of. The public calls are in
 *     loop.c       making, freeing, the clock, room, statistics
 *     call.c       calls by handle, contexts
 *     embedded.c   timers in the caller's structs
 *     run.c        running what is due, and when to run next
 *     runner.c     sleeping, file descriptors, posts from other threads
 *     remote.c     calls with a deadline that other threads start; in
 *     remote_call.c is what those threads call
 *     record.c     writing down what happens to the timers
 *     check.c      the walk over every invariant
 */
#ifndef TW_LOOP_H
#define TW_LOOP_H

#include <errno.h>

#include "calendar.h"
#include "pool.h"
#include "post.h"
#include "record.h"
#include "remote.h"
#include "runner.h"

/* Each start, stop and firing counts in one place: here, or by calendar_park and
 * the moves of parked timers in the calendar. What tw_stats tells is made of
 * them when it is asked for. */
struct loop_counts {
    uint64_t starts;                /* of what had no place, posts left aside */
    uint64_t stops;                 /* of what lost its place by it */
    uint64_t fired;
    uint64_t posts;                 /* calls made for other threads */
    uint64_t dropped;               /* by tw_loop_free */
    uint64_t gathered;              /* sequence numbers that tw_cancel_all gave out */
    uint64_t reserved;              /* and those kept for calls of other threads that did not come */
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
    bool guarded;                   /* loop_look_at_start is to look at every start */
    tw_context *context;            /* the current one; NULL: none */
    uint64_t now_ns;                /* the clock as the last run saw it */
    uint64_t clock_ns;              /* the highest reading of the clock so far */
    uint64_t (*clock)(void *clock_arg);
    void *clock_arg;
    uint64_t alarm_ns;              /* what is due before it must be told to the runner; 0: nothing */
    bool running;                   /* a run is under way */
    bool closing;                   /* tw_loop_free is under way */
    bool dropping;                  /* it, or tw_cancel_all, is handing over what is pending */
    bool reading;                   /* options.clock is being asked */
    bool cached_now;                /* options.cached_now */
    unsigned locked;                /* hooks under way in which the loop must not change */
    bool awaited;                   /* tw_run_forever or an outer poller sleeps between runs */
    bool soon_cut;                  /* the last run could not make all its soon calls */
    struct run_state run;           /* all 0 if none is under way */
    uint64_t runs;                  /* how many have begun */
    struct recorder *recorder;      /* NULL: nothing is recorded */
    uint64_t soon_end;              /* sequence number of the last soon call a run may make */
    uint64_t soon_last;             /* of the last one scheduled */
    uint64_t run_end;               /* the last number given out when the last run ended */

    struct pool pool;
    struct calendar calendar;
    struct post_queue posts;
    struct remote remote;

    /* Cold. */
    struct runner runner;
    size_t pending_cap;             /* options.max_pending; SIZE_MAX: none */
    uint64_t slack_ns;
    uint64_t sharp_until_ns;        /* what is due by then is not put off by the slack: a window that
                                       is shorter than it ends soon after */
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
    uint64_t unlocked_pass_ns;      /* calendar.pass_ns from before loop_lock */
    tw_allocator allocator;         /* memory's, without the lock that we put around it */
    struct memory memory;
};

/* It is this late, which is no earlier than the highest reading. */
TW_INLINE void loop_set_clock(tw_loop *loop, uint64_t now_ns)
{
    loop->clock_ns = now_ns;
    atomic_store_explicit(&loop->remote.told_ns, now_ns, memory_order_relaxed);
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

/* From now on what is due before alarm_ns is told to the runner; 0: nothing is.
 * Moves compare with alarm_ns. Starts, the hot path, do not: the flag that the
 * cap on pending timers needs anyway sends them to loop_look_at_start, and, if
 * they are recorded, to the recorder. */
TW_INLINE void loop_watch_starts(tw_loop *loop, uint64_t alarm_ns)
{
    loop->alarm_ns = alarm_ns;
    loop->guarded = loop_must_guard(loop);
}

/* While a hook is under way that is called where the loop cannot change, or must
 * not, all that would change it is refused with EBUSY: the allocator's, a context's
 * retain, a recorder's write, and whoever is shown the timers. May be nested. The
 * calls' short cuts are closed meanwhile, so only the long ways look at it. */
void loop_lock(tw_loop *loop);
void loop_unlock(tw_loop *loop);

/* The same for the short cuts: they pass by the recorder, and by the lock. */
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
    return loop->running || loop->dropping || loop->reading || loop->locked;
}

/* The same after a second look: a run that was left by a jump, so that its frames
 * are no more, is over. The calling function is not deeper in the stack than 512
 * bytes below the one that called tw_run, or it is taken for a callback. */
bool loop_settle(tw_loop *loop);

/* Whether the loop may be run or freed now; else sets errno. */
TW_INLINE bool loop_idle(tw_loop *loop)
{
    return TW_LIKELY(!loop_busy(loop)) || loop_settle(loop);
}

/* Whether the timer, which has no place, is started from its own callback: then it
 * does not fail for memory. A call by handle that is the first to be started in the
 * callback of another has the very node of that one. */
TW_INLINE bool loop_restarts(const tw_loop *loop, const tw_bare_timer *timer)
{
    return loop->running && loop->run.firing == timer;
}

/* Something pending moves to this deadline. */
TW_INLINE void loop_look_at_move(tw_loop *loop, uint64_t when_ns)
{
    if (TW_UNLIKELY(when_ns < loop->alarm_ns))
        runner_wake_earlier(loop, when_ns);
}

/* The start of something while the loop is guarded: whether it may be started
 * all the same; else sets errno. */
bool loop_look_at_start(tw_loop *loop, uint64_t when_ns);

/* Whether something not pending may be started now, to be due at when_ns (0 for
 * soon calls); else sets errno. */
TW_INLINE bool loop_may_start(tw_loop *loop, uint64_t when_ns)
{
    return TW_LIKELY(!loop->guarded) || loop_look_at_start(loop, when_ns);
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

/* Something happens to a timer (NULL: the loop is run). Only for where the common
 * cases do not come through, or do much else. */
TW_INLINE void loop_record(tw_loop *loop, enum trace_op op, const tw_bare_timer *timer)
{
    if (TW_UNLIKELY(loop->recorder != NULL))
        record_add(loop, op, timer);
}

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
TW_INLINE bool remote_has_arrivals(const tw_loop *loop)
{
    return loop->remote.arrived || post_has_arrivals(&loop->posts);
}

/* Everything that will still run, posts left aside. */
TW_INLINE size_t loop_pending_all(const tw_loop *loop)
{
    return loop_pending_own(loop) + (size_t)remote_counts(&loop->remote).live;
}

/* In builds with TW_CHECKED >= 3: the full walk, after every public call; of a large
 * loop, after one in as many as keeps it at a few hundred cells a call. */
#if TW_CHECKED >= 3
#define TW_ASSERT_SOUND(loop) check_sound(loop, __FILE__, __LINE__)
void check_sound(const tw_loop *loop, const char *file, int line);
#else
#define TW_ASSERT_SOUND(loop) ((void)0)
#endif

/* In builds with TW_CHECKED >= 1: a loop belongs to the thread that runs it, from
 * its first run on, and until tw_run_forever returns. Running or freeing it
 * claims it for the calling thread; every other call must come from the thread that
 * owns it, but those that are for any thread: ..._threadsafe, tw_cancel_and_wait,
 * tw_post_send. */
#if TW_CHECKED >= 1
#define TW_CLAIM(loop) runner_claim(loop)
#define TW_ASSERT_OWNED(loop) runner_check_owner(loop)
#else
#define TW_CLAIM(loop) ((void)0)
#define TW_ASSERT_OWNED(loop) ((void)0)
#endif

/* A node's reference to its context. context may be NULL. */
void context_retain(tw_loop *loop, tw_context *context);
void context_release(tw_context *context);

#endif
