#include "wheel.h"

/* Timers of the next share that are asked for in advance: as many cache lines
 * as can be under way at once. */
#define WHEEL_PREFETCH 32

_Static_assert(WHEEL_ALL_SLOTS + 8 <= 1u << TIMER_SLOT_BITS, "slots fit a timer's word");
_Static_assert(TW_LEVELS >= 2, "there is a level to cascade from");
_Static_assert(TW_LEVEL_BITS * (TW_LEVELS - 1) < 32, "a slot's ticks fit 32 bits");

void wheel_init(struct wheel *wheel, uint64_t cursor)
{
    *wheel = (struct wheel){.cursor = cursor, .cascade_due = WHEEL_NEVER,
                            .quiet_until = WHEEL_NEVER};
    for (unsigned level = 0; level < TW_LEVELS; level++)
        wheel->cascades[level].due = WHEEL_NEVER;
}

unsigned wheel_furthest_slot(const struct wheel *wheel)
{
    unsigned top = TW_LEVELS - 1;
    return wheel_slot_at(top, (wheel->cursor >> wheel_shift(top)) + WHEEL_SLOTS - 1);
}

/* A slot has got its first cell. */
static void mark_occupied(struct wheel *wheel, unsigned slot)
{
    unsigned level = wheel_level(slot), index = slot & (WHEEL_SLOTS - 1);
    wheel->occupied[level][index / 64] |= (uint64_t)1 << (index & 63);
    uint64_t due = wheel_number(wheel, slot);
    if (level > 0) {
        /* Look at it when it has become the next slot: nothing is put into it
         * from then on. */
        due = wheel_start(level, due - 1);
        if (due < wheel->cascades[level].due)
            wheel->cascades[level].due = due;
        if (due < wheel->cascade_due)
            wheel->cascade_due = due;
    }
    wheel_quiet_at_most(wheel, due);
}

bool wheel_insert_with_chunk(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                             tw_timer *timer)
{
    struct bucket *bucket = &wheel->slots[slot];
    bucket_push(pool, bucket, timer);
    if (bucket->count == 1)
        mark_occupied(wheel, slot);
    return bucket->count == WHEEL_BATCH + 1;
}

/* Asks for the chunk below the one that the bucket's top cell is in. */
static void prefetch_chunk_below(const struct bucket *bucket)
{
    chunk_prefetch(chunk_of(bucket->end - 1)->link - 1); /* the link is its end */
}

unsigned wheel_take(struct wheel *wheel, struct chunk_pool *pool, unsigned slot, tw_timer **out,
                    unsigned limit)
{
    struct bucket *bucket = &wheel->slots[slot];
    unsigned n = bucket->count < limit ? bucket->count : limit;
    for (unsigned i = 0; i < n; i++) {
        out[i] = bucket_pop(pool, bucket);
        TW_PREFETCH(out[i]);
        if (TW_UNLIKELY(chunk_ends_at(bucket->end)) && bucket->count > CHUNK_ROOM)
            prefetch_chunk_below(bucket);
    }
    if (bucket->count == 0)
        wheel_mark_empty(wheel, slot);
    return n;
}

uint64_t wheel_next_from(const struct wheel *wheel, unsigned level, uint64_t from)
{
    const uint64_t *words = wheel->occupied[level];
    uint64_t end = (wheel->cursor >> wheel_shift(level)) + WHEEL_SLOTS; /* of the window */
    unsigned bit = (unsigned)(from & (WHEEL_SLOTS - 1)) & 63;
    uint64_t bits = words[(from & (WHEEL_SLOTS - 1)) / 64] >> bit;
    if (TW_LIKELY(bits != 0)) {
        uint64_t number = from + bits_lowest(bits);
        return number < end ? number : WHEEL_NEVER;
    }
    unsigned step = WHEEL_SLOTS < 64 ? WHEEL_SLOTS : 64;
    for (uint64_t number = from - bit + step; number < end; number += step) {
        bits = words[(number & (WHEEL_SLOTS - 1)) / 64];
        if (bits != 0) {
            number += bits_lowest(bits);
            return number < end ? number : WHEEL_NEVER;
        }
    }
    return WHEEL_NEVER;
}

/* The last tick before time enters slot `number`: it must be empty then. */
static uint64_t last_tick(unsigned level, uint64_t number)
{
    return wheel_start(level, number) - 1;
}

/* cells * part / whole, rounded up. Both factors are below 2^32. */
static uint64_t part_of(uint64_t cells, uint64_t part, uint64_t whole)
{
    return part >= whole ? cells : (cells * part + whole - 1) / whole;
}

unsigned wheel_share(const struct wheel *wheel, unsigned level, unsigned *slot)
{
    const struct wheel_cascade *cascade = &wheel->cascades[level];
    if (wheel->cursor < cascade->due)
        return 0;
    uint64_t number = wheel_next_number(wheel, level);
    if (number == WHEEL_NEVER || number - (wheel->cursor >> wheel_shift(level)) > 1)
        return 0; /* the next slot is empty */
    *slot = wheel_slot_at(level, number);
    uint64_t cells = wheel->slots[*slot].count;
    uint64_t last = last_tick(level, number);
    if (cells <= WHEEL_BATCH)
        return wheel->cursor >= last ? (unsigned)cells : 0;
    uint64_t since = cascade->since;
    uint64_t begin = wheel_start(level, number - 1);
    if (since < begin)
        since = begin;
    return (unsigned)part_of(cells, wheel->cursor - since, last - since);
}

void wheel_cascade_done(struct wheel *wheel, unsigned level)
{
    struct wheel_cascade *cascade = &wheel->cascades[level];
    if (wheel->cursor < cascade->due)
        return;
    cascade->since = wheel->cursor;
    cascade->due = WHEEL_NEVER;
    uint64_t number = wheel_next_number(wheel, level);
    if (number == WHEEL_NEVER)
        return;
    uint64_t begin = wheel_start(level, number - 1);
    if (wheel->cursor < begin) {
        cascade->due = begin;
        return;
    }
    uint64_t cells = wheel->slots[wheel_slot_at(level, number)].count;
    uint64_t left = last_tick(level, number) - wheel->cursor;
    uint64_t step = left;
    if (cells > WHEEL_BATCH)
        step = left * WHEEL_BATCH / cells;
    if (step == 0)
        step = 1;
    cascade->due = wheel->cursor + step;
}

void wheel_prefetch_next(const struct wheel *wheel, unsigned level)
{
    uint64_t number = (wheel->cursor >> wheel_shift(level)) + 1;
    const struct bucket *bucket = &wheel->slots[wheel_slot_at(level, number)];
    if (bucket->count == 0)
        return;
    tw_timer **cell = bucket->end - 1;
    uint32_t left = bucket->count < WHEEL_PREFETCH ? bucket->count : WHEEL_PREFETCH;
    for (; left > 1; left--) {
        TW_PREFETCH(*cell);
        cell = bucket_below(cell);
    }
    TW_PREFETCH(*cell);
}

void wheel_cascades_done(struct wheel *wheel)
{
    wheel->cascade_due = WHEEL_NEVER;
    for (unsigned level = 1; level < TW_LEVELS; level++) {
        if (wheel->cascades[level].due < wheel->cascade_due)
            wheel->cascade_due = wheel->cascades[level].due;
    }
}
