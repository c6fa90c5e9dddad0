/* ready: runs, their merging, and sorting without memory. */
#include "support.h"

enum { N = 2000, CROWD = 10000, SLOT = 7 };

static struct memory memory;
static struct chunk_pool pool;
static struct ready ready;
static tw_timer *timers;

static void begin_with(size_t n)
{
    allocations_left = -1;
    memory = unit_memory();
    chunk_pool_init(&pool, &memory, 20);
    cr_assert_eq(chunk_pool_reserve(&pool, n, false), 0);
    ready_init(&ready, &memory, SLOT);
    timers = timers_new(n);
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

/* Each run is in order, with its timers' places right; each is more than twice
 * as large as the next. */
static void walk(void)
{
    for (unsigned i = 0; i < ready.runs; i++) {
        const tw_timer *last = NULL;
        tw_timer **cell = ready.run[i].head;
        for (size_t left = ready.run[i].count; left > 0; left--, cell++) {
            if (chunk_ends_at(cell))
                cell = chunk_of(cell - 1)->link->cells;
            if (!*cell)
                continue;
            REQUIRE((*cell)->place_ == cell && timer_slot(*cell) == SLOT);
            REQUIRE(!last || timer_before(last, *cell));
            last = *cell;
        }
    }
    REQUIRE(ready.runs < READY_RUNS);
}

static void add_run(size_t from, size_t n, struct chance *chance)
{
    ready_expect(&ready, &pool, n);
    for (size_t i = from; i < from + n; i++) {
        timers[i].deadline_ = chance_below(chance, 50);
        ready_collect(&ready, &pool, &timers[i]);
    }
    ready_sort(&ready, &pool);
    walk();
}

static size_t pop_all(void)
{
    size_t popped = 0;
    const tw_timer *last = NULL, *timer;
    while ((timer = ready_peek(&ready, &pool)) != NULL) {
        REQUIRE(!last || timer_before(last, timer));
        last = timer;
        ready_pop(&ready, &pool);
        popped++;
    }
    cr_assert_eq(ready.runs, 0u);
    cr_assert_eq(pool.cells, 0u);
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

Test(ready, each_run_is_more_than_twice_the_next)
{
    struct chance chance = {11};
    begin();
    for (size_t used = 0; used < N; used++) {
        add_run(used, 1, &chance);
        for (unsigned i = 1; i < ready.runs; i++)
            REQUIRE(ready.run[i - 1].count > 2 * ready.run[i].count);
    }
    cr_assert_eq(pop_all(), (size_t)N);
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
    cr_assert_eq(pool.cells, 120u);
    ready_compact(&ready, &pool);
    cr_assert_eq(pool.cells, 12u, "compacting gives up the empty cells");
    walk();
    cr_assert_eq(pop_all(), 12u);
    add_run(0, 30, &chance);
    for (size_t i = 0; i < 30; i++)
        queue_remove(&timers[i]);
    cr_assert_null(ready_peek(&ready, &pool));
    cr_assert_eq(pool.cells, 0u);
    end();
}

Test(ready, without_scratch_memory_the_order_is_the_same)
{
    struct chance chance = {13};
    begin();
    allocations_left = 0;
    add_run(0, 500, &chance);
    cr_assert_eq(ready.scratch_room, 0u);
    add_run(500, 700, &chance);
    cr_assert_eq(pop_all(), 1200u);
    end();
}

Test(ready, scratch_memory_for_a_part_is_used_for_that_part)
{
    struct chance chance = {14};
    begin();
    add_run(0, 10, &chance);
    size_t room = ready.scratch_room;
    cr_assert_gt(room, 0u);
    allocations_left = 0;
    add_run(10, room + 300, &chance);
    cr_assert_eq(pop_all(), room + 310);
    end();
}

/* Collects a crowd with one deadline: timer 0 first or last, but this one, whose
 * turn comes after `wait` others. */
static void add_crowd(bool upwards, size_t odd, size_t wait)
{
    ready_expect(&ready, &pool, CROWD);
    for (size_t i = 0, turn = 0; i < CROWD; i++) {
        size_t which = upwards ? i : CROWD - 1 - i;
        if (turn++ == wait)
            ready_collect(&ready, &pool, &timers[odd]);
        if (which != odd)
            ready_collect(&ready, &pool, &timers[which]);
    }
    ready_sort(&ready, &pool);
    walk();
}

Test(ready, a_crowd_in_order_needs_no_memory)
{
    for (int upwards = 0; upwards < 2; upwards++) {
        begin_with(CROWD);
        allocations_left = 0;
        add_crowd(upwards, upwards ? CROWD - 1 : 0, CROWD - 1);
        cr_assert_null(ready.list, "none was put aside");
        cr_assert_eq(ready.runs, 1u);
        cr_assert_eq(pop_all(), (size_t)CROWD);
        end();
        free(timers);
    }
}

Test(ready, a_crowd_with_one_out_of_order_is_in_order_afterwards)
{
    const size_t waits[] = {0, 1, 2, 100, 1023, 1024, 1025, CROWD / 2, CROWD - 1};
    for (size_t k = 0; k < 2 * sizeof waits / sizeof *waits; k++) {
        begin_with(CROWD);
        allocations_left = k % 4 == 3 ? 0 : -1;
        add_crowd(k % 2, CROWD / 3, waits[k / 2]);
        cr_assert_eq(pop_all(), (size_t)CROWD);
        end();
        free(timers);
    }
}

Test(ready, crowds_beside_each_other_come_out_as_one_order)
{
    begin_with(CROWD + 50);
    add_crowd(true, 5, CROWD / 2);
    ready_expect(&ready, &pool, 50);
    for (size_t i = CROWD; i < CROWD + 50; i++)
        ready_collect(&ready, &pool, &timers[i]);
    ready_sort(&ready, &pool);
    cr_assert_eq(pop_all(), (size_t)CROWD + 50);
    end();
}

Test(ready, nothing_collected_makes_no_run)
{
    begin();
    ready_expect(&ready, &pool, 5);
    ready_sort(&ready, &pool);
    cr_assert_eq(ready.runs, 0u);
    cr_assert_null(ready_peek(&ready, &pool));
    end();
}
