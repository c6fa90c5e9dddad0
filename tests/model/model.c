/* SPDX-License-Identifier: MIT */
/* model: the operations and what is compared after each, as model.h says. */
#include "model.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger.h"
#include "loop.h"
#include "random.h"
#include "supply.h"

#define ENTRIES 900

/* Bits of a deadline within the wheel's span, in ticks. */
#define SPAN_BITS (TW_LEVEL_BITS * TW_LEVELS + 1)

/* Somebody who schedules one thing at a time: a call, or a timer of his own. */
struct entry {
    tw_timer *timer;       /* NULL: this one schedules calls */
    tw_handle handle;      /* of the pending call */
    tw_handle stale;       /* an earlier one */
    uint64_t interval;     /* of a periodic call; 0: once */
};

/* What kind of program this is: drawn once from the seed. */
struct profile {
    unsigned entries;
    unsigned tick_shift;
    unsigned delay_bits;   /* magnitude of the usual delay */
    unsigned step_bits;    /* magnitude of the usual step of the clock */
    unsigned operations;   /* at most, in one step */
    unsigned nested;       /* operations in a callback: below this */
    unsigned cut_one_in;   /* how often a run is bounded; 0: never */
    bool check_often;      /* tw_check after every operation too */
};

/* A run under way; runs may be nested. */
struct frame {
    struct frame *outer;
    uint64_t now;
    uint64_t last_order;   /* what was scheduled later must wait */
    uint64_t last_soon;    /* soon calls after this one must let the timers go first */
    uint64_t ends;         /* no call begins at this reading; UINT64_MAX: at any */
    size_t calls, max_calls;
    bool timers_began;
};

static struct {
    const struct model_plan *plan;
    struct model_counts *counts;
    struct chance chance;
    struct profile profile;
    struct supply supply;
    struct ledger ledger;
    struct entry entries[ENTRIES];
    tw_loop *loop;
    tw_options options;
    uint64_t clock;        /* what the loop's clock reads */
    uint64_t highest;      /* what it has read at most, as the loop knows it */
    unsigned step;
    struct frame *frame;   /* the innermost run; NULL: none */
    bool quiet;            /* callbacks do nothing */
    bool freeing;          /* tw_loop_free is under way */
    unsigned dropping;     /* how many tw_cancel_all are */
    size_t dropped;        /* calls handed to on_drop */
    bool disturbed;        /* a callback of the last run has moved or cancelled something */
    uint64_t started, fired, cancelled, rearmed;
    uint64_t numbers_skipped;      /* sequence numbers that no timer was given */
    unsigned depth;        /* runs under way */
    uint64_t last_now;     /* the reading of the last run */
    uint64_t shown;        /* what tw_now_ns is to answer */
    uint64_t soon_end;     /* last_soon of the next run, if it goes on with one that was cut */
    bool stopped;          /* the last run made as many calls as it might */
    bool cut;              /* and that was in its soon calls; and none was scheduled since */
} m;

/* ------------------------------------------------------------------ reporting */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    if (!m.plan->trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%*s", m.frame ? 4 : 0, "");
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

static _Noreturn void differ(int line, const char *what)
{
    fprintf(stderr, "model.c:%d: not so: %s\n", line, what);
    fprintf(stderr, "seed %llu, step %u, clock %llu, %zu pending, tick 2^%u ns, levels %dx%d\n",
            (unsigned long long)m.plan->seed, m.step, (unsigned long long)m.clock, m.ledger.count,
            m.profile.tick_shift, TW_LEVELS, TW_LEVEL_BITS);
    fprintf(stderr, "to see it again: --seed %llu --seeds 1 --steps %u --trace",
            (unsigned long long)m.plan->seed, m.plan->steps);
    if (m.plan->fail_from >= 0)
        fprintf(stderr, " --fail-from %ld", m.plan->fail_from);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

#define MUST(condition) ((condition) ? (void)0 : differ(__LINE__, #condition))

static void check(void)
{
    const char *broken = tw_check(m.loop);
    if (broken)
        differ(__LINE__, broken);
    MUST(tw_pending_count(m.loop) == m.ledger.count);
    if (m.supply.complaint)
        differ(__LINE__, m.supply.complaint);
}

static uint64_t word_below(uint64_t limit)
{
    return chance_below(&m.chance, limit);
}

static bool one_in(uint64_t n)
{
    return chance_one_in(&m.chance, n);
}

static uint64_t read_clock(void *arg)
{
    (void)arg;
    if (m.clock > m.highest)
        m.highest = m.clock;
    return m.clock;
}

/* The clock as the loop reads it, or has read it. */
static uint64_t reading(void)
{
    return m.clock > m.highest ? m.clock : m.highest;
}

/* What relative starts count from. */
static uint64_t start_base(void)
{
    return m.options.cached_now ? m.highest : reading();
}

/* ------------------------------------------------------------------ deadlines */

static uint64_t later_by(uint64_t base, uint64_t by)
{
    return bits_add_saturated(base, by);
}

/* Around the places where the wheel's arithmetic changes. */
static uint64_t boundary_deadline(void)
{
    unsigned shift = m.profile.tick_shift;
    unsigned level = (unsigned)word_below(TW_LEVELS + 1);
    uint64_t slot_ticks = (uint64_t)1 << wheel_shift(level);
    uint64_t tick = (m.highest >> shift) / slot_ticks * slot_ticks;
    tick = later_by(tick, slot_ticks * word_below(WHEEL_SLOTS + 2));
    return bits_shift_saturated(tick, shift) + word_below(3) - 1; /* may wrap: to never, or 0 */
}

static uint64_t random_deadline(void)
{
    switch (word_below(10)) {
    case 0: {
        uint64_t back = chance_magnitude(&m.chance, m.profile.step_bits);
        return back > m.highest ? 0 : m.highest - back;
    }
    case 1:
        if (m.ledger.count > 0) /* a tie */
            return m.ledger.lines[word_below(m.ledger.count)].deadline;
        return m.highest;
    case 2:
        return one_in(4) ? UINT64_MAX - word_below(3)
                         : later_by(m.highest, chance_magnitude(&m.chance, 64));
    case 3:
    case 4:
        return boundary_deadline();
    default:
        return later_by(m.highest, chance_magnitude(&m.chance, m.profile.delay_bits));
    }
}

/* -------------------------------------------------------------------- entries */

static void on_fire(void *arg);

static const struct ledger_line *pending(const struct entry *entry)
{
    return ledger_find(&m.ledger, (unsigned)(entry - m.entries));
}

static void schedule(struct entry *entry, bool soon, uint64_t deadline)
{
    ledger_add(&m.ledger, (unsigned)(entry - m.entries), soon, deadline);
}

static void unschedule(struct entry *entry)
{
    m.disturbed = true;
    ledger_remove(&m.ledger, (unsigned)(entry - m.entries));
}

static void new_timer(struct entry *entry)
{
    entry->timer = malloc(sizeof *entry->timer);
    if (!entry->timer)
        abort();
    tw_timer_init(entry->timer, on_fire, entry);
}

/* The loop holds no pointer to this timer: the next use of it would show. */
static void free_timer(struct entry *entry)
{
    memset(entry->timer, 0xDB, sizeof *entry->timer);
    free(entry->timer);
}

/* Whether a start that failed was right to. */
static void check_refusal(uint64_t refused_before)
{
    if (errno == ENOBUFS)
        MUST(m.options.max_pending != 0 && m.ledger.count >= m.options.max_pending);
    else
        MUST(errno == ENOMEM && m.supply.refused > refused_before);
    say("  refused, errno %d", errno);
}

static void start_timer(struct entry *entry)
{
    bool was_pending = pending(entry) != NULL, was_placed = timer_placed(&entry->timer->bare_);
    uint64_t deadline = random_deadline(), refused = m.supply.refused;
    int result;
    errno = 0;
    if (one_in(2) && deadline >= start_base())
        result = tw_timer_start_later_ns(m.loop, entry->timer, deadline - start_base());
    else
        result = tw_timer_start_at_ns(m.loop, entry->timer, deadline);
    say("start timer %d at %llu", (int)(entry - m.entries), (unsigned long long)deadline);
    if (result != 0) {
        MUST(!was_pending);
        MUST(!was_placed || errno == ENOBUFS); /* a parked one needs no memory */
        check_refusal(refused);
        return;
    }
    if (was_pending)
        unschedule(entry), m.rearmed++;
    else
        m.started++;
    schedule(entry, false, deadline);
    MUST(tw_timer_active(entry->timer) && tw_timer_when_ns(entry->timer) == deadline);
}

static void stop_timer(struct entry *entry)
{
    say("stop timer %d", (int)(entry - m.entries));
    tw_timer_stop(m.loop, entry->timer);
    if (pending(entry))
        unschedule(entry), m.cancelled++;
    MUST(!tw_timer_active(entry->timer) && !timer_placed(&entry->timer->bare_));
    if (one_in(2)) {
        free_timer(entry);
        new_timer(entry);
    }
}

static void park_timer(struct entry *entry)
{
    say("park timer %d", (int)(entry - m.entries));
    tw_timer_park(m.loop, entry->timer);
    if (pending(entry))
        unschedule(entry), m.cancelled++;
    MUST(!tw_timer_active(entry->timer) && tw_timer_when_ns(entry->timer) == UINT64_MAX);
}

static void use_timer(struct entry *entry)
{
    switch (word_below(8)) {
    case 0:
        stop_timer(entry);
        break;
    case 1:
    case 2:
        park_timer(entry);
        break;
    default:
        start_timer(entry);
    }
}

/* Schedules a call for an entry that has none. */
static void start_call(struct entry *entry)
{
    bool soon = one_in(5), periodic = !soon && one_in(8);
    uint64_t deadline = random_deadline(), refused = m.supply.refused;
    entry->interval = 0;
    errno = 0;
    if (soon) {
        deadline = tw_now_ns(m.loop);
        entry->handle = tw_call_soon(m.loop, on_fire, entry);
    } else if (periodic) {
        entry->interval = 1 + chance_magnitude(&m.chance, m.profile.delay_bits);
        deadline = later_by(start_base(), entry->interval);
        entry->handle = tw_call_every_ns(m.loop, entry->interval, on_fire, entry);
    } else {
        entry->handle = tw_call_at_ns(m.loop, deadline, on_fire, entry);
    }
    say("call %d %s at %llu, every %llu", (int)(entry - m.entries), soon ? "soon" : "",
        (unsigned long long)deadline, (unsigned long long)entry->interval);
    if (entry->handle == 0) {
        check_refusal(refused);
        return;
    }
    m.started++;
    schedule(entry, soon, deadline);
    if (soon)
        m.cut = false;
    MUST(entry->handle != entry->stale);
    MUST(tw_pending(m.loop, entry->handle));
    MUST(tw_when_ns(m.loop, entry->handle) == deadline);
}

static void cancel_call(struct entry *entry)
{
    say("cancel call %d", (int)(entry - m.entries));
    MUST(tw_cancel(m.loop, entry->handle));
    entry->stale = entry->handle;
    unschedule(entry);
    m.cancelled++;
}

static void move_call(struct entry *entry)
{
    uint64_t deadline = random_deadline();
    say("move call %d to %llu", (int)(entry - m.entries), (unsigned long long)deadline);
    if (one_in(2) && deadline >= start_base())
        MUST(tw_reschedule_later_ns(m.loop, entry->handle, deadline - start_base()));
    else
        MUST(tw_reschedule_at_ns(m.loop, entry->handle, deadline));
    unschedule(entry), m.rearmed++;
    schedule(entry, false, deadline);
    MUST(tw_when_ns(m.loop, entry->handle) == deadline);
}

static void change_interval(struct entry *entry)
{
    uint64_t interval = 1 + chance_magnitude(&m.chance, m.profile.delay_bits);
    bool is_periodic = pending(entry) && entry->interval != 0;
    say("call %d every %llu", (int)(entry - m.entries), (unsigned long long)interval);
    MUST(tw_set_interval_ns(m.loop, entry->handle, interval) == is_periodic);
    if (is_periodic)
        entry->interval = interval;
}

static void use_call(struct entry *entry)
{
    if (one_in(4)) {
        MUST(!tw_pending(m.loop, entry->stale));
        MUST(!tw_cancel(m.loop, entry->stale));
        MUST(!tw_reschedule_at_ns(m.loop, entry->stale, 0));
        MUST(tw_when_ns(m.loop, entry->stale) == UINT64_MAX);
    }
    if (one_in(8))
        change_interval(entry);
    if (!pending(entry))
        start_call(entry);
    else if (one_in(2))
        cancel_call(entry);
    else
        move_call(entry);
}

/* When the loop wants to be woken: not after the earliest deadline, and, once a
 * run has done all there was, not before the clock has moved. */
static uint64_t check_next(void)
{
    uint64_t next = tw_next_ns(m.loop), earliest = ledger_earliest(&m.ledger);
    if (m.dropping > 0)
        return next; /* what is still to be dropped counts as due at once */
    if (ledger_has_soon(&m.ledger))
        MUST(next <= tw_now_ns(m.loop));
    else if (m.ledger.count == 0 || earliest == UINT64_MAX)
        MUST(m.ledger.count > 0 || next == UINT64_MAX);
    else
        MUST(next <= later_by(earliest, m.options.slack_ns));
    return next;
}

/* What is left was scheduled by on_drop meanwhile. */
static void cancel_all(void)
{
    uint64_t last = m.ledger.last_order;
    size_t dropped = m.dropped;
    say("cancel all");
    m.dropping++;
    size_t handed = tw_cancel_all(m.loop);
    m.dropping--;
    MUST(handed <= m.dropped - dropped); /* on_drop may have cancelled all, too */
    for (size_t i = 0; i < m.ledger.count; i++)
        MUST(m.ledger.lines[i].order > last);
}

static void operate(void)
{
    struct entry *entry = &m.entries[word_below(m.profile.entries)];
    m.counts->operations++;
    if (one_in(2000))
        cancel_all();
    if (entry->timer)
        use_timer(entry);
    else
        use_call(entry);
    if (one_in(16))
        check_next();
    if (one_in(32)) {
        uint64_t now = reading();
        MUST(tw_update_now(m.loop) == now && m.highest == now);
    }
    if (m.profile.check_often)
        check();
}

/* ------------------------------------------------------------------- running */

/* A periodic call is pending again before it is called. */
static void schedule_again(struct entry *entry, uint64_t deadline)
{
    uint64_t next = later_by(deadline, entry->interval), missed = 0;
    if (next <= m.shown && m.options.missed == TW_MISSED_SKIP) {
        missed = (m.shown - deadline) / entry->interval;
        next = later_by(deadline + missed * entry->interval, entry->interval);
    }
    MUST(tw_missed(m.loop) == missed);
    schedule(entry, false, next);
    m.started++;
    MUST(tw_pending(m.loop, entry->handle));
    MUST(tw_when_ns(m.loop, entry->handle) == next);
}

static void check_refused_inside(void)
{
    errno = 0;
    tw_loop_free(m.loop);
    MUST(errno == EBUSY);
    if (m.options.nested && m.dropping == 0)
        return;
    errno = 0;
    MUST(tw_run(m.loop) == 0 && errno == EBUSY);
    errno = 0;
    MUST(tw_advance(m.loop, UINT64_MAX) == 0 && errno == EBUSY);
}

/* The run's soon calls are over, as far as it may make them. */
static void end_soon(const struct frame *frame, bool cut)
{
    m.soon_end = frame->last_soon;
    m.cut = cut;
}

/* The line that should be called now is this entry's. */
static struct ledger_line expected_line(const struct entry *entry)
{
    struct frame *frame = m.frame;
    MUST(frame->calls < frame->max_calls);
    MUST(frame->calls == 0 || reading() < frame->ends);
    const struct ledger_line *line =
        ledger_next(&m.ledger, frame->now, frame->last_order, frame->last_soon);
    if (!line && !frame->timers_began) {
        /* The run that was cut short had nothing left: this is a new one. */
        line = ledger_next(&m.ledger, frame->now, frame->last_order, frame->last_order);
        frame->last_soon = frame->last_order;
        end_soon(frame, false);
    }
    MUST(line != NULL);
    MUST(&m.entries[line->entry] == entry);
    if (!line->soon && !frame->timers_began) {
        frame->timers_began = true;
        end_soon(frame, false);
    }
    return *line;
}

static void run_somehow(bool cut);

static void on_fire(void *arg)
{
    struct entry *entry = arg;
    MUST(m.frame != NULL);
    say("fires: %d", (int)(entry - m.entries));
    struct ledger_line line = expected_line(entry);
    ledger_remove(&m.ledger, (unsigned)(entry - m.entries));
    m.frame->calls++, m.fired++, m.counts->callbacks++;
    MUST(tw_now_ns(m.loop) == m.shown);
    if (entry->timer) {
        MUST(!tw_timer_active(entry->timer) && !timer_placed(&entry->timer->bare_));
    } else if (entry->interval != 0 && !line.soon) {
        schedule_again(entry, line.deadline);
    } else {
        MUST(!tw_pending(m.loop, entry->handle));
        entry->stale = entry->handle;
    }
    if (m.quiet)
        return;
    if (entry->timer && one_in(4)) { /* inside its own callback */
        free_timer(entry);
        new_timer(entry);
    }
    if (one_in(32))
        check_refused_inside();
    if (one_in(8)) /* it takes its time */
        m.clock = bits_clamp_now(later_by(reading(), chance_magnitude(&m.chance,
                                                                      m.profile.step_bits / 2)));
    for (uint64_t n = word_below(m.profile.nested); n > 0; n--) {
        if (m.options.nested && m.depth < 5 && one_in(4))
            run_somehow(one_in(2));
        operate();
    }
    if (one_in(8)) {
        check_next();
        check();
    }
}

static size_t run_loop(const struct frame *frame, uint64_t budget)
{
    if (frame->ends != UINT64_MAX || budget != UINT64_MAX)
        return tw_run_for_ns(m.loop, budget);
    if (frame->max_calls != SIZE_MAX)
        return tw_run_max(m.loop, frame->max_calls);
    if (one_in(2))
        return tw_run(m.loop);
    uint64_t now = m.clock;
    m.clock = m.highest; /* the clock itself has not moved: only the caller knows */
    size_t calls = tw_advance(m.loop, now);
    m.clock = now;
    return calls;
}

/* At most so many calls, or, if that is not UINT64_MAX, for so long. */
static void run(size_t max_calls, uint64_t budget)
{
    m.highest = reading();
    struct frame frame = {.outer = m.frame, .now = m.highest, .last_order = m.ledger.last_order,
                          .max_calls = max_calls, .ends = UINT64_MAX};
    if (budget != UINT64_MAX)
        frame.ends = later_by(frame.now, budget);
    /* A run that continues one cut short in its soon calls makes those that
     * callbacks have scheduled since only when nothing else is left to do,
     * unless others were scheduled between the runs. */
    frame.last_soon = m.cut ? m.soon_end : frame.last_order;
    m.shown = frame.now;
    m.frame = &frame;
    m.depth++;
    m.disturbed = false;
    say("run at %llu, at most %zu, for %llu", (unsigned long long)frame.now, max_calls,
        (unsigned long long)budget);
    size_t calls = run_loop(&frame, budget);
    m.frame = frame.outer;
    m.depth--;
    m.counts->runs++;
    m.counts->nested += m.frame != NULL;
    MUST(calls == frame.calls && calls <= max_calls);
    /* A bounded run may have read all that it might before it was done. What a nested one
     * has read is forgotten. */
    bool bounded = max_calls != SIZE_MAX || frame.ends != UINT64_MAX;
    bool late = calls > 0 && reading() >= frame.ends, full = calls == max_calls || late;
    bool unfinished = !full && (m.frame ? bounded && ENTRIES > CALENDAR_SHORT
                                        : calendar_cut_short(&m.loop->calendar));
    MUST(!unfinished || (bounded && ENTRIES > CALENDAR_SHORT));
    if (!full && !unfinished) {
        MUST(!ledger_next(&m.ledger, frame.now, frame.last_order,
                          calls == 0 ? frame.last_order : frame.last_soon));
    }
    m.stopped = full || unfinished;
    if (calls == 0 && max_calls > 0 && !unfinished)
        frame.last_soon = frame.last_order; /* there was nothing else to do */
    if (!frame.timers_began)
        end_soon(&frame, full);
    m.last_now = frame.now;
    check();
}

static void run_somehow(bool cut)
{
    if (!cut)
        run(SIZE_MAX, UINT64_MAX);
    else if (one_in(2))
        run(word_below(12), UINT64_MAX);
    else
        run(SIZE_MAX, one_in(4) ? 0 : chance_magnitude(&m.chance, m.profile.step_bits / 2));
}

static void check_wake_up(void)
{
    uint64_t next = check_next(), earliest = ledger_earliest(&m.ledger);
    if (m.stopped || ledger_has_soon(&m.ledger) || earliest <= m.highest)
        return;
    if (m.highest > m.last_now)
        return; /* the clock has been read since, and more may have to be done by then */
    if (m.disturbed)
        return; /* once, it may be the time of what a callback has moved or cancelled */
    MUST(next > m.highest); /* else the caller would spin */
}

static void check_timeout(uint64_t next)
{
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
    MUST(stats.started == m.started && stats.fired == m.fired);
    MUST(stats.cancelled == m.cancelled);
    MUST(stats.rearmed == (m.rearmed + m.numbers_skipped) % ((uint64_t)1 << 48));
    MUST(stats.bytes == m.supply.bytes);
    m.counts->overflowed += stats.overflow > 0;
}

static void move_clock(uint64_t next)
{
    switch (word_below(10)) {
    case 0:
        break;
    case 1:
    case 2:
        if (next != UINT64_MAX && next > m.clock)
            m.clock = next;
        break;
    case 3: /* just before: nothing may run */
        if (next != UINT64_MAX && next > m.clock + 1)
            m.clock = next - 1;
        break;
    case 4: {
        uint64_t back = chance_magnitude(&m.chance, m.profile.step_bits);
        m.clock -= back > m.clock ? m.clock : back;
        break;
    }
    case 5:
        if (one_in(20))
            m.clock = later_by(m.clock, chance_magnitude(&m.chance, 64));
        break;
    default:
        m.clock = later_by(m.clock, chance_magnitude(&m.chance, m.profile.step_bits));
    }
    m.clock = bits_clamp_now(m.clock);
}

static void step(void)
{
    for (uint64_t n = word_below(m.profile.operations + 1); n > 0; n--)
        operate();
    check();
    check_wake_up();
    check();
    m.clock = m.highest;
    uint64_t next = tw_next_ns(m.loop);
    check_timeout(next);
    check_stats();
    move_clock(next);
    run_somehow(m.profile.cut_one_in != 0 && one_in(m.profile.cut_one_in));
}

/* -------------------------------------------------------- beginning and ending */

static void draw_profile(void)
{
    struct profile *profile = &m.profile;
    static const unsigned entries[] = {8, 60, 240, 240, 240, ENTRIES};
    profile->entries = 1 + (unsigned)word_below(entries[word_below(6)]);
    profile->tick_shift = one_in(8) ? 1 + (unsigned)word_below(63) : 1 + (unsigned)word_below(12);
    unsigned span = profile->tick_shift + SPAN_BITS;
    profile->delay_bits = span + (unsigned)word_below(4) - (unsigned)word_below(SPAN_BITS);
    profile->step_bits = span - (unsigned)word_below(span);
    if (profile->delay_bits > 64)
        profile->delay_bits = 64;
    if (profile->step_bits > 64)
        profile->step_bits = 64;
    profile->operations = 1 + (unsigned)word_below(40);
    profile->nested = 1 + (unsigned)word_below(4);
    profile->cut_one_in = (unsigned)word_below(4);
    profile->check_often = one_in(16);
}

static uint64_t first_reading(void)
{
    switch (word_below(5)) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX - chance_magnitude(&m.chance, m.profile.tick_shift + SPAN_BITS > 63
                                                 ? 63 : m.profile.tick_shift + SPAN_BITS);
    case 2:
        return ((uint64_t)1 << 63) - chance_magnitude(&m.chance, 30);
    default:
        return chance_magnitude(&m.chance, 60);
    }
}

static void draw_failures(void)
{
    m.supply.chance = chance_word(&m.chance);
    if (m.plan->fail_from >= 0) {
        m.supply.fail_from = (uint64_t)m.plan->fail_from;
        m.supply.fail_one_in = 1;
    } else if (one_in(3)) {
        m.supply.fail_from = 1 + word_below(30); /* the loop itself is made */
        m.supply.fail_one_in = (unsigned)word_below(4);
    }
}

static void on_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    struct entry *entry = arg;
    MUST(hook_arg == &m && callback == on_fire);
    MUST(pending(entry));
    say("dropped: %d", (int)(entry - m.entries));
    unschedule(entry);
    m.dropped++;
    if (m.freeing)
        return;
    m.cancelled++;
    if (!entry->timer) {
        MUST(!tw_pending(m.loop, entry->handle));
        entry->stale = entry->handle;
    } else {
        MUST(!tw_timer_active(entry->timer) && !timer_placed(&entry->timer->bare_));
    }
    if (one_in(8))
        check_refused_inside();
    if (one_in(4))
        operate();
}

static bool begin(void)
{
    static tw_allocator allocator;
    draw_profile();
    m.clock = bits_clamp_now(first_reading());
    draw_failures();
    allocator = supply_allocator(&m.supply);
    m.options = (tw_options){
        .size = sizeof m.options,
        .tick_ns = ((uint64_t)1 << m.profile.tick_shift) - (one_in(2) && m.profile.tick_shift > 1),
        .slack_ns = one_in(4) ? chance_magnitude(&m.chance, 40) : 0,
        .max_pending = one_in(6) ? 1 + word_below(ENTRIES) : 0,
        .clock = read_clock,
        .allocator = &allocator,
        .missed = one_in(2) ? TW_MISSED_SKIP : TW_MISSED_CATCH_UP,
        .on_drop = on_drop,
        .hook_arg = &m,
        .nested = one_in(3),
        .cached_now = one_in(3),
    };
    m.loop = tw_loop_new(&m.options);
    if (!m.loop) {
        MUST(m.supply.refused > 0 && errno == ENOMEM && m.supply.blocks == 0);
        return false;
    }
    MUST(m.loop->calendar.tick_shift == m.profile.tick_shift);
    if (one_in(3)) { /* sequence numbers wrap soon */
        m.numbers_skipped = ((uint64_t)1 << 48) - word_below(2000);
        m.loop->calendar.sequence = m.numbers_skipped * TIMER_SEQUENCE_ONE;
    }
    for (unsigned i = 0; i < m.profile.entries; i++) {
        m.entries[i] = (struct entry){0};
        if (one_in(2))
            new_timer(&m.entries[i]);
    }
    return true;
}

/* Goes from wake-up to wake-up until nothing is left that will ever be due. */
static void run_out(void)
{
    for (unsigned i = 0; i < m.profile.entries; i++) {
        if (!m.entries[i].timer && pending(&m.entries[i]) && m.entries[i].interval != 0)
            cancel_call(&m.entries[i]);
    }
    m.quiet = true;
    m.clock = m.highest;
    if (m.supply.fail_one_in != 0)
        return;
    size_t patience = 100 + m.ledger.count * (TW_LEVELS + 2) * 4;
    run(SIZE_MAX, UINT64_MAX);
    run(SIZE_MAX, UINT64_MAX);
    while (ledger_earliest(&m.ledger) < UINT64_MAX - 1) {
        uint64_t next = check_next();
        MUST(next > m.clock && next < UINT64_MAX);
        m.clock = next;
        run(SIZE_MAX, UINT64_MAX);
        MUST(patience-- > 0);
    }
}

static void end(void)
{
    tw_stats stats = {.size = sizeof stats};
    tw_stats_get(m.loop, &stats);
    m.counts->cascaded += stats.moved;
    m.counts->refused += m.supply.refused;
    m.freeing = true;
    tw_loop_free(m.loop);
    MUST(m.ledger.count == 0);
    MUST(m.supply.blocks == 0 && m.supply.bytes == 0 && !m.supply.complaint);
    for (unsigned i = 0; i < m.profile.entries; i++) {
        if (m.entries[i].timer) {
            MUST(!timer_placed(&m.entries[i].timer->bare_));
            free_timer(&m.entries[i]);
        }
    }
    ledger_free(&m.ledger);
}

uint64_t model_run(const struct model_plan *plan, struct model_counts *counts)
{
    memset(&m, 0, sizeof m);
    m.plan = plan;
    m.counts = counts;
    m.chance.state = plan->seed;
    if (!begin())
        return m.supply.calls;
    for (m.step = 0; m.step < plan->steps; m.step++)
        step();
    if (one_in(2))
        run_out();
    end();
    return m.supply.calls;
}
