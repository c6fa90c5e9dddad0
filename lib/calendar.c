#include "calendar.h"

#define TOP (TW_LEVELS - 1)

/* Containers of cells that can be partly filled at once: the slots, fresh, the
 * soon calls, the runs, one they are merged into, and a bucket being read. */
#define CONTAINERS (WHEEL_ALL_SLOTS + READY_RUNS + 4)

/* Timers taken from a slot at once, so that their cache misses overlap. */
#define TAKEN 32

/* Cells that calendar_next_ns reads in a level before it settles for the start
 * of a slot instead of the exact deadline. */
#define NEXT_SCAN 64

void calendar_init(struct calendar *calendar, struct memory *memory, unsigned tick_shift,
                   uint64_t now_ns)
{
    calendar->tick_shift = tick_shift;
    calendar->horizon_ns = calendar_tick_end(calendar, now_ns);
    calendar->tag = (port_next_tag() << TIMER_TAG_SHIFT) & TIMER_TAG_MASK;
    calendar->heap_cascade.due = WHEEL_NEVER;
    chunk_pool_init(&calendar->cells, memory, CONTAINERS);
    heap_init(&calendar->heap, memory);
    ready_init(&calendar->ready, memory, SLOT_RUN);
    wheel_init(&calendar->wheel, now_ns >> tick_shift);
    calendar_allow_short_cuts(calendar, true);
}

void calendar_free(struct calendar *calendar)
{
    ready_free(&calendar->ready);
    heap_free(&calendar->heap);
    chunk_pool_free(&calendar->cells);
}

static void set_still(struct calendar *calendar)
{
    bool still = !calendar->running &&
                 calendar->wheel.cursor == calendar->horizon_ns >> calendar->tick_shift;
    calendar->still_state = still ? calendar->fast_state : CALENDAR_NO_STATE;
}

void calendar_allow_short_cuts(struct calendar *calendar, bool allow)
{
    calendar->fast_state = allow ? calendar->tag + 1 : CALENDAR_NO_STATE;
    set_still(calendar);
    calendar_stop_passing(calendar);
}

int calendar_reserve(struct calendar *calendar, size_t timers, bool far)
{
    if (chunk_pool_reserve(&calendar->cells, timers, true) != 0)
        return -1;
    ready_reserve(&calendar->ready, timers);
    return far ? heap_reserve(&calendar->heap, timers, true) : 0;
}

/* --------------------------------------------------------------- finding room */

/* Room for one more cell. Empty ones in queues are given up before it fails. */
static TW_COLD int make_room(struct calendar *calendar)
{
    if (chunk_pool_grow(&calendar->cells) == 0)
        return 0;
    ready_compact(&calendar->ready, &calendar->cells);
    queue_compact(&calendar->cells, &calendar->soon);
    return calendar_has_room(calendar) ? 0 : -1;
}

static TW_COLD int make_heap_room(struct calendar *calendar)
{
    return heap_reserve(&calendar->heap, calendar->heap.count + 1, false);
}

/* ------------------------------------------------------------------- placing */

/* The tick from which a deadline is within the reach of the wheel's top level. */
static uint64_t tick_in_reach(const struct calendar *calendar, uint64_t deadline)
{
    uint64_t number = deadline >> calendar->tick_shift >> wheel_shift(TOP);
    return number < WHEEL_SLOTS ? 0 : wheel_start(TOP, number - (WHEEL_SLOTS - 1));
}

static TW_COLD void put_into_heap(struct calendar *calendar, tw_timer *timer)
{
    struct heap *heap = &calendar->heap;
    if (heap_full(heap) && make_heap_room(calendar) != 0) {
        /* It must not fail: the furthest slot will be visited long before. */
        unsigned slot = wheel_furthest_slot(&calendar->wheel);
        timer_set_slot(timer, slot);
        wheel_insert(&calendar->wheel, &calendar->cells, slot, timer);
        calendar->next_ns = 0;
        return;
    }
    heap_push(heap, timer);
    calendar->cells.cells++; /* the one that it will need in the wheel */
    uint64_t due = tick_in_reach(calendar, timer->deadline_);
    if (due < calendar->heap_cascade.due)
        calendar->heap_cascade.due = due;
    wheel_quiet_at_most(&calendar->wheel, due);
    if (heap->count == WHEEL_BATCH + 1)
        calendar->next_ns = 0;
}

/* Takes the heap's earliest out, and back the promise of a cell for it. */
static tw_timer *take_earliest(struct calendar *calendar)
{
    calendar->cells.cells--;
    return heap_pop(&calendar->heap);
}

/* Puts a timer without a place into this slot, which it names already. */
TW_INLINE void put(struct calendar *calendar, tw_timer *timer, unsigned slot)
{
    if (TW_LIKELY(slot < WHEEL_ALL_SLOTS)) {
        if (TW_UNLIKELY(wheel_insert(&calendar->wheel, &calendar->cells, slot, timer)))
            calendar->next_ns = 0;
    } else if (slot == SLOT_FRESH) {
        bucket_push(&calendar->cells, &calendar->ready.fresh, timer);
        calendar->pass_ns = 0;
    } else {
        put_into_heap(calendar, timer);
    }
}

/* Takes a timer out of its place. */
TW_INLINE void take_out(struct calendar *calendar, tw_timer *timer)
{
    unsigned slot = timer_slot(timer);
    if (TW_LIKELY(slot < WHEEL_ALL_SLOTS)) {
        wheel_remove(&calendar->wheel, &calendar->cells, slot, timer);
    } else if (slot == SLOT_FRESH) {
        bucket_remove(&calendar->cells, &calendar->ready.fresh, timer);
    } else if (slot == SLOT_HEAP) {
        heap_remove(&calendar->heap, timer);
        calendar->cells.cells--;
    } else {
        queue_remove(timer);
    }
}

/* --------------------------------------------------- starting, moving, stopping */

/* Where there is no room for one more, or the timer is not for the wheel. */
TW_COLD int calendar_start_elsewhere(struct calendar *calendar, tw_timer *timer, uint64_t deadline,
                                     unsigned node)
{
    if (!calendar_has_room(calendar) && make_room(calendar) != 0)
        return -1;
    if (calendar_slot_for(calendar, deadline) == SLOT_HEAP && heap_full(&calendar->heap) &&
        make_heap_room(calendar) != 0)
        return -1;
    timer->state_ = (uint16_t)node;
    calendar_restart(calendar, timer, deadline);
    return 0;
}

void calendar_restart(struct calendar *calendar, tw_timer *timer, uint64_t deadline)
{
    unsigned slot = calendar_slot_for(calendar, deadline);
    calendar_schedule(calendar, timer, deadline, slot, timer->state_ & TIMER_NODE);
    calendar_keep_next(calendar, deadline);
    put(calendar, timer, slot);
}

int calendar_start_soon(struct calendar *calendar, tw_timer *timer, uint64_t now_ns)
{
    if (TW_UNLIKELY(!calendar_has_room(calendar)) && make_room(calendar) != 0)
        return -1;
    calendar_schedule(calendar, timer, now_ns, SLOT_SOON, TIMER_NODE);
    queue_push(&calendar->cells, &calendar->soon, timer);
    calendar->pass_ns = 0;
    return 0;
}

/* Whether the timer's place is visited in time for this deadline, and not by the run under way if it is due already. */
TW_INLINE bool stays(const struct calendar *calendar, const tw_timer *timer, unsigned slot,
                     uint64_t deadline)
{
    if (slot == SLOT_FRESH)
        return true;
    if (deadline <= calendar->horizon_ns)
        return false;
    if (TW_LIKELY(slot < WHEEL_ALL_SLOTS))
        return wheel_visits_by(&calendar->wheel, slot, deadline >> calendar->tick_shift);
    if (slot == SLOT_HEAP)
        return heap_at(&calendar->heap, (uintptr_t)timer->place_ - 1)->key <= deadline;
    return false;
}

void calendar_move(struct calendar *calendar, tw_timer *timer, uint64_t deadline)
{
    unsigned slot = timer_slot(timer);
    calendar_forget_next(calendar, timer->deadline_);
    calendar->unparks += timer_parked(timer);
    if (stays(calendar, timer, slot, deadline)) {
        calendar_schedule(calendar, timer, deadline, slot, timer->state_ & TIMER_NODE);
        calendar_keep_next(calendar, deadline);
        return;
    }
    calendar->relocated++;
    take_out(calendar, timer);
    if (TW_UNLIKELY(slot > SLOT_FRESH) && !calendar_has_room(calendar))
        make_room(calendar); /* it left an empty cell, so there will be one */
    calendar_restart(calendar, timer, deadline);
}

void calendar_remove(struct calendar *calendar, tw_timer *timer)
{
    if (timer_parked(timer))
        calendar->park_ends++;
    else
        calendar_forget_next(calendar, timer->deadline_);
    take_out(calendar, timer);
    timer_set_unplaced(timer);
}

/* -------------------------------------------------------- time and the cascade */

/* A timer was taken out of a slot, or the heap, on a visit: puts it where its
 * deadline belongs now, which is after the cursor, or drops it if it is parked.
 * Answers whether it was put anywhere. */
TW_INLINE bool settle(struct calendar *calendar, tw_timer *timer)
{
    if (timer_parked(timer)) {
        calendar->park_ends++;
        timer_set_unplaced(timer);
        return false;
    }
    unsigned slot = wheel_slot_for(&calendar->wheel, timer->deadline_ >> calendar->tick_shift);
    if (TW_UNLIKELY(slot == WHEEL_BEYOND))
        slot = SLOT_HEAP;
    timer_set_slot(timer, slot);
    put(calendar, timer, slot);
    return true;
}

/* A timer that a cell led to is still ours: as far as a line that is needed
 * anyway can tell. */
TW_INLINE void expect_intact(const struct calendar *calendar, const tw_timer *timer)
{
    if (TW_UNLIKELY(!timer_placed(timer) || !calendar_owns(calendar, timer)))
        tw_misuse("a timer was freed, overwritten or initialised again while active or parked");
}

static void cascade_level(struct calendar *calendar, unsigned level)
{
    unsigned slot = 0;
    unsigned share = wheel_share(&calendar->wheel, level, &slot);
    tw_timer *taken[TAKEN];
    if (share > 0)
        TW_PROBE_CASCADE(level, share, calendar->wheel.cursor);
    while (share > 0) {
        unsigned n = wheel_take(&calendar->wheel, &calendar->cells, slot, taken,
                                share < TAKEN ? share : TAKEN);
        for (unsigned i = 0; i < n; i++) {
            expect_intact(calendar, taken[i]);
            calendar->moved += settle(calendar, taken[i]);
        }
        calendar->visited += n;
        share -= n;
    }
    wheel_cascade_done(&calendar->wheel, level);
    if (calendar->wheel.cascades[level].due == calendar->wheel.cursor + 1)
        wheel_prefetch_next(&calendar->wheel, level);
}

static void cascade_levels(struct calendar *calendar)
{
    /* From the top down: what comes down a level may have to go on. */
    for (unsigned level = TOP; level > 0; level--)
        cascade_level(calendar, level);
    wheel_cascades_done(&calendar->wheel);
}

/* The ticks over which the heap's earliest come into the wheel: from when they
 * are in reach to when their slot there becomes the next. */
static uint64_t heap_ticks_left(const struct calendar *calendar)
{
    uint64_t number =
        heap_top_key(&calendar->heap) >> calendar->tick_shift >> wheel_shift(TOP);
    uint64_t last = wheel_start(TOP, number - 1);
    return last > calendar->wheel.cursor ? last - calendar->wheel.cursor : 0;
}

static void heap_schedule(struct calendar *calendar)
{
    struct wheel_cascade *cascade = &calendar->heap_cascade;
    struct heap *heap = &calendar->heap;
    cascade->since = calendar->wheel.cursor;
    cascade->due = WHEEL_NEVER;
    if (heap->count == 0)
        return;
    cascade->due = tick_in_reach(calendar, heap_top_key(heap));
    if (cascade->due > calendar->wheel.cursor)
        return;
    /* A batch or less comes at once: a lone timer that waited for its last tick
     * would be taken for the beginning of the crowd behind it. */
    uint64_t step = 1;
    if (heap->count > WHEEL_BATCH)
        step = heap_ticks_left(calendar) * WHEEL_BATCH / heap->count;
    cascade->due = calendar->wheel.cursor + (step ? step : 1);
}

/* How many of the heap's timers are due to come into the wheel: an even share
 * of the whole heap, as if all of it lay in the slot of its earliest. So it is
 * rather too early than too late. */
static uint64_t heap_share(const struct calendar *calendar)
{
    const struct heap *heap = &calendar->heap;
    uint64_t cursor = calendar->wheel.cursor;
    uint64_t since = calendar->heap_cascade.since;
    uint64_t begin = tick_in_reach(calendar, heap_top_key(heap));
    if (begin > cursor)
        return 0;
    if (since < begin)
        since = begin;
    uint64_t left = heap_ticks_left(calendar);
    if (left == 0 || heap->count <= WHEEL_BATCH)
        return heap->count;
    return heap->count * (cursor - since) / (cursor - since + left) + 1;
}

static void cascade_heap(struct calendar *calendar)
{
    struct heap *heap = &calendar->heap;
    uint64_t share = heap->count > 0 ? heap_share(calendar) : 0;
    for (; share > 0 && heap->count > 0; share--) {
        if (tick_in_reach(calendar, heap_top_key(heap)) > calendar->wheel.cursor)
            break;
        tw_timer *timer = take_earliest(calendar);
        calendar->visited++;
        calendar->moved += settle(calendar, timer);
    }
    heap_schedule(calendar);
}

/* Time has entered the cursor's tick: its timers become ready. */
static void open_tick(struct calendar *calendar)
{
    struct wheel *wheel = &calendar->wheel;
    unsigned slot = wheel_slot_at(0, wheel->cursor);
    tw_timer *taken[TAKEN];
    ready_expect(&calendar->ready, &calendar->cells, wheel->slots[slot].count);
    while (wheel->slots[slot].count > 0) {
        unsigned n = wheel_take(wheel, &calendar->cells, slot, taken, TAKEN);
        calendar->visited += n;
        for (unsigned i = 0; i < n; i++) {
            tw_timer *timer = taken[i];
            expect_intact(calendar, timer);
            if (timer_parked(timer) || timer->deadline_ >> calendar->tick_shift > wheel->cursor) {
                settle(calendar, timer);
            } else {
                TW_PREFETCH(timer->arg_);
                ready_collect(&calendar->ready, &calendar->cells, timer);
            }
        }
    }
    ready_sort(&calendar->ready, &calendar->cells);
}

/* Moves the cursor on to the next tick that has something to do, at most to
 * `limit`, and does it. The cursor is before the limit. */
static void step(struct calendar *calendar, uint64_t limit)
{
    struct wheel *wheel = &calendar->wheel;
    uint64_t moved = calendar->moved;
    uint64_t occupied = wheel_next_number(wheel, 0);
    uint64_t target = limit;
    if (occupied < target)
        target = occupied;
    if (wheel->cascade_due < target)
        target = wheel->cascade_due;
    if (calendar->heap_cascade.due < target)
        target = calendar->heap_cascade.due;
    TW_ASSERT(target > wheel->cursor);
    wheel->cursor = target;
    if (TW_UNLIKELY(target >= calendar->heap_cascade.due))
        cascade_heap(calendar);
    if (target >= wheel->cascade_due)
        cascade_levels(calendar);
    if (target == occupied)
        open_tick(calendar);
    if (calendar->moved - moved > calendar->moved_max)
        calendar->moved_max = calendar->moved - moved;
}

/* -------------------------------------------------------------------- running */

/* Sorts the timers that were started in the open tick or the past. */
static void fold_fresh(struct calendar *calendar)
{
    struct bucket *fresh = &calendar->ready.fresh;
    ready_expect(&calendar->ready, &calendar->cells, fresh->count);
    while (fresh->count > 0) {
        tw_timer *timer = bucket_pop(&calendar->cells, fresh);
        expect_intact(calendar, timer);
        if (timer_parked(timer) || timer->deadline_ > calendar->horizon_ns)
            settle(calendar, timer);
        else
            ready_collect(&calendar->ready, &calendar->cells, timer);
    }
    ready_sort(&calendar->ready, &calendar->cells);
}

/* Says until when time can pass with nothing to do. */
static void look_ahead(struct calendar *calendar)
{
    const tw_timer *timer = ready_peek(&calendar->ready, &calendar->cells);
    calendar->pass_ns = timer ? timer->deadline_ : BITS_NEVER;
    if (calendar->ready.fresh.count > 0 || calendar->soon.count > 0 || !calendar->may_pass)
        calendar->pass_ns = 0;
    wheel_look_ahead(&calendar->wheel);
    wheel_quiet_at_most(&calendar->wheel, calendar->heap_cascade.due);
}

void calendar_begin_run(struct calendar *calendar, uint64_t now_ns)
{
    calendar->running = true;
    calendar->still_state = CALENDAR_NO_STATE;
    calendar_stop_passing(calendar);
    calendar->next_ns = 0;
    calendar->horizon_ns = calendar_tick_end(calendar, now_ns);
    if (calendar->ready.fresh.count > 0)
        fold_fresh(calendar);
}

void calendar_end_run(struct calendar *calendar, bool may_pass)
{
    calendar->running = false;
    calendar->may_pass = may_pass;
    calendar->next_ns = 0; /* a callback may have asked for it, and what it saw is over */
    set_still(calendar);
    look_ahead(calendar);
}

tw_timer *calendar_next_soon(struct calendar *calendar)
{
    tw_timer *timer = queue_first(&calendar->cells, &calendar->soon);
    if (timer) {
        queue_pop(&calendar->cells, &calendar->soon);
        timer_set_unplaced(timer);
    }
    return timer;
}

tw_timer *calendar_next_due(struct calendar *calendar, uint64_t now_ns)
{
    struct wheel *wheel = &calendar->wheel;
    for (;;) {
        tw_timer *timer = ready_peek(&calendar->ready, &calendar->cells);
        uint64_t limit = calendar->horizon_ns >> calendar->tick_shift;
        if (timer) {
            /* A timer of a later tick than the open one has to wait for the
             * timers of the ticks up to its own. */
            uint64_t tick = timer->deadline_ >> calendar->tick_shift;
            if (tick <= wheel->cursor) {
                if (timer->deadline_ > now_ns)
                    return NULL;
                ready_pop(&calendar->ready, &calendar->cells);
                timer_set_unplaced(timer);
                return timer;
            }
            limit = tick;
        }
        if (wheel->cursor >= limit)
            return NULL;
        step(calendar, limit);
    }
}

/* ------------------------------------------------------------- when to run next */

static uint64_t tick_ns(const struct calendar *calendar, uint64_t tick)
{
    return bits_shift_saturated(tick, calendar->tick_shift);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t earliest_in_bucket(const struct bucket *bucket, uint64_t earliest)
{
    tw_timer **cell = bucket->end - 1;
    for (uint32_t left = bucket->count; left > 0; left--) {
        if (!timer_parked(*cell))
            earliest = earlier(earliest, (*cell)->deadline_);
        if (left > 1)
            cell = bucket_below(cell);
    }
    return earliest;
}

/* The tick at which a slot of more than a batch must begin to be emptied. */
static uint64_t cascade_wake(const struct calendar *calendar, unsigned level, uint64_t number)
{
    uint64_t begin = wheel_start(level, number - 1);
    return begin > calendar->wheel.cursor ? begin : calendar->wheel.cascades[level].due;
}

/* The earliest deadline in a level, or an earlier time at which it is worth
 * waking: when a large slot has to be emptied, or is reached. */
static uint64_t next_in_level(const struct calendar *calendar, unsigned level)
{
    const struct wheel *wheel = &calendar->wheel;
    uint64_t earliest = BITS_NEVER;
    uint32_t budget = NEXT_SCAN;
    uint64_t number = wheel_next_number(wheel, level);
    while (number != WHEEL_NEVER) {
        const struct bucket *bucket = &wheel->slots[wheel_slot_at(level, number)];
        uint64_t start = tick_ns(calendar, wheel_start(level, number));
        if (level > 0 && bucket->count > WHEEL_BATCH)
            return earlier(earliest, tick_ns(calendar, cascade_wake(calendar, level, number)));
        if (earliest <= start)
            return earliest; /* all that follows is later */
        if (bucket->count > budget)
            return start;
        budget -= bucket->count;
        earliest = earliest_in_bucket(bucket, earliest);
        number = wheel_next_from(wheel, level, number + 1);
    }
    return earliest;
}

/* The same for the heap. Its top may be parked or have moved further out: a few
 * such are put right here. */
static uint64_t next_in_heap(struct calendar *calendar)
{
    struct heap *heap = &calendar->heap;
    for (unsigned tries = 0; heap->count > 0 && tries < WHEEL_BATCH; tries++) {
        tw_timer *timer = heap_at(heap, 0)->timer;
        if (!timer_parked(timer) && timer->deadline_ == heap_top_key(heap))
            break;
        take_earliest(calendar);
        settle(calendar, timer);
    }
    if (heap->count == 0)
        return BITS_NEVER;
    uint64_t key = heap_top_key(heap);
    if (heap->count <= WHEEL_BATCH)
        return key;
    return earlier(key, tick_ns(calendar, calendar->heap_cascade.due));
}

uint64_t calendar_next_ns(struct calendar *calendar)
{
    if (calendar->next_ns != 0)
        return calendar->next_ns;
    if (calendar->ready.fresh.count > 0) {
        if (calendar->running)
            return 0; /* it cannot be sorted now; due at once is never too late */
        fold_fresh(calendar); /* first, because some may go to the heap */
        look_ahead(calendar);
    }
    uint64_t next = next_in_heap(calendar);
    const tw_timer *timer = ready_peek(&calendar->ready, &calendar->cells);
    if (timer)
        next = earlier(next, timer->deadline_);
    for (unsigned level = 0; level < TW_LEVELS; level++)
        next = earlier(next, next_in_level(calendar, level));
    calendar->next_ns = next;
    return next;
}

/* --------------------------------------------------------------------- the end */

tw_timer *calendar_drain(struct calendar *calendar)
{
    struct wheel *wheel = &calendar->wheel;
    tw_timer *timer = calendar_next_soon(calendar);
    if (!timer && (timer = ready_peek(&calendar->ready, &calendar->cells)))
        ready_pop(&calendar->ready, &calendar->cells);
    if (!timer && calendar->ready.fresh.count > 0)
        timer = bucket_pop(&calendar->cells, &calendar->ready.fresh);
    if (!timer && calendar->heap.count > 0)
        timer = take_earliest(calendar);
    for (unsigned level = 0; !timer && level < TW_LEVELS; level++) {
        uint64_t number = wheel_next_number(wheel, level);
        if (number == WHEEL_NEVER)
            continue;
        unsigned slot = wheel_slot_at(level, number);
        timer = bucket_pop(&calendar->cells, &wheel->slots[slot]);
        if (wheel->slots[slot].count == 0)
            wheel_mark_empty(wheel, slot);
    }
    if (timer) {
        calendar->park_ends += timer_parked(timer);
        timer_set_unplaced(timer);
    }
    return timer;
}
