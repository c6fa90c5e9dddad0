/* SPDX-License-Identifier: MIT */
/*
 * calendar_walk: what goes through all of a calendar's timers.
 *
 * Showing them, giving back the memory that they do not need, counting those beyond the
 * wheel's span, and taking out one after the other at the end.
 */
#include "calendar.h"

/* ------------------------------------------------------------ walks over them all */

struct timers_shown {
    bool (*visit)(void *arg, tw_bare_timer *timer);
    bool (*pass_over)(tw_bare_timer *timer);
    void *arg;
    size_t shown;
    bool ended;
};

static void show(struct timers_shown *walk, tw_bare_timer *timer)
{
    if (walk->ended || !timer || timer_parked(timer) || walk->pass_over(timer))
        return;
    walk->shown++;
    walk->ended = !walk->visit(walk->arg, timer);
}

static void show_bucket(struct timers_shown *walk, const struct bucket *bucket)
{
    for (tw_bare_timer **cell = bucket_top(bucket); cell; cell = bucket_below(cell))
        show(walk, *cell);
}

static void show_queue(struct timers_shown *walk, const struct queue *queue)
{
    for (tw_bare_timer **cell = queue->head; cell; cell = queue_after(queue, cell))
        show(walk, *cell);
}

size_t calendar_foreach(const struct calendar *calendar,
                        bool (*visit)(void *arg, tw_bare_timer *timer),
                        bool (*pass_over)(tw_bare_timer *timer), void *arg)
{
    struct timers_shown walk = {.visit = visit, .pass_over = pass_over, .arg = arg};
    show_queue(&walk, &calendar->soon);
    for (size_t i = 0; i < calendar->ready.count; i++)
        show_queue(&walk, &calendar->ready.runs[i].queue);
    show_bucket(&walk, &calendar->ready.fresh);
    for (tw_bare_timer *timer = calendar->spill; timer; timer = timer->place_)
        show(&walk, timer);
    for (unsigned slot = 0; slot < WHEEL_ALL_SLOTS; slot++)
        show_bucket(&walk, &calendar->wheel.slots[slot]);
    return walk.shown;
}

/* ---------------------------------------------------------- giving memory back */

struct tally {
    size_t cells;       /* active timers that have one */
    size_t containers;  /* that hold some */
};

static void tally_bucket(struct tally *tally, const struct bucket *bucket)
{
    size_t before = tally->cells;
    for (tw_bare_timer **cell = bucket_top(bucket); cell; cell = bucket_below(cell))
        tally->cells += !timer_parked(*cell);
    tally->containers += tally->cells > before;
}

static struct tally tally_of(const struct calendar *calendar)
{
    const struct ready *ready = &calendar->ready;
    struct tally tally = {.cells = calendar->soon.count, .containers = calendar->soon.count > 0};
    for (size_t i = 0; i < ready->count; i++) {
        tally.cells += ready->runs[i].queue.count;
        tally.containers++;
    }
    tally_bucket(&tally, &ready->fresh);
    for (unsigned slot = 0; slot < WHEEL_ALL_SLOTS; slot++)
        tally_bucket(&tally, &calendar->wheel.slots[slot]);
    return tally;
}

/* Moves a bucket's timers into chunks of another pool, which has enough of them, and
 * drops those that are parked. */
static void move_bucket(struct calendar *calendar, struct chunk_pool *to, struct bucket *bucket)
{
    struct bucket moved = {0};
    while (bucket->count > 0) {
        tw_bare_timer *timer = bucket_pop(&calendar->cells, bucket);
        if (timer_parked(timer))
            calendar_drop_parked(calendar, timer);
        else
            bucket_push(to, &moved, timer, timer->deadline_);
    }
    *bucket = moved;
}

static void move_queue(struct calendar *calendar, struct chunk_pool *to, struct queue *queue)
{
    struct queue moved = {0};
    while (queue->count > 0) {
        tw_bare_timer *timer = queue_pop(&calendar->cells, queue);
        /* An empty cell is unreachable because the queue has just been compacted. */
        if (timer)
            queue_push(to, &moved, timer);
    }
    *queue = moved;
}

/* Moves all cells into a pool that is as large as they need. */
static void move_cells(struct calendar *calendar, struct chunk_pool *to)
{
    struct ready *ready = &calendar->ready;
    move_queue(calendar, to, &calendar->soon);
    for (size_t i = 0; i < ready->count; i++)
        move_queue(calendar, to, &ready->runs[i].queue);
    move_bucket(calendar, to, &ready->fresh);
    for (unsigned slot = 0; slot < WHEEL_ALL_SLOTS; slot++) {
        struct bucket *bucket = &calendar->wheel.slots[slot];
        if (bucket->count == 0)
            continue;
        move_bucket(calendar, to, bucket);
        if (bucket->count == 0)
            wheel_mark_empty(&calendar->wheel, slot);
    }
    chunk_pool_free(&calendar->cells);
    calendar->cells = *to;
}

void calendar_trim(struct calendar *calendar)
{
    struct chunk_pool smaller;
    ready_compact(&calendar->ready, &calendar->cells);
    queue_compact(&calendar->cells, &calendar->soon);
    ready_trim(&calendar->ready);
    struct tally tally = tally_of(calendar);
    chunk_pool_init(&smaller, calendar->cells.memory);
    if (tally.cells > 0 &&
        chunk_pool_reserve(&smaller, tally.cells, tally.containers, false) != 0)
        return; /* no memory for the move */
    if (smaller.total < calendar->cells.total)
        move_cells(calendar, &smaller);
    else
        chunk_pool_free(&smaller);
}

size_t calendar_overflow(const struct calendar *calendar)
{
    size_t overflow = 0;
    for (unsigned slot = WHEEL_NEAR_SLOTS; slot < WHEEL_ALL_SLOTS; slot++)
        overflow += calendar->wheel.slots[slot].count;
    return overflow;
}

/* Takes the top cell off a bucket; when it is its chunk's last, all its timers have
 * been asked for. */
static tw_bare_timer *drain_bucket(struct calendar *calendar, struct bucket *bucket)
{
    tw_bare_timer **end = bucket->end;
    if (chunk_ends_at(end)) {
        for (unsigned i = 1; i <= CHUNK_ROOM; i++)
            TW_PREFETCH(end[-(ptrdiff_t)i]);
    }
    return bucket_pop(&calendar->cells, bucket);
}

static tw_bare_timer *drain_wheel(struct calendar *calendar)
{
    struct wheel *wheel = &calendar->wheel;
    if (calendar->opening) {
        if (calendar_open_bucket(calendar)->count > 0)
            return drain_bucket(calendar, calendar_open_bucket(calendar));
        wheel_mark_empty(wheel, wheel_slot_at(0, wheel->cursor));
        calendar->opening = false;
        calendar_set_still(calendar);
    }
    uint32_t levels = wheel->levels;
    if (wheel->next_tick == WHEEL_NEVER)
        levels &= ~1u; /* nothing is in level 0 */
    for (; levels != 0; levels &= levels - 1) {
        unsigned level = bits_lowest(levels);
        uint64_t number = wheel_next_number(wheel, level);
        if (number == WHEEL_NEVER) {
            wheel_level_is_empty(wheel, level);
            continue;
        }
        unsigned slot = wheel_slot_at(level, number);
        tw_bare_timer *timer = drain_bucket(calendar, &wheel->slots[slot]);
        if (wheel->slots[slot].count == 0)
            wheel_mark_empty(wheel, slot);
        return timer;
    }
    return NULL;
}

tw_bare_timer *calendar_drain(struct calendar *calendar)
{
    tw_bare_timer *timer = calendar->soon.count > 0 ? calendar_next_soon(calendar) : NULL;
    if (!timer && calendar->ready.count > 0)
        timer = ready_drain(&calendar->ready, &calendar->cells);
    if (!timer && calendar->ready.fresh.count > 0)
        timer = drain_bucket(calendar, &calendar->ready.fresh);
    if (!timer && (timer = calendar->spill) != NULL)
        calendar->spill = timer->place_;
    if (!timer)
        timer = drain_wheel(calendar);
    if (timer) {
        calendar->park_ends += timer_parked(timer);
        timer_set_unplaced(timer);
    }
    return timer;
}
