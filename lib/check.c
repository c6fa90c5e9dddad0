/*
 * check: the walk over everything, against every invariant that docs/DESIGN.md
 * numbers. The names in the messages are those numbers.
 */
#include "loop.h"

/* What the walk has counted. */
struct walk {
    const tw_loop *loop;
    const struct calendar *calendar;
    size_t cells;           /* in use or promised */
    size_t chunks;          /* holding them */
    size_t active, parked;  /* timers */
    size_t nodes;           /* active timers that are nodes */
    size_t remotes;         /* and those that are calls of other threads */
    uint64_t earliest;      /* deadline of an active timer, soon calls left aside */
};

#define CHECK(condition, sentence)                                                                 \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

/* What holds for every timer that a cell, or the heap, leads to. */
static const char *check_timer(struct walk *walk, const tw_timer *timer, unsigned slot)
{
    CHECK(timer_placed(timer) && timer_slot(timer) == slot, "T1: a timer does not name the place it is in");
    CHECK(calendar_owns(walk->calendar, timer), "T2: a timer is not marked as this loop's");
    if (timer_parked(timer)) {
        walk->parked++;
        return NULL;
    }
    walk->active++;
    CHECK(timer->callback_ != NULL, "T3: an active timer has no callback");
    if (slot != SLOT_SOON && timer->deadline_ < walk->earliest)
        walk->earliest = timer->deadline_;
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
    tw_timer **cell = bucket->count > 0 ? bucket->end - 1 : NULL;
    for (uint32_t left = bucket->count; left > 0; left--) {
        const tw_timer *timer = *cell;
        CHECK(timer->place_ == cell, "T4: a cell and its timer do not point at each other");
        const char *broken = check_timer(walk, timer, slot);
        if (broken)
            return broken;
        walk->cells++;
        if (chunk_begins_at(cell))
            walk->chunks++;
        if (left > 1)
            cell = bucket_below(cell);
        else
            CHECK(chunk_begins_at(cell), "B1: a bucket has more cells than it counts");
    }
    return NULL;
}

static const char *check_slot(struct walk *walk, unsigned slot)
{
    const struct wheel *wheel = &walk->calendar->wheel;
    const struct bucket *bucket = &wheel->slots[slot];
    unsigned level = wheel_level(slot), index = slot & (WHEEL_SLOTS - 1);
    bool marked = wheel->occupied[level][index / 64] >> (index & 63) & 1;
    CHECK(marked == (bucket->count > 0), "W1: the bitmap is wrong about a slot");
    if (bucket->count == 0)
        return NULL;
    uint64_t number = wheel_number(wheel, slot), start = wheel_start(level, number);
    CHECK(start > wheel->cursor, "W2: the slot that time is in has cells");
    CHECK(level == 0 || start - 1 > wheel->cursor, "W3: time is about to enter a slot with cells");
    CHECK(level == 0 || wheel->cascades[level].due < start,
          "W4: a cascade would come too late for a slot");
    CHECK(level == 0 || wheel->cascade_due <= wheel->cascades[level].due,
          "W4: a cascade would come too late for its level");
    tw_timer **cell = bucket->end - 1;
    for (uint32_t left = bucket->count; left > 0; left--) {
        uint64_t tick = (*cell)->deadline_ >> walk->calendar->tick_shift;
        CHECK(tick >> wheel_shift(level) >= number,
              "C1: a timer's deadline is before the visit of its slot");
        if (left > 1)
            cell = bucket_below(cell);
    }
    return check_bucket(walk, bucket, slot);
}

static const char *check_wheel(struct walk *walk)
{
    for (unsigned slot = 0; slot < WHEEL_ALL_SLOTS; slot++) {
        const char *broken = check_slot(walk, slot);
        if (broken)
            return broken;
    }
    return NULL;
}

/* Counts a queue's cells and checks each timer in it. in_order says that a
 * timer may come before the next one. */
static const char *check_queue(struct walk *walk, const struct queue *queue, unsigned slot,
                               bool (*in_order)(const tw_timer *, const tw_timer *))
{
    const tw_timer *last = NULL;
    tw_timer **cell = queue->head;
    for (size_t left = queue->count; left > 0; left--, cell++) {
        if (chunk_ends_at(cell))
            cell = chunk_of(cell - 1)->link->cells;
        if (left == queue->count || chunk_begins_at(cell))
            walk->chunks++;
        walk->cells++;
        const tw_timer *timer = *cell;
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
    CHECK(queue->count == 0 || cell == queue->tail, "B2: a queue does not end at its tail");
    return NULL;
}

static bool scheduled_in_order(const tw_timer *a, const tw_timer *b)
{
    return timer_scheduled_before(timer_sequence(a), timer_sequence(b));
}

static const char *check_ready(struct walk *walk)
{
    const struct ready *ready = &walk->calendar->ready;
    CHECK(ready->collected == 0 && !ready->list, "R2: collected timers were left unsorted");
    for (unsigned i = 0; i < ready->runs; i++) {
        const char *broken = check_queue(walk, &ready->run[i], SLOT_RUN, timer_before);
        if (broken)
            return broken;
    }
    return check_bucket(walk, &ready->fresh, SLOT_FRESH);
}

static const char *check_heap(struct walk *walk)
{
    const struct heap *heap = &walk->calendar->heap;
    for (size_t i = 0; i < heap->count; i++) {
        const struct heap_pair *pair = heap_at(heap, i);
        CHECK(i == 0 || heap_at(heap, (i - 1) / 4)->key <= pair->key,
              "H1: a key is before its parent's");
        CHECK((uintptr_t)pair->timer->place_ == i + 1, "H2: a timer has the wrong index");
        CHECK(timer_parked(pair->timer) || pair->key <= pair->timer->deadline_,
              "C1: a timer's deadline is before its key");
        const char *broken = check_timer(walk, pair->timer, SLOT_HEAP);
        if (broken)
            return broken;
        walk->cells++;
    }
    if (heap->count == 0)
        return NULL;
    unsigned top = TW_LEVELS - 1;
    uint64_t number = heap_top_key(heap) >> walk->calendar->tick_shift >> wheel_shift(top);
    CHECK(walk->calendar->heap_cascade.due < wheel_start(top, number),
          "H3: the heap's earliest would come into the wheel too late");
    return NULL;
}

static const char *check_chunks(const struct walk *walk)
{
    const struct chunk_pool *cells = &walk->calendar->cells;
    CHECK(walk->cells == cells->cells, "B3: the count of cells is wrong");
    CHECK(cells->cells <= cells->room, "B4: more cells than there is room for");
    size_t free = 0;
    for (const struct chunk *chunk = cells->free; chunk; chunk = chunk->link)
        free++;
    size_t untouched = cells->total - free - walk->chunks;
    CHECK(free + walk->chunks <= cells->total, "B5: chunks are counted twice");
    CHECK(untouched >= (size_t)(cells->fresh_end - cells->fresh), "B6: chunks are lost");
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
    CHECK(pool->taken == walk->nodes, "P4: pending calls and nodes in use differ");
    CHECK(free + pool->taken + pool->retired == pool->used, "P5: nodes are lost");
    return NULL;
}

static const char *check_counts(const struct walk *walk)
{
    const tw_loop *loop = walk->loop;
    CHECK(walk->active == loop_pending(loop), "L1: the count of pending timers is wrong");
    CHECK(walk->remotes == remote_placed(&loop->remote), "X6: calls of other threads are lost");
    CHECK(walk->parked == calendar_parked(walk->calendar), "L2: the count of parked timers is wrong");
    CHECK(walk->calendar->next_ns <= walk->earliest,
          "C3: the next wake-up is after the earliest deadline");
    return NULL;
}

const char *tw_check(const tw_loop *loop)
{
    if (!loop)
        return "there is no loop";
    if (loop->locked)
        return "a hook is under way that must not use the loop: it cannot be told";
    struct walk walk = {.loop = loop, .calendar = &loop->calendar, .earliest = BITS_NEVER};
    const char *broken = check_wheel(&walk);
    if (!broken)
        broken = check_queue(&walk, &loop->calendar.soon, SLOT_SOON, scheduled_in_order);
    if (!broken)
        broken = check_ready(&walk);
    if (!broken)
        broken = check_heap(&walk);
    if (!broken)
        broken = check_chunks(&walk);
    if (!broken)
        broken = check_pool(&walk);
    return broken ? broken : check_counts(&walk);
}
