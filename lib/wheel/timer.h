/* SPDX-License-Identifier: MIT */
/*
 * timer: the words inside a timer.
 *
 *     deadline_   ns
 *     sequence_   low (32) and high (16) bits
 *     state_      | tag (3) | node (1) | parked (1) | slot + 1 (11) |
 *     place_      the cell that points to the timer
 *
 * These four are a tw_bare_timer. A tw_timer begins with them; its callback and
 * argument follow. Whatever moves timers about sees the bare one only.
 *
 * A slot field of 0 says that the timer has no place: no cell points to it, and
 * no loop knows it. So a struct of zeroes is a timer without a place.
 *
 * Sequence numbers are given out at every start and every move; they order
 * timers with equal deadlines. They may wrap: two are compared by the sign of
 * their difference, so that only timers with the same deadline and 2^47 starts
 * between them (half a year at ten million a second) could be confused. To make
 * that comparison easy, they are counted in steps of 2^16 in 64-bit words.
 *
 * State and sequence are apart because a timer that is moved gets a new number,
 * and its cache line is usually missing: what is written without having been
 * read does not wait. All that a start has to read are deadline_ and state_.
 */
#ifndef TW_TIMER_H
#define TW_TIMER_H

#include <string.h>
#include <tickwheel.h>

#include "port.h"

#define TIMER_SLOT_BITS 11
#define TIMER_SLOT_MASK ((1u << TIMER_SLOT_BITS) - 1)
#define TIMER_PARKED (1u << 11)   /* has a cell but will not fire */
#define TIMER_NODE (1u << 12)     /* part of a pool node, not of the caller's struct */
#define TIMER_TAG_SHIFT 13        /* which loop: the last bits of its number */
#define TIMER_TAG_MASK (7u << TIMER_TAG_SHIFT)
#define TIMER_SEQUENCE_ONE ((uint64_t)1 << 16)

_Static_assert(sizeof(void *) != 8 || sizeof(tw_bare_timer) == 24, "tw_bare_timer is 24 bytes");
_Static_assert(sizeof(void *) != 8 || sizeof(tw_timer) == 40, "tw_timer is 40 bytes");

/* The whole of a timer that is known to have a callback. */
TW_INLINE tw_timer *timer_whole(tw_bare_timer *timer)
{
    return (tw_timer *)(void *)timer;
}

/* Whether a cell leads to the timer. */
TW_INLINE bool timer_placed(const tw_bare_timer *timer)
{
    return timer->state_ & TIMER_SLOT_MASK;
}

/* The slot of a timer that is placed. */
TW_INLINE unsigned timer_slot(const tw_bare_timer *timer)
{
    return ((unsigned)timer->state_ & TIMER_SLOT_MASK) - 1;
}

TW_INLINE void timer_set_slot(tw_bare_timer *timer, unsigned slot)
{
    timer->state_ = (uint16_t)((timer->state_ & ~TIMER_SLOT_MASK) | (slot + 1));
}

/* The same of one that is in slot `from`: in fewer steps. */
TW_INLINE void timer_change_slot(tw_bare_timer *timer, unsigned from, unsigned slot)
{
    timer->state_ = (uint16_t)(timer->state_ + slot - from);
}

TW_INLINE void timer_set_unplaced(tw_bare_timer *timer)
{
    timer->state_ = (uint16_t)(timer->state_ & ~TIMER_SLOT_MASK);
}

TW_INLINE bool timer_parked(const tw_bare_timer *timer)
{
    return timer->state_ & TIMER_PARKED;
}

TW_INLINE bool timer_is_node(const tw_bare_timer *timer)
{
    return timer->state_ & TIMER_NODE;
}

TW_INLINE uint64_t timer_sequence(const tw_bare_timer *timer)
{
    return (uint64_t)timer->sequence_high_ << 48 | (uint64_t)timer->sequence_low_ << 16;
}

TW_INLINE void timer_set_sequence(tw_bare_timer *timer, uint64_t sequence)
{
    timer->sequence_low_ = (uint32_t)(sequence >> 16);
    timer->sequence_high_ = (uint16_t)(sequence >> 48);
}

/* Writes when a timer is due and when it was scheduled. Where the low byte of a word
 * comes first, in two stores, though there are three fields: the number is written as one
 * word, whose two lowest bytes are always zero, two bytes before its fields.
 *
 *     byte     0  1  2  3  4  5  6  7 | 8  9  10 11 | 12 13 | 14 15
 *     field    deadline_              | low         | high  | state_
 *     store 1                    0  0   sequence            |
 *     store 2  deadline               |
 */
TW_INLINE void timer_set_scheduled(tw_bare_timer *timer, uint64_t deadline, uint64_t sequence)
{
#if TW_LOW_BYTE_FIRST
    memcpy((unsigned char *)timer + offsetof(tw_bare_timer, sequence_low_) - 2, &sequence,
           sizeof sequence);
#else
    timer_set_sequence(timer, sequence);
#endif
    timer->deadline_ = deadline;
}

/* Whether the sequence numbers say that a was scheduled before b. */
TW_INLINE bool timer_scheduled_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

/* Whether a runs before b. */
TW_INLINE bool timer_before(const tw_bare_timer *a, const tw_bare_timer *b)
{
    if (a->deadline_ != b->deadline_)
        return a->deadline_ < b->deadline_;
    return timer_scheduled_before(timer_sequence(a), timer_sequence(b));
}

#endif
