/* SPDX-License-Identifier: MIT */
/*
 * loop: making a loop and freeing it, its clock, room for its timers, cancelling all of
 * them, and statistics.
 */
#include "loop.h"

#include <string.h>

#include "options.h"

#define DEFAULT_TICK_NS ((uint64_t)1 << 20)

static uint64_t monotonic_clock(void *arg)
{
    (void)arg;
    return port_clock_ns();
}

static uint64_t boottime_clock(void *arg)
{
    (void)arg;
    return backend_clock_ns(TW_CLOCK_BOOTTIME);
}

/* options.clock, which may use the loop: what asks it for the time meanwhile gets
 * the latest reading. */
static uint64_t given_clock(void *arg)
{
    tw_loop *loop = arg;
    if (TW_UNLIKELY(loop->reading))
        return loop->clock_ns;
    loop->reading = true;
    uint64_t reading = loop->given_clock(loop->given_clock_arg);
    loop->reading = false;
    return reading;
}

static void choose_clock(tw_loop *loop, const tw_options *options)
{
    loop->own_clock = options->clock != NULL;
    loop->given_clock = options->clock;
    loop->given_clock_arg = options->clock_arg;
    loop->clock_arg = loop;
    if (options->clock)
        loop->clock = given_clock;
    else
        loop->clock = options->clock_id == TW_CLOCK_BOOTTIME ? boottime_clock : monotonic_clock;
}

/* ------------------------------------------------------- hooks, and the lock */

void loop_set_short_cuts(tw_loop *loop)
{
    calendar_allow_short_cuts(&loop->calendar, !loop->recorder && !loop->locked);
    loop_watch_starts(loop, loop->alarm_ns);
}

void loop_lock(tw_loop *loop)
{
    if (loop->locked++ > 0)
        return;
    loop->unlocked_pass_ns = loop->calendar.pass_ns;
    loop_set_short_cuts(loop);
}

void loop_unlock(tw_loop *loop)
{
    TW_ASSERT(loop->locked > 0);
    if (--loop->locked > 0)
        return;
    loop_set_short_cuts(loop);
    loop->calendar.pass_ns = loop->unlocked_pass_ns;
}

static void *given_alloc(void *arg, size_t bytes, size_t alignment)
{
    tw_loop *loop = arg;
    loop_lock(loop);
    void *memory = loop->allocator.alloc(loop->allocator.allocator_arg, bytes, alignment);
    loop_unlock(loop);
    return memory;
}

static void given_free(void *arg, void *memory, size_t bytes)
{
    tw_loop *loop = arg;
    loop_lock(loop);
    loop->allocator.free(loop->allocator.allocator_arg, memory, bytes);
    loop_unlock(loop);
}

/* Puts the lock around an allocator that is not ours, once the loop is made. */
static void lock_allocator(tw_loop *loop)
{
    loop->allocator = loop->memory.allocator;
    loop->memory.allocator =
        (tw_allocator){.alloc = given_alloc, .free = given_free, .allocator_arg = loop};
}

/* false: an option is out of its range. */
static bool read_options(const tw_options *given, tw_options *out)
{
    if (options_copy(given, out) != 0)
        return false;
    if (out->tick_ns > (uint64_t)1 << 63)
        return false;
    if (out->clock_id != TW_CLOCK_MONOTONIC && (out->clock_id != TW_CLOCK_BOOTTIME || out->clock))
        return false;
    if (out->missed != TW_MISSED_SKIP && out->missed != TW_MISSED_CATCH_UP)
        return false;
    if (out->allocator && (!out->allocator->alloc || !out->allocator->free))
        return false;
    return true;
}

/* The shift of the tick, rounded up to a power of two. At least 1, so that no
 * sum of ticks overflows. */
static unsigned tick_shift_of(uint64_t tick_ns)
{
    if (tick_ns == 0)
        tick_ns = DEFAULT_TICK_NS;
    unsigned shift = bits_width(tick_ns - 1);
    return shift < 1 ? 1 : shift;
}

static size_t loop_bytes(void)
{
    return (sizeof(tw_loop) + 63) / 64 * 64;
}

tw_loop *tw_loop_new(const tw_options *given)
{
    tw_options options;
    if (!read_options(given, &options)) {
        errno = EINVAL;
        return NULL;
    }
    if (!backend_knows_clock(options.clock_id)) {
        errno = ENOTSUP;
        return NULL;
    }
    struct memory memory;
    memory_init(&memory, options.allocator);
    tw_loop *loop = memory_alloc(&memory, loop_bytes(), 64);
    if (!loop) {
        errno = ENOMEM;
        return NULL;
    }
    memset(loop, 0, sizeof *loop);
    loop->memory = memory;
    loop->pending_cap = options.max_pending ? options.max_pending : SIZE_MAX;
    loop_watch_starts(loop, 0);
    loop->slack_ns = options.slack_ns;
    choose_clock(loop, &options);
    loop->missed = options.missed;
    loop->nested = options.nested;
    loop->cached_now = options.cached_now;
    loop->slow_callback_ns = options.slow_callback_ns;
    loop->on_slow = options.on_slow;
    loop->on_drop = options.on_drop;
    loop->on_bare = options.on_bare;
    loop->hook_arg = options.hook_arg;
    loop->now_ns = loop_read_clock(loop);
    runner_init(loop, options.clock_id);
    pool_init(&loop->pool, &loop->memory, port_next_number());
    remote_init(loop);
    calendar_init(&loop->calendar, &loop->memory, tick_shift_of(options.tick_ns), loop->now_ns,
                  options.on_bare != NULL);
    if (options.allocator)
        lock_allocator(loop);
    if (options.reserve > 0 && tw_reserve(loop, options.reserve) != 0) {
        tw_loop_free(loop);
        errno = ENOMEM;
        return NULL;
    }
    return loop;
}

static void drop(tw_loop *loop, tw_callback *callback, void *arg)
{
    if (loop->on_drop)
        loop->on_drop(loop->hook_arg, callback, arg);
}

/* Hands over a timer that has no place any more. */
static void drop_timer(tw_loop *loop, tw_bare_timer *timer)
{
    bool bare = loop->on_bare && !timer_is_node(timer);
    tw_callback *callback = bare ? NULL : timer_whole(timer)->callback_;
    void *arg = bare ? timer : timer_whole(timer)->arg_;
    tw_context *context = NULL;
    loop_record(loop, TRACE_STOP, timer);
    if (timer_is_node(timer))
        context = pool_retire(&loop->pool, pool_node_of(timer));
    drop(loop, callback, arg);
    context_release(context);
}

/* Whether it is that of a call which another thread has started: then it is dropped by
 * remote_drop_all, or has been cancelled at this moment. */
static bool is_remote(tw_bare_timer *timer)
{
    return timer_is_node(timer) && remote_owns(pool_node_of(timer));
}

/* Hands over what other threads have posted. Returns how many. */
static size_t drop_posts(tw_loop *loop, struct post_queue *posts)
{
    size_t dropped = 0;
    for (struct post post; post_next(posts, &post); dropped++)
        drop(loop, post.callback, post.arg);
    return dropped;
}

/* Puts every active timer among the soon calls, behind those that are there, and
 * forgets the parked ones. It takes no memory: each has just given up a cell. */
static void gather(tw_loop *loop)
{
    struct calendar *calendar = &loop->calendar;
    struct queue all = calendar->soon;
    calendar->soon = (struct queue){0};
    tw_bare_timer *timer, *spilled = calendar->spill;
    calendar->spill = NULL; /* they have no cell to give up: next_dropped finds them */
    while ((timer = calendar_drain(calendar)) != NULL) {
        if (timer_parked(timer))
            continue;
        loop->counts.gathered++;
        calendar->sequence += TIMER_SEQUENCE_ONE;
        timer_set_sequence(timer, calendar->sequence);
        timer_set_slot(timer, SLOT_SOON);
        queue_push_sure(&calendar->cells, &all, timer);
        calendar->soon_pending++;
    }
    calendar->soon = all;
    calendar->spill = spilled;
    chunk_keep_again(&calendar->cells);
    calendar->next_ns = 0;
    calendar_stop_passing(calendar);
}

/* The next of what was gathered, or spilled, up to this sequence number, taken out of
 * its place; NULL: no more. */
static tw_bare_timer *next_dropped(tw_loop *loop, uint64_t last)
{
    struct calendar *calendar = &loop->calendar;
    const tw_bare_timer *first = queue_first(&calendar->cells, &calendar->soon);
    if (first && !timer_scheduled_before(last, timer_sequence(first)))
        return calendar_next_soon(calendar);
    for (tw_bare_timer *timer = calendar->spill; timer; timer = timer->place_) {
        if (!timer_scheduled_before(last, timer_sequence(timer))) {
            calendar_remove(calendar, timer);
            return timer;
        }
    }
    return NULL;
}

/* on_drop may use the loop meanwhile: so all that is to be dropped is gathered
 * first, and what is started or moved comes behind it or goes elsewhere. */
size_t tw_cancel_all(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return 0;
    }
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop))
        return 0;
    struct calendar *calendar = &loop->calendar;
    bool dropping = loop->dropping;
    loop->dropping = true;
    gather(loop);
    (void)post_collect(&loop->posts, SIZE_MAX);
    struct post_queue posts = {.taken = loop->posts.taken};
    loop->posts.taken = NULL;
    loop->posts.handed = loop->posts.collected;
    uint64_t last = calendar->sequence;
    size_t dropped = remote_drop_all(loop, drop);
    tw_bare_timer *timer;
    while ((timer = next_dropped(loop, last)) != NULL) {
        loop->counts.stops++;
        if (is_remote(timer)) {
            loop->remote.taken_out++;
            continue;
        }
        dropped++;
        drop_timer(loop, timer);
    }
    dropped += drop_posts(loop, &posts);
    loop->dropping = dropping;
    TW_ASSERT_SOUND(loop);
    return dropped;
}

void tw_loop_free(tw_loop *loop)
{
    if (!loop)
        return;
    TW_CLAIM(loop);
    if (!loop_idle(loop))
        return;
    if (loop->recorder)
        tw_record_stop(loop);
    loop->closing = loop->dropping = loop->posts.closed = true;
    loop_watch_starts(loop, 0);
    calendar_stop_passing(&loop->calendar);
    (void)remote_drop_all(loop, drop);
    tw_bare_timer *timer;
    while ((timer = calendar_drain(&loop->calendar)) != NULL) {
        if (timer_parked(timer) || is_remote(timer))
            continue;
        loop->counts.dropped++;
        drop_timer(loop, timer);
    }
    (void)post_collect(&loop->posts, SIZE_MAX);
    (void)drop_posts(loop, &loop->posts);
    runner_free(loop);
    remote_free(loop);
    calendar_free(&loop->calendar);
    pool_free(&loop->pool);
    struct memory memory = loop->memory;
    if (loop->allocator.free)
        memory.allocator = loop->allocator;
    loop_lock(loop); /* the hook that frees the loop itself finds it so, too */
    memory_free(&memory, loop, loop_bytes());
}

int tw_loop_adopt(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return -1;
    }
    runner_adopt(loop);
    return 0;
}

/* There may be no room for it, or it may be due before the runner's alarm. */
TW_COLD bool loop_look_at_start(tw_loop *loop, uint64_t when_ns)
{
    bool busy = loop->closing || loop->locked;
    if (busy || loop_pending_all(loop) >= loop->pending_cap) {
        errno = busy ? EBUSY : ENOBUFS;
        return false;
    }
    remote_tell_others(loop, loop_pending_own(loop) + 1);
    loop_look_at_move(loop, when_ns);
    return true;
}

double tw_time(tw_loop *loop)
{
    if (!loop)
        return __builtin_nan("");
    TW_ASSERT_OWNED(loop);
    return (double)loop_read_clock(loop) / 1e9;
}

uint64_t tw_time_ns(tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop_read_clock(loop);
}

uint64_t tw_update_now(tw_loop *loop)
{
    return tw_time_ns(loop);
}

uint64_t tw_now_ns(const tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop->now_ns;
}

uint64_t tw_missed(const tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop->run.left_out;
}

/* Room for so many timers, with nodes for as many calls, */
static int reserve(tw_loop *loop, size_t timers, size_t nodes)
{
    if (!loop) {
        errno = EINVAL;
        return -1;
    }
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop))
        return -1;
    if (calendar_reserve(&loop->calendar, timers) != 0 ||
        pool_reserve(&loop->pool, nodes, true) != 0) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

int tw_reserve(tw_loop *loop, size_t timers)
{
    return reserve(loop, timers, timers);
}

int tw_reserve_calls(tw_loop *loop, size_t calls)
{
    return reserve(loop, calls, calls);
}

int tw_reserve_embedded(tw_loop *loop, size_t timers)
{
    return reserve(loop, timers, 0);
}

uint64_t loop_point_between(tw_loop *loop, uint64_t earliest_ns, uint64_t latest_ns)
{
    if (latest_ns - earliest_ns < loop->slack_ns) {
        if (earliest_ns > loop->sharp_until_ns)
            loop->sharp_until_ns = earliest_ns;
        return earliest_ns;
    }
    uint64_t high = latest_ns - loop->slack_ns;
    uint64_t low = earliest_ns > loop->clock_ns ? earliest_ns : loop->clock_ns;
    return low < high ? bits_roundest(low, high) : high;
}

size_t tw_trim(tw_loop *loop)
{
    if (!loop) {
        errno = EINVAL;
        return 0;
    }
    TW_ASSERT_OWNED(loop);
    if (!loop_may_change(loop))
        return 0;
    size_t given = remote_trim(loop);
    size_t before = loop->memory.bytes;
    calendar_trim(&loop->calendar);
    pool_trim(&loop->pool);
    TW_ASSERT_SOUND(loop);
    if (before > loop->memory.bytes)
        given += before - loop->memory.bytes;
    return given;
}

size_t tw_pending_count(const tw_loop *loop)
{
    if (!loop)
        return 0;
    TW_ASSERT_OWNED(loop);
    return loop_pending_all(loop);
}

void tw_stats_get(const tw_loop *loop, tw_stats *out)
{
    if (!loop || !out) {
        errno = EINVAL;
        return;
    }
    TW_ASSERT_OWNED(loop);
    const struct calendar *calendar = &loop->calendar;
    const struct remote *remote = &loop->remote;
    struct remote_tally others = remote_counts(remote);
    tw_stats stats = {
        .size = out->size,
        .pending = loop_pending_own(loop) + (size_t)others.live,
        .parked = calendar_parked(calendar),
        .overflow = calendar_overflow(calendar),
        .bytes = loop->memory.bytes,
        .started = loop_started(loop) - remote->placed + others.started,
        .fired = loop->counts.fired,
        .cancelled = loop_cancelled(loop) - remote->taken_out + others.cancelled,
        .rearmed = loop_rearmed(loop),
        .moved = calendar->moved,
        .moved_max = calendar->moved_max,
        .relocated = calendar->relocated,
        .visited = calendar->visited,
        .wakeups = loop->runner.wakeups,
        .alarms = loop->runner.alarms,
    };
    memcpy(stats.late, loop->late, sizeof stats.late);
    memcpy(out, &stats, out->size < sizeof stats ? out->size : sizeof stats);
}

const char *tw_version(void)
{
    return TW_VERSION_STRING;
}
