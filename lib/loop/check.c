/* SPDX-License-Identifier: MIT */
/*
 * check: the walk over everything, against the invariants that docs/DESIGN.md
 * numbers, but for those between threads. The names in the messages are those numbers.
 */
#include "check.h"

/* What the walk has counted. */
struct walk {
    const tw_loop *loop;
    const struct calendar *calendar;
    size_t chunks;          /* holding cells */
    size_t active, parked;  /* timers */
    size_t nodes;           /* active timers that are nodes */
    size_t remotes;         /* and those that are calls of other threads */
    uint64_t earliest;      /* deadline of an active timer, but for soon calls; else BITS_NEVER */
    uint64_t sorted;        /* the earliest in a run of the ready list; else BITS_NEVER */
};

#define CHECK(condition, sentence)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

static const tw_timer *whole(const tw_bare_timer *timer)
{
    return (const tw_timer *)(const void *)timer;
}

/* What holds for every timer that a cell, or the spilled one before, leads to. */
static const char *check_timer(struct walk *walk, const tw_bare_timer *timer, unsigned slot)
{
    CHECK(timer_placed(timer) && timer_slot(timer) == slot,
          "T1: a timer does not name the place it is in");
    CHECK(calendar_owns(walk->calendar, timer), "T2: a timer is not marked as this loop's");
    if (timer_parked(timer)) {
        walk->parked++;
        return NULL;
    }
    walk->active++;
    CHECK((walk->calendar->bare && !timer_is_node(timer)) || whole(timer)->callback_ != NULL,
          "T3: an active timer has no callback");
    if (slot != SLOT_SOON && timer->deadline_ < walk->earliest)
        walk->earliest = timer->deadline_;
    if (slot == SLOT_RUN && timer->deadline_ < walk->sorted)
        walk->sorted = timer->deadline_;
    if (timer_is_node(timer)) {
        const struct node *node = (const struct node *)(const void *)timer;
        if (remote_owns(node)) {
            walk->remotes++;
            return NULL;
        }
        CHECK(node->generation & 1, "P1: a pending call has an even generation");
        walk->nodes++;
    }
    return NULL;
}

static const char *check_bucket(struct walk *walk, const struct bucket *bucket, unsigned slot)
{
    uint32_t cells = 0;
    for (tw_bare_timer **cell = bucket_top(bucket); cell; cell = bucket_below(cell)) {
        CHECK(++cells <= bucket->count, "B1: a bucket has more cells than it counts");
        const tw_bare_timer *timer = *cell;
        CHECK(timer->place_ == cell, "T4: a cell and its timer do not point at each other");
        const char *broken = check_timer(walk, timer, slot);
        if (broken)
            return broken;
        CHECK(bucket->earliest <= timer->deadline_,
              "B4: a timer is due before its bucket says");
        if (chunk_begins_at(cell))
            walk->chunks++;
    }
    CHECK(cells == bucket->count, "B1: a bucket has fewer cells than it counts");
    return NULL;
}

static const char *check_slot(struct walk *walk, unsigned slot)
{
    const struct wheel *wheel = &walk->calendar->wheel;
    const struct bucket *bucket = &wheel->slots[slot];
    if (slot >= TW_LEVELS * WHEEL_SLOTS && slot < WHEEL_NEAR_SLOTS) {
        CHECK(bucket->count == 0, "W1: a slot of no level has cells");
        return NULL;
    }
    unsigned level = wheel_level(slot), index = slot & (wheel_ring(level) - 1);
    uint64_t word = level < TW_LEVELS ? wheel->occupied[level][index / 64]
                                      : wheel->far_occupied[level - TW_LEVELS];
    CHECK((word >> (index & 63) & 1) == (bucket->count > 0),
          "W1: the bitmap is wrong about a slot");
    if (bucket->count == 0)
        return NULL;
    CHECK(wheel->levels >> level & 1, "W5: a level with cells is taken for an empty one");
    CHECK(level == 0 || bucket->count <= TW_WAKE_CELLS || wheel->waking_levels >> level & 1,
          "W5: nobody would wake up for a slot of very many cells");
    uint64_t number = wheel_number(wheel, slot), start = wheel_start(level, number);
    if (level == 0 && start == wheel->cursor) {
        CHECK(walk->calendar->opening, "W2: the slot that time is in has cells");
        return check_bucket(walk, bucket, slot);
    }
    CHECK(start > wheel->cursor, "W2: the slot that time is in has cells");
    if (level == 0) {
        CHECK(wheel->next_tick <= start, "W4: a tick would be passed by");
    } else {
        CHECK(start - 1 > wheel->cursor || wheel->cascade_due <= wheel->cursor,
              "W3: time is about to enter a slot with cells");
        CHECK(wheel->cascades[level].due < start, "W4: a cascade would come too late for a slot");
        CHECK(wheel->cascade_due <= wheel->cascades[level].due,
              "W4: a cascade would come too late for its level");
    }
    for (tw_bare_timer **cell = bucket_top(bucket); cell; cell = bucket_below(cell)) {
        uint64_t tick = (*cell)->deadline_ >> walk->calendar->tick_shift;
        CHECK(tick >> wheel_shift(level) >= number,
              "C1: a timer's deadline is before the visit of its slot");
    }
    return check_bucket(walk, bucket, slot);
}

static const char *check_wheel(struct walk *walk)
{
    const struct calendar *calendar = walk->calendar;
    CHECK(!calendar->opening || calendar_cut_short(calendar),
          "W2: a tick was left half opened by a run that could have gone on");
    CHECK(!calendar->opening ||
              calendar->wheel.cursor << calendar->tick_shift <= calendar->horizon_ns,
          "W2: a tick is half opened that starts still go to");
    for (unsigned slot = 0; slot < WHEEL_ALL_SLOTS; slot++) {
        const char *broken = check_slot(walk, slot);
        if (broken)
            return broken;
    }
    return NULL;
}

/* Checks each timer in a queue. in_order says that a timer may come before the next
 * one. */
static const char *check_queue(struct walk *walk, const struct queue *queue, unsigned slot,
                               bool (*in_order)(const tw_bare_timer *, const tw_bare_timer *))
{
    const tw_bare_timer *last = NULL;
    size_t cells = 0;
    for (tw_bare_timer **cell = queue->head; cell; cell = queue_after(queue, cell)) {
        if (cell == queue->head || chunk_begins_at(cell))
            walk->chunks++;
        CHECK(++cells <= queue->count, "B2: a queue does not end where it counts to");
        const tw_bare_timer *timer = *cell;
        if (!timer)
            continue;
        CHECK(timer->place_ == cell, "T4: a cell and its timer do not point at each other");
        CHECK(!timer_parked(timer), "C2: a timer is parked in a queue");
        CHECK(!last || in_order(last, timer), "R1: a queue is out of order");
        last = timer;
        const char *broken = check_timer(walk, timer, slot);
        if (broken)
            return broken;
    }
    CHECK(cells == queue->count, "B2: a queue does not end where it counts to");
    return NULL;
}

static bool scheduled_in_order(const tw_bare_timer *a, const tw_bare_timer *b)
{
    return timer_scheduled_before(timer_sequence(a), timer_sequence(b));
}

/* Of calls that other threads have started at one time some may have the same number. */
static bool due_in_order(const tw_bare_timer *a, const tw_bare_timer *b)
{
    return !timer_before(b, a);
}

static const char *check_run(struct walk *walk, const struct ready_run *run)
{
    const tw_bare_timer *first = *run->queue.head; /* NULL: an empty cell */
    CHECK(!first || walk->calendar->ready.count == 1 ||
              (first->deadline_ == run->deadline && timer_sequence(first) == run->sequence),
          "R2: a run is not known by its first timer");
    return check_queue(walk, &run->queue, SLOT_RUN, due_in_order);
}

static const char *check_soon(struct walk *walk)
{
    const struct calendar *calendar = walk->calendar;
    size_t before = walk->active;
    const char *broken = check_queue(walk, &calendar->soon, SLOT_SOON, scheduled_in_order);
    if (broken)
        return broken;
    CHECK(walk->active - before == calendar->soon_pending, "L3: the count of soon calls is wrong");
    return NULL;
}

static const char *check_ready(struct walk *walk)
{
    const struct ready *ready = &walk->calendar->ready;
    for (size_t i = 0; i < ready->count; i++) {
        const struct ready_run *run = &ready->runs[i];
        const struct ready_run *above = &ready->runs[i > 0 ? (i - 1) / 2 : 0];
        CHECK(run->queue.count > 0, "R3: an empty run is kept");
        CHECK(i == 0 || above->deadline < run->deadline ||
                  (above->deadline == run->deadline &&
                   !timer_scheduled_before(run->sequence, above->sequence)),
              "R3: the runs are no heap");
        const char *broken = check_run(walk, run);
        if (broken)
            return broken;
    }
    CHECK(ready->joined.queue.count == 0, "R3: a burst's run is not ended");
    return check_bucket(walk, &ready->fresh, SLOT_FRESH);
}

static const char *check_spill(struct walk *walk)
{
    const tw_bare_timer *last = NULL;
    for (const tw_bare_timer *timer = walk->calendar->spill; timer; timer = timer->place_) {
        CHECK(!timer_parked(timer), "C2: a timer is parked among the spilled ones");
        CHECK(!last || due_in_order(last, timer), "C4: the spilled timers are out of order");
        const char *broken = check_timer(walk, timer, SLOT_SPILL);
        if (broken)
            return broken;
        last = timer;
    }
    return NULL;
}

static const char *check_chunks(const struct walk *walk)
{
    const struct chunk_pool *pool = &walk->calendar->cells;
    size_t free = 0;
    for (const struct chunk *chunk = pool->free; chunk; chunk = chunk->link)
        free++;
    for (const struct chunk *chunk = pool->kept; chunk; chunk = chunk->link)
        free++;
    size_t found = free + walk->chunks + chunk_pool_unused(pool);
    CHECK(found <= pool->total, "B5: chunks are counted twice");
    CHECK(found == pool->total, "B6: chunks are lost");
    return NULL;
}

static const char *check_pool(const struct walk *walk)
{
    const struct pool *pool = &walk->loop->pool;
    size_t free = 0;
    for (const struct node *node = pool->free; node; node = node->next) {
        CHECK(!(node->generation & 1), "P2: a free node has an odd generation");
        CHECK(pool_at(pool, node->index) == node, "P3: a node has the wrong index");
        free++;
    }
    CHECK(pool->found_at_once == (pool->missing == 0 ? pool->used : 0),
          "P6: handles are looked for where their slabs are missing");
    CHECK(free + walk->nodes + pool->retired + pool->missing == pool->used,
          "P5: a node is neither free nor of a pending call, or both");
    return NULL;
}

static const char *check_counts(const struct walk *walk)
{
    const tw_loop *loop = walk->loop;
    CHECK(walk->calendar->next_ns <= CALENDAR_ASK_AGAIN ||
              walk->calendar->next_ns <= walk->earliest,
          "C3: the loop would be woken after its earliest deadline");
    CHECK(walk->active == loop_pending(loop), "L1: the count of pending timers is wrong");
    CHECK(walk->remotes == remote_placed(&loop->remote), "X6: calls of other threads are lost");
    CHECK(walk->parked == calendar_parked(walk->calendar),
          "L2: the count of parked timers is wrong");
    return NULL;
}

/* Until when there need not be a run. */
static const char *check_quiet(const struct walk *walk)
{
    const struct calendar *calendar = walk->calendar;
    uint64_t quiet_ns = calendar->quiet_ns;
    CHECK(!calendar->running || quiet_ns <= walk->loop->clock_ns,
          "F11: a run is under way that might have been left out");
    CHECK(calendar->running || quiet_ns <= calendar->ready_ns,
          "F11: a run would be left out though there is more to look at");
    CHECK(calendar->running || quiet_ns <= walk->earliest,
          "F11: a run would be left out in which something is due");
    CHECK(quiet_ns <= bits_shift_saturated(calendar->wheel.cascade_due, calendar->tick_shift),
          "F11: a run would be left out in which timers are to be moved");
    CHECK(calendar->next_ns <= CALENDAR_ASK_AGAIN || quiet_ns <= calendar->next_ns,
          "F11: the loop would be woken for a run that is left out");
    return NULL;
}

/* Until when a run may pass, or look at the wheel and the ready list alone; and how far one
 * that was cut short is gone on with. */
static const char *check_passing(const struct walk *walk)
{
    const tw_loop *loop = walk->loop;
    const struct calendar *calendar = walk->calendar;
    CHECK(!loop->soon_cut || !timer_scheduled_before(calendar->sequence, loop->soon_end),
          "F4: a run that is gone on with would make soon calls that were not there");
    if (calendar->ready_ns == 0)
        return NULL;
    CHECK(calendar->ready.fresh.count == 0 && calendar->soon.count == 0 && !calendar->spill,
          "F4: a run would pass by what is not in the wheel");
    CHECK(!loop->soon_cut && !loop->awaited && !loop->recorder &&
              !loop->remote.arrived && !post_left(&loop->posts) && !loop->closing,
          "F4: a run would pass by what is to be looked at");
    CHECK(!calendar->running || calendar->ready_ns == CALENDAR_ONLY_WHEEL,
          "F4: a run passes while another is under way");
    CHECK(calendar->running ||
              (calendar->ready_ns <= walk->sorted && !calendar_cut_short(calendar)),
          "F4: a run would pass by what is ready");
    return NULL;
}

/* Each flag and cache is what it stands for: the table of flags in docs/DESIGN.md. */
static const char *check_flags(const struct walk *walk)
{
    const tw_loop *loop = walk->loop;
    const struct calendar *calendar = walk->calendar;
    const struct runner *runner = &loop->runner;
    unsigned fast = loop->recorder ? CALENDAR_NO_STATE : calendar->tag + 1;
    bool still = !calendar->running && !calendar->opening;
    CHECK(calendar->running == (loop->run.outermost != NULL),
          "F1: a run is under way that has no frame, or a frame is left of one that is not");
    CHECK(calendar->fast_state == fast, "F2: the short cuts do not follow the recorder");
    CHECK(calendar->still_state == (still ? fast : CALENDAR_NO_STATE),
          "F3: refreshes take a short cut while time does not stand still, or none while it does");
    CHECK(loop->guarded == loop_must_guard(loop), "F5: starts are not looked at, or for nothing");
    CHECK(loop->awaited == runner_awaited(runner),
          "F6: nobody sleeps between the runs, or does not learn when they are over");
    CHECK(loop->alarm_ns == 0 ||
              (loop->awaited && !calendar->running && loop->alarm_ns == runner->backend.armed_ns),
          "F7: starts are compared with an alarm that is not set");
    CHECK(runner->ends_empty == atomic_load(&loop->remote.ends_empty),
          "F8: other threads see otherwise whether the loop ends when it is empty");
    CHECK(!loop->closing || (loop->dropping && loop->posts.closed),
          "F9: a loop that is freed is open to runs or posts");
    CHECK(loop->plain_calls == loop_calls_plainly(loop),
          "F10: callbacks are called past whoever looks at them");
    const char *broken = check_quiet(walk);
    return broken ? broken : check_passing(walk);
}

/* S2, of a loop that sleeps between two runs, and that no other thread has woken. */
static const char *check_alarm(const struct walk *walk)
{
    const tw_loop *loop = walk->loop;
    uint64_t latest = bits_add_saturated(walk->earliest, loop->slack_ns);
    CHECK(loop->alarm_ns == 0 || post_reader(&loop->posts) != POST_ASLEEP ||
              loop->alarm_ns <= latest,
          "S2: the alarm would go off after the earliest deadline");
    return NULL;
}

const char *tw_check(const tw_loop *loop)
{
    if (!loop)
        return "there is no loop";
    if (loop->locked)
        return "a hook is under way that must not use the loop: it cannot be checked now";
    struct walk walk = {.loop = loop, .calendar = &loop->calendar, .earliest = BITS_NEVER,
                        .sorted = BITS_NEVER};
    const char *broken = check_wheel(&walk);
    if (!broken)
        broken = check_soon(&walk);
    if (!broken)
        broken = check_ready(&walk);
    if (!broken)
        broken = check_spill(&walk);
    if (!broken)
        broken = check_chunks(&walk);
    if (!broken)
        broken = check_pool(&walk);
    if (!broken)
        broken = check_counts(&walk);
    if (!broken)
        broken = check_flags(&walk);
    return broken ? broken : check_alarm(&walk);
}

#if TW_CHECKED >= 3
void check_sound(const tw_loop *loop, const char *file, int line)
{
    static _Thread_local unsigned calls;
    if (loop->locked || calls++ % (1 + loop_pending(loop) / 256) != 0)
        return;
    const char *broken = tw_check(loop);
    if (broken)
        tw_broken(broken, file, line);
}
#endif
