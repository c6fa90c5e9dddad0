/* SPDX-License-Identifier: MIT */
/*
 * calendar_next: when to run next, and the earliest deadline.
 *
 * Both are read off the calendar as it stands. What a bucket knows of its earliest may be too
 * early, after a move or a stop; then its cells are read, as far as they are few.
 */
#include "calendar.h"

static uint64_t tick_ns(const struct calendar *calendar, uint64_t tick)
{
    return bits_shift_saturated(tick, calendar->tick_shift);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Cells that are read, in a level, to find the earliest again after it was moved or
 * stopped. */
#define NEXT_SCAN CHUNK_ROOM

static uint64_t earliest_in_bucket(const struct bucket *bucket, uint64_t earliest)
{
    tw_bare_timer **cell = bucket_top(bucket);
    for (; cell; cell = bucket_below(cell)) {
        if (!timer_parked(*cell))
            earliest = earlier(earliest, (*cell)->deadline_);
    }
    return earliest;
}

/* What a bucket that has few cells really has first. What it knows of that is corrected,
 * as far as it goes: a parked timer may be started again for the time that it had. */
static uint64_t look_for_earliest(struct bucket *bucket)
{
    uint64_t earliest = BITS_NEVER, parked = BITS_NEVER;
    for (tw_bare_timer **cell = bucket_top(bucket); cell; cell = bucket_below(cell))
        TW_PREFETCH(*cell);
    for (tw_bare_timer **cell = bucket_top(bucket); cell; cell = bucket_below(cell)) {
        uint64_t *least = timer_parked(*cell) ? &parked : &earliest;
        *least = earlier(*least, (*cell)->deadline_);
    }
    bucket->earliest = earlier(earliest, parked);
    return earliest;
}

/* The earliest of a level, as far as its buckets know. again: they may be wrong, and
 * the first of them are read. */
static uint64_t earliest_of_level(struct calendar *calendar, unsigned level, bool again)
{
    struct wheel *wheel = &calendar->wheel;
    uint64_t earliest = BITS_NEVER, number = wheel_next_number(wheel, level);
    size_t budget = again ? NEXT_SCAN : 0;
    while (number != WHEEL_NEVER) {
        struct bucket *bucket = &wheel->slots[wheel_slot_at(level, number)];
        uint64_t first = bucket->earliest;
        if (bucket->count <= budget) {
            budget -= bucket->count;
            first = look_for_earliest(bucket);
        } else {
            budget = 0;
        }
        earliest = earlier(earliest, first);
        if (earliest < tick_ns(calendar, wheel_start(level, number + 1)))
            break; /* what follows is due later */
        number = wheel_next_from(wheel, level, number + 1);
    }
    return earliest;
}

/* When a level must be looked at so that no slot is emptied at once that has very
 * many cells: its first, or the one that is emptied while time is in the first. */
static uint64_t wake_for_level(const struct calendar *calendar, unsigned level)
{
    const struct wheel *wheel = &calendar->wheel;
    uint64_t number = wheel_next_number(wheel, level);
    if (level == 0 || number == WHEEL_NEVER)
        return BITS_NEVER;
    uint64_t first = wheel_wake_for(wheel, level, number);
    return tick_ns(calendar, earlier(first, wheel_wake_for(wheel, level, number + 1)));
}

/* Of all that waits outside of the wheel. */
static uint64_t next_in_ready(struct calendar *calendar)
{
    struct bucket *fresh = &calendar->ready.fresh;
    const tw_bare_timer *timer = ready_peek(&calendar->ready, &calendar->cells);
    uint64_t next = timer ? timer->deadline_ : BITS_NEVER;
    if (fresh->count > 0)
        next = earlier(next, fresh->count <= NEXT_SCAN ? look_for_earliest(fresh) /* it is hot */
                                                       : fresh->earliest);
    if (TW_UNLIKELY(calendar->spill != NULL))
        next = earlier(next, calendar->spill->deadline_);
    if (TW_UNLIKELY(calendar->opening))
        next = earlier(next, calendar_open_bucket(calendar)->earliest);
    return next;
}

/* The earliest of the next tick's slot, if that is in this tick, and no slot of the upper levels
 * begins before it: then it is the earliest of all that is in the wheel. Else BITS_NEVER. */
TW_INLINE uint64_t earliest_of_next_tick(const struct calendar *calendar)
{
    const struct wheel *wheel = &calendar->wheel;
    const struct bucket *bucket = &wheel->slots[wheel_slot_at(0, wheel->next_tick)];
    bool first = wheel->next_tick >> wheel_shift(1) == wheel->cursor >> wheel_shift(1) &&
                 bucket->count > 0 &&
                 bucket->earliest >> calendar->tick_shift == wheel->next_tick;
    return first ? bucket->earliest : BITS_NEVER;
}

/* Of all levels; again: as for earliest_of_level. */
static TW_NOINLINE uint64_t next_in_wheel(struct calendar *calendar, bool again)
{
    uint64_t next = BITS_NEVER;
    for (uint32_t levels = calendar->wheel.levels; levels != 0; levels &= levels - 1)
        next = earlier(next, earliest_of_level(calendar, bits_lowest(levels), again));
    return next;
}

uint64_t calendar_next_ns(struct calendar *calendar)
{
    struct wheel *wheel = &calendar->wheel;
    if (calendar->next_ns > CALENDAR_ASK_AGAIN && !wheel->wakes_more)
        return calendar->next_ns;
    bool again = calendar->next_ns == CALENDAR_ASK_AGAIN;
    uint64_t next = again ? BITS_NEVER : earliest_of_next_tick(calendar);
    if (next == BITS_NEVER)
        next = next_in_wheel(calendar, again);
    next = earlier(next, next_in_ready(calendar));
    for (uint32_t levels = wheel->levels & wheel->waking_levels; levels != 0; levels &= levels - 1)
        next = earlier(next, wake_for_level(calendar, bits_lowest(levels)));
    wheel->wakes_more = false;
    if (!calendar->running) /* what a callback sees is over with the run */
        calendar->next_ns = next;
    return next;
}

/* Of a level, as far as it may hold something before `earliest`: timers that have
 * moved on are due later than their slot says. */
static uint64_t earliest_in_level(const struct calendar *calendar, unsigned level,
                                  uint64_t earliest)
{
    const struct wheel *wheel = &calendar->wheel;
    uint64_t number = wheel_next_number(wheel, level);
    for (; number != WHEEL_NEVER; number = wheel_next_from(wheel, level, number + 1)) {
        if (earliest < tick_ns(calendar, wheel_start(level, number)))
            break;
        earliest = earliest_in_bucket(&wheel->slots[wheel_slot_at(level, number)], earliest);
    }
    return earliest;
}

uint64_t calendar_earliest_ns(struct calendar *calendar)
{
    const struct wheel *wheel = &calendar->wheel;
    const struct ready *ready = &calendar->ready;
    const tw_bare_timer *timer = ready_peek(&calendar->ready, &calendar->cells);
    uint64_t earliest = timer ? timer->deadline_ : BITS_NEVER;
    if (calendar->spill)
        earliest = earlier(earliest, calendar->spill->deadline_);
    earliest = earliest_in_bucket(&ready->fresh, earliest);
    if (calendar->opening)
        earliest = earliest_in_bucket(calendar_open_bucket(calendar), earliest);
    for (uint32_t levels = wheel->levels; levels != 0; levels &= levels - 1)
        earliest = earliest_in_level(calendar, bits_lowest(levels), earliest);
    return earliest;
}
