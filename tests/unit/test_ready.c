/* SPDX-License-Identifier: MIT */
/* ready: runs, their merging, and joining those of a burst. */
#include "support.h"

enum { N = 2000, BURST = 3 * READY_BATCH, SLOT = 7 };

static struct memory memory;
static struct chunk_pool pool;
static struct ready ready;
static tw_bare_timer *timers;

static void begin_with(size_t n)
{
    allocations_left = -1;
    memory = unit_memory();
    chunk_pool_init(&pool, &memory);
    cr_assert_eq(chunk_pool_reserve(&pool, n, 2000, false), 0);
    ready_init(&ready, &memory, SLOT, true);
    timers = bare_timers_new(n);
    for (size_t i = 0; i < n; i++)
        timer_set_sequence(&timers[i], i * TIMER_SEQUENCE_ONE);
}

static void begin(void)
{
    begin_with(N);
}

static void end(void)
{
    ready_free(&ready);
    chunk_pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}

/* Each run is in order, with its timers' places right, and known by its first; the
 * runs are a heap. */
static void walk(void)
{
    for (size_t i = 0; i < ready.count; i++) {
        const struct ready_run *run = &ready.runs[i];
        const tw_bare_timer *last = NULL;
        for (tw_bare_timer **cell = run->queue.head; cell; cell = queue_after(&run->queue, cell)) {
            if (!*cell)
                continue;
            REQUIRE((*cell)->place_ == cell && timer_slot(*cell) == SLOT);
            REQUIRE(!last || timer_before(last, *cell));
            last = *cell;
        }
        if (i > 0)
            REQUIRE(ready.runs[(i - 1) / 2].deadline <= run->deadline);
    }
}

/* Entries of n timers in order, and chunks enough for them. */
static struct sort_entry *entries_of(size_t from, size_t n)
{
    struct sort_entry *entries = malloc(2 * n * sizeof *entries);
    for (size_t i = 0; i < n; i++) {
        tw_bare_timer *timer = &timers[from + i];
        entries[i] = (struct sort_entry){timer->deadline_, timer_sequence(timer), timer};
    }
    sort_entries(entries, n, entries + n);
    return entries;
}

static struct chunk *chunks_for_timers(size_t n)
{
    struct chunk *chunks = NULL;
    for (size_t i = 0; i < n / CHUNK_ROOM + 1; i++) {
        struct chunk *chunk = chunk_take(&pool);
        REQUIRE(chunk != NULL);
        chunk->link = chunks;
        chunks = chunk;
    }
    return chunks;
}

static void add_unseen_run(size_t from, size_t n, struct chance *chance)
{
    for (size_t i = from; i < from + n; i++)
        timers[i].deadline_ = chance_below(chance, 50);
    struct sort_entry *entries = entries_of(from, n);
    ready_add_sorted(&ready, &pool, entries, n, chunks_for_timers(n));
    free(entries);
}

static void add_run(size_t from, size_t n, struct chance *chance)
{
    add_unseen_run(from, n, chance);
    walk();
}

static size_t pop_all(void)
{
    size_t popped = 0;
    const tw_bare_timer *last = NULL, *timer;
    while ((timer = ready_peek(&ready, &pool)) != NULL) {
        REQUIRE(!last || timer_before(last, timer));
        last = timer;
        ready_pop(&ready, &pool);
        popped++;
    }
    cr_assert_eq(ready.count, 0u);
    return popped;
}

Test(ready, runs_of_any_size_come_out_as_one_order)
{
    struct chance chance = {10};
    for (int round = 0; round < 50; round++) {
        begin();
        size_t used = 0;
        while (used < N) {
            size_t n = 1 + chance_magnitude(&chance, 9);
            if (n > N - used)
                n = N - used;
            add_run(used, n, &chance);
            used += n;
        }
        cr_assert_eq(pop_all(), (size_t)N);
        end();
        free(timers);
    }
}

Test(ready, short_runs_are_merged_so_that_there_are_few)
{
    enum { MANY = READY_BATCH < N ? READY_BATCH : N };
    struct chance chance = {11};
    begin();
    for (size_t used = 0; used < MANY; used++) {
        add_run(used, 1, &chance);
        REQUIRE(ready.count <= READY_FEW);
    }
    cr_assert_eq(pop_all(), (size_t)MANY);
    end();
}

Test(ready, long_runs_are_not_merged)
{
    enum { RUNS = 40 };
    struct chance chance = {15};
    begin_with(RUNS * READY_BATCH);
    for (size_t i = 0; i < RUNS; i++)
        add_run(i * READY_BATCH, READY_BATCH, &chance);
    cr_assert_eq(ready.count, (size_t)RUNS);
    cr_assert_eq(pop_all(), (size_t)RUNS * READY_BATCH);
    ready_trim(&ready);
    cr_assert_eq(ready.runs, ready.few);
    end();
}

Test(ready, without_room_for_another_run_two_are_merged)
{
    enum { RUNS = 2 * READY_FEW };
    struct chance chance = {16};
    begin_with(RUNS * READY_BATCH);
    allocations_left = 0;
    for (size_t i = 0; i < RUNS; i++)
        add_run(i * READY_BATCH, READY_BATCH, &chance);
    cr_assert_eq(ready.count, (size_t)READY_FEW);
    cr_assert_eq(pop_all(), (size_t)RUNS * READY_BATCH);
    end();
}

static void add_run_of(size_t from, size_t n)
{
    for (size_t i = from; i < from + n; i++)
        timers[i].deadline_ = i;
    struct sort_entry *entries = entries_of(from, n);
    ready_add_sorted(&ready, &pool, entries, n, chunks_for_timers(n));
    free(entries);
    walk();
}

/* One of the runs is as long as the one that comes, the others are not. */
static void add_one_like(size_t like)
{
    size_t from = 0;
    begin_with((READY_FEW + 1) * READY_BATCH);
    allocations_left = 0;
    for (size_t i = 0; i < READY_FEW; i++, from += READY_BATCH)
        add_run_of(from, READY_BATCH - (i != like));
    cr_assert_eq(ready.count, (size_t)READY_FEW);
    add_run_of(from, READY_BATCH);
    cr_assert_eq(ready.count, (size_t)READY_FEW);
    cr_assert_eq(ready.runs[like].queue.count, 2u * READY_BATCH, "run %zu", like);
    cr_assert_eq(pop_all(), (READY_FEW + 1) * READY_BATCH - (READY_FEW - 1));
    end();
}

Test(ready, run_that_there_is_no_room_for_is_merged_with_the_one_as_long)
{
    add_one_like(0); /* with which the search begins */
    add_one_like(1);
    add_one_like(READY_FEW - 1);
}

Test(ready, two_runs_that_are_merged_for_room_may_have_no_timer_left)
{
    enum { EMPTY = READY_BATCH - 1, LAST = READY_BATCH - 2 };
    size_t from = 0;
    begin_with((READY_FEW + 1) * READY_BATCH);
    allocations_left = 0;
    for (; from < (READY_FEW - 2) * READY_BATCH; from += READY_BATCH)
        add_run_of(from, READY_BATCH);
    size_t left = from + LAST;
    for (int i = 0; i < 2; i++, from += EMPTY) { /* the most alike of all */
        add_run_of(from, EMPTY);
        for (size_t k = from; k < from + EMPTY; k++)
            queue_remove(&timers[k]);
    }
    cr_assert_eq(ready.count, (size_t)READY_FEW);
    add_run_of(from, LAST);
    cr_assert_eq(ready.count, (size_t)READY_FEW - 1);
    cr_assert_eq(pop_all(), left);
    end();
}

/* The timers in runs that are as long as one of those was, each counted once. */
static size_t left_alone(const size_t *lengths, size_t count)
{
    bool seen[READY_FEW] = {false};
    size_t alone = 0;
    for (size_t i = 0; i < ready.count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (seen[j] || lengths[j] != ready.runs[i].queue.count)
                continue;
            seen[j] = true;
            alone += lengths[j];
            break;
        }
    }
    return alone;
}

Test(ready, without_room_a_timer_is_merged_a_few_dozen_times)
{
    enum { RUNS = 8000 };
    struct chance chance = {17};
    size_t total = (size_t)RUNS * CHUNK_ROOM;
    uint64_t merged = 0;
    begin_with(total);
    allocations_left = 0;
    for (size_t i = 0; i < RUNS; i++) {
        size_t lengths[READY_FEW], count = ready.count;
        for (size_t j = 0; j < count; j++)
            lengths[j] = ready.runs[j].queue.count;
        add_unseen_run(i * CHUNK_ROOM, CHUNK_ROOM, &chance);
        REQUIRE(ready.count <= READY_FEW);
        merged += (i + 1) * CHUNK_ROOM - left_alone(lengths, count);
    }
    walk();
    cr_assert_lt(merged, 30 * total, "%llu merged", (unsigned long long)merged);
    cr_assert_eq(pop_all(), total);
    end();
}

Test(ready, removed_timers_are_skipped_and_their_runs_dropped)
{
    struct chance chance = {12};
    begin();
    add_run(0, 100, &chance);
    add_run(100, 20, &chance);
    for (size_t i = 0; i < 120; i++) {
        if (i % 10 != 3)
            queue_remove(&timers[i]);
    }
    ready_compact(&ready, &pool);
    size_t cells = 0;
    for (size_t i = 0; i < ready.count; i++)
        cells += ready.runs[i].queue.count;
    cr_assert_eq(cells, 12u, "compacting gives up the empty cells");
    walk();
    cr_assert_eq(pop_all(), 12u);
    add_run(0, 30, &chance);
    for (size_t i = 0; i < 30; i++)
        queue_remove(&timers[i]);
    cr_assert_null(ready_peek(&ready, &pool));
    add_run(0, 30, &chance);
    for (size_t i = 0; i < 30; i++)
        queue_remove(&timers[i]);
    ready_compact(&ready, &pool);
    cr_assert_eq(ready.count, 0u);
    end();
}

Test(ready, draining_gives_back_a_chunk_for_each_that_the_timers_would_fill)
{
    enum { FIRST = CHUNK_ROOM, SECOND = 4 * CHUNK_ROOM, THIRD = 16 * CHUNK_ROOM };
    begin_with(FIRST + SECOND + THIRD);
    struct chance chance = {23};
    add_run(0, THIRD, &chance);
    add_run(THIRD, SECOND, &chance);
    add_run(THIRD + SECOND, FIRST, &chance);
    cr_assert_eq(ready.count, 3u);
    size_t before = chunks_free(&pool), drained = 0;
    while (ready_drain(&ready, &pool)) {
        drained++;
        cr_assert_geq(chunks_free(&pool), before + drained / CHUNK_ROOM);
        walk();
    }
    cr_assert_eq(drained, (size_t)FIRST + SECOND + THIRD);
    cr_assert_eq(ready.count, 0u);
    end();
}

/* Joins a burst with one deadline in batches, timer 0 first or last. The first batch lacks so
 * many timers of being full. */
static void join_burst(bool upwards, size_t lacking)
{
    enum { BATCH = READY_BATCH / CHUNK_ROOM * CHUNK_ROOM, BATCHES = BURST / BATCH };
    for (size_t i = 0; i < BATCHES; i++) {
        size_t which = upwards ? i : BATCHES - 1 - i, n = i == 0 ? BATCH - lacking : BATCH;
        struct sort_entry *entries = entries_of(which * BATCH, n);
        ready_join_sorted(&ready, &pool, entries, n, chunks_for_timers(n), upwards);
        free(entries);
    }
    ready_join_end(&ready, &pool);
    walk();
    cr_assert_eq(ready.count, 1u);
    cr_assert_eq(pop_all(), (size_t)BATCHES * BATCH - lacking);
}

Test(ready, batches_of_a_burst_in_order_become_one_run)
{
    for (int upwards = 0; upwards < 2; upwards++) {
        for (size_t lacking = 0; lacking < 2; lacking++) {
            begin_with(BURST);
            join_burst(upwards, lacking);
            end();
            free(timers);
        }
    }
}

/* The first batch rises, and ends with a chunk; but what comes next belongs before it. */
Test(ready, batch_that_begins_within_a_chunk_is_joined_to_none)
{
    begin_with(BURST);
    size_t full = READY_BATCH / CHUNK_ROOM * CHUNK_ROOM;
    for (size_t i = 0; i < 2; i++) {
        size_t from = i == 0 ? full : 0, n = i == 0 ? full - 1 : full;
        struct sort_entry *entries = entries_of(from, n);
        ready_join_sorted(&ready, &pool, entries, n, chunks_for_timers(n), i == 0);
        free(entries);
    }
    ready_join_end(&ready, &pool);
    walk();
    cr_assert_eq(ready.count, 2u);
    cr_assert_eq(pop_all(), 2 * full - 1);
    end();
}

Test(ready, batches_that_do_not_fit_become_runs_of_their_own)
{
    struct chance chance = {17};
    begin_with(BURST);
    for (size_t i = 0; i < BURST; i++)
        timers[i].deadline_ = chance_below(&chance, 1000);
    for (size_t from = 0; from < BURST; from += READY_BATCH) {
        struct sort_entry *entries = entries_of(from, READY_BATCH);
        ready_join_sorted(&ready, &pool, entries, READY_BATCH, chunks_for_timers(READY_BATCH), false);
        free(entries);
    }
    ready_join_end(&ready, &pool);
    walk();
    cr_assert_eq(ready.count, 3u);
    cr_assert_eq(pop_all(), (size_t)BURST);
    end();
}

Test(ready, burst_whose_timers_were_all_removed_makes_no_run)
{
    begin();
    struct sort_entry *entries = entries_of(0, 10);
    ready_join_sorted(&ready, &pool, entries, 10, chunks_for_timers(10), false);
    free(entries);
    for (size_t i = 0; i < 10; i++)
        queue_remove(&timers[i]);
    ready_join_end(&ready, &pool);
    cr_assert_eq(ready.count, 0u);
    cr_assert_null(ready_peek(&ready, &pool));
    end();
}
