/*
 * timer: the words inside a tw_timer.
 *
 *     deadline_   ns
 *     order_      | sequence number (48) | tag (3) | node (1) | parked (1) | slot + 1 (11) |
 *     place_      the cell that points to the timer (or its index in the heap)
 *     callback_, arg_
 *
 * A slot field of 0 says that the timer has no place: no cell points to it, and
 * no loop knows it. So a struct of zeroes is a timer without a place. All that a
 * start has to know of a timer lies in the low 16 bits of order_, so that one
 * comparison tells the common case from all others.
 *
 * Sequence numbers are given out at every start and every move; they order
 * timers with equal deadlines. They may wrap: two are compared by the sign of
 * their difference, so that only timers with the same deadline and 2^47 starts
 * between them (half a year at ten million a second) could be confused.
 */
#ifndef TW_TIMER_H
#define TW_TIMER_H

#include <tickwheel.h>

#include "port.h"

#define TIMER_SLOT_BITS 11
#define TIMER_SLOT_MASK ((1u << TIMER_SLOT_BITS) - 1)
#define TIMER_PARKED (1u << 11)   /* has a cell but will not fire */
#define TIMER_NODE (1u << 12)     /* part of a pool node, not of the caller's struct */
#define TIMER_TAG_SHIFT 13        /* which loop: the last bits of its number */
#define TIMER_TAG_MASK (7u << TIMER_TAG_SHIFT)
#define TIMER_STATE_MASK 0xffffu  /* all of these */
#define TIMER_SEQUENCE_ONE ((uint64_t)1 << 16)

_Static_assert(sizeof(void *) != 8 || sizeof(tw_timer) == 40, "tw_timer is 40 bytes");

/* Whether a cell, or the heap, leads to the timer. */
TW_INLINE bool timer_placed(const tw_timer *timer)
{
    return timer->order_ & TIMER_SLOT_MASK;
}

/* The slot of a timer that is placed. */
TW_INLINE unsigned timer_slot(const tw_timer *timer)
{
    return ((unsigned)timer->order_ & TIMER_SLOT_MASK) - 1;
}

TW_INLINE void timer_set_slot(tw_timer *timer, unsigned slot)
{
    timer->order_ = (timer->order_ & ~(uint64_t)TIMER_SLOT_MASK) | (slot + 1);
}

TW_INLINE void timer_set_unplaced(tw_timer *timer)
{
    timer->order_ &= ~(uint64_t)TIMER_SLOT_MASK;
}

TW_INLINE bool timer_parked(const tw_timer *timer)
{
    return timer->order_ & TIMER_PARKED;
}

/* Whether the order words say that a was scheduled before b. */
TW_INLINE bool timer_scheduled_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

/* Whether a runs before b. */
TW_INLINE bool timer_before(const tw_timer *a, const tw_timer *b)
{
    if (a->deadline_ != b->deadline_)
        return a->deadline_ < b->deadline_;
    return timer_scheduled_before(a->order_, b->order_);
}

#endif
