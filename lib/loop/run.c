/* SPDX-License-Identifier: MIT */
/*
 * run: calling what is due.
 *
 * A run is a fixed piece of work: the soon calls that were there when it began,
 * then the timers due at the clock reading it began with. What its callbacks
 * schedule is left for a later run, so that no callback can starve the others.
 */
#include "run.h"

#include "check.h"
#include "context.h"
#include "owner.h"
#include "record.h"
#include "remote_loop.h"
#include "sleep.h"

/* -------------------------------------------------------------- one callback */

/* A callback that began then has returned: reports it to on_slow if it took too long. */
static void report_slow(tw_loop *loop, tw_callback *callback, void *arg, uint64_t begin_ns)
{
    uint64_t took_ns = loop_read_clock(loop) - begin_ns;
    if (took_ns >= loop->slow_callback_ns && loop->on_slow)
        loop->on_slow(loop->hook_arg, callback, arg, took_ns);
}

static void call(tw_loop *loop, tw_callback *callback, void *arg)
{
    if (TW_LIKELY(loop->slow_callback_ns == 0)) {
        callback(arg);
        return;
    }
    uint64_t begin_ns = loop_read_clock(loop);
    callback(arg);
    report_slow(loop, callback, arg, begin_ns);
}

/* Calls in the loop's own context, which is current again afterwards, whatever
 * the callback has set. */
static void call_outside(tw_loop *loop, tw_callback *callback, void *arg)
{
    tw_context *outer = loop->context;
    call(loop, callback, arg);
    loop->context = outer;
}

/* A context that a call has entered, and whose reference it holds: both are over. */
static void leave_context(struct run_state *run)
{
    tw_context *held = run->held, *entered = run->entered;
    run->held = run->entered = NULL;
    /* The hook may have been what did not return. */
    if (entered && entered->ops->leave)
        entered->ops->leave(entered);
    context_release(held);
}

/* A callback has jumped out of a run that it had begun: so the call that was left there
 * is over. (Without options.nested it was no such run but one on another stack, which
 * may still go on.) */
static TW_COLD void leave_nested_context(tw_loop *loop)
{
    if (loop->nested && loop->run.held)
        leave_context(&loop->run);
}

/* call_in of a context that has hooks. What is written down here is for the case that
 * the callback does not return. */
static TW_NOINLINE void call_inside(tw_loop *loop, tw_context *context, tw_callback *callback,
                                    void *arg)
{
    const tw_context_ops *ops = context->ops;
    tw_context *outer = loop->context;
    loop->context = context;
    loop->run.held = context;
    if (ops->enter)
        ops->enter(context);
    loop->run.entered = context;
    const char *frame = loop->run.frame;
    call(loop, callback, arg);
    if (TW_UNLIKELY(loop->run.frame != frame))
        leave_nested_context(loop);
    loop->run.entered = NULL;
    if (ops->leave)
        ops->leave(context);
    loop->context = outer;
    loop->run.held = NULL;
    context_release(context);
}

/* Calls inside a context, and releases the reference to it; NULL is one too. The
 * loop's own is current again afterwards, whatever the callback has set. */
TW_INLINE void call_in(tw_loop *loop, tw_context *context, tw_callback *callback, void *arg)
{
    if (TW_UNLIKELY(context && context->ops)) {
        call_inside(loop, context, callback, arg);
        return;
    }
    tw_context *outer = loop->context;
    loop->context = context;
    call(loop, callback, arg);
    loop->context = outer;
}

/* How many deadlines of a periodic call after this one have passed, and are left
 * out. */
static uint64_t left_out(const tw_loop *loop, uint64_t deadline, uint64_t interval)
{
    if (loop->missed == TW_MISSED_CATCH_UP)
        return 0;
    return (loop->now_ns - deadline) / interval;
}

TW_INLINE void count_lateness(tw_loop *loop, uint64_t late_ns, int by)
{
    loop->late[bits_width_of_63(late_ns)] += (uint64_t)(int64_t)by;
}

/* A call that another thread has started. false: it was cancelled in time. */
static TW_NOINLINE bool fire_remote(tw_loop *loop, struct node *node)
{
    if (!remote_start_callback(loop, node)) {
        loop->counts.fired--;
        loop->counts.stops++;
        count_lateness(loop, loop->now_ns - node->timer.bare_.deadline_, -1);
        return false;
    }
    call_outside(loop, node->timer.callback_, node->timer.arg_);
    remote_end_callback(loop, node);
    return true;
}

static TW_NOINLINE bool fire_periodic(tw_loop *loop, struct node *node)
{
    if (remote_owns(node))
        return fire_remote(loop, node); /* its interval is there to bring it here */
    /* Pending again before it is called, so that it can cancel itself; with a second
     * reference, so that its context outlives that. */
    tw_context *context = node->context;
    context_retain(loop, context);
    loop->counts.starts++;
    uint64_t deadline = node->timer.bare_.deadline_, interval = node->interval_ns;
    loop->run.left_out = left_out(loop, deadline, interval);
    deadline += loop->run.left_out * interval;
    calendar_restart(&loop->calendar, &node->timer.bare_, bits_add_saturated(deadline, interval));
    record_event(loop, TRACE_START, &node->timer.bare_);
    call_in(loop, context, node->timer.callback_, node->timer.arg_);
    loop->run.left_out = 0;
    return true;
}

TW_INLINE bool fire_call(tw_loop *loop, struct node *node)
{
    if (TW_UNLIKELY(node->interval_ns != 0))
        return fire_periodic(loop, node);
    tw_callback *callback = node->timer.callback_;
    void *arg = node->timer.arg_;
    call_in(loop, pool_retire(&loop->pool, node), callback, arg);
    return true;
}

/* Calls on_bare; the timer may be freed in there. */
static void fire_bare(tw_loop *loop, tw_bare_timer *timer)
{
    tw_context *outer = loop->context;
    if (TW_LIKELY(loop->slow_callback_ns == 0)) {
        loop->on_bare(loop->hook_arg, timer);
    } else {
        uint64_t begin = loop_read_clock(loop);
        loop->on_bare(loop->hook_arg, timer);
        report_slow(loop, NULL, timer, begin);
    }
    loop->context = outer;
}

/* fire where a call is more than a call. */
static TW_NOINLINE bool fire_specially(tw_loop *loop, tw_bare_timer *timer, uint64_t late_ns)
{
    bool bare = loop->on_bare && !timer_is_node(timer);
    TW_PROBE_FIRE(timer, bare ? NULL : timer_whole(timer)->callback_, late_ns);
    record_event(loop, TRACE_FIRE, timer);
    if (timer_is_node(timer))
        return fire_call(loop, pool_node_of(timer));
    if (loop->on_bare)
        fire_bare(loop, timer);
    else
        call_outside(loop, timer_whole(timer)->callback_, timer_whole(timer)->arg_);
    return true;
}

/* The timer has been taken out of its place. false: its call was cancelled by another
 * thread at this moment. */
TW_INLINE bool fire(tw_loop *loop, tw_bare_timer *timer, uint64_t late_ns)
{
    loop->counts.fired++;
    loop->run.firing = timer;
    if (TW_UNLIKELY(!loop->plain_calls))
        return fire_specially(loop, timer, late_ns);
    TW_PROBE_FIRE(timer, timer_whole(timer)->callback_, late_ns);
    if (timer_is_node(timer))
        return fire_call(loop, pool_node_of(timer));
    tw_context *outer = loop->context;
    timer_whole(timer)->callback_(timer_whole(timer)->arg_);
    loop->context = outer;
    return true;
}

/* ------------------------------------------------------------------ the run */

/* What a run has left to do. */
struct run {
    size_t max_calls;
    size_t calls;
    uint64_t ends_ns;       /* no call begins at this clock reading; BITS_NEVER: at any */
    uint64_t now_ns;        /* what is due by this reading */
    uint64_t last;          /* the last number given out before it: what has a later one waits */
    uint64_t runs;          /* loop->runs, as far as this run knows */
    const char *frame;      /* of make_calls */
    bool interrupted;       /* callbacks have run the loop */
    bool nested;            /* it is in a callback itself; then, of the run around it: */
    struct run_state outer;
    struct calendar_outer outer_calendar;
    tw_context *outer_context;
    struct remote_node *outer_remote;
};

static bool full(const struct run *run)
{
    return run->calls >= run->max_calls;
}

/* Whether all of its work is to be bounded. */
static bool bounded(const struct run *run)
{
    return run->max_calls != SIZE_MAX || run->ends_ns != BITS_NEVER;
}

/* A callback has run the loop, and perhaps jumped out of that run: then the state is
 * still that run's. If it has switched to another stack, on which this run was taken for
 * one that was left, there is nothing more to do. */
static TW_COLD void come_back(tw_loop *loop, struct run *run)
{
    run->interrupted = true;
    run->runs = loop->runs;
    if (!loop->calendar.running) {
        run->max_calls = run->calls;
    } else if (loop->run.frame != run->frame) {
        leave_nested_context(loop);
        loop->run = (struct run_state){.frame = run->frame, .outermost = loop->run.outermost,
                                       .outside = loop->run.outside};
    }
}

/* A call was made. */
TW_INLINE void count_call(tw_loop *loop, struct run *run)
{
    run->calls++;
    if (TW_UNLIKELY(loop->runs != run->runs))
        come_back(loop, run);
    if (TW_UNLIKELY(run->ends_ns != BITS_NEVER) && loop_read_clock(loop) >= run->ends_ns)
        run->max_calls = run->calls;
}

/* Up to the last of them that had been taken over then. */
static void run_posts(tw_loop *loop, struct run *run, uint64_t last)
{
    struct post post;
    /* That none is left is unreachable because those up to `last` have been taken over. */
    while (!full(run) && loop->posts.handed < last && post_next(&loop->posts, &post)) {
        loop->counts.fired++;
        loop->counts.posts++;
        call_outside(loop, post.callback, post.arg);
        count_call(loop, run);
    }
}

/* Those up to the sequence number `end`. Whether there is none left, as far as the run may look. */
static bool run_soon(tw_loop *loop, struct run *run, uint64_t end)
{
    struct calendar *calendar = &loop->calendar;
    size_t limit = bounded(run) ? CALENDAR_SOON_SHORT : SIZE_MAX;
    tw_bare_timer *timer;
    while ((timer = calendar_peek_soon(calendar, limit)) != NULL) {
        if (timer_scheduled_before(end, timer_sequence(timer)))
            break;
        if (full(run))
            break;
        calendar_take_soon(calendar);
        /* Not to be made is unreachable because no soon call is another thread's. */
        if (fire(loop, timer, loop->now_ns - timer->deadline_))
            count_call(loop, run);
    }
    return timer || calendar->soon_pending == 0;
}

/* Makes the soon calls that were there when the run began, and then the posts. But a run
 * that was cut short in them is continued by the next, without those that callbacks have
 * scheduled in it: otherwise calls that schedule each other could keep the timers waiting
 * for ever. What is scheduled between the two runs makes the next a new one, and so must
 * be told from that: a start clears soon_cut, and the run that was cut short sets it last. */
static void run_called(tw_loop *loop, struct run *run)
{
    uint64_t end = loop->soon_cut ? loop->soon_end : run->last;
    if (!loop->soon_cut)
        loop->calendar.visited += post_collect(&loop->posts, bounded(run) ? POST_SHORT : SIZE_MAX);
    uint64_t last_post = loop->posts.collected; /* a nested run has others */
    TW_ASSERT(!timer_scheduled_before(run->last, end)); /* F4 */
    bool looked_at_all = run_soon(loop, run, end);
    if (looked_at_all)
        run_posts(loop, run, last_post);
    loop->soon_cut = full(run) || !looked_at_all;
    loop->soon_end = end;
}

static void run_timers(tw_loop *loop, struct run *run)
{
    struct calendar *calendar = &loop->calendar;
    while (!full(run)) {
        tw_bare_timer *timer = calendar_next_due(calendar, run->now_ns);
        if (!timer)
            break;
        if (TW_UNLIKELY(run->interrupted) &&
            timer_scheduled_before(run->last, timer_sequence(timer))) {
            calendar_put_off(calendar, timer);
            continue;
        }
        uint64_t late_ns = run->now_ns - timer->deadline_;
        count_lateness(loop, late_ns, 1);
        if (fire(loop, timer, late_ns))
            count_call(loop, run);
    }
}

/* Whether there are no soon calls and no calls from other threads. */
TW_INLINE bool nothing_called(const tw_loop *loop)
{
    return loop->calendar.soon.count == 0 && !loop->soon_cut && !post_waiting(&loop->posts);
}

/* Whether time is all that the next run has to look at. */
static bool only_time_left(const tw_loop *loop)
{
    return !loop->soon_cut && !loop->awaited && !loop->recorder && !loop->remote.arrived &&
           !post_left(&loop->posts);
}

/* Makes the calls of a run at loop->now_ns. */
static TW_NOINLINE void make_calls(tw_loop *loop, struct run *run)
{
    loop->run.frame = run->frame = TW_FRAME();
    if (TW_LIKELY(!run->nested))
        loop->run.outermost = run->frame;
    bool continued = loop->soon_cut;
    if (TW_UNLIKELY(!nothing_called(loop) || run->max_calls == 0))
        run_called(loop, run);
    run_timers(loop, run);
    if (continued && run->calls == 0 && !full(run) &&
        !calendar_cut_short(&loop->calendar)) {
        /* The run that was cut short had nothing left: this is a new one. */
        loop->soon_cut = false;
        run_called(loop, run);
    }
}

/* The run around this one waits: its context is not current meanwhile. */
static TW_COLD void begin_nested(tw_loop *loop, struct run *run, size_t budget)
{
    run->nested = true;
    run->outer = loop->run;
    run->outer_context = loop->context;
    run->outer_remote = loop->remote.running;
    loop->context = loop->run.outside;
    loop->run = (struct run_state){.outermost = loop->run.outermost, .outside = loop->run.outside};
    budget = remote_begin_run(loop, budget);
    calendar_begin_nested(&loop->calendar, loop->now_ns, budget, &run->outer_calendar);
}

static void begin_run(tw_loop *loop, struct run *run)
{
    size_t budget = bounded(run) ? CALENDAR_SHORT : CALENDAR_UNBOUNDED;
    record_event(loop, TRACE_RUN, NULL);
    run->now_ns = loop->now_ns;
    run->runs = ++loop->runs;
    if (TW_UNLIKELY(loop->calendar.running)) {
        begin_nested(loop, run, budget);
    } else {
        if (TW_UNLIKELY(loop->awaited))
            sleep_before_run(loop);
        budget = remote_begin_run(loop, budget);
        loop->run.outside = loop->context;
        calendar_begin_run(&loop->calendar, loop->now_ns, budget);
    }
    run->last = loop->calendar.begun;
}

/* However the run is over. */
static void close_run(tw_loop *loop)
{
    if (TW_UNLIKELY(loop->run.held != NULL))
        leave_context(&loop->run);
    if (TW_UNLIKELY(loop->remote.running != NULL))
        remote_end_callback(loop, NULL);
    loop->context = loop->run.outside;
    loop->run = (struct run_state){0};
    calendar_end_run(&loop->calendar, only_time_left(loop));
    if (TW_UNLIKELY(loop->pending_cap != SIZE_MAX))
        remote_report_pending(&loop->remote, loop_pending_own(loop));
}

static TW_COLD void end_nested(tw_loop *loop, struct run *run)
{
    if (loop->run.held)
        leave_context(&loop->run);
    while (loop->remote.running != run->outer_remote)
        remote_end_callback(loop, &loop->remote.running->node);
    loop->run = run->outer;
    loop->context = run->outer_context;
    calendar_end_nested(&loop->calendar, &run->outer_calendar);
}

/* A run that has begun, on its way to its end. */
struct run_under_way {
    tw_loop *loop;
    struct run *run;
};

static void close_and_prepare_sleep(tw_loop *loop)
{
    close_run(loop);
    if (TW_UNLIKELY(loop->awaited))
        sleep_after_run(loop);
}

static void end_and_prepare_sleep(struct run_under_way *under_way)
{
    if (TW_UNLIKELY(under_way->run->nested))
        end_nested(under_way->loop, under_way->run);
    else
        close_and_prepare_sleep(under_way->loop);
}

TW_COLD bool run_settle(tw_loop *loop)
{
    /* What a callback calls is below the run in the stack. */
    bool may_end = !loop->dropping && !loop->reading && !loop->locked;
    if (loop->calendar.running && may_end && TW_FRAME() >= loop->run.outermost) {
        sleep_run_left(loop);
        close_run(loop);
        return true;
    }
    errno = EBUSY;
    return false;
}

static TW_COLD bool may_run_all_the_same(tw_loop *loop)
{
    int error = errno;
    if (!loop) {
        errno = EINVAL;
        return false;
    }
    if (run_settle(loop))
        return true;
    if (!loop->nested || loop->dropping || loop->reading || loop->locked)
        return false;
    errno = error;
    return true;
}

/* Whether the loop may be run now; else sets errno. */
TW_INLINE bool may_run(tw_loop *loop)
{
    if (loop)
        TW_CLAIM(loop);
    return TW_LIKELY(loop && !loop_busy(loop)) || may_run_all_the_same(loop);
}

static TW_NOINLINE void finish_run(tw_loop *loop, struct run *run)
{
    struct run_under_way under_way TW_AT_END(end_and_prepare_sleep) = {loop, run};
    char gap[512]; /* the frames of those who ask run_settle are smaller */
    __asm__ volatile("" : : "r"(gap), "r"(&under_way) : "memory");
    make_calls(loop, run);
}

static TW_NOINLINE size_t run_whole(tw_loop *loop, uint64_t now_ns, size_t max_calls,
                                    uint64_t ends_ns)
{
    if (!may_run(loop))
        return 0;
    struct run run;
    run.max_calls = max_calls;
    run.calls = 0;
    run.ends_ns = ends_ns;
    run.interrupted = run.nested = false;
    loop_raise_clock(loop, bits_clamp_now(now_ns));
    loop->now_ns = loop->clock_ns;
    begin_run(loop, &run);
    finish_run(loop, &run);
    TW_ASSERT_SOUND(loop);
    return run.calls;
}

/* ------------------------------- a run that only the wheel and the ready list have to do with
 *
 * Most runs of a small loop have a timer or two to fire, and nothing else to look at:
 * no soon calls, no posts, nobody who waits between the runs. calendar_has_more says
 * whether, by calendar.ready_ns, which is reset by what could change that. Such a run takes
 * half of the instructions. */

/* The run has come to its end. */
TW_INLINE void end_wheel_run(tw_loop *loop)
{
    /* A callback may have called tw_fd. */
    if (TW_UNLIKELY(loop->guarded || loop->awaited)) {
        close_and_prepare_sleep(loop);
        return;
    }
    loop->run.outermost = NULL;
    calendar_end_wheel_run(&loop->calendar);
}

/* It was left by an exception, unless this is NULL. */
static void close_left_run(tw_loop **left)
{
    if (*left)
        close_and_prepare_sleep(*left);
}

/* tick: of now_ns. */
static TW_NOINLINE size_t run_wheel(tw_loop *loop, uint64_t now_ns, uint64_t tick)
{
    tw_loop *left TW_AT_END(close_left_run) = loop;
    char gap[512]; /* as in finish_run */
    __asm__ volatile("" : : "r"(gap) : "memory");
    struct calendar *calendar = &loop->calendar;
    loop_set_clock(loop, now_ns);
    loop->now_ns = now_ns;
    loop->run.outermost = TW_FRAME() - sizeof gap;
    loop->run.outside = loop->context;
    calendar_begin_wheel_run(calendar, now_ns);
    size_t calls = 0;
    tw_bare_timer *timer;
    while ((timer = calendar_next_due_of_many(calendar, now_ns, tick)) != NULL) {
        uint64_t late_ns = now_ns - timer->deadline_;
        count_lateness(loop, late_ns, 1);
        calls += fire(loop, timer, late_ns);
    }
    left = NULL;
    end_wheel_run(loop);
    return calls;
}

/* A run that had nothing to do but to look at the clock. */
TW_INLINE size_t let_pass(tw_loop *loop, uint64_t now_ns)
{
    loop_set_clock(loop, now_ns);
    loop->now_ns = now_ns;
    TW_ASSERT_SOUND(loop);
    return 0;
}

TW_INLINE size_t run_at(tw_loop *loop, uint64_t now_ns, size_t max_calls, uint64_t ends_ns)
{
    bool as_before = now_ns >= loop->clock_ns && !post_anything_arrived(&loop->posts);
    if (TW_LIKELY(as_before && calendar_is_quiet(&loop->calendar, now_ns)))
        return let_pass(loop, now_ns);
    uint64_t tick = now_ns >> loop->calendar.tick_shift;
    if (TW_LIKELY(as_before) && calendar_pass(&loop->calendar, now_ns, tick))
        return let_pass(loop, now_ns);
    if (!as_before || calendar_has_more(&loop->calendar) || max_calls != SIZE_MAX ||
        ends_ns != BITS_NEVER || now_ns == BITS_NEVER || loop->nested || loop->reading)
        return run_whole(loop, now_ns, max_calls, ends_ns);
    size_t calls = run_wheel(loop, now_ns, tick);
    TW_ASSERT_SOUND(loop);
    return calls;
}

size_t tw_run(tw_loop *loop)
{
    return tw_run_max(loop, SIZE_MAX);
}

size_t tw_run_max(tw_loop *loop, size_t max_calls)
{
    return may_run(loop) ? run_at(loop, loop_read_clock(loop), max_calls, BITS_NEVER) : 0;
}

size_t tw_run_for_ns(tw_loop *loop, uint64_t budget_ns)
{
    if (!may_run(loop))
        return 0;
    uint64_t now_ns = loop_read_clock(loop);
    return run_at(loop, now_ns, SIZE_MAX, bits_add_saturated(now_ns, budget_ns));
}

size_t tw_advance(tw_loop *loop, uint64_t now_ns)
{
    if (TW_UNLIKELY(!loop)) {
        errno = EINVAL;
        return 0;
    }
    TW_CLAIM(loop);
    return run_at(loop, now_ns, SIZE_MAX, BITS_NEVER);
}

uint64_t tw_missed(const tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop->run.left_out;
}
