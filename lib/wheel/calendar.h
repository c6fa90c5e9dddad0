/* SPDX-License-Identifier: MIT */
/*
 * calendar: every timer of a loop, and its way to the moment when it is due.
 *
 *     a start ──> wheel ──cascade──> wheel ──its tick──> ready ──deadline──> due
 *            \                                          /
 *             \──> ready, if its tick is open already ──/
 *     a soon call ──> soon ──next run──> due
 *
 * The wheel and the ready list do not know each other; the calendar moves timers
 * between them. It knows deadlines and places, but neither what a timer calls nor
 * who owns it, and it is told what time it is.
 *
 * Moving lazily. A timer whose place will be visited no later than its new
 * deadline is moved by writing the deadline; the visit puts it where it
 * belongs. So an idle timeout that is refreshed with every packet costs a store
 * into a line the caller already has.
 *
 * Parking. A parked timer keeps its cell, so that starting it again is usually
 * lazy; a visit drops the cell.
 *
 * Bounded runs. A run may be told how many cells it may read (its budget). Then a
 * slot that is emptied, a tick that is opened, and what was started in the past
 * are taken up where the run before has left them; the cursor does not move on
 * before a tick's work is done, and no timer is given out before all that could
 * be due before it has been looked at.
 *
 * Spilled timers. A timer that moves can need a chunk, and there may be no memory for
 * one. It then waits in a list sorted by deadline, linked through place_: slow, but
 * exact. A start fails instead.
 *
 * Invariants C1 to C4: see docs/DESIGN.md.
 */
#ifndef TW_CALENDAR_H
#define TW_CALENDAR_H

#include "probe.h"
#include "ready.h"
#include "wheel.h"

/* timer_slot of timers outside of the wheel. */
enum {
    SLOT_FRESH = WHEEL_ALL_SLOTS, /* in the ready list, unsorted */
    SLOT_RUN,                     /* in the ready list, sorted */
    SLOT_SOON,                    /* among the soon calls */
    SLOT_SPILL,                   /* in the list of those that there was no chunk for */
};

/* A state that no timer has. */
#define CALENDAR_NO_STATE (1u << 16)

/* next_ns has to be worked out; and the earliest was moved or stopped since it was
 * asked for, so that what buckets know of their earliest may be too early. */
enum { CALENDAR_ASK = 0, CALENDAR_ASK_AGAIN = 1 };

/* ready_ns while a run goes on that has only the wheel and the ready list to look at: no run
 * can pass. */
#define CALENDAR_ONLY_WHEEL ((uint64_t)1)

/* A run that reads as many cells as it likes, and one that is to be short. */
#define CALENDAR_UNBOUNDED SIZE_MAX
#define CALENDAR_SHORT ((size_t)READY_BATCH + READY_BATCH / 2)

/* Ticks that the cursor may stay behind runs that had nothing to do. What is started meanwhile
 * may lie so much further up than it need. */
#define CALENDAR_LAG (WHEEL_SLOTS / 8 + 2)

struct calendar {
    /* Read or written by every start and stop. */
    uint64_t next_ns;       /* what calendar_next_ns will return; or one of the two above */
    uint64_t sequence;      /* number of the last start, in steps of TIMER_SEQUENCE_ONE */
    uint64_t horizon_ns;    /* the end of the tick that the last run's clock reading is in, or of
                               the one before it, if that stays closed */
    unsigned tick_shift;    /* a tick is 2^tick_shift ns */
    unsigned tag;           /* this loop's, in place in a timer's state */
    unsigned fast_state;    /* of a timer active in slot 0; or CALENDAR_NO_STATE, so that no call
                               is a common case */
    unsigned still_state;   /* the same while time stands still: no run is under way, and no tick is
                               half opened; else CALENDAR_NO_STATE */
    uint64_t parks;         /* timers parked */
    uint64_t unparks;       /* started again from there */
    uint64_t park_ends;     /* forgotten there */
    uint64_t relocated;     /* moves that had to leave their place */

    /* Of the run under way. */
    size_t budget;          /* cells that it may still read */
    uint64_t begun;         /* the last sequence number given out before it */
    bool running;           /* there is one: fresh timers must wait, and so must other runs */
    bool opening;           /* the open tick's slot still has cells to be sorted */
    bool bare;              /* the loop's own timers are tw_bare_timers */

    uint64_t tick_mask;     /* 2^tick_shift - 1 */
    uint64_t ready_ns;      /* when the first that is ready is due: nothing but what is in the wheel
                               is due before; 0: there is more to look at */
    uint64_t quiet_ns;      /* no run before this clock reading has anything to do; 0: that is not
                               known */
    uint64_t visited;       /* cells read by cascades and opened ticks */
    uint64_t moved;         /* timers brought closer by cascades */
    uint64_t moved_max;     /* the most in one step */

    tw_bare_timer *spill;   /* the earliest of the spilled timers; NULL: there are none */
    struct queue soon;
    size_t soon_pending;    /* cells of it that are not empty */
    struct chunk_pool cells;
    struct ready ready;
    struct wheel wheel;
};

/* bare: timers that are no nodes have neither callback nor argument. */
void calendar_init(struct calendar *calendar, struct memory *memory, unsigned tick_shift,
                   uint64_t now_ns, bool bare);
void calendar_free(struct calendar *calendar);

/* The last ns of the tick that a time is in. */
TW_INLINE uint64_t calendar_tick_end(const struct calendar *calendar, uint64_t ns)
{
    return ns | calendar->tick_mask;
}

/* Whether calls may take their short cuts, which pass by whoever writes them down. */
void calendar_allow_short_cuts(struct calendar *calendar, bool allow);

/* Room for so many timers in all. 0 or -1. */
int calendar_reserve(struct calendar *calendar, size_t timers);

/* Gives back all memory that what is pending does not need. */
void calendar_trim(struct calendar *calendar);

/* The next run has to be a whole one. */
TW_INLINE void calendar_stop_passing(struct calendar *calendar)
{
    calendar->ready_ns = calendar->quiet_ns = 0;
}

/* Moves a timer that has a place, parked or not. It never fails. */
void calendar_move(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline);

/* Starts a timer that has no place, without fail; a node is marked as one already. */
void calendar_restart(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline);

/* Forgets a timer that has a place, parked or not. */
void calendar_remove(struct calendar *calendar, tw_bare_timer *timer);

/* What was due then is not, perhaps. */
TW_INLINE void calendar_forget_next(struct calendar *calendar, uint64_t deadline)
{
    if (TW_UNLIKELY(deadline <= calendar->next_ns))
        calendar->next_ns = CALENDAR_ASK_AGAIN;
}

/* A run changes when the next is due. */
TW_INLINE void calendar_ask_next(struct calendar *calendar)
{
    if (calendar->next_ns != CALENDAR_ASK_AGAIN)
        calendar->next_ns = CALENDAR_ASK;
}

/* Something is due then. */
TW_INLINE void calendar_keep_next(struct calendar *calendar, uint64_t deadline)
{
    if (deadline < calendar->next_ns)
        calendar->next_ns = deadline;
}

/* Something is due then, which is the earliest in its slot. */
TW_INLINE void calendar_end_quiet(struct calendar *calendar, uint64_t deadline)
{
    if (deadline < calendar->quiet_ns)
        calendar->quiet_ns = deadline;
}

/* ---------------------------------------- the common cases, inline
 *
 * They are short because cache misses of successive calls overlap only as far
 * as the processor looks ahead, some 450 instructions, and as it can hold
 * instructions that wait for one, some 100. */

/* Writes down that the timer is scheduled now, in this slot, not parked. */
TW_INLINE void calendar_schedule(struct calendar *calendar, tw_bare_timer *timer,
                                 uint64_t deadline, unsigned slot, unsigned node)
{
    TW_PROBE_START(timer, deadline);
    calendar->sequence += TIMER_SEQUENCE_ONE;
    timer_set_scheduled(timer, deadline, calendar->sequence);
    timer->state_ = (uint16_t)(calendar->tag | node | (slot + 1));
}

/* Where a timer started now belongs: a slot of the wheel, or SLOT_FRESH, where what is due by
 * the run under way, or in the open tick, waits for the next run. */
TW_INLINE unsigned calendar_slot_for(const struct calendar *calendar, uint64_t deadline)
{
    if (TW_UNLIKELY(deadline <= calendar->horizon_ns))
        return SLOT_FRESH;
    return wheel_slot_for(&calendar->wheel, deadline >> calendar->tick_shift);
}

/* calendar_start in the slot that calendar_slot_for gave, if it takes no more than a cell:
 * a slot of the wheel whose chunk has room. Else does nothing and returns false. */
TW_INLINE bool calendar_start_in_wheel(struct calendar *calendar, tw_bare_timer *timer,
                                       uint64_t deadline, unsigned node, unsigned slot)
{
    if (TW_UNLIKELY(slot == SLOT_FRESH))
        return false;
    struct bucket *bucket = &calendar->wheel.slots[slot];
    if (TW_UNLIKELY(bucket_is_full(bucket)))
        return false;
    if (bucket_push_hot(bucket, timer, deadline))
        calendar_end_quiet(calendar, deadline);
    calendar_schedule(calendar, timer, deadline, slot, node);
    calendar_keep_next(calendar, deadline);
    return true;
}

/* The same where it takes more. 0, or -1 if there is no memory. */
int calendar_start_elsewhere(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline,
                             unsigned node, unsigned slot);

/* Starts a timer that has no place. node: TIMER_NODE if it is a call's, else 0.
 * 0, or -1 if there is no memory. */
TW_INLINE int calendar_start(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline,
                             unsigned node)
{
    unsigned slot = calendar_slot_for(calendar, deadline);
    if (TW_LIKELY(calendar_start_in_wheel(calendar, timer, deadline, node, slot)))
        return 0;
    return calendar_start_elsewhere(calendar, timer, deadline, node, slot);
}

/* Starts a call's timer that has no place among the soon calls, if there is room in
 * their last chunk; else it does nothing and returns false. */
TW_INLINE bool calendar_start_soon_hot(struct calendar *calendar, tw_bare_timer *timer,
                                       uint64_t now_ns)
{
    if (TW_UNLIKELY(chunk_ends_at(calendar->soon.tail)))
        return false;
    queue_push_hot(&calendar->soon, timer);
    calendar_schedule(calendar, timer, now_ns, SLOT_SOON, TIMER_NODE);
    calendar->soon_pending++;
    calendar_stop_passing(calendar);
    return true;
}

/* The same, with a new chunk if need be. 0, or -1 if there is no memory. */
int calendar_start_soon(struct calendar *calendar, tw_bare_timer *timer, uint64_t now_ns);

/* The slot of a timer that waits in the wheel with no other flags than these; else
 * WHEEL_ALL_SLOTS or more. `first` is fast_state or still_state. Tag and flags are above
 * the slot, so one comparison says all of it. Of the loop with tag 101, without flags:
 *
 *                                tag node parked slot + 1
 *     first                      101   0   0   00000000001    active in slot 0
 *     active in slot 6           101   0   0   00000000111    6 more
 *     parked there               101   0   1   00000000111    6 + 2^11 more
 *     in slot 6 of the next loop 110   0   0   00000000111    6 + 2^13 more
 *     nowhere                    101   0   0   00000000000    1 less: below 0, that is, 2^32 - 1
 *
 * CALENDAR_NO_STATE is above every state: all are below 0 then. */
TW_INLINE unsigned calendar_wheel_slot(const tw_bare_timer *timer, unsigned first, unsigned flags)
{
    return timer->state_ - first - flags;
}

/* Whether the timer waits in the wheel with no other flags than these, and time stands
 * still: then its slot is visited in time for any deadline that is not before its own. */
TW_INLINE bool calendar_waits(const struct calendar *calendar, const tw_bare_timer *timer,
                              unsigned flags)
{
    return calendar_wheel_slot(timer, calendar->still_state, flags) < WHEEL_ALL_SLOTS;
}

/* calendar_move of such a timer to such a deadline. */
TW_INLINE void calendar_move_later(struct calendar *calendar, tw_bare_timer *timer,
                                   uint64_t deadline)
{
    TW_PROBE_START(timer, deadline);
    calendar_forget_next(calendar, timer->deadline_);
    calendar->sequence += TIMER_SEQUENCE_ONE;
    timer_set_scheduled(timer, deadline, calendar->sequence);
}

/* The same of one that was parked. */
TW_INLINE void calendar_unpark_later(struct calendar *calendar, tw_bare_timer *timer,
                                     uint64_t deadline)
{
    calendar_move_later(calendar, timer, deadline);
    timer->state_ = (uint16_t)(timer->state_ & ~TIMER_PARKED);
    calendar->unparks++;
}

/* calendar_move of a timer that is parked in the wheel while time stands still; of another,
 * does nothing and returns false. */
TW_INLINE bool calendar_unpark(struct calendar *calendar, tw_bare_timer *timer, uint64_t deadline,
                               unsigned flags)
{
    if (TW_UNLIKELY(!calendar_waits(calendar, timer, flags | TIMER_PARKED)))
        return false;
    if (TW_LIKELY(deadline >= timer->deadline_))
        calendar_unpark_later(calendar, timer, deadline);
    else
        calendar_move(calendar, timer, deadline);
    return true;
}

/* calendar_park and calendar_remove for the commonest case, an active timer of
 * ours in the wheel; else they do nothing and return false. */
TW_INLINE bool calendar_park_in_wheel(struct calendar *calendar, tw_bare_timer *timer,
                                      unsigned flags)
{
    if (TW_UNLIKELY(calendar_wheel_slot(timer, calendar->fast_state, flags) >= WHEEL_ALL_SLOTS))
        return false;
    calendar_forget_next(calendar, timer->deadline_);
    timer->state_ |= TIMER_PARKED;
    calendar->parks++;
    return true;
}

TW_INLINE bool calendar_remove_from_wheel(struct calendar *calendar, tw_bare_timer *timer)
{
    unsigned slot = calendar_wheel_slot(timer, calendar->fast_state, 0);
    if (TW_UNLIKELY(slot >= WHEEL_ALL_SLOTS))
        return false;
    calendar_forget_next(calendar, timer->deadline_);
    wheel_remove(&calendar->wheel, &calendar->cells, slot, timer);
    timer_set_unplaced(timer);
    return true;
}

/* Keeps the place of an active timer where it may be of use again: it will not
 * become due. Returns false, having forgotten it, where it is not: outside of
 * buckets. */
TW_INLINE bool calendar_park(struct calendar *calendar, tw_bare_timer *timer)
{
    if (TW_UNLIKELY(timer_slot(timer) > SLOT_FRESH)) {
        calendar_remove(calendar, timer);
        return false;
    }
    calendar_forget_next(calendar, timer->deadline_);
    timer->state_ |= TIMER_PARKED;
    calendar->parks++;
    return true;
}

/* Cells held for parked timers. */
TW_INLINE size_t calendar_parked(const struct calendar *calendar)
{
    return (size_t)(calendar->parks - calendar->unparks - calendar->park_ends);
}

/* A run begins at this clock reading, not below an earlier one, and ends. budget:
 * cells that it may read, or CALENDAR_UNBOUNDED. only_time_left: whether time, the wheel and the
 * ready list are all that the next has to look at. */
void calendar_begin_run(struct calendar *calendar, uint64_t now_ns, size_t budget);
void calendar_end_run(struct calendar *calendar, bool only_time_left);

/* The same for a run without a bound that has only the wheel and the ready list to look at:
 * calendar_has_more says whether. */
TW_INLINE void calendar_begin_wheel_run(struct calendar *calendar, uint64_t now_ns)
{
    calendar_ask_next(calendar);
    calendar->running = true;
    calendar->still_state = CALENDAR_NO_STATE;
    calendar->horizon_ns = calendar_tick_end(calendar, now_ns);
    calendar->begun = calendar->sequence;
    calendar->budget = CALENDAR_UNBOUNDED;
    calendar->ready_ns = CALENDAR_ONLY_WHEEL; /* until something comes that is not in it */
}

/* With the cursor where it now is: until when no run has anything to do. In the next tick that is
 * until its first timer is due, or, if those have all been moved further out, until its end.
 *
 * Near the end of time the sum and the shift may wrap. The answer is then too early, and never
 * too late: a run has nothing to do, which is harmless. */
TW_INLINE uint64_t calendar_quiet_until(const struct calendar *calendar)
{
    const struct wheel *wheel = &calendar->wheel;
    uint64_t tick = wheel->cursor + CALENDAR_LAG, end_ns = calendar->ready_ns;
    if (wheel->cascade_due < tick)
        tick = wheel->cascade_due;
    if (wheel->next_tick < tick) {
        tick = wheel->next_tick + 1;
        uint64_t first_ns = wheel->slots[wheel_slot_at(0, wheel->next_tick)].earliest;
        if (first_ns < end_ns)
            end_ns = first_ns;
    }
    uint64_t begins_ns = tick << calendar->tick_shift;
    return begins_ns < end_ns ? begins_ns : end_ns;
}

void calendar_look_ahead(struct calendar *calendar);
TW_INLINE void calendar_end_wheel_run(struct calendar *calendar)
{
    TW_ASSERT(calendar->next_ns <= CALENDAR_ASK_AGAIN); /* no answer is kept in a run */
    calendar->running = false;
    calendar->still_state = calendar->fast_state; /* it got as far as its clock reading */
    if (TW_UNLIKELY(calendar->ready_ns != CALENDAR_ONLY_WHEEL))
        return;
    calendar->ready_ns = BITS_NEVER;
    if (TW_UNLIKELY(calendar->ready.count > 0))
        calendar_look_ahead(calendar);
    calendar->quiet_ns = calendar_quiet_until(calendar);
}

/* A run from inside a callback begins, and is over: the one around it goes on with
 * what is kept of it meanwhile. */
struct calendar_outer {
    size_t budget;
    uint64_t begun;
};
void calendar_begin_nested(struct calendar *calendar, uint64_t now_ns, size_t budget,
                           struct calendar_outer *outer);
void calendar_end_nested(struct calendar *calendar, const struct calendar_outer *outer);

/* A timer that calendar_next_due has just given is not for this run but for a later
 * one: it was scheduled in this one, and a nested one has sorted it. */
void calendar_put_off(struct calendar *calendar, tw_bare_timer *timer);

/* Whether there may be more to do than what the wheel and the ready list hold. */
TW_INLINE bool calendar_has_more(const struct calendar *calendar)
{
    return calendar->ready_ns <= CALENDAR_ONLY_WHEEL;
}

/* Whether nothing is due by this clock reading, not below an earlier one, nor has to be moved: a
 * run would change nothing, and so there need not be one. A server that runs its loop at every
 * turn mostly comes through here. */
TW_INLINE bool calendar_is_quiet(const struct calendar *calendar, uint64_t now_ns)
{
    return now_ns < calendar->quiet_ns;
}

/* Whether time can pass to this clock reading, in this tick, not below an earlier one, with
 * nothing to do; then it has passed. */
TW_INLINE bool calendar_pass(struct calendar *calendar, uint64_t now_ns, uint64_t tick)
{
    if (!wheel_quiet_until(&calendar->wheel, tick) || now_ns >= calendar->ready_ns)
        return false;
    TW_ASSERT(!calendar->running && !calendar->opening && tick >= calendar->wheel.cursor);
    calendar->wheel.cursor = tick;
    calendar->horizon_ns = calendar_tick_end(calendar, now_ns);
    /* The answer of calendar_next_ns may have named a timer that was parked, and stopped since. */
    if (calendar->next_ns <= now_ns)
        calendar_ask_next(calendar);
    calendar->quiet_ns = calendar_quiet_until(calendar);
    if (calendar->next_ns > CALENDAR_ASK_AGAIN && calendar->next_ns < calendar->quiet_ns)
        calendar->quiet_ns = calendar->next_ns; /* a run at that time must ask anew */
    return true;
}

/* Empty cells that a bounded run passes by among the soon calls. */
#define CALENDAR_SOON_SHORT ((size_t)2048)

/* The next of the soon calls, or NULL. If that is because more cells than the limit
 * are empty before it, the run's budget is used up. */
tw_bare_timer *calendar_skip_soon(struct calendar *calendar, size_t limit);
TW_INLINE tw_bare_timer *calendar_peek_soon(struct calendar *calendar, size_t limit)
{
    const struct queue *soon = &calendar->soon;
    if (soon->count == 0 || TW_LIKELY(*soon->head != NULL))
        return soon->count > 0 ? *soon->head : NULL;
    return calendar_skip_soon(calendar, limit);
}

/* Takes out the soon call at the head, which is there. */
TW_INLINE void calendar_take_soon(struct calendar *calendar)
{
    timer_set_unplaced(queue_pop(&calendar->cells, &calendar->soon));
    calendar->soon_pending--;
}

/* Takes out the next of the soon calls; NULL: none are left. */
tw_bare_timer *calendar_next_soon(struct calendar *calendar);

/* Within a run: takes out the next timer due, in order; NULL: none is left, or the
 * budget is used up. */
tw_bare_timer *calendar_next_due(struct calendar *calendar, uint64_t now_ns);

/* Whether the last run's budget was used up: there may be more to do. */
TW_INLINE bool calendar_cut_short(const struct calendar *calendar)
{
    return calendar->budget == 0;
}

/* The state of an active timer in this slot that is no node. */
TW_INLINE unsigned calendar_active_state(const struct calendar *calendar, unsigned slot)
{
    return calendar->tag + slot + 1;
}

/* A timer that a cell of a slot led to is still ours, and this cell's: as far as a line that is
 * needed anyway can tell. Returns whether it is active, by the slot's calendar_active_state: else
 * it is parked. */
TW_INLINE bool calendar_is_active(tw_bare_timer *const *cell, unsigned active)
{
    const tw_bare_timer *timer = *cell;
    unsigned state = timer->state_ & ~TIMER_NODE;
    bool ours = timer->place_ == (const void *)cell;
    if (TW_LIKELY(state == active && ours))
        return true;
    if (state != (active | TIMER_PARKED) || !ours)
        tw_misuse("a timer was freed, overwritten or initialised again while active or parked");
    return false;
}

/* Whether it is active, and due by last_ns. */
TW_INLINE bool calendar_is_due_by(tw_bare_timer *const *cell, unsigned active, uint64_t last_ns)
{
    return calendar_is_active(cell, active) && (*cell)->deadline_ <= last_ns;
}

/* Timers of a tick that are given out without being sorted: to look for the earliest each time
 * costs less. They are in one chunk. */
#define CALENDAR_FEW (CHUNK_ROOM < 6 ? CHUNK_ROOM : 6)

/* calendar_take_unsorted from a slot that has so few timers, and whose tick ends at last_ns. */
TW_INLINE tw_bare_timer *calendar_take_of_few(struct calendar *calendar, unsigned slot,
                                              uint64_t last_ns, uint64_t now_ns)
{
    struct bucket *bucket = &calendar->wheel.slots[slot];
    if (now_ns < bucket->earliest)
        return NULL;
    tw_bare_timer **cell = bucket->end - bucket->count, *first = *cell;
    unsigned active = calendar_active_state(calendar, slot);
    if (!calendar_is_due_by(cell, active, last_ns))
        return NULL;
    uint64_t next_ns = BITS_NEVER; /* when the first of the others is due */
    while (++cell < bucket->end) {
        if (!calendar_is_due_by(cell, active, last_ns))
            return NULL;
        tw_bare_timer *other = *cell;
        if (timer_before(other, first)) {
            other = first;
            first = *cell;
        }
        if (other->deadline_ < next_ns)
            next_ns = other->deadline_;
    }
    if (first->deadline_ > now_ns) {
        bucket->earliest = first->deadline_;
        return NULL;
    }
    bucket_remove(&calendar->cells, bucket, first);
    bucket->earliest = next_ns;
    calendar->visited++;
    timer_set_unplaced(first);
    return first;
}

/* Where nothing is ready and no cascade comes first: takes the earliest timer of this tick, which
 * is the wheel's next, from where it lies. Time enters the tick with its last timer. NULL: none
 * is due by now; or the tick has to be opened, since it has many timers, or one that is parked
 * or was moved to a later tick. */
TW_INLINE tw_bare_timer *calendar_take_unsorted(struct calendar *calendar, uint64_t tick,
                                                uint64_t now_ns)
{
    TW_ASSERT(tick == calendar->wheel.next_tick && tick < calendar->wheel.cascade_due);
    TW_ASSERT(calendar->ready.count == 0 && !calendar->spill);
    unsigned slot = wheel_slot_at(0, tick);
    struct bucket *bucket = &calendar->wheel.slots[slot];
    uint64_t last_ns = calendar_tick_end(calendar, tick << calendar->tick_shift);
    if (bucket->count != 1)
        return bucket->count - 1 < CALENDAR_FEW
                   ? calendar_take_of_few(calendar, slot, last_ns, now_ns)
                   : NULL;
    tw_bare_timer **cell = bucket->end - 1, *timer = *cell;
    unsigned active = calendar_active_state(calendar, slot);
    if (timer->deadline_ > now_ns || !calendar_is_due_by(cell, active, last_ns))
        return NULL;
    bucket_pop_last(&calendar->cells, bucket);
    wheel_enter_emptied(&calendar->wheel, tick);
    calendar->visited++;
    timer_set_unplaced(timer);
    return timer;
}

/* calendar_next_due where calendar_take_unsorted gave nothing: the tick has to be opened, or the
 * run is over. */
tw_bare_timer *calendar_next_opened(struct calendar *calendar, uint64_t now_ns);

/* calendar_next_due in an unbounded run that began at now_ns, in tick `last`; for the
 * commonest cases, a few timers in the next tick, another of the one run there is, and
 * nothing more, inline. */
TW_INLINE tw_bare_timer *calendar_next_due_of_many(struct calendar *calendar, uint64_t now_ns,
                                                   uint64_t last)
{
    struct wheel *wheel = &calendar->wheel;
    if (TW_UNLIKELY(calendar->spill != NULL))
        return calendar_next_due(calendar, now_ns);
    if (calendar->ready.count == 0) {
        uint64_t tick = wheel->next_tick;
        if (tick >= wheel->cascade_due)
            return calendar_next_due(calendar, now_ns);
        if (tick > last) {
            wheel->cursor = last; /* nothing is left */
            return NULL;
        }
        tw_bare_timer *timer = calendar_take_unsorted(calendar, tick, now_ns);
        return timer ? timer : calendar_next_opened(calendar, now_ns);
    }
    struct queue *queue = &calendar->ready.runs[0].queue;
    if (calendar->ready.count != 1)
        return calendar_next_due(calendar, now_ns);
    tw_bare_timer *timer = *queue->head;
    if (!timer || timer->deadline_ > now_ns ||
        timer->deadline_ >> calendar->tick_shift > wheel->cursor)
        return calendar_next_due(calendar, now_ns);
    if (queue->count > 1 && !chunk_ends_at(queue->head + 1)) {
        queue->head++;
        queue->count--;
    } else {
        ready_pop(&calendar->ready, &calendar->cells);
    }
    timer_set_unplaced(timer);
    return timer;
}

/* When to run next, soon calls left aside. BITS_NEVER: no timer will be due. Never
 * after the earliest deadline; before it only where the earliest was stopped or
 * moved, and to empty a slot of very many. O(1). */
uint64_t calendar_next_ns(struct calendar *calendar);

/* The earliest deadline, soon calls left aside. It may read the cells of a slot. */
uint64_t calendar_earliest_ns(struct calendar *calendar);

/* Shows each active timer once, soon calls included, but those to be passed over, until
 * visit returns false. How many it has shown. */
size_t calendar_foreach(const struct calendar *calendar,
                        bool (*visit)(void *arg, tw_bare_timer *timer),
                        bool (*pass_over)(tw_bare_timer *timer), void *arg);

/* Takes out any timer, parked ones included; NULL when none is left. */
tw_bare_timer *calendar_drain(struct calendar *calendar);

/* Timers beyond the wheel's span. */
size_t calendar_overflow(const struct calendar *calendar);

TW_INLINE bool calendar_owns(const struct calendar *calendar, const tw_bare_timer *timer)
{
    return (timer->state_ & TIMER_TAG_MASK) == calendar->tag;
}

/* ------------------------------------------------ what calendar*.c share */

/* Sets still_state, after a change of what it depends on. */
static inline void calendar_set_still(struct calendar *calendar)
{
    bool still = !calendar->running && !calendar->opening;
    calendar->still_state = still ? calendar->fast_state : CALENDAR_NO_STATE;
}

/* The slot of the tick that the cursor is in. */
static inline struct bucket *calendar_open_bucket(struct calendar *calendar)
{
    return &calendar->wheel.slots[wheel_slot_at(0, calendar->wheel.cursor)];
}

/* A parked timer was taken out of its bucket: it is dropped. */
static inline void calendar_drop_parked(struct calendar *calendar, tw_bare_timer *timer)
{
    calendar->park_ends++;
    timer_set_unplaced(timer);
}

#endif
