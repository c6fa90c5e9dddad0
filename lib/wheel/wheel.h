/* SPDX-License-Identifier: MIT */
/*
 * wheel: where a timer waits, by the tick of its deadline.
 *
 *     level 0    512 slots of one tick           |c|.|.|.|o|.|.|o| ... 511 ticks ahead
 *     level 1    512 slots of 2^8 ticks          |c|n|.|o|.|.|.| ...   about 2^17 ahead
 *     level 2    512 slots of 2^16 ticks         |c|n|o|.|.|.|.| ...   about 2^25 ahead: the span
 *     overflow   32 slots of 2^24 ticks          |c|n|o| ...           31 * 2^24 ahead
 *                32 slots of 2^28 ticks
 *                ...                                                   as far as time goes
 *
 * Each level is a ring of slots and its window rolls with the cursor (c), the
 * tick that is open: a timer lives in the lowest level whose next 511 (or 31)
 * slots reach it. It is never put into slot c or n, the next one, of an upper
 * level, because the level below reaches those.
 *
 * What lies beyond the span waits in a heap whose ranges grow with their distance,
 * a radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, 1990) of four bits a digit. A
 * bucket of it is a slot like the others, only wider. So there is no delay that
 * the wheel does not take, and nothing to sift, to grow or to run out of.
 *
 * Cascade. Slot n of an upper level is to be empty when time enters it. All its
 * timers fit the level below from the moment n becomes the next slot, so it is
 * emptied then, evenly, over all the ticks there are until time enters it: in
 * shares of its cells divided by the ticks left. A slot of few cells is not
 * worth several shares and is emptied by its last tick. No tick pays for a
 * slot.
 *
 * Schemes 6 and 7 of Varghese and Lauck (1987) are the origin; the rolling
 * double window, which is what makes the even cascade possible, is not theirs.
 *
 * The wheel knows ticks, slots and cells. It does not know what is in a timer,
 * or what time it is.
 *
 * Invariants W1 to W5: see docs/DESIGN.md.
 */
#ifndef TW_WHEEL_H
#define TW_WHEEL_H

#include "bits.h"
#include "chunk.h"

/* Slots of a level that one slot of the level above covers: 2^LEVEL_BITS. With
 * 2^8, three levels span what four levels of 2^6 do, and a 60 s timeout is
 * moved once on its way instead of twice. Tests use small ones. */
#ifndef TW_LEVEL_BITS
#define TW_LEVEL_BITS 8
#endif
#ifndef TW_LEVELS
#define TW_LEVELS 3
#endif

#define WHEEL_SLOTS (2u << TW_LEVEL_BITS)            /* of a level: a double window */
#define WHEEL_WORDS ((WHEEL_SLOTS + 63) / 64)
#define WHEEL_NEVER UINT64_MAX                       /* no tick */

/* The same beyond the span. The widest slots must reach tick 2^63. */
#define FAR_BITS 4
#define FAR_SLOTS (2u << FAR_BITS)
#define FAR_SHIFT (TW_LEVELS * TW_LEVEL_BITS)        /* of the first of those levels */
#define FAR_LEVELS ((63 - FAR_BITS - 1 - FAR_SHIFT + FAR_BITS - 1) / FAR_BITS + 1)

/* Slots within the span, in whole rings of either kind, so that the last bits of a
 * slot's number in its level are those of its place. */
#define WHEEL_NEAR_SLOTS ((TW_LEVELS * WHEEL_SLOTS + FAR_SLOTS - 1) / FAR_SLOTS * FAR_SLOTS)
#define WHEEL_ALL_SLOTS (WHEEL_NEAR_SLOTS + FAR_LEVELS * FAR_SLOTS)
#define WHEEL_ALL_LEVELS (TW_LEVELS + FAR_LEVELS)

/* Cells that are moved together: enough for their cache misses to overlap, few
 * enough to be no pause. A slot of no more is emptied in one go. */
#define WHEEL_BATCH CHUNK_ROOM

/* A sleeping loop is woken to empty a slot of more cells than these, once for as
 * many of them. */
#ifndef TW_WAKE_CELLS
#define TW_WAKE_CELLS 4096
#endif

/* A slot that gets another chunk when it has so many cells may come to have more than those. */
#define WHEEL_MAY_WAKE (TW_WAKE_CELLS > CHUNK_ROOM ? TW_WAKE_CELLS - CHUNK_ROOM : 0)

struct wheel_cascade {
    uint64_t since;   /* the tick at which the last share was taken */
    uint64_t due;     /* the tick at which to look again: WHEEL_NEVER if the level is empty */
};

struct wheel {
    uint64_t cursor;                                  /* the tick that is open */
    uint64_t next_tick;                               /* no slot of level 0 is occupied before it */
    uint64_t cascade_due;                             /* no cascade is due before this tick */
    bool wakes_more;                                  /* a slot has grown that wheel_wake_for looks
                                                         at; noticed by its next chunk, up to
                                                         CHUNK_ROOM - 1 cells late */
    uint32_t waking_levels;                           /* a bit for each upper level that may have a
                                                         slot that wheel_wake_for looks at */
    uint32_t levels;                                  /* a bit for each level that may have cells,
                                                         and for level 0 */
    uint64_t occupied[TW_LEVELS][WHEEL_WORDS];        /* which slots have cells */
    uint64_t far_occupied[FAR_LEVELS];                /* the same beyond the span */
    struct wheel_cascade cascades[WHEEL_ALL_LEVELS];  /* of the levels from 1 */
    struct bucket slots[WHEEL_ALL_SLOTS];             /* level by level */
};

void wheel_init(struct wheel *wheel, uint64_t cursor);

/* ------------------------------------------------------------ slots and ticks */

TW_INLINE unsigned wheel_level(unsigned slot)
{
    if (TW_LIKELY(slot < WHEEL_NEAR_SLOTS))
        return slot / WHEEL_SLOTS;
    return TW_LEVELS + (slot - WHEEL_NEAR_SLOTS) / FAR_SLOTS;
}

/* How far a tick is shifted to give the number of its slot in this level. */
TW_INLINE unsigned wheel_shift(unsigned level)
{
    return level <= TW_LEVELS ? level * TW_LEVEL_BITS
                              : FAR_SHIFT + (level - TW_LEVELS) * FAR_BITS;
}

/* Slots of a level. */
TW_INLINE unsigned wheel_ring(unsigned level)
{
    return level < TW_LEVELS ? WHEEL_SLOTS : FAR_SLOTS;
}

/* The slot of a level with this number. */
TW_INLINE unsigned wheel_slot_at(unsigned level, uint64_t number)
{
    if (TW_LIKELY(level < TW_LEVELS))
        return level * WHEEL_SLOTS + (unsigned)(number & (WHEEL_SLOTS - 1));
    return WHEEL_NEAR_SLOTS + (level - TW_LEVELS) * FAR_SLOTS +
           (unsigned)(number & (FAR_SLOTS - 1));
}

/* The lowest of the overflow's levels whose window reaches a tick beyond the span. One
 * whose slots' width goes into the distance less than FAR_SLOTS times reaches it, or
 * misses it by one slot. */
TW_INLINE unsigned wheel_far_level(const struct wheel *wheel, uint64_t tick)
{
    unsigned width = bits_width(tick - wheel->cursor), least = FAR_SHIFT + FAR_BITS + 1;
    unsigned level = TW_LEVELS + (width <= least ? 0 : (width - least + FAR_BITS - 1) / FAR_BITS);
    unsigned shift = FAR_SHIFT + (level - TW_LEVELS) * FAR_BITS;
    return level + ((tick >> shift) - (wheel->cursor >> shift) >= FAR_SLOTS);
}

/* The slot for a tick after the cursor. */
TW_INLINE unsigned wheel_slot_for(const struct wheel *wheel, uint64_t tick)
{
    TW_ASSERT(tick > wheel->cursor);
    for (unsigned level = 0; level < TW_LEVELS; level++) {
        unsigned shift = wheel_shift(level);
        uint64_t number = tick >> shift;
        if (number - (wheel->cursor >> shift) < WHEEL_SLOTS)
            return wheel_slot_at(level, number);
    }
    unsigned level = wheel_far_level(wheel, tick);
    TW_ASSERT(level < WHEEL_ALL_LEVELS);
    return wheel_slot_at(level, tick >> wheel_shift(level));
}

/* The number of the slot in its level, counted from tick 0: the inverse of the
 * ring. The slot lies in the window, that is, from the cursor's on. */
TW_INLINE uint64_t wheel_number(const struct wheel *wheel, unsigned slot)
{
    unsigned level = wheel_level(slot);
    uint64_t base = wheel->cursor >> wheel_shift(level);
    return base + ((slot - base) & (wheel_ring(level) - 1));
}

/* Whether time enters this occupied slot no later than the tick: then a timer
 * in it will be visited in time for a deadline there. */
TW_INLINE bool wheel_visits_by(const struct wheel *wheel, unsigned slot, uint64_t tick)
{
    return wheel_number(wheel, slot) <= tick >> wheel_shift(wheel_level(slot));
}

/* The first tick of slot `number` of a level. */
TW_INLINE uint64_t wheel_start(unsigned level, uint64_t number)
{
    return bits_shift_saturated(number, wheel_shift(level));
}

/* The last tick before time enters slot `number`: it must be empty then. */
TW_INLINE uint64_t wheel_last_tick(unsigned level, uint64_t number)
{
    return wheel_start(level, number) - 1;
}

/* -------------------------------------------------------------- in and out */

/* The word of the bitmap that a level's slot has its bit in. */
TW_INLINE uint64_t *wheel_word(struct wheel *wheel, unsigned level, unsigned index)
{
    return level < TW_LEVELS ? &wheel->occupied[level][index / 64]
                             : &wheel->far_occupied[level - TW_LEVELS];
}

/* A slot has got its first cell; the second is for the upper levels. */
void wheel_mark_upper(struct wheel *wheel, unsigned slot);
TW_INLINE void wheel_mark_occupied(struct wheel *wheel, unsigned slot)
{
    if (TW_UNLIKELY(slot >= WHEEL_SLOTS)) {
        wheel_mark_upper(wheel, slot);
        return;
    }
    uint64_t tick = wheel->cursor + ((slot - wheel->cursor) & (WHEEL_SLOTS - 1));
    wheel->occupied[0][slot / 64] |= (uint64_t)1 << (slot & 63);
    if (tick < wheel->next_tick)
        wheel->next_tick = tick;
}

/* A slot has so many cells that a sleeping loop may be woken for it. */
void wheel_note_large(struct wheel *wheel, unsigned slot);

/* wheel_insert where the slot has no chunk with room; where no free one is at hand, either;
 * and, with the second for that, inline. */
bool wheel_insert_with_chunk(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                             tw_bare_timer *timer, uint64_t deadline);
bool wheel_insert_with_new_chunk(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                                 tw_bare_timer *timer, uint64_t deadline);
TW_INLINE bool wheel_push_chunk(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                                tw_bare_timer *timer, uint64_t deadline)
{
    struct bucket *bucket = &wheel->slots[slot];
    struct chunk *chunk = pool->free;
    if (TW_UNLIKELY(!chunk))
        return wheel_insert_with_new_chunk(wheel, pool, slot, timer, deadline);
    pool->free = chunk->link;
    chunk->below = bucket->end;
    chunk->cells[0] = timer;
    timer->place_ = chunk->cells;
    bucket->end = chunk->cells + 1;
    if (bucket->count++ == 0) {
        bucket->earliest = deadline;
        wheel_mark_occupied(wheel, slot);
        return true;
    }
    if (deadline < bucket->earliest)
        bucket->earliest = deadline;
    if (TW_UNLIKELY(bucket->count > WHEEL_MAY_WAKE))
        wheel_note_large(wheel, slot);
    return true;
}

/* Puts a timer into a slot that wheel_slot_for gave. false: there is no memory. */
TW_INLINE bool wheel_insert(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                            tw_bare_timer *timer, uint64_t deadline)
{
    struct bucket *bucket = &wheel->slots[slot];
    if (TW_UNLIKELY(bucket_is_full(bucket)))
        return wheel_insert_with_chunk(wheel, pool, slot, timer, deadline);
    (void)bucket_push_hot(bucket, timer, deadline);
    return true;
}

TW_INLINE void wheel_mark_empty(struct wheel *wheel, unsigned slot)
{
    if (TW_LIKELY(slot < WHEEL_SLOTS)) {
        wheel->occupied[0][slot / 64] &= ~((uint64_t)1 << (slot & 63));
        return;
    }
    unsigned level = wheel_level(slot), index = slot & (wheel_ring(level) - 1);
    *wheel_word(wheel, level, index) &= ~((uint64_t)1 << (index & 63));
}

TW_INLINE void wheel_remove(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                            tw_bare_timer *timer)
{
    bucket_remove(pool, &wheel->slots[slot], timer);
    if (TW_UNLIKELY(wheel->slots[slot].count == 0))
        wheel_mark_empty(wheel, slot);
}

/* Takes up to `limit` cells out of a slot. The timers still name the slot. */
TW_INLINE struct cells wheel_take(struct wheel *wheel, unsigned slot, size_t limit)
{
    struct cells taken = bucket_take(&wheel->slots[slot], limit);
    if (wheel->slots[slot].count == 0)
        wheel_mark_empty(wheel, slot);
    return taken;
}

/* ---------------------------------------------------------------- moving on */

/* The first occupied slot of a level whose number is at least `from` (after the
 * cursor's and in the window), as its number; WHEEL_NEVER if there is none. */
uint64_t wheel_next_from(const struct wheel *wheel, unsigned level, uint64_t from);

TW_INLINE uint64_t wheel_next_number(const struct wheel *wheel, unsigned level)
{
    return wheel_next_from(wheel, level, (wheel->cursor >> wheel_shift(level)) + 1);
}

/* Works out next_tick afresh: the next occupied slot of level 0. */
TW_INLINE void wheel_look_ahead(struct wheel *wheel)
{
    uint64_t from = wheel->cursor + 1;
    uint64_t bits = wheel->occupied[0][from / 64 % WHEEL_WORDS] >> (from & 63);
    wheel->next_tick = WHEEL_SLOTS > 64 && TW_LIKELY(bits != 0) ? from + bits_lowest(bits)
                                                                : wheel_next_from(wheel, 0, from);
}

/* Asks for the timer that the next tick begins with: what leads to it is a miss for each of
 * its steps, and the callbacks of this tick come before. */
TW_INLINE void wheel_prefetch_tick(const struct wheel *wheel)
{
    if (TW_LIKELY(wheel->next_tick != WHEEL_NEVER))
        TW_PREFETCH(wheel->slots[wheel_slot_at(0, wheel->next_tick)].end[-1]);
}

/* Time enters this tick, whose last timer was taken out. */
TW_INLINE void wheel_enter_emptied(struct wheel *wheel, uint64_t tick)
{
    wheel->cursor = tick;
    if (WHEEL_SLOTS > 64) {
        uint64_t *word = &wheel->occupied[0][tick / 64 % WHEEL_WORDS];
        *word &= ~((uint64_t)1 << (tick & 63));
        uint64_t bits = *word >> (tick & 63); /* of later ticks, since this one's is cleared */
        wheel->next_tick = TW_LIKELY(bits != 0) ? tick + bits_lowest(bits)
                                                : wheel_next_from(wheel, 0, tick + 1);
    } else {
        wheel_mark_empty(wheel, wheel_slot_at(0, tick));
        wheel_look_ahead(wheel);
    }
    wheel_prefetch_tick(wheel);
}

/* Whether nothing happens before this tick, nor in it. */
TW_INLINE bool wheel_quiet_until(const struct wheel *wheel, uint64_t tick)
{
    return tick < wheel->next_tick && tick < wheel->cascade_due;
}

/* A level was found to have no cells. */
TW_INLINE void wheel_level_is_empty(struct wheel *wheel, unsigned level)
{
    if (level == 0) {
        wheel->next_tick = WHEEL_NEVER;
        return;
    }
    wheel->cascades[level].due = WHEEL_NEVER;
    wheel->levels &= ~(1u << level);
    wheel->waking_levels &= ~(1u << level);
}

/* With the cursor where it now is: how many cells this level's next slot must
 * give up (0: none). */
uint64_t wheel_share(const struct wheel *wheel, unsigned level);

/* The share was taken: works out when the next one is due. */
void wheel_plan_cascade(struct wheel *wheel, unsigned level);

/* Asks for the cache lines of the timers that a level's next slot gives first. */
void wheel_prefetch_next(const struct wheel *wheel, unsigned level);

/* Works out cascade_due afresh. */
void wheel_find_cascade_due(struct wheel *wheel);

/* The tick at which a sleeping loop is to be woken so that this occupied slot of an upper
 * level is emptied in pieces; WHEEL_NEVER: it holds no more than one. */
uint64_t wheel_wake_for(const struct wheel *wheel, unsigned level, uint64_t number);

#endif
