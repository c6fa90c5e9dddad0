/* SPDX-License-Identifier: MIT */
/*
 * program: a program of public calls, run by a loop and by a sorted array at
 * once; the two must agree after every step.
 *
 *     input   options (tick, first reading, cap, slack ...)
 *             then steps, each a byte that says which call, and its arguments;
 *             a callback makes steps, too, which follow where it is made
 *
 * Everything is seen through the public header, so that the library's inside may
 * change; tests/model knows it, and asks for more. Where the contract leaves a
 * choice (which calls a bounded run makes, the point of a window), what the loop
 * has chosen is held against what it was allowed.
 *
 * FUZZ_TRACE=1 in the environment: every step is told on stderr.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tickwheel.h>

#include "fuzzing.h"
#include "input.h"
#include "ledger.h"
#include "supply.h"
#include "trace_file.h"

/* Entries that single steps name by a byte, and blocks of as many that steps for
 * many use. Odd ones are embedded timers, even ones calls by handle. */
#define BLOCK 256
#define BLOCKS 20
#define ENTRIES (BLOCK * BLOCKS)
#define CONTEXTS 4

/* Steps and firings of one input at most: else a periodic call of 1 ns and a
 * jump of an hour would never end. */
#define MOST_WORK 20000

#ifndef TW_LEVEL_BITS
#define TW_LEVEL_BITS 8
#define TW_LEVELS 3
#endif

struct entry {
    tw_timer *timer;       /* of an odd entry, in a block of its own: a use after free shows */
    tw_handle handle;      /* of the pending call */
    tw_handle stale;       /* an earlier one */
    uint64_t interval;     /* of a periodic call; 0: once */
    tw_context *context;   /* of the pending call */
    uint8_t steps;         /* that its callback makes */
    bool pending;          /* it is in the ledger */
    uint8_t posted;        /* a post is on its way: 1, in memory of the library; 2, in posts[] */
    bool own;              /* its own callback is under way, and has not started it yet */
};

/* A context that counts what the loop does with it. */
struct counted {
    tw_context context;
    int references, entered;
};

/* A run under way; runs may be nested. */
struct frame {
    struct frame *outer;
    tw_context *around;    /* what was current when it began */
    tw_context *own;       /* the loop's own context */
    uint64_t now;          /* what is due by then, it may make */
    uint64_t last_order;   /* what was scheduled later must wait */
    uint64_t outer_soon;   /* soon_must of the run around it */
    size_t calls, max_calls;
    bool timers_began;
    uint64_t ends;         /* the reading at which it starts no further call */
};

static struct {
    struct input input;
    struct supply supply;
    struct ledger ledger;
    struct entry entries[ENTRIES];
    struct counted contexts[CONTEXTS];
    tw_post posts[BLOCK];
    tw_loop *loop;
    tw_options options;
    unsigned tick_shift;
    uint64_t clock;        /* what the loop's clock reads */
    uint64_t highest;      /* what it has read at most, as the loop knows it */
    uint64_t callback_takes; /* ns of the clock, each */
    struct frame *frame;   /* the innermost run; NULL: none */
    unsigned work;
    bool tracing, check_often, failed_ever, quiet, dropping;
    bool cancelling;       /* tw_cancel_all is under way */
    uint64_t cancel_order; /* what was scheduled later stays */
    size_t cancelled;
    tw_context *current;   /* as tw_context_current has to answer */
    uint64_t fired, timers_fired, posts_waiting;
    /* What the run before has left of the soon calls it could have made. */
    uint64_t soon_must;    /* those up to here go before any timer */
    bool cut;
    unsigned idle_runs;    /* bounded runs one after the other that made nothing of what is due */
    uint64_t posts_sent, posts_made; /* in order */
    unsigned post_order[BLOCK * 4];
    struct tape {
        unsigned char *bytes;
        size_t count, room;
        bool refuse;
    } tape;
} m;

/* ------------------------------------------------------------------ reporting */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    if (!m.tracing)
        return;
    int depth = 0;
    for (struct frame *frame = m.frame; frame; frame = frame->outer)
        depth += 4;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%*s", depth, "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static _Noreturn void differ(int line, const char *what)
{
    fprintf(stderr, "program.c:%d: not so: %s\n", line, what);
    fprintf(stderr, "clock %" PRIu64 ", highest %" PRIu64 ", %zu pending, tick 2^%u ns\n", m.clock,
            m.highest, m.ledger.count, m.tick_shift);
    abort();
}

#define MUST(condition) ((condition) ? (void)0 : differ(__LINE__, #condition))

static uint64_t read_clock(void *arg)
{
    (void)arg;
    if (m.clock > m.highest)
        m.highest = m.clock;
    return m.clock;
}

static uint64_t clamped(uint64_t reading)
{
    return reading == UINT64_MAX ? UINT64_MAX - 1 : reading;
}

/* What the clock reads, or has read at most. */
static uint64_t latest(void)
{
    return m.clock > m.highest ? m.clock : m.highest;
}

/* What a relative start counts from. */
static uint64_t counted_from(void)
{
    if (m.options.cached_now)
        return m.highest;
    return latest();
}

/* ------------------------------------------------------------------- entries */

static void on_fire(void *arg);

static unsigned number(const struct entry *entry)
{
    return (unsigned)(entry - m.entries);
}

static bool is_timer(const struct entry *entry)
{
    return number(entry) & 1;
}

/* Enters the entry in the ledger, takes it out of where it was. */
static void enter(struct entry *entry, bool soon, uint64_t deadline)
{
    if (entry->pending)
        ledger_remove(&m.ledger, number(entry));
    entry->pending = true;
    ledger_add(&m.ledger, number(entry), soon, deadline);
}

static void strike(struct entry *entry)
{
    if (entry->pending)
        ledger_remove(&m.ledger, number(entry));
    entry->pending = false;
}

static struct entry *any_entry(void)
{
    return &m.entries[input_byte(&m.input)];
}

static struct input_base base(void)
{
    struct input_base base = {
        .now = latest(), .tick_shift = m.tick_shift};
    if (m.ledger.count > 0)
        base.other = m.ledger.lines[m.ledger.count / 2].deadline;
    return base;
}

static uint64_t any_when(void)
{
    struct input_base from = base();
    return input_when(&m.input, &from);
}

static uint64_t any_delay(void)
{
    struct input_base from = base();
    return input_delay(&m.input, &from);
}

/* How many steps a callback makes: mostly none. */
static uint8_t any_steps(void)
{
    unsigned byte = input_byte(&m.input);
    return byte >= 0xC0 ? byte & 3 : 0;
}

static tw_timer *timer_of(struct entry *entry)
{
    if (!entry->timer) {
        entry->timer = malloc(sizeof *entry->timer);
        if (!entry->timer)
            abort();
        tw_timer_init(entry->timer, on_fire, entry);
    }
    return entry->timer;
}

/* The loop holds no pointer to this timer: the next use of it would show. */
static void free_timer(struct entry *entry)
{
    free(entry->timer);
    entry->timer = NULL;
}

/* Whether a start that failed was right to. */
static void check_refusal(uint64_t refused_before)
{
    say("  refused, errno %d", errno);
    if (errno == EBUSY && m.dropping)
        return;
    if (errno == ENOBUFS)
        MUST(m.options.max_pending != 0 && m.ledger.count >= m.options.max_pending);
    else
        MUST(errno == ENOMEM && m.supply.refused > refused_before);
}

/* --------------------------------------------------------------- single calls */

static void start_timer(struct entry *entry, uint64_t deadline, bool later)
{
    bool was_pending = entry->pending;
    uint64_t refused = m.supply.refused;
    tw_timer *timer = timer_of(entry);
    uint64_t now = counted_from();
    errno = 0;
    int result = later && deadline >= now
                     ? tw_timer_start_later_ns(m.loop, timer, deadline - now)
                     : tw_timer_start_at_ns(m.loop, timer, deadline);
    say("start timer %u at %" PRIu64, number(entry), deadline);
    if (result != 0) {
        MUST(!was_pending);
        MUST(!tw_timer_active(timer));
        MUST(!entry->own || errno != ENOMEM);
        check_refusal(refused);
        return;
    }
    entry->own = false;
    enter(entry, false, deadline);
    MUST(tw_timer_active(timer) && tw_timer_when_ns(timer) == deadline);
}

static void stop_timer(struct entry *entry, bool forget)
{
    say("stop timer %u%s", number(entry), forget ? " and free it" : "");
    tw_timer *timer = timer_of(entry);
    tw_timer_stop(m.loop, timer);
    strike(entry);
    MUST(!tw_timer_active(timer) && tw_timer_when_ns(timer) == UINT64_MAX);
    if (forget)
        free_timer(entry);
}

static void park_timer(struct entry *entry)
{
    say("park timer %u", number(entry));
    tw_timer *timer = timer_of(entry);
    tw_timer_park(m.loop, timer);
    strike(entry);
    MUST(!tw_timer_active(timer) && tw_timer_when_ns(timer) == UINT64_MAX);
}

/* What was scheduled: a call by handle, or nothing (0). */
static void scheduled(struct entry *entry, tw_handle handle, bool soon, uint64_t deadline,
                      uint64_t interval, tw_context *context, uint64_t refused)
{
    if (handle == 0) {
        check_refusal(refused);
        return;
    }
    MUST(handle != entry->stale);
    MUST(!m.dropping);
    entry->handle = handle;
    entry->interval = interval;
    entry->context = context;
    enter(entry, soon, deadline);
    MUST(tw_pending(m.loop, handle));
    MUST(tw_when_ns(m.loop, handle) == deadline);
}

static void start_call(struct entry *entry, uint64_t deadline, bool later)
{
    uint64_t refused = m.supply.refused, now = counted_from();
    errno = 0;
    say("call %u at %" PRIu64, number(entry), deadline);
    tw_handle handle = later && deadline >= now
                           ? tw_call_later_ns(m.loop, deadline - now, on_fire, entry)
                           : tw_call_at_ns(m.loop, deadline, on_fire, entry);
    scheduled(entry, handle, false, deadline, 0, m.current, refused);
}

static void move_call(struct entry *entry, uint64_t deadline, bool later)
{
    say("move call %u to %" PRIu64, number(entry), deadline);
    uint64_t now = counted_from();
    if (later && deadline >= now)
        MUST(tw_reschedule_later_ns(m.loop, entry->handle, deadline - now));
    else
        MUST(tw_reschedule_at_ns(m.loop, entry->handle, deadline));
    enter(entry, false, deadline);
    MUST(tw_when_ns(m.loop, entry->handle) == deadline);
}

static void cancel_call(struct entry *entry)
{
    say("cancel call %u", number(entry));
    bool was_pending = entry->pending;
    MUST(tw_cancel(m.loop, entry->handle) == was_pending);
    if (!was_pending)
        return;
    strike(entry);
    entry->stale = entry->handle;
    entry->context = NULL;
}

static void start(struct entry *entry, uint64_t deadline, bool later)
{
    if (is_timer(entry))
        start_timer(entry, deadline, later);
    else if (entry->pending)
        move_call(entry, deadline, later);
    else
        start_call(entry, deadline, later);
}

static void stop(struct entry *entry, bool forget)
{
    if (is_timer(entry))
        stop_timer(entry, forget);
    else
        cancel_call(entry);
}

static void call_soon(struct entry *entry)
{
    if (is_timer(entry) || entry->pending)
        return;
    uint64_t refused = m.supply.refused;
    errno = 0;
    say("call %u soon", number(entry));
    scheduled(entry, tw_call_soon(m.loop, on_fire, entry), true, tw_now_ns(m.loop), 0, m.current,
              refused);
}

static void call_every(struct entry *entry, uint64_t interval)
{
    if (is_timer(entry) || entry->pending)
        return;
    uint64_t refused = m.supply.refused, now = counted_from();
    errno = 0;
    say("call %u every %" PRIu64, number(entry), interval);
    tw_handle handle = tw_call_every_ns(m.loop, interval, on_fire, entry);
    if (interval == 0)
        MUST(handle == 0 && errno == EINVAL);
    else
        scheduled(entry, handle, false, input_add(now, interval), interval, m.current, refused);
}

static void call_in_context(struct entry *entry, double when, tw_context *context)
{
    if (is_timer(entry) || entry->pending)
        return;
    uint64_t refused = m.supply.refused;
    errno = 0;
    tw_handle handle = tw_call_at_in(m.loop, when, on_fire, entry, context);
    uint64_t deadline = when <= 0 ? 0 : (uint64_t)(when * 1e9);
    say("call %u in a context at %" PRIu64, number(entry), deadline);
    scheduled(entry, handle, false, deadline, 0, context ? context : m.current, refused);
}

static void set_interval(struct entry *entry, uint64_t interval)
{
    const struct ledger_line *line =
        entry->pending && !is_timer(entry) ? ledger_find(&m.ledger, number(entry)) : NULL;
    bool is_periodic = line && !line->soon && entry->interval != 0;
    say("interval of %u: %" PRIu64, number(entry), interval);
    if (is_timer(entry))
        return;
    MUST(tw_set_interval_ns(m.loop, entry->handle, interval) == (is_periodic && interval != 0));
    if (is_periodic && interval != 0)
        entry->interval = interval;
}

/* Somewhere in a window; an active timer that is in it already is left alone. */
static void start_between(struct entry *entry, uint64_t earliest, uint64_t latest_ns)
{
    uint64_t refused = m.supply.refused;
    if (!is_timer(entry) && entry->pending)
        return;
    errno = 0;
    say("start %u between %" PRIu64 " and %" PRIu64, number(entry), earliest, latest_ns);
    if (!is_timer(entry)) {
        tw_handle handle =
            tw_call_between_ns(m.loop, earliest, latest_ns, on_fire, entry);
        uint64_t deadline = handle ? tw_when_ns(m.loop, handle) : 0;
        MUST(!handle || (earliest <= deadline && deadline <= latest_ns));
        if (latest_ns < earliest)
            MUST(handle == 0 && errno == EINVAL);
        else
            scheduled(entry, handle, false, deadline, 0, m.current, refused);
        return;
    }
    tw_timer *timer = timer_of(entry);
    uint64_t before = tw_timer_when_ns(timer);
    bool was_pending = entry->pending;
    int result = tw_timer_start_between_ns(m.loop, timer, earliest, latest_ns);
    uint64_t deadline = tw_timer_when_ns(timer);
    if (latest_ns < earliest) {
        MUST(result != 0 && errno == EINVAL && deadline == before);
    } else if (result != 0) {
        MUST(!was_pending && !tw_timer_active(timer));
        MUST(!entry->own || errno != ENOMEM);
        check_refusal(refused);
    } else if (was_pending && earliest <= before && before <= latest_ns) {
        MUST(deadline == before);
    } else {
        MUST(earliest <= deadline && deadline <= latest_ns);
        entry->own = false;
        enter(entry, false, deadline);
    }
}

static void check_stale(struct entry *entry)
{
    MUST(!tw_pending(m.loop, entry->stale));
    MUST(!tw_cancel(m.loop, entry->stale));
    MUST(!tw_reschedule_at_ns(m.loop, entry->stale, 0));
    MUST(tw_when_ns(m.loop, entry->stale) == UINT64_MAX);
}

/* ------------------------------------------------------------------ many calls */

/* Where the i-th of many goes: they come in order, backwards, all at once, or
 * shuffled. */
static uint64_t spread(uint64_t from, uint64_t stride, unsigned how, unsigned i, unsigned count)
{
    switch (how & 3) {
    case 0:
        return from;
    case 1:
        return input_add(from, i * stride);
    case 2:
        return input_add(from, (count - i) * stride);
    default:
        return input_add(from, i * 40503u % count * stride);
    }
}

static unsigned how_many(unsigned how)
{
    static const unsigned times[] = {1, 1, 4, 12};
    return 1 + input_byte(&m.input) * times[how >> 6];
}

static void start_many(void)
{
    unsigned how = input_byte(&m.input), count = how_many(how);
    struct entry *first = &m.entries[BLOCK * ((how >> 2 & 7))];
    uint64_t from = any_when(), stride = 1 + (any_delay() >> 8);
    if (stride > (uint64_t)1 << 40)
        stride = (uint64_t)1 << 40;
    unsigned steps = any_steps();
    for (unsigned i = 0; i < count; i++) {
        first[i].steps = i % 64 == 0 ? (uint8_t)steps : 0;
        start(&first[i], spread(from, stride, how, i, count), false);
    }
    m.work += count;
}

static void stop_many(void)
{
    unsigned how = input_byte(&m.input), count = how_many(how);
    struct entry *first = &m.entries[BLOCK * ((how >> 2 & 7))];
    for (unsigned i = 0; i < count; i++) {
        unsigned at = how & 1 ? count - 1 - i : i;
        if (how & 2 && is_timer(&first[at]))
            park_timer(&first[at]);
        else
            stop(&first[at], false);
    }
    m.work += count;
}

/* ------------------------------------------------------------------- looking in */

/* When the loop wants to be woken. */
static uint64_t check_next(void)
{
    uint64_t next = tw_next_ns(m.loop), earliest = ledger_earliest(&m.ledger);
    if (m.cancelling)
        return next; /* what is still to be handed over counts as due at once */
    if (ledger_has_soon(&m.ledger) || m.posts_waiting > 0)
        MUST(next <= m.highest);
    else if (m.ledger.count == 0)
        MUST(next == UINT64_MAX);
    else if (earliest != UINT64_MAX)
        MUST(next <= input_add(earliest, m.options.slack_ns));
    if (!ledger_has_soon(&m.ledger) && m.posts_waiting == 0)
        MUST(tw_earliest_ns(m.loop) == earliest);
    if (earliest <= m.highest)
        MUST(next <= m.highest); /* whatever the slack */
    return next;
}

static void check_timeout(void)
{
    m.clock = latest();
    tw_time_ns(m.loop); /* what is due by the timeout's own reading is not put off */
    uint64_t next = tw_next_ns(m.loop);
    int timeout = tw_timeout_ms(m.loop);
    if (next == UINT64_MAX)
        MUST(timeout == -1);
    else if (next <= m.highest)
        MUST(timeout == 0);
    else if ((next - m.highest - 1) / 1000000 >= INT_MAX)
        MUST(timeout == INT_MAX);
    else
        MUST((uint64_t)timeout == (next - m.highest - 1) / 1000000 + 1);
}

static void check_stats(void)
{
    tw_stats stats = {.size = sizeof stats};
    tw_stats_get(m.loop, &stats);
    MUST(stats.pending == m.ledger.count);
    MUST(stats.fired == m.fired);
    MUST(stats.started == stats.fired + stats.cancelled + stats.pending);
    MUST(stats.bytes == m.supply.bytes);
    uint64_t late = 0;
    for (unsigned i = 0; i < 64; i++)
        late += stats.late[i];
    MUST(late == m.timers_fired);
}

static void check_references(void)
{
    int counted[CONTEXTS] = {0};
    for (size_t i = 0; i < m.ledger.count; i++) {
        const struct entry *entry = &m.entries[m.ledger.lines[i].entry];
        if (!is_timer(entry) && entry->context)
            counted[(struct counted *)entry->context - m.contexts]++;
    }
    for (unsigned i = 0; i < CONTEXTS; i++) {
        MUST(m.contexts[i].references >= counted[i]);
        MUST(m.frame || m.cancelling || m.contexts[i].references == counted[i]);
    }
}

static void check(void)
{
    const char *broken = tw_check(m.loop);
    if (broken)
        differ(__LINE__, broken);
    if (m.supply.complaint)
        differ(__LINE__, m.supply.complaint);
    MUST(tw_pending_count(m.loop) == m.ledger.count);
    MUST(tw_context_current(m.loop) == m.current);
    check_references();
}

static struct {
    size_t visits, most;
    uint8_t seen[ENTRIES];
} visited;

static bool visit(void *arg, const tw_call_info *info)
{
    MUST(arg == &visited);
    MUST(info->callback == on_fire);
    const struct entry *entry = info->arg;
    MUST(entry->pending && !visited.seen[number(entry)]++);
    const struct ledger_line *line = ledger_find(&m.ledger, number(entry));
    MUST(line->soon || info->when_ns == line->deadline);
    MUST(info->timer == (is_timer(entry) ? entry->timer : NULL));
    MUST(info->handle == (is_timer(entry) ? 0 : entry->handle));
    MUST(info->interval_ns == (is_timer(entry) ? 0 : entry->interval));
    MUST(info->context == (is_timer(entry) ? NULL : entry->context));
    if (visited.visits % 64 == 0) { /* the loop is not changed meanwhile */
        errno = 0;
        MUST(tw_call_soon(m.loop, on_fire, NULL) == 0 && errno == EBUSY);
        errno = 0;
        MUST(tw_run(m.loop) == 0 && errno == EBUSY);
    }
    return ++visited.visits < visited.most;
}

static void look_at_each(void)
{
    unsigned most = input_byte(&m.input);
    memset(&visited, 0, sizeof visited);
    visited.most = most == 0 ? SIZE_MAX : most;
    size_t expected = m.ledger.count < visited.most ? m.ledger.count : visited.most;
    if (m.posts_waiting > 0)
        return;
    MUST(tw_foreach(m.loop, visit, &visited) == expected);
    MUST(visited.visits == expected);
}

static void trim(void)
{
    size_t before = m.supply.bytes, freed = tw_trim(m.loop);
    say("trim: %zu of %zu, now %zu", freed, before, m.supply.bytes);
    /* What has just been trimmed has no chunk to spare for the next trim to move in. */
    MUST((m.supply.bytes <= before && freed == before - m.supply.bytes) ||
         (freed == 0 && m.supply.bytes <= before + 1024));
    if (m.ledger.count == 0 && !m.frame && !tw_recording(m.loop))
        MUST(m.supply.bytes < (size_t)1 << 20);
}

/* ---------------------------------------------------------------------- memory */

static void any_failures(void)
{
    unsigned byte = input_byte(&m.input);
    m.supply.fail_one_in = byte & 1;
    m.supply.fail_from = m.supply.calls + (byte >> 1 & 31);
    m.failed_ever |= byte & 1;
    say("memory %s", byte & 1 ? "fails" : "is back");
}

/* A timer that found no memory where far timers wait is visited once a span: a
 * jump over very many spans would take for ever. */
static void limit_step(uint64_t before)
{
    unsigned bits = m.tick_shift + TW_LEVEL_BITS * TW_LEVELS + 7;
    uint64_t longest = bits > 63 || !m.failed_ever ? UINT64_MAX : (uint64_t)1 << bits;
    if (m.clock > before && m.clock - before > longest)
        m.clock = before + longest;
    m.clock = clamped(m.clock);
}

static void reserve(void)
{
    unsigned how = input_byte(&m.input), timers = input_byte(&m.input) << (how & 3);
    uint64_t refused = m.supply.refused;
    errno = 0;
    int result = how & 4   ? tw_reserve(m.loop, timers)
                 : how & 8 ? tw_reserve_calls(m.loop, timers)
                           : tw_reserve_embedded(m.loop, timers);
    say("reserve %u: %d", timers, result);
    MUST(result == 0 || (errno == ENOMEM && m.supply.refused > refused));
}

/* ------------------------------------------------------------------- contexts */

static struct counted *counted_of(tw_context *context)
{
    return (struct counted *)context;
}

static void on_retain(tw_context *context)
{
    counted_of(context)->references++;
}

static void on_release(tw_context *context)
{
    MUST(counted_of(context)->references-- > 0);
}

static void on_enter(tw_context *context)
{
    counted_of(context)->entered++;
}

static void on_leave(tw_context *context)
{
    MUST(counted_of(context)->entered-- > 0);
}

static const tw_context_ops counted_ops = {on_retain, on_release, on_enter, on_leave};

static tw_context *any_context(void)
{
    unsigned byte = input_byte(&m.input) % (CONTEXTS + 1);
    return byte == CONTEXTS ? NULL : &m.contexts[byte].context;
}

static void set_context(tw_context *context)
{
    MUST(tw_context_set(m.loop, context) == m.current);
    m.current = context;
}

/* ---------------------------------------------------------------------- running */

static void steps(unsigned count);

/* A periodic call is pending again before it is called. */
static void schedule_again(struct entry *entry, uint64_t deadline)
{
    uint64_t now = tw_now_ns(m.loop), next = input_add(deadline, entry->interval), missed = 0;
    if (next <= now && m.options.missed == TW_MISSED_SKIP) {
        missed = (now - deadline) / entry->interval;
        next = input_add(deadline + missed * entry->interval, entry->interval);
    }
    MUST(tw_missed(m.loop) == missed);
    enter(entry, false, next);
    MUST(tw_pending(m.loop, entry->handle));
    MUST(tw_when_ns(m.loop, entry->handle) == next);
}

/* Whether the run may make this call now. */
static void check_turn(struct frame *frame, const struct ledger_line *line)
{
    MUST(line != NULL);
    MUST(line->order <= frame->last_order);
    MUST(frame->calls < frame->max_calls);
    MUST(frame->calls == 0 || m.clock < frame->ends);
    MUST(tw_now_ns(m.loop) >= frame->now);
    MUST(!line->soon || !frame->timers_began);
    MUST(line->soon || line->deadline <= tw_now_ns(m.loop));
    for (const struct ledger_line *other = m.ledger.lines; other < line; other++) {
        if (other->soon == line->soon)
            MUST(other->order > frame->last_order);
        else
            MUST(other->order > m.soon_must);
    }
}

static void count_call(struct frame *frame)
{
    frame->calls++;
    m.fired++;
    m.work++;
    m.clock = clamped(input_add(m.clock, m.callback_takes));
}

static void on_fire(void *arg)
{
    struct entry *entry = arg;
    struct frame *frame = m.frame;
    say("fires: %u", number(entry));
    MUST(frame != NULL && !m.dropping);
    const struct ledger_line *found = ledger_find(&m.ledger, number(entry));
    check_turn(frame, found);
    struct ledger_line line = *found;
    frame->timers_began |= !line.soon;
    m.timers_fired += !line.soon;
    strike(entry);
    count_call(frame);
    tw_context *outer = m.current;
    entry->own = is_timer(entry);
    if (is_timer(entry)) {
        MUST(!tw_timer_active(entry->timer));
    } else {
        m.current = entry->context;
        MUST(!m.current || counted_of(m.current)->entered > 0);
        if (entry->interval != 0 && !line.soon) {
            schedule_again(entry, line.deadline);
        } else {
            MUST(tw_missed(m.loop) == 0);
            MUST(!tw_pending(m.loop, entry->handle));
            entry->stale = entry->handle;
            entry->context = NULL;
        }
    }
    MUST(tw_context_current(m.loop) == m.current);
    if (!m.quiet && m.work < MOST_WORK)
        steps(entry->steps);
    entry->own = false;
    m.current = outer;
}

static void begin_frame(struct frame *frame, size_t max_calls)
{
    *frame = (struct frame){
        .outer = m.frame,
        .around = m.current,
        .own = m.frame ? m.frame->own : m.current,
        .now = m.highest,
        .last_order = m.ledger.last_order,
        .outer_soon = m.soon_must,
        .max_calls = max_calls,
        .ends = UINT64_MAX,
    };
    /* A run that continues one cut short in its soon calls may leave those that
     * were scheduled since until the timers have had their turn. */
    if (!m.cut)
        m.soon_must = m.ledger.last_order;
    m.frame = frame;
    m.current = frame->own;
}

static bool left_over(const struct frame *frame)
{
    for (size_t i = 0; i < m.ledger.count; i++) {
        const struct ledger_line *line = &m.ledger.lines[i];
        if (!line->soon && line->deadline > frame->now)
            return false;
        if (line->order <= (line->soon ? m.soon_must : frame->last_order))
            return true;
    }
    return false;
}

static void end_frame(struct frame *frame, size_t calls)
{
    m.frame = frame->outer;
    m.current = frame->around;
    MUST(calls == frame->calls);
    bool bounded = frame->max_calls != SIZE_MAX || frame->ends != UINT64_MAX;
    bool left = left_over(frame);
    MUST(bounded || !left);
    m.cut = bounded && !frame->timers_began &&
            (calls == frame->max_calls || frame->ends != UINT64_MAX);
    m.idle_runs = bounded && left && calls == 0 && frame->max_calls > 0 ? m.idle_runs + 1 : 0;
    MUST(m.idle_runs < 100);
    if (left)
        MUST(tw_next_ns(m.loop) <= input_add(m.highest, m.options.slack_ns));
    if (m.frame)
        m.soon_must = frame->outer_soon;
}

enum how { RUN, ADVANCE, RUN_MAX, RUN_FOR };

/* again: the run before had nothing left to do, and may have asked for this one, once, at
 * the time that a cancelled or moved timer had. */
static void run_once(enum how how, uint64_t limit, bool again)
{
    bool nested = m.frame != NULL;
    nested &= !m.options.nested;
    if (nested || m.cancelling) {
        errno = 0;
        MUST(tw_run(m.loop) == 0 && errno == EBUSY);
        errno = 0;
        MUST(tw_run_max(m.loop, 3) == 0 && errno == EBUSY);
        errno = 0;
        tw_loop_free(m.loop);
        MUST(errno == EBUSY);
        return;
    }
    struct frame frame;
    size_t calls = 0;
    m.highest = latest();
    begin_frame(&frame, how == RUN_MAX ? (size_t)limit : SIZE_MAX);
    say("run at %" PRIu64 ", how %d, limit %" PRIu64, m.highest, how, limit);
    switch (how) {
    case RUN:
        calls = tw_run(m.loop);
        break;
    case ADVANCE:
        calls = tw_advance(m.loop, m.highest);
        break;
    case RUN_MAX:
        calls = tw_run_max(m.loop, (size_t)limit);
        break;
    case RUN_FOR:
        frame.ends = input_add(m.highest, limit);
        calls = tw_run_for_ns(m.loop, limit);
        break;
    }
    end_frame(&frame, calls);
    if (m.frame)
        return;
    if (how == RUN && m.callback_takes == 0 && !m.failed_ever && !ledger_has_soon(&m.ledger) &&
        ledger_earliest(&m.ledger) > m.highest && m.posts_waiting == 0 &&
        tw_next_ns(m.loop) <= m.highest) {
        MUST(!again); /* else the caller would spin */
        run_once(RUN, 0, true);
        return;
    }
    if (m.ledger.count < 100 || m.work % 16 == 0)
        check();
}

static void run(enum how how, uint64_t limit)
{
    run_once(how, limit, false);
}

static void move_clock_by(uint64_t by)
{
    uint64_t before = latest();
    m.clock = input_add(before, by);
    limit_step(before);
}

static void run_at_next(int64_t off)
{
    uint64_t next = check_next(), before = latest();
    if (m.frame || next == UINT64_MAX || next <= before)
        return;
    m.clock = next + (uint64_t)off;
    limit_step(before);
    run(RUN, 0);
}

/* ------------------------------------------------- posts, from this very thread */

static void on_post(void *arg)
{
    struct frame *frame = m.frame;
    unsigned which = (unsigned)((tw_post *)arg - m.posts);
    say("post %u comes", which);
    MUST(frame != NULL && !frame->timers_began && frame->calls < frame->max_calls);
    MUST(m.posts_made < m.posts_sent);
    MUST(m.post_order[m.posts_made++ % (BLOCK * 4)] == which);
    MUST(m.entries[which].posted);
    m.entries[which].posted = 0;
    m.posts_waiting--;
    count_call(frame);
    tw_context *outer = m.current;
    if (!m.quiet && m.work < MOST_WORK)
        steps(m.entries[which].steps);
    m.current = outer;
}

static void post(void)
{
    unsigned which = input_byte(&m.input) & 127, by_memory = input_byte(&m.input) & 1;
    if (m.entries[which].posted) {
        if (m.entries[which].posted == 2) /* changes nothing */
            MUST(tw_post_send(m.loop, &m.posts[which]) == 0);
        return;
    }
    say("post %u", which);
    int result = by_memory ? tw_call_soon_threadsafe(m.loop, on_post, &m.posts[which])
                           : tw_post_send(m.loop, &m.posts[which]);
    MUST(result == 0);
    m.entries[which].posted = by_memory ? 1 : 2;
    m.post_order[m.posts_sent++ % (BLOCK * 4)] = which;
    m.posts_waiting++;
}

/* -------------------------------------------------------------------- recording */

static int tape_write(void *arg, const void *bytes, size_t count)
{
    struct tape *tape = arg;
    if (tape->refuse)
        return -1;
    if (tape->count + count > tape->room) {
        tape->room = (tape->count + count) * 2;
        tape->bytes = realloc(tape->bytes, tape->room);
        if (!tape->bytes)
            abort();
    }
    memcpy(tape->bytes + tape->count, bytes, count);
    tape->count += count;
    return 0;
}

/* What was recorded is a trace. */
static void check_tape(void)
{
    struct trace_reader reader;
    struct trace_event event;
    int result = trace_read_begin(&reader, m.tape.bytes, m.tape.count);
    if (result != 0)
        differ(__LINE__, reader.error);
    while ((result = trace_read_next(&reader, &event)) == 1)
        MUST(event.time_ns <= m.highest);
    if (result != 0)
        differ(__LINE__, reader.error);
}

static void record(void)
{
    unsigned byte = input_byte(&m.input);
    if (tw_recording(m.loop)) {
        m.tape.refuse = byte == 1;
        say("recording ends");
        if (tw_record_stop(m.loop) == 0)
            check_tape();
        else
            MUST(errno == ENOMEM || (errno == EIO && m.tape.refuse));
        m.tape.refuse = false;
        return;
    }
    m.tape.count = 0;
    say("recording begins");
    MUST(tw_record_start(m.loop, tape_write, &m.tape) == 0 || errno == ENOMEM || m.dropping);
}

/* ----------------------------------------------------------- all that is pending */

/* Handed back by tw_loop_free or tw_cancel_all. */
static void on_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    MUST(hook_arg == &m);
    m.cancelled++;
    if (callback == on_post) {
        m.entries[(tw_post *)arg - m.posts].posted = 0;
        m.posts_waiting--;
        return;
    }
    struct entry *entry = arg;
    MUST(callback == on_fire && entry->pending);
    if (m.cancelling)
        MUST(ledger_find(&m.ledger, number(entry))->order <= m.cancel_order);
    strike(entry);
    if (!is_timer(entry)) {
        MUST(!tw_pending(m.loop, entry->handle));
        entry->stale = entry->handle;
        entry->context = NULL;
    }
    if (m.cancelling && m.work++ < MOST_WORK) {
        steps(entry->steps);
    } else if (m.dropping && entry->steps) {
        errno = 0; /* nothing can be started any more */
        MUST(tw_call_soon(m.loop, on_fire, entry) == 0 && errno == EBUSY);
    }
}

/* Also from on_drop. */
static void cancel_all(void)
{
    bool outer = m.cancelling;
    uint64_t outer_order = m.cancel_order, posts_before = m.posts_sent;
    size_t outer_count = m.cancelled;
    say("cancel all of %zu", m.ledger.count);
    m.cancelling = true;
    m.cancelled = 0;
    m.cancel_order = m.ledger.last_order;
    MUST(tw_cancel_all(m.loop) == m.cancelled);
    for (size_t i = 0; i < m.ledger.count; i++)
        MUST(m.ledger.lines[i].order > m.cancel_order);
    if (m.posts_made < posts_before)
        m.posts_made = posts_before;
    m.cancelling = outer;
    m.cancel_order = outer_order;
    m.cancelled = outer_count;
}

/* -------------------------------------------------------------------- the steps */

/* Numbers of steps stay what they are: the corpus is written in them. */
static void step(void)
{
    unsigned op = input_byte(&m.input) & 63;
    struct entry *entry;
    m.work++;
    switch (op) {
    case 0:
    case 1:
        entry = any_entry();
        entry->steps = any_steps();
        start(entry, any_when(), op == 1);
        break;
    case 2:
    case 3:
        stop(any_entry(), op == 3);
        break;
    case 4:
        entry = any_entry();
        if (is_timer(entry))
            park_timer(entry);
        else
            check_stale(entry);
        break;
    case 5:
        entry = any_entry();
        entry->steps = any_steps();
        call_soon(entry);
        break;
    case 6:
        entry = any_entry();
        entry->steps = any_steps();
        call_every(entry, any_delay());
        break;
    case 7:
        move_clock_by(any_delay());
        run(RUN, 0);
        break;
    case 8:
        move_clock_by(any_delay());
        run(ADVANCE, 0);
        break;
    case 9:
        move_clock_by(any_delay());
        run(RUN_MAX, input_byte(&m.input));
        break;
    case 10:
        run(RUN_MAX, input_byte(&m.input));
        break;
    case 11:
        move_clock_by(any_delay());
        run(RUN_FOR, input_byte(&m.input));
        break;
    case 12:
        run_at_next(0);
        break;
    case 13:
        run_at_next(-1);
        break;
    case 14:
        start_many();
        break;
    case 15:
        stop_many();
        break;
    case 16:
        check_next();
        check_timeout();
        check();
        check_stats();
        break;
    case 17:
        any_failures();
        break;
    case 18:
        reserve();
        break;
    case 19:
        set_context(any_context());
        break;
    case 20:
        entry = any_entry();
        entry->steps = any_steps();
        call_in_context(entry, input_byte(&m.input) / 512.0, any_context());
        break;
    case 21: { /* the clock goes back, by itself */
        uint64_t back = any_delay();
        m.clock -= back < m.clock ? back : m.clock;
        break;
    }
    case 22: {
        uint64_t reading = tw_time_ns(m.loop);
        MUST(reading == m.highest);
        break;
    }
    case 23:
        record();
        break;
    case 24:
        post();
        break;
    case 25:
        m.callback_takes = input_byte(&m.input);
        break;
    case 26:
        cancel_all();
        break;
    case 27:
        entry = any_entry();
        set_interval(entry, any_delay());
        break;
    case 28: {
        uint64_t reading = tw_update_now(m.loop);
        MUST(reading == m.highest);
        break;
    }
    case 29: {
        entry = any_entry();
        entry->steps = any_steps();
        uint64_t earliest = any_when(), width = any_delay();
        start_between(entry, earliest, width == 1 ? earliest - 1 : input_add(earliest, width));
        break;
    }
    case 30:
        trim();
        break;
    case 31:
        look_at_each();
        break;
    default:
        break;
    }
    if (m.check_often)
        check();
}

static void steps(unsigned count)
{
    while (count-- > 0 && !input_over(&m.input))
        step();
}

/* -------------------------------------------------------- beginning and ending */

static uint64_t first_reading(unsigned byte)
{
    uint64_t power = (uint64_t)1 << (byte & 63);
    switch (byte >> 6) {
    case 0:
        return UINT64_C(1000000000000);
    case 1:
        return power;
    case 2:
        return ((uint64_t)1 << 63) - power;
    default:
        return UINT64_MAX - power;
    }
}

/* Another option takes the upper bit of the tick's byte: no input of the corpus has it. */
static bool begin(void)
{
    static tw_allocator allocator;
    unsigned flags = input_byte(&m.input), tick = input_byte(&m.input) & 63;
    m.clock = clamped(first_reading(input_byte(&m.input)));
    m.tick_shift = tick == 0 ? 20 : tick;
    allocator = supply_allocator(&m.supply);
    m.options = (tw_options){
        .size = sizeof m.options,
        .tick_ns = tick == 0 ? 0 : (uint64_t)1 << tick,
        .slack_ns = flags & 1 ? input_shift(1, input_byte(&m.input) & 63) : 0,
        .max_pending = flags & 2 ? 1 + input_byte(&m.input) * 4u : 0,
        .reserve = flags & 4 ? input_byte(&m.input) : 0,
        .clock = read_clock,
        .allocator = &allocator,
        .missed = flags & 8 ? TW_MISSED_CATCH_UP : TW_MISSED_SKIP,
        .on_drop = on_drop,
        .hook_arg = &m,
        .nested = flags & 64,
        .cached_now = flags & 128,
    };
    if (flags & 16)
        any_failures();
    m.check_often = flags & 32;
    for (unsigned i = 0; i < CONTEXTS; i++)
        m.contexts[i].context.ops = &counted_ops;
    for (unsigned i = 0; i < BLOCK; i++)
        tw_post_init(&m.posts[i], on_post, &m.posts[i]);
    m.loop = tw_loop_new(&m.options);
    if (!m.loop)
        MUST(m.supply.refused > 0 && errno == ENOMEM && m.supply.blocks == 0);
    return m.loop != NULL;
}

/* Goes from wake-up to wake-up until nothing is left that will ever be due. */
static void run_out(void)
{
    m.quiet = true;
    m.supply.fail_one_in = 0;
    for (unsigned i = 0; i < ENTRIES; i += 2) {
        if (m.entries[i].interval != 0 && m.entries[i].pending)
            cancel_call(&m.entries[i]);
    }
    m.callback_takes = 0;
    run(RUN, 0);
    run(RUN, 0);
    MUST(!ledger_has_soon(&m.ledger) && m.posts_waiting == 0);
    tw_stats stats = {.size = sizeof stats};
    tw_stats_get(m.loop, &stats);
    /* A parked one's place is visited, too. */
    size_t patience = 100 + (m.ledger.count + stats.parked) * (TW_LEVELS + 2) * 4;
    while (!m.failed_ever && ledger_earliest(&m.ledger) < UINT64_MAX - 1) {
        uint64_t next = check_next();
        MUST(next > m.highest && next < UINT64_MAX);
        m.clock = next;
        run(RUN, 0);
        MUST(patience-- > 0);
    }
}

static void end(void)
{
    m.dropping = true;
    tw_loop_free(m.loop);
    MUST(m.ledger.count == 0 && m.posts_waiting == 0);
    MUST(m.supply.blocks == 0 && m.supply.bytes == 0 && !m.supply.complaint);
    for (unsigned i = 0; i < CONTEXTS; i++)
        MUST(m.contexts[i].references == 0 && m.contexts[i].entered == 0);
    for (unsigned i = 0; i < ENTRIES; i++) {
        MUST(!m.entries[i].timer || !tw_timer_active(m.entries[i].timer));
        free_timer(&m.entries[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    memset(&m, 0, sizeof m);
    m.input = (struct input){bytes, bytes + count};
    m.tracing = getenv("FUZZ_TRACE") != NULL;
    if (!begin())
        return 0;
    while (!input_over(&m.input) && m.work < MOST_WORK)
        step();
    check();
    if (count & 1)
        run_out();
    end();
    ledger_free(&m.ledger);
    free(m.tape.bytes);
    return 0;
}
