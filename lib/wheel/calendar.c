/* SPDX-License-Identifier: MIT */
/*
 * calendar: moving timers between the wheel and the ready list.
 *
 * The order of what follows is a timer's way: into its place, out of it, closer by
 * the cascade, into the open tick, out of it when it is due. When to run next is in
 * calendar_next.c, walks over all timers are in calendar_walk.c.
 */
#include "calendar.h"

/* Containers of cells that can be partly filled at once: the slots, fresh, the
 * soon calls, the runs, and one they are merged into. */
#define CONTAINERS (WHEEL_ALL_SLOTS + READY_FEW + 3)

void calendar_init(struct calendar *calendar, struct memory *memory, unsigned tick_shift,
                   uint64_t now_ns, bool bare)
{
    calendar->tick_shift = tick_shift;
    calendar->tick_mask = ((uint64_t)1 << tick_shift) - 1;
    calendar->horizon_ns = calendar_tick_end(calendar, now_ns);
    calendar->tag = (port_next_tag() << TIMER_TAG_SHIFT) & TIMER_TAG_MASK;
    calendar->bare = bare;
    calendar->budget = CALENDAR_UNBOUNDED;
    chunk_pool_init(&calendar->cells, memory);
    ready_init(&calendar->ready, memory, SLOT_RUN, bare);
    wheel_init(&calendar->wheel, now_ns >> tick_shift);
    calendar_allow_short_cuts(calendar, true);
}

void calendar_free(struct calendar *calendar)
{
    ready_free(&calendar->ready);
    chunk_pool_free(&calendar->cells);
}

/* The tick that the last run's clock reading is in. */
static uint64_t horizon_tick(const struct calendar *calendar)
{
    return calendar->horizon_ns >> calendar->tick_shift;
}

void calendar_allow_short_cuts(struct calendar *calendar, bool allow)
{
    calendar->fast_state = allow ? calendar->tag + 1 : CALENDAR_NO_STATE;
    calendar_set_still(calendar);
    calendar_stop_passing(calendar);
}

/* Runs of a batch and more have a last chunk each, too. */
int calendar_reserve(struct calendar *calendar, size_t timers)
{
    if (chunk_pool_reserve(&calendar->cells, timers, CONTAINERS + timers / READY_BATCH * 2,
                           true) != 0)
        return -1;
    ready_reserve(&calendar->ready, timers);
    return 0;
}

/* ------------------------------------------------------------- spilled timers */

/* The link that leads to this timer, or to where it belongs. */
static void spill_link(struct calendar *calendar, tw_bare_timer *timer, tw_bare_timer *link)
{
    if (timer)
        timer->place_ = link;
    else
        calendar->spill = link;
}

/* Puts a timer among the spilled ones. O(their number). */
static TW_COLD void spill(struct calendar *calendar, tw_bare_timer *timer)
{
    tw_bare_timer *before = NULL, *after = calendar->spill;
    while (after && timer_before(after, timer)) {
        before = after;
        after = after->place_;
    }
    timer_set_slot(timer, SLOT_SPILL);
    timer->place_ = after;
    spill_link(calendar, before, timer);
    calendar_stop_passing(calendar);
}

static TW_COLD void unspill(struct calendar *calendar, tw_bare_timer *timer)
{
    tw_bare_timer *before = NULL;
    for (tw_bare_timer *at = calendar->spill; at != timer; at = at->place_)
        before = at;
    spill_link(calendar, before, timer->place_);
}

/* The first spilled timer that was scheduled before the run under way. */
static TW_COLD tw_bare_timer *first_spilled(const struct calendar *calendar)
{
    tw_bare_timer *timer = calendar->spill;
    while (timer && timer_scheduled_before(calendar->begun, timer_sequence(timer)))
        timer = timer->place_;
    return timer;
}

/* ------------------------------------------------------------------- placing */

/* The bucket that a timer of this slot is in. */
TW_INLINE struct bucket *bucket_of(struct calendar *calendar, unsigned slot)
{
    return slot == SLOT_FRESH ? &calendar->ready.fresh : &calendar->wheel.slots[slot];
}

static bool push_fresh(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline)
{
    calendar_stop_passing(calendar);
    return bucket_push(&calendar->cells, &calendar->ready.fresh, timer, deadline);
}

/* Puts a timer without a place into this slot of the wheel, which it names already. */
TW_INLINE void put_in_wheel(struct calendar *calendar, tw_bare_timer *timer, unsigned slot)
{
    struct bucket *bucket = &calendar->wheel.slots[slot];
    /* Not wheel_insert: gcc 12 has it among cold code here. */
    if (TW_LIKELY(!bucket_is_full(bucket)))
        (void)bucket_push_hot(bucket, timer, timer->deadline_);
    else if (TW_UNLIKELY(!wheel_push_chunk(&calendar->wheel, &calendar->cells, slot, timer,
                                           timer->deadline_)))
        spill(calendar, timer);
}

/* The same for any slot. */
TW_INLINE void put(struct calendar *calendar, tw_bare_timer *timer, unsigned slot)
{
    if (TW_LIKELY(slot < WHEEL_ALL_SLOTS))
        put_in_wheel(calendar, timer, slot);
    else if (!push_fresh(calendar, timer, timer->deadline_))
        spill(calendar, timer);
}

/* Takes a timer out of its place. */
TW_INLINE void take_out(struct calendar *calendar, tw_bare_timer *timer)
{
    unsigned slot = timer_slot(timer);
    if (TW_LIKELY(slot < WHEEL_ALL_SLOTS))
        wheel_remove(&calendar->wheel, &calendar->cells, slot, timer);
    else if (slot == SLOT_FRESH)
        bucket_remove(&calendar->cells, &calendar->ready.fresh, timer);
    else if (TW_UNLIKELY(slot == SLOT_SPILL))
        unspill(calendar, timer);
    else
        queue_remove(timer);
    if (slot == SLOT_SOON) {
        calendar->soon_pending--;
        if (calendar->soon.count > 64 && calendar->soon.count / 2 > calendar->soon_pending)
            queue_compact(&calendar->cells, &calendar->soon); /* cancelled ones do not pile up */
    }
}

/* --------------------------------------------------- starting, moving, stopping */

int calendar_start_elsewhere(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline,
                             unsigned node, unsigned slot)
{
    bool done = slot == SLOT_FRESH
                    ? push_fresh(calendar, timer, deadline)
                    : wheel_insert(&calendar->wheel, &calendar->cells, slot, timer, deadline);
    if (TW_UNLIKELY(!done))
        return -1;
    calendar->quiet_ns = 0;
    calendar_schedule(calendar, timer, deadline, slot, node);
    calendar_keep_next(calendar, deadline);
    return 0;
}

void calendar_restart(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline)
{
    unsigned slot = calendar_slot_for(calendar, deadline);
    calendar->quiet_ns = 0;
    calendar_schedule(calendar, timer, deadline, slot, timer->state_ & TIMER_NODE);
    calendar_keep_next(calendar, deadline);
    put(calendar, timer, slot);
}

int calendar_start_soon(struct calendar *calendar, tw_bare_timer *timer, uint64_t now_ns)
{
    if (!queue_make_room(&calendar->cells, &calendar->soon))
        return -1;
    calendar_start_soon_hot(calendar, timer, now_ns);
    return 0;
}

/* Whether the timer's place is visited in time for this deadline, and not by the run
 * under way if it is due already. */
TW_INLINE bool stays(const struct calendar *calendar, unsigned slot, uint64_t deadline)
{
    if (slot == SLOT_FRESH)
        return true;
    if (deadline <= calendar->horizon_ns || TW_UNLIKELY(slot >= WHEEL_ALL_SLOTS))
        return false;
    return wheel_visits_by(&calendar->wheel, slot, deadline >> calendar->tick_shift);
}

/* A timer in this bucket is due earlier than it was. */
TW_INLINE void lower_earliest(struct calendar *calendar, unsigned slot, uint64_t deadline)
{
    struct bucket *bucket = bucket_of(calendar, slot);
    if (deadline < bucket->earliest)
        bucket->earliest = deadline;
    calendar_end_quiet(calendar, deadline);
}

void calendar_move(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline)
{
    unsigned slot = timer_slot(timer);
    calendar_forget_next(calendar, timer->deadline_);
    calendar->unparks += timer_parked(timer);
    if (stays(calendar, slot, deadline)) {
        calendar_schedule(calendar, timer, deadline, slot, timer->state_ & TIMER_NODE);
        calendar_keep_next(calendar, deadline);
        lower_earliest(calendar, slot, deadline);
        return;
    }
    calendar->relocated++;
    take_out(calendar, timer);
    calendar_restart(calendar, timer, deadline);
}

void calendar_remove(struct calendar *calendar, tw_bare_timer *timer)
{
    if (timer_parked(timer))
        calendar->park_ends++;
    else
        calendar_forget_next(calendar, timer->deadline_);
    take_out(calendar, timer);
    timer_set_unplaced(timer);
}

/* -------------------------------------------------------- time and the cascade */

/* An active timer was taken out of this slot's bucket on a visit: puts it where its deadline
 * belongs now, which is after the cursor. */
TW_INLINE void settle(struct calendar *calendar, tw_bare_timer *timer, unsigned from)
{
    TW_ASSERT(timer_slot(timer) == from && !timer_parked(timer));
    unsigned slot = wheel_slot_for(&calendar->wheel, timer->deadline_ >> calendar->tick_shift);
    timer_change_slot(timer, from, slot);
    put_in_wheel(calendar, timer, slot);
}

/* So many cells were read. */
TW_INLINE void count_visits(struct calendar *calendar, size_t cells)
{
    calendar->visited += cells;
    calendar->budget -= cells < calendar->budget ? cells : calendar->budget;
}

/* Moves so many timers out of a slot, as far as the budget goes. Whether it went so
 * far. */
static bool move_closer(struct calendar *calendar, unsigned slot, uint64_t share)
{
    unsigned active = calendar_active_state(calendar, slot);
    while (share > 0) {
        if (calendar->budget == 0)
            return false;
        size_t limit = share < calendar->budget ? (size_t)share : calendar->budget;
        struct cells taken = wheel_take(&calendar->wheel, slot, limit);
        unsigned dropped = 0;
        cells_ask_downwards(&taken);
        for (unsigned i = taken.count; i-- > 0;) {
            cells_ask(&taken, i - CELLS_AHEAD); /* a large number where there is none */
            if (TW_UNLIKELY(!calendar_is_active(&taken.first[i], active))) {
                calendar_drop_parked(calendar, taken.first[i]);
                dropped++;
                continue;
            }
            settle(calendar, taken.first[i], slot);
        }
        calendar->moved += taken.count - dropped;
        if (taken.emptied)
            chunk_give(&calendar->cells, taken.emptied);
        count_visits(calendar, taken.count);
        share -= taken.count;
    }
    return true;
}

static bool cascade_level(struct calendar *calendar, unsigned level)
{
    struct wheel *wheel = &calendar->wheel;
    if (wheel->cursor < wheel->cascades[level].due)
        return true;
    uint64_t share = wheel_share(wheel, level);
    if (share > 0) {
        uint64_t number = (wheel->cursor >> wheel_shift(level)) + 1;
        TW_ASSERT(share <= wheel->slots[wheel_slot_at(level, number)].count);
        TW_PROBE_CASCADE(level, share, wheel->cursor);
        if (!move_closer(calendar, wheel_slot_at(level, number), share))
            return false;
    }
    wheel_plan_cascade(wheel, level);
    if (wheel->cascades[level].due == wheel->cursor + 1)
        wheel_prefetch_next(wheel, level);
    return true;
}

/* Takes the shares that are due at the cursor. Where the budget ends first, what is
 * left remains due. */
static TW_NOINLINE void cascade(struct calendar *calendar)
{
    struct wheel *wheel = &calendar->wheel;
    uint64_t before = calendar->moved;
    /* From the top down: what comes down a level may have to go on. */
    for (uint32_t levels = wheel->levels & ~1u; levels != 0;) {
        unsigned level = bits_width(levels) - 1;
        if (!cascade_level(calendar, level))
            break;
        levels = wheel->levels & ((1u << level) - 1) & ~1u; /* it may have filled a lower one */
    }
    wheel_find_cascade_due(wheel);
    if (calendar->moved - before > calendar->moved_max)
        calendar->moved_max = calendar->moved - before;
}

/* ------------------------------------------------------------- opening a tick */

/* A timer that is parked, or due later, leaves the slot that is opened. */
static void leave_slot(struct calendar *calendar, tw_bare_timer *timer, unsigned slot)
{
    if (timer_parked(timer))
        calendar_drop_parked(calendar, timer);
    else
        settle(calendar, timer, slot);
}

/* Takes the timers out of a slot's bucket, whole chunks of them, as long as there is room for
 * another. Those that are due by last_ns become entries, the others are settled; they
 * take no room, but of no budget more cells are read than there is room for. Returns
 * how many entries there are, and in *chunks the chunks, to be reused. */
static size_t collect(struct calendar *calendar, unsigned slot, uint64_t last_ns,
                      struct sort_entry *entries, size_t room, struct chunk **chunks)
{
    struct bucket *bucket = bucket_of(calendar, slot);
    unsigned active = calendar_active_state(calendar, slot);
    size_t n = 0, read = 0;
    *chunks = NULL;
    while (bucket->count > 0 && n + CHUNK_ROOM <= room) {
        if (TW_UNLIKELY(calendar->budget == 0) && read + CHUNK_ROOM > room)
            break;
        struct cells taken = bucket_take(bucket, CHUNK_ROOM);
        cells_ask_downwards(&taken);
        for (unsigned i = taken.count; i-- > 0;) {
            cells_ask(&taken, i - CELLS_AHEAD);
            tw_bare_timer *timer = taken.first[i];
            if (TW_UNLIKELY(!calendar_is_due_by(&taken.first[i], active, last_ns))) {
                leave_slot(calendar, timer, slot);
                continue;
            }
            if (!calendar->bare)
                TW_PREFETCH(timer_whole(timer)->arg_);
            entries[n++] = (struct sort_entry){timer->deadline_, timer_sequence(timer), timer};
        }
        taken.emptied->link = *chunks;
        *chunks = taken.emptied;
        read += taken.count;
        count_visits(calendar, taken.count);
    }
    return n;
}

/* Few timers are sorted by words of their deadline and their index: how long before
 * last_ns a deadline is, up to nine years, the earliest first. */
#define KEY_INDEX_BITS 5
#define KEY_LONGEST (((uint64_t)1 << (64 - KEY_INDEX_BITS)) - 1)

_Static_assert(CHUNK_ROOM <= 1u << KEY_INDEX_BITS, "a chunk's cells have an index each");

TW_INLINE uint64_t sort_key(uint64_t deadline, uint64_t last_ns, unsigned index)
{
    uint64_t before = last_ns - deadline;
    return (before < KEY_LONGEST ? KEY_LONGEST - before : 0) << KEY_INDEX_BITS | index;
}

/* Sorts cells that are nearly in order. */
static void sort_cells(tw_bare_timer **cells, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        tw_bare_timer *timer = cells[i];
        unsigned at = i;
        for (; at > 0 && timer_before(timer, cells[at - 1]); at--) {
            cells[at] = cells[at - 1];
            cells[at]->place_ = &cells[at];
        }
        cells[at] = timer;
        timer->place_ = &cells[at];
    }
}

/* Writes timers into the cells of a chunk, in the order of their keys. */
static void fill_cells(tw_bare_timer **cells, const uint64_t *keys, tw_bare_timer *const *timers,
                       unsigned n)
{
    bool ties = false;
    uint64_t last = UINT64_MAX;
    for (unsigned i = 0; i < n; i++) {
        tw_bare_timer *timer = timers[keys[i] & ((1u << KEY_INDEX_BITS) - 1)];
        ties |= keys[i] >> KEY_INDEX_BITS == last;
        last = keys[i] >> KEY_INDEX_BITS;
        cells[i] = timer;
        timer->place_ = &cells[i];
        timer_set_slot(timer, SLOT_RUN);
    }
    if (TW_UNLIKELY(ties))
        sort_cells(cells, n);
}

/* Up to here no keys are worth their making. */
#define FEW_CELLS (CHUNK_ROOM < 4 ? CHUNK_ROOM : 4) /* in one chunk */

/* sort_chunk of few cells, if all their timers are due by last_ns; else it does nothing and
 * returns false. */
TW_INLINE bool sort_few(struct calendar *calendar, unsigned slot, uint64_t last_ns)
{
    struct bucket *bucket = bucket_of(calendar, slot);
    unsigned n = bucket->count, active = calendar_active_state(calendar, slot);
    if (n == 0 || n > FEW_CELLS)
        return false;
    tw_bare_timer **cells = bucket->end - n;
    for (unsigned i = 0; i < n; i++)
        TW_PREFETCH(cells[i]);
    for (unsigned i = 0; i < n; i++) {
        if (!calendar_is_due_by(&cells[i], active, last_ns))
            return false;
    }
    (void)bucket_take(bucket, n);
    sort_cells(cells, n);
    for (unsigned i = 0; i < n; i++)
        timer_set_slot(cells[i], SLOT_RUN);
    count_visits(calendar, n);
    ready_add(&calendar->ready, &calendar->cells, (struct queue){cells, cells + n, n});
    return true;
}

/* Sorts the topmost chunk of a bucket where it lies. Those that are due by last_ns
 * become a run, the others are settled. */
static TW_NOINLINE void sort_chunk(struct calendar *calendar, unsigned slot, uint64_t last_ns)
{
    uint64_t with_least[1 + CHUNK_ROOM], *keys = with_least + 1;
    tw_bare_timer *timers[CHUNK_ROOM];
    struct cells taken = bucket_take(bucket_of(calendar, slot), CHUNK_ROOM);
    unsigned n = 0, active = calendar_active_state(calendar, slot);
    with_least[0] = 0; /* not after any key: the search ends there */
    cells_ask_upwards(&taken);
    for (unsigned i = 0; i < taken.count; i++) {
        cells_ask(&taken, i + CELLS_AHEAD);
        tw_bare_timer *timer = taken.first[i];
        if (TW_UNLIKELY(!calendar_is_due_by(&taken.first[i], active, last_ns))) {
            leave_slot(calendar, timer, slot);
            continue;
        }
        if (!calendar->bare)
            TW_PREFETCH(timer_whole(timer)->arg_);
        uint64_t key = sort_key(timer->deadline_, last_ns, n);
        timers[n] = timer;
        uint64_t *at = keys + n++;
        for (; at[-1] > key; at--)
            at[0] = at[-1];
        *at = key;
    }
    count_visits(calendar, taken.count);
    if (TW_UNLIKELY(n == 0)) {
        chunk_give(&calendar->cells, taken.emptied);
        return;
    }
    tw_bare_timer **cells = taken.emptied->cells;
    fill_cells(cells, keys, timers, n);
    ready_add(&calendar->ready, &calendar->cells, (struct queue){cells, cells + n, n});
}

/* Sorts a batch of a bucket. */
static void sort_batch(struct calendar *calendar, unsigned slot, uint64_t last_ns, bool join)
{
    struct ready *ready = &calendar->ready;
    size_t room = ready->scratch_room;
    struct chunk *chunks;
    size_t n = collect(calendar, slot, last_ns, ready->scratch, room, &chunks);
    if (n == 0) {
        chunk_give_all(&calendar->cells, chunks);
        return;
    }
    bool rising = sort_entries(ready->scratch, n, ready->scratch + room);
    if (join)
        ready_join_sorted(ready, &calendar->cells, ready->scratch, n, chunks, rising);
    else
        ready_add_sorted(ready, &calendar->cells, ready->scratch, n, chunks);
}

/* sort_bucket of more than a chunk. */
static TW_NOINLINE bool sort_many(struct calendar *calendar, unsigned slot, uint64_t last_ns)
{
    struct bucket *bucket = bucket_of(calendar, slot);
    struct ready *ready = &calendar->ready;
    ready_make_scratch(ready, bucket->count + CHUNK_ROOM);
    bool burst = bucket->count > ready->scratch_room;
    while (bucket->count > 0 && calendar->budget > 0) {
        if (bucket->count <= CHUNK_ROOM || ready->scratch_room < CHUNK_ROOM)
            sort_chunk(calendar, slot, last_ns);
        else
            sort_batch(calendar, slot, last_ns, burst);
    }
    if (burst)
        ready_join_end(ready, &calendar->cells);
    return bucket->count == 0;
}

/* Sorts what is due by last_ns, as far as the budget goes. Whether the bucket is empty
 * now. */
TW_INLINE bool sort_bucket(struct calendar *calendar, unsigned slot, uint64_t last_ns)
{
    struct bucket *bucket = bucket_of(calendar, slot);
    if (TW_UNLIKELY(bucket->count > CHUNK_ROOM))
        return sort_many(calendar, slot, last_ns);
    if (sort_few(calendar, slot, last_ns))
        return true;
    while (bucket->count > 0)
        sort_chunk(calendar, slot, last_ns);
    return true;
}

/* Sorts the timers of the tick that the cursor is in. */
static void sort_tick(struct calendar *calendar)
{
    struct wheel *wheel = &calendar->wheel;
    unsigned slot = wheel_slot_at(0, wheel->cursor);
    uint64_t last_ns = calendar_tick_end(calendar, wheel->cursor << calendar->tick_shift);
    calendar->opening = !sort_bucket(calendar, slot, last_ns);
    if (!calendar->opening)
        wheel_mark_empty(wheel, slot);
}

/* Time has entered the cursor's tick: its timers become ready. */
TW_INLINE void open_tick(struct calendar *calendar)
{
    struct wheel *wheel = &calendar->wheel;
    uint32_t count = calendar_open_bucket(calendar)->count;
    wheel_look_ahead(wheel);
    wheel_prefetch_tick(wheel);
    if (TW_LIKELY(count > 0))
        sort_tick(calendar);
}

/* Whether the run began in this tick, the wheel's next, and none of its timers is due by now. */
TW_INLINE bool is_not_due_yet(const struct calendar *calendar, uint64_t tick, uint64_t now_ns)
{
    return tick == horizon_tick(calendar) &&
           now_ns < calendar->wheel.slots[wheel_slot_at(0, tick)].earliest;
}

/* That tick stays closed, and nothing else is left before it: time has got as far as the tick
 * before. So what is started for this tick still goes into its slot. */
TW_INLINE void keep_closed(struct calendar *calendar, uint64_t tick)
{
    calendar->wheel.cursor = tick - 1;
    calendar->horizon_ns = calendar_tick_end(calendar, (tick - 1) << calendar->tick_shift);
}

/* -------------------------------------------------------------------- running */

/* Says until when time can pass with nothing to do. only_time_left: as for calendar_end_run. */
static void look_ahead(struct calendar *calendar, bool only_time_left)
{
    struct ready *ready = &calendar->ready;
    if (ready->count > 0 && !ready_head(ready))
        (void)ready_settle_top(ready, &calendar->cells);
    const tw_bare_timer *timer = ready_head(ready);
    calendar->ready_ns = timer ? timer->deadline_ : BITS_NEVER;
    if ((ready->count > 0 && !timer) || ready->fresh.count > 0 || calendar->soon.count > 0 ||
        !only_time_left || calendar_cut_short(calendar) || calendar->spill)
        calendar_stop_passing(calendar);
}

void calendar_begin_run(struct calendar *calendar, uint64_t now_ns, size_t budget)
{
    calendar_ask_next(calendar);
    calendar->running = true;
    calendar->still_state = CALENDAR_NO_STATE;
    calendar_stop_passing(calendar);
    calendar->horizon_ns = calendar_tick_end(calendar, now_ns);
    calendar->begun = calendar->sequence;
    calendar->budget = budget;
    /* What the run before has left undone comes first, and what was started since:
     * one of those may be the earliest. */
    if (TW_UNLIKELY(calendar->opening))
        sort_tick(calendar);
    if (TW_UNLIKELY(calendar->wheel.cascade_due <= calendar->wheel.cursor))
        cascade(calendar);
    if (calendar->ready.fresh.count > 0)
        sort_bucket(calendar, SLOT_FRESH, calendar->horizon_ns);
}

void calendar_begin_nested(struct calendar *calendar, uint64_t now_ns, size_t budget,
                           struct calendar_outer *outer)
{
    *outer = (struct calendar_outer){calendar->budget, calendar->begun};
    calendar_begin_run(calendar, now_ns, budget);
}

void calendar_end_nested(struct calendar *calendar, const struct calendar_outer *outer)
{
    calendar->budget = outer->budget;
    calendar->begun = outer->begun;
    /* A tick that the nested run has half opened. A cascade that it has begun is no matter
     * of this tick's: it is due still, and goes on before the cursor does. */
    if (TW_UNLIKELY(calendar->opening))
        sort_tick(calendar);
}

void calendar_put_off(struct calendar *calendar, tw_bare_timer *timer)
{
    timer_set_slot(timer, SLOT_FRESH);
    put(calendar, timer, SLOT_FRESH);
}

void calendar_end_run(struct calendar *calendar, bool only_time_left)
{
    TW_ASSERT(calendar->next_ns <= CALENDAR_ASK_AGAIN); /* no answer is kept in a run */
    calendar->running = false;
    calendar_set_still(calendar);
    look_ahead(calendar, only_time_left);
}

void calendar_look_ahead(struct calendar *calendar)
{
    look_ahead(calendar, true); /* or else it would have been another run */
}

tw_bare_timer *calendar_skip_soon(struct calendar *calendar, size_t limit)
{
    struct queue *soon = &calendar->soon;
    calendar->visited += queue_skip(&calendar->cells, soon, limit);
    tw_bare_timer *timer = soon->count > 0 ? *soon->head : NULL;
    if (!timer && calendar->soon_pending > 0)
        calendar->budget = 0;
    return timer;
}

tw_bare_timer *calendar_next_soon(struct calendar *calendar)
{
    tw_bare_timer *timer = queue_first(&calendar->cells, &calendar->soon);
    if (timer)
        calendar_take_soon(calendar);
    return timer;
}

/* ready_peek, as far as the budget goes: those that were stopped have left empty cells. */
static TW_NOINLINE tw_bare_timer *skip_empty(struct calendar *calendar)
{
    struct ready *ready = &calendar->ready;
    tw_bare_timer *timer = NULL;
    while (calendar->budget > 0 && ready->count > 0 && !(timer = ready_head(ready)))
        count_visits(calendar, ready_settle_top(ready, &calendar->cells));
    return timer;
}

/* The earliest of what is ready. NULL, too, if the budget ended before it was found. */
TW_INLINE tw_bare_timer *first_ready(struct calendar *calendar)
{
    tw_bare_timer *timer = ready_head(&calendar->ready);
    if (TW_UNLIKELY(!timer) && calendar->ready.count > 0)
        timer = skip_empty(calendar);
    if (TW_LIKELY(!calendar->spill) || TW_UNLIKELY(calendar->budget == 0))
        return timer;
    tw_bare_timer *spilled = first_spilled(calendar);
    return !timer || (spilled && timer_before(spilled, timer)) ? spilled : timer;
}

TW_INLINE void take_ready(struct calendar *calendar, tw_bare_timer *timer)
{
    if (TW_LIKELY(timer_slot(timer) == SLOT_RUN))
        ready_pop(&calendar->ready, &calendar->cells);
    else
        unspill(calendar, timer);
}

/* The next to be given out of what is ready, if it is due by now. Else NULL, and in
 * *limit the tick up to which the wheel may hold something that runs before it. */
TW_INLINE tw_bare_timer *next_ready(struct calendar *calendar, uint64_t now_ns, uint64_t *limit)
{
    tw_bare_timer *timer = first_ready(calendar);
    if (TW_UNLIKELY(!timer))
        return NULL;
    uint64_t tick = timer->deadline_ >> calendar->tick_shift;
    if (TW_UNLIKELY(tick > calendar->wheel.cursor)) {
        *limit = tick < *limit ? tick : *limit;
        return NULL;
    }
    *limit = 0;
    if (timer->deadline_ > now_ns)
        return NULL;
    take_ready(calendar, timer);
    return timer;
}

tw_bare_timer *calendar_next_due(struct calendar *calendar, uint64_t now_ns)
{
    struct wheel *wheel = &calendar->wheel;
    for (;;) {
        uint64_t limit = horizon_tick(calendar);
        if (TW_UNLIKELY(calendar->budget == 0))
            return NULL;
        if (calendar->ready.count > 0 || calendar->spill) {
            tw_bare_timer *timer = next_ready(calendar, now_ns, &limit);
            if (TW_LIKELY(timer != NULL)) {
                timer_set_unplaced(timer);
                return timer;
            }
            if (TW_UNLIKELY(calendar->budget == 0))
                return NULL;
        }
        uint64_t target = wheel->next_tick < wheel->cascade_due ? wheel->next_tick
                                                                : wheel->cascade_due;
        bool opens = target == wheel->next_tick;
        bool alone = target < wheel->cascade_due && calendar->ready.count == 0 &&
                     !calendar->spill; /* there is nothing but this tick's timers */
        if (alone && is_not_due_yet(calendar, target, now_ns)) {
            keep_closed(calendar, target);
            return NULL;
        }
        if (target > limit) {
            bool there = wheel->cursor >= limit;
            if (!there)
                wheel->cursor = limit;
            if (there || (calendar->ready.count == 0 && !calendar->spill))
                return NULL;
            continue; /* to the tick of a timer that is ready */
        }
        if (alone) {
            tw_bare_timer *timer = calendar_take_unsorted(calendar, target, now_ns);
            if (TW_LIKELY(timer != NULL)) {
                calendar->budget--;
                return timer;
            }
        }
        wheel->cursor = target;
        if (target == wheel->cascade_due)
            cascade(calendar);
        if (TW_LIKELY(opens))
            open_tick(calendar);
    }
}

tw_bare_timer *calendar_next_opened(struct calendar *calendar, uint64_t now_ns)
{
    uint64_t tick = calendar->wheel.next_tick;
    if (!is_not_due_yet(calendar, tick, now_ns))
        return calendar_next_due(calendar, now_ns);
    keep_closed(calendar, tick);
    return NULL;
}
