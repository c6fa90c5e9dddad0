/* SPDX-License-Identifier: MIT */
/*
 * ready: making runs, merging short ones, and the heap they stand in.
 */
#include "ready.h"

#define SCRATCH_LEAST (READY_BATCH < 64 ? READY_BATCH : 64)

/* When room is made for timers, they are thought to be spread over as many ticks at
 * least: a second's. */
#define TICKS_FILLED 1000

_Static_assert(READY_BATCH >= CHUNK_ROOM, "a batch is a chunk or more");
_Static_assert(READY_BATCH <= SORT_MOST, "a batch can be sorted at once");

void ready_init(struct ready *ready, struct memory *memory, unsigned run_slot, bool bare)
{
    *ready = (struct ready){.memory = memory, .run_slot = run_slot, .bare = bare,
                            .room = READY_FEW};
    ready->runs = ready->few;
}

/* ------------------------------------------------------------- scratch memory */

static size_t scratch_bytes(size_t room)
{
    return 2 * room * sizeof(struct sort_entry);
}

static void set_scratch(struct ready *ready, struct sort_entry *scratch, size_t room)
{
    memory_free(ready->memory, ready->scratch, scratch_bytes(ready->scratch_room));
    ready->scratch = scratch;
    ready->scratch_room = room;
}

_Static_assert((READY_BATCH & (READY_BATCH - 1)) == 0, "room doubles up to a batch");

void ready_make_scratch(struct ready *ready, size_t n)
{
    if (n > READY_BATCH)
        n = READY_BATCH;
    if (TW_LIKELY(n <= ready->scratch_room))
        return;
    size_t room = SCRATCH_LEAST;
    while (room < n)
        room *= 2;
    struct sort_entry *scratch =
        memory_alloc(ready->memory, scratch_bytes(room), sizeof(uint64_t));
    if (scratch)
        set_scratch(ready, scratch, room);
}

void ready_reserve(struct ready *ready, size_t n)
{
    if (n == 0)
        return;
    ready_make_scratch(ready, n / TICKS_FILLED + 1);
    if (ready->scratch)
        memory_touch(ready->scratch, scratch_bytes(ready->scratch_room));
}

/* ------------------------------------------------------------ the heap of runs */

static void set_runs(struct ready *ready, struct ready_run *runs, size_t room)
{
    memcpy(runs, ready->runs, ready->count * sizeof *runs);
    if (ready->runs != ready->few)
        memory_free(ready->memory, ready->runs, ready->room * sizeof *runs);
    ready->runs = runs;
    ready->room = room;
}

void ready_trim(struct ready *ready)
{
    set_scratch(ready, NULL, 0);
    if (ready->runs != ready->few && ready->count <= READY_FEW)
        set_runs(ready, ready->few, READY_FEW);
}

void ready_free(struct ready *ready)
{
    ready->count = 0;
    ready_trim(ready);
}

static bool run_before(const struct ready_run *a, const struct ready_run *b)
{
    if (a->deadline != b->deadline)
        return a->deadline < b->deadline;
    return timer_scheduled_before(a->sequence, b->sequence);
}

/* Puts the run where it belongs, from a free place upwards. */
static void sift_up(struct ready *ready, size_t at, struct ready_run run)
{
    for (; at > 0 && run_before(&run, &ready->runs[(at - 1) / 2]); at = (at - 1) / 2)
        ready->runs[at] = ready->runs[(at - 1) / 2];
    ready->runs[at] = run;
}

/* The same downwards. */
static void sift_down(struct ready *ready, size_t at, struct ready_run run)
{
    for (size_t child; (child = 2 * at + 1) < ready->count; at = child) {
        if (child + 1 < ready->count && run_before(&ready->runs[child + 1], &ready->runs[child]))
            child++;
        if (!run_before(&ready->runs[child], &run))
            break;
        ready->runs[at] = ready->runs[child];
    }
    ready->runs[at] = run;
}

static void make_heap(struct ready *ready)
{
    for (size_t i = ready->count / 2; i-- > 0;)
        sift_down(ready, i, ready->runs[i]);
}

static void remove_run(struct ready *ready, size_t at)
{
    struct ready_run last = ready->runs[--ready->count];
    if (at == ready->count)
        return;
    if (run_before(&last, &ready->runs[at]))
        sift_up(ready, at, last);
    else
        sift_down(ready, at, last);
}

/* Empty cells that are dropped at once. */
#define CELLS_SKIPPED CHUNK_ROOM

/* Takes note of a run's first timer. Where more cells are empty before it, it is left for
 * later, and an earlier one, which is gone, stands for it. false: there is none. */
static bool look_at_first(struct ready_run *run, struct chunk_pool *pool)
{
    if (run->queue.count > 0 && TW_UNLIKELY(!*run->queue.head))
        (void)queue_skip(pool, &run->queue, CELLS_SKIPPED);
    if (run->queue.count == 0)
        return false;
    const tw_bare_timer *first = *run->queue.head;
    if (first) {
        run->deadline = first->deadline_;
        run->sequence = timer_sequence(first);
    }
    return true;
}

size_t ready_settle_top(struct ready *ready, struct chunk_pool *pool)
{
    struct ready_run *top = &ready->runs[0];
    size_t before = top->queue.count;
    bool there = look_at_first(top, pool);
    size_t skipped = before - top->queue.count;
    if (there)
        sift_down(ready, 0, *top);
    else
        remove_run(ready, 0);
    return skipped;
}

/* ------------------------------------------------------------- merging and adding */

/* Takes the run out, and merges it into `run`. */
static void merge_with(struct ready *ready, struct chunk_pool *pool, size_t at,
                       struct ready_run *run)
{
    struct queue a = ready->runs[at].queue, b = run->queue, merged = {0};
    remove_run(ready, at);
    for (;;) {
        tw_bare_timer *first_a = queue_first(pool, &a);
        tw_bare_timer *first_b = queue_first(pool, &b);
        if (!first_a && !first_b)
            break;
        bool take_b = !first_a || (first_b && timer_before(first_b, first_a));
        queue_push_sure(pool, &merged, queue_pop(pool, take_b ? &b : &a));
    }
    chunk_keep_again(pool);
    run->queue = merged;
    look_at_first(run, pool);
}

/* Which run is of like length, or shorter, and short enough to be merged. */
static size_t find_like(const struct ready *ready, size_t length)
{
    size_t at = 0;
    while (at < ready->count && (ready->runs[at].queue.count > 2 * length ||
                                 ready->runs[at].queue.count + length > READY_BATCH))
        at++;
    return at;
}

/* How long one run is beside another that is not longer. */
struct likeness {
    uint64_t longer, shorter;
};

static struct likeness likeness_of(const struct ready_run *a, const struct ready_run *b)
{
    uint64_t of_a = a->queue.count, of_b = b->queue.count;
    return of_a < of_b ? (struct likeness){of_b, of_a} : (struct likeness){of_a, of_b};
}

/* Merges the two whose lengths are most alike, of all runs and this one, which becomes
 * the result, or takes the place of one of them. So a timer is merged O(log n) times,
 * however few runs there is room for. */
static TW_COLD void merge_most_alike(struct ready *ready, struct chunk_pool *pool,
                                     struct ready_run *run)
{
    size_t a = 0, b = ready->count;
    struct likeness least = likeness_of(&ready->runs[0], run);
    for (size_t j = ready->count; j > 0; j--) {
        for (size_t i = 0; i < j; i++) {
            const struct ready_run *second = j == ready->count ? run : &ready->runs[j];
            struct likeness pair = likeness_of(&ready->runs[i], second);
            if (pair.longer * least.shorter < least.longer * pair.shorter) {
                least = pair;
                a = i, b = j;
            }
        }
    }
    if (b < ready->count) {
        struct ready_run second = ready->runs[b];
        ready->runs[b] = *run;
        *run = second;
    }
    merge_with(ready, pool, a, run);
    make_heap(ready);
}

static bool make_room(struct ready *ready)
{
    if (ready->count < ready->room)
        return true;
    size_t room = ready->room * 2;
    struct ready_run *runs = memory_alloc(ready->memory, room * sizeof *runs, sizeof(uint64_t));
    if (runs)
        set_runs(ready, runs, room);
    return runs != NULL;
}

void ready_add_slowly(struct ready *ready, struct chunk_pool *pool, struct ready_run run)
{
    if (ready->count == 1 && !look_at_first(&ready->runs[0], pool))
        ready->count = 0; /* its timers were all taken away */
    for (size_t at; (at = find_like(ready, run.queue.count)) < ready->count;)
        merge_with(ready, pool, at, &run);
    if (!make_room(ready))
        merge_most_alike(ready, pool, &run);
    if (run.queue.count > 0)
        sift_up(ready, ready->count++, run);
}

/* Writes the entries into the chunks, the first of them into this cell of the first chunk, which
 * leaves room enough; gives the rest back. */
static struct ready_run fill(const struct ready *ready, struct chunk_pool *pool,
                             const struct sort_entry *entries, size_t n, struct chunk *chunks,
                             size_t first)
{
    struct ready_run run = {.deadline = entries->deadline, .sequence = entries->sequence};
    struct chunk *rest = chunks->link;
    queue_extend(&run.queue, chunks);
    run.queue.head = run.queue.tail = chunks->cells + first;
    for (size_t i = 0; i < n; i++) {
        if (chunk_ends_at(run.queue.tail)) {
            struct chunk *next = rest->link;
            queue_extend(&run.queue, rest);
            rest = next;
        }
        timer_set_slot(entries[i].timer, ready->run_slot);
        queue_push_hot(&run.queue, entries[i].timer);
    }
    chunk_give_all(pool, rest);
    return run;
}

void ready_add_sorted(struct ready *ready, struct chunk_pool *pool,
                      const struct sort_entry *entries, size_t n, struct chunk *chunks)
{
    ready_add_slowly(ready, pool, fill(ready, pool, entries, n, chunks, 0));
}

/* ---------------------------------------------------------------------- bursts */

/* Links two queues, of which the first ends with its last chunk and the second begins with its
 * first. */
static struct queue joined_queue(struct queue first, struct queue second)
{
    chunk_of(first.tail - 1)->link = chunk_of(second.head);
    return (struct queue){first.head, second.tail, first.count + second.count};
}

void ready_join_sorted(struct ready *ready, struct chunk_pool *pool,
                       const struct sort_entry *entries, size_t n, struct chunk *chunks,
                       bool rising)
{
    /* It ends with a chunk if what follows is to be joined to its end, else it begins with one. */
    size_t over = n % CHUNK_ROOM, first_cell = rising && over > 0 ? CHUNK_ROOM - over : 0;
    struct ready_run *joined = &ready->joined;
    struct ready_run run = fill(ready, pool, entries, n, chunks, first_cell);
    const struct sort_entry *last = &entries[n - 1];
    if (joined->queue.count > 0 && chunk_ends_at(joined->queue.tail) &&
        chunk_begins_at(run.queue.head) && sort_before(&ready->last, entries)) {
        joined->queue = joined_queue(joined->queue, run.queue);
        ready->last = *last;
        return;
    }
    struct sort_entry first = {joined->deadline, joined->sequence, NULL};
    if (joined->queue.count > 0 && chunk_ends_at(run.queue.tail) &&
        chunk_begins_at(joined->queue.head) && sort_before(last, &first)) {
        joined->queue = joined_queue(run.queue, joined->queue);
        joined->deadline = run.deadline;
        joined->sequence = run.sequence;
        return;
    }
    ready_join_end(ready, pool);
    *joined = run;
    ready->last = *last;
}

void ready_join_end(struct ready *ready, struct chunk_pool *pool)
{
    if (queue_first(pool, &ready->joined.queue)) {
        (void)look_at_first(&ready->joined, pool);
        ready_add_slowly(ready, pool, ready->joined);
    }
    ready->joined = (struct ready_run){0};
}

void ready_prefetch(const struct ready *ready, const struct queue *run)
{
    TW_KEEP_CALLS();
    const struct chunk *chunk = chunk_of(run->head), *next = chunk->link;
    for (unsigned i = 0; i < CHUNK_ROOM; i++) {
        if (chunk->cells[i] && !ready->bare)
            TW_PREFETCH(timer_whole(chunk->cells[i])->arg_); /* the timer itself was asked for */
        TW_PREFETCH(next->cells[i]);
    }
    chunk_prefetch(next->link);
}

tw_bare_timer *ready_drain(struct ready *ready, struct chunk_pool *pool)
{
    tw_bare_timer *timer = NULL;
    while (!timer && ready->count > 0) {
        struct queue *last = &ready->runs[ready->count - 1].queue; /* of a heap, a leaf */
        if (queue_first(pool, last))
            timer = queue_pop(pool, last);
        if (last->count == 0)
            ready->count--;
    }
    return timer;
}

void ready_compact(struct ready *ready, struct chunk_pool *pool)
{
    size_t kept = 0;
    for (size_t i = 0; i < ready->count; i++) {
        queue_compact(pool, &ready->runs[i].queue);
        if (look_at_first(&ready->runs[i], pool))
            ready->runs[kept++] = ready->runs[i];
    }
    ready->count = kept;
    make_heap(ready);
}
