/* SPDX-License-Identifier: MIT */
/*
 * wheel: the rings, and when a slot gives up how much.
 */
#include "wheel.h"

#include <string.h>

/* Timers of the next share that are asked for in advance: as many cache lines
 * as can be under way at once. */
#define WHEEL_PREFETCH 32

_Static_assert(WHEEL_ALL_SLOTS + 8 <= 1u << TIMER_SLOT_BITS, "slots fit a timer's word");
_Static_assert(TW_LEVELS >= 2, "there is a level to cascade from");
_Static_assert(FAR_SHIFT < 59, "the wheel leaves something to the overflow");
_Static_assert(WHEEL_ALL_LEVELS <= 32, "levels fit a word of bits");

void wheel_init(struct wheel *wheel, uint64_t cursor)
{
    memset(wheel, 0, sizeof *wheel); /* not a literal: unoptimised, that is 45 KiB of stack */
    wheel->cursor = cursor;
    wheel->next_tick = wheel->cascade_due = WHEEL_NEVER;
    wheel->levels = 1;
    for (unsigned level = 0; level < WHEEL_ALL_LEVELS; level++)
        wheel->cascades[level].due = WHEEL_NEVER;
}

/* The slot of this number in an upper level has got its first cell. It is looked at
 * when it has become the next slot: nothing is put into it from then on. */
static void expect_cascade(struct wheel *wheel, unsigned level, uint64_t number)
{
    uint64_t due = wheel_start(level, number - 1);
    if (due < wheel->cascades[level].due)
        wheel->cascades[level].due = due;
    if (due < wheel->cascade_due)
        wheel->cascade_due = due;
    wheel->levels |= 1u << level;
}

void wheel_mark_upper(struct wheel *wheel, unsigned slot)
{
    unsigned level = wheel_level(slot), index = slot & (wheel_ring(level) - 1);
    *wheel_word(wheel, level, index) |= (uint64_t)1 << (index & 63);
    expect_cascade(wheel, level, wheel_number(wheel, slot));
}

void wheel_note_large(struct wheel *wheel, unsigned slot)
{
    unsigned level = wheel_level(slot);
    if (level == 0) /* its slots are not emptied on the way to them */
        return;
    wheel->waking_levels |= 1u << level;
    if (wheel->slots[slot].count > TW_WAKE_CELLS)
        wheel->wakes_more = true;
}

bool wheel_insert_with_new_chunk(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                                 tw_bare_timer *timer, uint64_t deadline)
{
    struct chunk *chunk = chunk_pool_grow(pool);
    if (!chunk)
        return false;
    chunk_give(pool, chunk);
    return wheel_insert_with_chunk(wheel, pool, slot, timer, deadline);
}

/* Without a call on its usual way, and so without saved registers. */
bool wheel_insert_with_chunk(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                             tw_bare_timer *timer, uint64_t deadline)
{
    return wheel_push_chunk(wheel, pool, slot, timer, deadline);
}

/* The first bit that is set in a ring of bits from `from` on, as a number, if it is
 * before `end`. */
static uint64_t next_in_ring(const uint64_t *words, unsigned ring, uint64_t from, uint64_t end)
{
    unsigned at = (unsigned)(from & (ring - 1)), bit = at & 63;
    uint64_t bits = words[at / 64] >> bit;
    if (TW_LIKELY(bits != 0)) {
        uint64_t number = from + bits_lowest(bits);
        return number < end ? number : WHEEL_NEVER;
    }
    unsigned step = ring < 64 ? ring : 64;
    for (uint64_t number = from - bit + step; number < end; number += step) {
        bits = words[(number & (ring - 1)) / 64];
        if (bits != 0) {
            number += bits_lowest(bits);
            return number < end ? number : WHEEL_NEVER;
        }
    }
    return WHEEL_NEVER;
}

uint64_t wheel_next_from(const struct wheel *wheel, unsigned level, uint64_t from)
{
    uint64_t base = wheel->cursor >> wheel_shift(level);
    if (TW_LIKELY(level < TW_LEVELS))
        return next_in_ring(wheel->occupied[level], WHEEL_SLOTS, from, base + WHEEL_SLOTS);
    return next_in_ring(&wheel->far_occupied[level - TW_LEVELS], FAR_SLOTS, from,
                        base + FAR_SLOTS);
}

/* cells * part / whole, rounded up; cells are below 2^32. */
static uint64_t part_of(uint64_t cells, uint64_t part, uint64_t whole)
{
    if (part >= whole)
        return cells;
    while (whole >> 32 != 0) { /* the slots furthest out are wider than 2^32 ticks */
        part = (part >> 1) + (part & 1);
        whole >>= 1;
    }
    return part >= whole ? cells : (cells * part + whole - 1) / whole;
}

/* The tick since which the next slot of a level has been emptied in shares. */
static uint64_t shares_since(const struct wheel *wheel, unsigned level, uint64_t number)
{
    uint64_t since = wheel->cascades[level].since, begin = wheel_start(level, number - 1);
    return since > begin ? since : begin;
}

uint64_t wheel_share(const struct wheel *wheel, unsigned level)
{
    uint64_t number = (wheel->cursor >> wheel_shift(level)) + 1;
    uint64_t cells = wheel->slots[wheel_slot_at(level, number)].count;
    if (cells == 0)
        return 0;
    uint64_t last = wheel_last_tick(level, number);
    if (cells <= WHEEL_BATCH) /* few come within the span as soon as they can */
        return wheel->cursor >= last || level == TW_LEVELS ? cells : 0;
    uint64_t since = shares_since(wheel, level, number);
    return part_of(cells, wheel->cursor - since, last - since);
}

/* Ticks until so many of a slot's cells are due to have left it, of those there are
 * left. At least one. */
static uint64_t ticks_for(uint64_t few, uint64_t cells, uint64_t left)
{
    uint64_t step = cells <= few ? left : left >> 48 ? left / cells * few : left * few / cells;
    return step > 0 ? step : 1;
}

void wheel_plan_cascade(struct wheel *wheel, unsigned level)
{
    struct wheel_cascade *cascade = &wheel->cascades[level];
    uint64_t number = (wheel->cursor >> wheel_shift(level)) + 1;
    uint64_t cells = wheel->slots[wheel_slot_at(level, number)].count;
    cascade->since = wheel->cursor;
    if (cells > 0) {
        uint64_t left = wheel_last_tick(level, number) - wheel->cursor;
        cascade->due = wheel->cursor + ticks_for(WHEEL_BATCH, cells, left);
        return;
    }
    number = wheel_next_number(wheel, level);
    if (number != WHEEL_NEVER) {
        cascade->due = wheel_start(level, number - 1);
        return;
    }
    wheel_level_is_empty(wheel, level);
}

void wheel_prefetch_next(const struct wheel *wheel, unsigned level)
{
    TW_KEEP_CALLS();
    uint64_t number = (wheel->cursor >> wheel_shift(level)) + 1;
    const struct bucket *bucket = &wheel->slots[wheel_slot_at(level, number)];
    tw_bare_timer **cell = bucket_top(bucket);
    for (unsigned left = WHEEL_PREFETCH; cell && left > 0; left--) {
        TW_PREFETCH(*cell);
        cell = bucket_below(cell);
    }
}

void wheel_find_cascade_due(struct wheel *wheel)
{
    wheel->cascade_due = WHEEL_NEVER;
    for (uint32_t levels = wheel->levels & ~1u; levels != 0; levels &= levels - 1) {
        unsigned level = bits_lowest(levels);
        if (wheel->cascades[level].due < wheel->cascade_due)
            wheel->cascade_due = wheel->cascades[level].due;
    }
}

uint64_t wheel_wake_for(const struct wheel *wheel, unsigned level, uint64_t number)
{
    uint64_t cells = wheel->slots[wheel_slot_at(level, number)].count;
    if (TW_LIKELY(cells <= TW_WAKE_CELLS))
        return WHEEL_NEVER;
    uint64_t since = shares_since(wheel, level, number);
    uint64_t last = wheel_last_tick(level, number);
    uint64_t wake = since + ticks_for(TW_WAKE_CELLS, cells, last - since) + 1;
    return wake < last ? wake : last; /* rather later than too often */
}
