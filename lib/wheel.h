/*
 * wheel: where a timer waits, by the tick of its deadline.
 *
 *     level 0    512 slots of one tick           |c|.|.|.|o|.|.|o| ... 511 ticks ahead
 *     level 1    512 slots of 2^8 ticks          |c|n|.|o|.|.|.| ...   about 2^17 ahead
 *     level 2    512 slots of 2^16 ticks         |c|n|o|.|.|.|.| ...   about 2^25 ahead
 *
 * Each level is a ring of slots and its window rolls with the cursor (c), the
 * tick that is open: a timer lives in the lowest level whose next 511 slots
 * reach it. It is never put into slot c or n, the next one, of an upper level,
 * because the level below reaches those.
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
 * what time it is, or what lies beyond its span.
 *
 * Invariants W1 to W4: see docs/DESIGN.md.
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
#define WHEEL_ALL_SLOTS (TW_LEVELS * WHEEL_SLOTS)
#define WHEEL_WORDS ((WHEEL_SLOTS + 63) / 64)
#define WHEEL_BEYOND UINT32_MAX                      /* no slot: past the span */
#define WHEEL_NEVER UINT64_MAX                       /* no tick */

/* Cells that are moved together: enough for their cache misses to overlap, few
 * enough to be no pause. A slot of no more is emptied in one go, and is no
 * reason to wake a sleeping loop. A chunk's worth, so that only a push that
 * takes a chunk has to look whether there are more now. */
#define WHEEL_BATCH CHUNK_ROOM

struct wheel_cascade {
    uint64_t since;   /* the tick at which the last share was taken */
    uint64_t due;     /* the tick at which to look again: WHEEL_NEVER if the level is empty */
};

struct wheel {
    uint64_t cursor;                                  /* the tick that is open */
    uint64_t cascade_due;                             /* no cascade is due before this tick */
    uint64_t quiet_until;                             /* nor any slot of level 0 occupied, as far as
                                                         wheel_look_ahead has seen, nor anything else
                                                         that wheel_quiet_at_most was told of */
    uint64_t occupied[TW_LEVELS][WHEEL_WORDS];        /* which slots have cells */
    struct wheel_cascade cascades[TW_LEVELS];         /* of the levels from 1 */
    struct bucket slots[WHEEL_ALL_SLOTS];             /* level by level */
};

void wheel_init(struct wheel *wheel, uint64_t cursor);

/* ------------------------------------------------------------ slots and ticks */

TW_INLINE unsigned wheel_level(unsigned slot)
{
    return slot / WHEEL_SLOTS;
}

/* How far a tick is shifted to give the number of its slot in this level. */
TW_INLINE unsigned wheel_shift(unsigned level)
{
    return level * TW_LEVEL_BITS;
}

/* The slot for a tick after the cursor, or WHEEL_BEYOND. */
TW_INLINE unsigned wheel_slot_for(const struct wheel *wheel, uint64_t tick)
{
    TW_ASSERT(tick > wheel->cursor);
    for (unsigned level = 0; level < TW_LEVELS; level++) {
        unsigned shift = wheel_shift(level);
        uint64_t number = tick >> shift;
        if (number - (wheel->cursor >> shift) < WHEEL_SLOTS)
            return level * WHEEL_SLOTS + (unsigned)(number & (WHEEL_SLOTS - 1));
    }
    return WHEEL_BEYOND;
}

/* The slot furthest ahead. */
unsigned wheel_furthest_slot(const struct wheel *wheel);

/* The number of the slot in its level, counted from tick 0: the inverse of the
 * ring. The slot lies in the window, that is, from the cursor's on. */
TW_INLINE uint64_t wheel_number(const struct wheel *wheel, unsigned slot)
{
    uint64_t base = wheel->cursor >> wheel_shift(wheel_level(slot));
    return base + ((slot - base) & (WHEEL_SLOTS - 1));
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

/* -------------------------------------------------------------- in and out */

/* wheel_insert where the slot has no chunk with room. */
bool wheel_insert_with_chunk(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                             tw_timer *timer);

/* Puts a timer into a slot that wheel_slot_for gave. Answers whether the slot
 * is now one that a sleeping loop has to be woken for. */
TW_INLINE bool wheel_insert(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                            tw_timer *timer)
{
    struct bucket *bucket = &wheel->slots[slot];
    if (TW_UNLIKELY(bucket_is_full(bucket)))
        return wheel_insert_with_chunk(wheel, pool, slot, timer);
    bucket_push_hot(pool, bucket, timer);
    return false;
}

TW_INLINE void wheel_mark_empty(struct wheel *wheel, unsigned slot)
{
    unsigned index = slot & (WHEEL_SLOTS - 1);
    wheel->occupied[wheel_level(slot)][index / 64] &= ~((uint64_t)1 << (index & 63));
}

TW_INLINE void wheel_remove(struct wheel *wheel, struct chunk_pool *pool, unsigned slot,
                            tw_timer *timer)
{
    bucket_remove(pool, &wheel->slots[slot], timer);
    if (TW_UNLIKELY(wheel->slots[slot].count == 0))
        wheel_mark_empty(wheel, slot);
}

/* Takes up to `limit` timers out of a slot, asking for their cache lines, so
 * that all the misses overlap. They still name
 * the slot they had. */
unsigned wheel_take(struct wheel *wheel, struct chunk_pool *pool, unsigned slot, tw_timer **out,
                    unsigned limit);

/* ---------------------------------------------------------------- moving on */

/* The first occupied slot of a level whose number is at least `from` (after the
 * cursor's and in the window), as its number; WHEEL_NEVER if there is none. */
uint64_t wheel_next_from(const struct wheel *wheel, unsigned level, uint64_t from);

TW_INLINE uint64_t wheel_next_number(const struct wheel *wheel, unsigned level)
{
    return wheel_next_from(wheel, level, (wheel->cursor >> wheel_shift(level)) + 1);
}

/* The slot of a level with this number. */
TW_INLINE unsigned wheel_slot_at(unsigned level, uint64_t number)
{
    return level * WHEEL_SLOTS + (unsigned)(number & (WHEEL_SLOTS - 1));
}

/* With the cursor where it now is: how many cells this level's next slot must
 * give up (0: none), and from which slot. To be asked when cascade_due has been
 * reached, from the top level down, and followed by wheel_cascade_done. */
unsigned wheel_share(const struct wheel *wheel, unsigned level, unsigned *slot);

/* The share was taken: works out when the next one is due. */
void wheel_cascade_done(struct wheel *wheel, unsigned level);

/* Works out quiet_until afresh. */
TW_INLINE void wheel_look_ahead(struct wheel *wheel)
{
    uint64_t occupied = wheel_next_number(wheel, 0);
    wheel->quiet_until = occupied < wheel->cascade_due ? occupied : wheel->cascade_due;
}

/* At this tick there will be something to do. */
TW_INLINE void wheel_quiet_at_most(struct wheel *wheel, uint64_t tick)
{
    if (tick < wheel->quiet_until)
        wheel->quiet_until = tick;
}

/* Asks for the cache lines of the timers that a level's next slot gives first. */
void wheel_prefetch_next(const struct wheel *wheel, unsigned level);

/* Works out cascade_due afresh. */
void wheel_cascades_done(struct wheel *wheel);

#endif
