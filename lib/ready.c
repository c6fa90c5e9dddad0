#include "ready.h"

#define SCRATCH_LEAST (READY_CROWD < 64 ? READY_CROWD : 64)

/* When room is made for timers, they are thought to be spread over as many ticks at
 * least: a second's. */
#define TICKS_FILLED 1000

/* A crowd of which no more than these came in order is sorted as a whole. */
#define TAKEN_BACK (READY_CROWD / 4)

_Static_assert(READY_CROWD >= CHUNK_ROOM, "a crowd fills its first chunk");

void ready_init(struct ready *ready, struct memory *memory, unsigned run_slot)
{
    *ready = (struct ready){.memory = memory, .run_slot = run_slot};
}

static size_t scratch_bytes(size_t room)
{
    size_t bytes = (room + sort_spare(room)) * sizeof(struct sort_entry);
    return (bytes + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
}

static void set_scratch(struct ready *ready, struct sort_entry *scratch, size_t room)
{
    memory_free(ready->memory, ready->scratch, scratch_bytes(ready->scratch_room));
    ready->scratch = scratch;
    ready->scratch_room = room;
}

void ready_free(struct ready *ready)
{
    set_scratch(ready, NULL, 0);
}

/* Makes scratch memory for n entries, if it can be had. */
static void make_scratch(struct ready *ready, size_t n)
{
    if (TW_LIKELY(n <= ready->scratch_room))
        return;
    size_t room = SCRATCH_LEAST;
    while (room < n && room < READY_CROWD)
        room *= 2;
    if (room < n)
        room = n;
    struct sort_entry *scratch =
        memory_alloc(ready->memory, scratch_bytes(room), sizeof(uint64_t));
    if (scratch)
        set_scratch(ready, scratch, room);
}

void ready_reserve(struct ready *ready, size_t n)
{
    if (n == 0)
        return;
    size_t a_tick = n / TICKS_FILLED + 1;
    make_scratch(ready, a_tick < READY_CROWD ? a_tick : READY_CROWD);
    if (ready->scratch)
        memory_touch(ready->scratch, scratch_bytes(ready->scratch_room));
}

static void append(struct ready *ready, struct chunk_pool *pool, tw_timer *timer)
{
    timer_set_slot(timer, ready->run_slot);
    queue_push(pool, &ready->run[ready->runs], timer);
}

static void drop_empty_runs(struct ready *ready, struct chunk_pool *pool)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < ready->runs; i++) {
        if (queue_first(pool, &ready->run[i]))
            ready->run[kept++] = ready->run[i];
    }
    ready->runs = kept;
}

void ready_expect(struct ready *ready, struct chunk_pool *pool, size_t n)
{
    if (ready->runs > 0)
        drop_empty_runs(ready, pool);
    ready->run[ready->runs] = (struct queue){0};
    ready->in_order = n > READY_CROWD;
    if (TW_LIKELY(!ready->in_order)) {
        make_scratch(ready, n);
        return;
    }
    ready->first = ready->last = NULL;
    ready->expected = n;
}

void ready_collect_in_order(struct ready *ready, struct chunk_pool *pool, tw_timer *timer)
{
    struct queue *run = &ready->run[ready->runs];
    ready->expected--;
    if (!ready->last || timer_before(ready->last, timer)) {
        append(ready, pool, timer);
        ready->last = timer;
        ready->first = ready->first ? ready->first : timer;
        return;
    }
    if (timer_before(timer, ready->first)) {
        timer_set_slot(timer, ready->run_slot);
        queue_push_front(pool, run, timer);
        ready->first = timer;
        return;
    }
    ready->in_order = false;
    bool begun = run->count > TAKEN_BACK;
    make_scratch(ready, ready->expected + 1 + (begun ? 0 : run->count));
    while (!begun && run->count > 0)
        ready_collect(ready, pool, queue_pop(pool, run));
    ready_collect(ready, pool, timer);
}

/* Merges the last two runs into one. */
static void merge_last_two(struct ready *ready, struct chunk_pool *pool)
{
    struct queue a = ready->run[ready->runs - 2];
    struct queue b = ready->run[ready->runs - 1];
    struct queue merged = {0};
    for (;;) {
        tw_timer *first_a = queue_first(pool, &a);
        tw_timer *first_b = queue_first(pool, &b);
        if (!first_a && !first_b)
            break;
        bool take_b = !first_a || (first_b && timer_before(first_b, first_a));
        queue_push(pool, &merged, queue_pop(pool, take_b ? &b : &a));
    }
    ready->runs -= 2;
    if (merged.count > 0)
        ready->run[ready->runs++] = merged;
}

/* Keeps each run more than twice as large as the next. */
static void merge_like_sizes(struct ready *ready, struct chunk_pool *pool)
{
    while (ready->runs >= 2) {
        struct queue *last = &ready->run[ready->runs - 1];
        if (ready->runs < READY_RUNS && last[-1].count > 2 * last->count)
            return;
        merge_last_two(ready, pool);
    }
}

/* What has been put into run[runs] is a run now. */
static void end_run(struct ready *ready, struct chunk_pool *pool)
{
    if (ready->run[ready->runs].count > 0)
        ready->runs++;
    merge_like_sizes(ready, pool);
}

void ready_sort(struct ready *ready, struct chunk_pool *pool)
{
    if (TW_UNLIKELY(ready->run[ready->runs].count > 0)) {
        end_run(ready, pool); /* what came in order */
        ready->run[ready->runs] = (struct queue){0};
    }
    ready->in_order = false;
    if (TW_LIKELY(!ready->list)) {
        size_t n = ready->collected;
        if (n > 1)
            sort_entries(ready->scratch, n, ready->scratch + ready->scratch_room);
        for (size_t i = 0; i < n; i++)
            append(ready, pool, ready->scratch[i].timer);
    } else {
        for (size_t i = 0; i < ready->collected; i++) {
            ready->scratch[i].timer->place_ = ready->list;
            ready->list = ready->scratch[i].timer;
        }
        tw_timer *timer = sort_list(ready->list);
        while (timer) {
            tw_timer *next = timer->place_;
            append(ready, pool, timer);
            timer = next;
        }
    }
    ready->collected = 0;
    ready->list = NULL;
    end_run(ready, pool);
    if (ready->scratch_room > READY_CROWD)
        set_scratch(ready, NULL, 0);
}

tw_timer *ready_first_of_runs(struct ready *ready, struct chunk_pool *pool)
{
    tw_timer *earliest = NULL;
    for (unsigned i = 0; i < ready->runs; i++) {
        tw_timer *head = queue_first(pool, &ready->run[i]);
        if (head && (!earliest || timer_before(head, earliest))) {
            earliest = head;
            ready->peeked = i;
        }
    }
    if (!earliest)
        ready->runs = 0;
    return earliest;
}

void ready_prefetch(const struct queue *run)
{
    const struct chunk *chunk = chunk_of(run->head), *next = chunk->link;
    for (unsigned i = 0; i < CHUNK_ROOM; i++) {
        if (chunk->cells[i])
            TW_PREFETCH(chunk->cells[i]->arg_); /* asked for a chunk ago: the timer itself */
        TW_PREFETCH(next->cells[i]);
    }
    chunk_prefetch(next->link);
}

void ready_compact(struct ready *ready, struct chunk_pool *pool)
{
    for (unsigned i = 0; i < ready->runs; i++)
        queue_compact(pool, &ready->run[i]);
}
