/* SPDX-License-Identifier: MIT */
/* chunk: buckets and queues over the borders of chunks, and room for them. */
#include "support.h"

static struct memory memory;
static struct chunk_pool pool;

static void begin(size_t containers, size_t cells)
{
    memory = unit_memory();
    chunk_pool_init(&pool, &memory);
    cr_assert_eq(chunk_pool_reserve(&pool, cells, containers, false), 0);
}

static void push(struct bucket *bucket, tw_bare_timer *timer)
{
    REQUIRE(bucket_push(&pool, bucket, timer, timer->deadline_));
}

/* Walks the bucket from the top: every cell and its timer point at each other,
 * and the walk ends at the bottom of the lowest chunk. */
static size_t walk_bucket(const struct bucket *bucket)
{
    size_t cells = 0;
    for (tw_bare_timer **cell = bucket_top(bucket); cell; cell = bucket_below(cell)) {
        REQUIRE((*cell)->place_ == cell);
        REQUIRE(bucket->earliest <= (*cell)->deadline_);
        cells++;
    }
    REQUIRE(cells == bucket->count);
    return cells;
}

Test(chunk, bucket_gives_back_what_was_pushed_last_first)
{
    enum { N = 3 * CHUNK_ROOM + 1 };
    begin(4, N);
    tw_bare_timer *timers = bare_timers_new(N);
    struct bucket bucket = {0};
    for (uint32_t i = 0; i < N; i++) {
        push(&bucket, &timers[i]);
        cr_assert_eq(walk_bucket(&bucket), i + 1);
    }
    for (uint32_t i = N; i-- > 0;) {
        cr_assert_eq(bucket_pop(&pool, &bucket), &timers[i]);
        cr_assert_eq(walk_bucket(&bucket), i);
    }
    cr_assert_null(bucket.end, "an empty bucket holds no chunk");
    cr_assert_eq(chunks_free(&pool), 4u);
    chunk_pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}

Test(chunk, removal_moves_the_top_cell_into_the_hole)
{
    enum { N = 2 * CHUNK_ROOM + 2 };
    begin(4, N);
    tw_bare_timer *timers = bare_timers_new(N);
    struct bucket bucket = {0};
    for (int i = 0; i < N; i++)
        push(&bucket, &timers[i]);
    void *hole = timers[1].place_;
    bucket_remove(&pool, &bucket, &timers[1]);
    cr_assert_eq(timers[N - 1].place_, hole);
    bucket_remove(&pool, &bucket, &timers[N - 1]);
    cr_assert_eq(timers[N - 2].place_, hole, "the same place once more");
    cr_assert_eq(walk_bucket(&bucket), (size_t)N - 2);
    chunk_pool_free(&pool);
}

Test(chunk, removal_of_the_top_cell_is_a_pop)
{
    enum { N = CHUNK_ROOM + 1 };
    begin(4, N);
    tw_bare_timer *timers = bare_timers_new(N);
    struct bucket bucket = {0};
    for (int i = 0; i < N; i++)
        push(&bucket, &timers[i]);
    bucket_remove(&pool, &bucket, &timers[N - 1]);
    cr_assert_eq(walk_bucket(&bucket), (size_t)CHUNK_ROOM);
    cr_assert_eq(chunks_free(&pool), 1u, "the chunk it was alone in is given back");
    chunk_pool_free(&pool);
}

Test(chunk, buckets_under_random_pushes_and_removals_hold_the_right_timers)
{
    enum { N = 20 * CHUNK_ROOM, BUCKETS = 5 };
    begin(BUCKETS, N);
    tw_bare_timer *timers = bare_timers_new(N);
    int where[N];
    struct bucket buckets[BUCKETS] = {{0}};
    struct chance chance = {7};
    memset(where, -1, sizeof where);
    for (int i = 0; i < 20000; i++) {
        uint64_t n = chance_below(&chance, N);
        if (where[n] >= 0) {
            bucket_remove(&pool, &buckets[where[n]], &timers[n]);
            where[n] = -1;
        } else {
            where[n] = (int)chance_below(&chance, BUCKETS);
            push(&buckets[where[n]], &timers[n]);
        }
    }
    size_t cells = 0, placed = 0;
    for (int b = 0; b < BUCKETS; b++)
        cells += walk_bucket(&buckets[b]);
    for (int n = 0; n < N; n++)
        placed += where[n] >= 0;
    cr_assert_eq(cells, placed);
    for (int n = 0; n < N; n++)
        REQUIRE(where[n] < 0 || *(tw_bare_timer **)timers[n].place_ == &timers[n]);
    chunk_pool_free(&pool);
}

Test(chunk, queue_is_first_in_first_out_over_chunks)
{
    enum { N = 3 * CHUNK_ROOM + 1 };
    begin(4, N);
    tw_bare_timer *timers = bare_timers_new(N);
    struct queue queue = {0};
    for (int round = 0; round < 5; round++) { /* the head moves on by one more each time */
        for (int i = 0; i < N; i++)
            REQUIRE(queue_push(&pool, &queue, &timers[i]));
        for (int i = 0; i < N; i++)
            REQUIRE(queue_pop(&pool, &queue) == &timers[i]);
        REQUIRE(!queue_first(&pool, &queue) && !queue.head && queue.count == 0);
    }
    cr_assert_eq(chunks_free(&pool), 4u);
    chunk_pool_free(&pool);
}

Test(chunk, removed_from_a_queue_leaves_an_empty_cell_that_is_skipped)
{
    enum { N = 2 * CHUNK_ROOM };
    begin(4, N);
    tw_bare_timer *timers = bare_timers_new(N);
    struct queue queue = {0};
    for (int i = 0; i < N; i++)
        REQUIRE(queue_push(&pool, &queue, &timers[i]));
    for (int i = 0; i < N; i++) {
        if (i % CHUNK_ROOM != CHUNK_ROOM - 1)
            queue_remove(&timers[i]);
    }
    cr_assert_eq(queue.count, (size_t)N, "empty cells count until they are skipped");
    cr_assert_eq(queue_first(&pool, &queue), &timers[CHUNK_ROOM - 1]);
    queue_pop(&pool, &queue);
    cr_assert_eq(queue_first(&pool, &queue), &timers[N - 1]);
    queue_pop(&pool, &queue);
    cr_assert_null(queue_first(&pool, &queue));
    cr_assert_eq(queue.count, 0u);
    chunk_pool_free(&pool);
}

Test(chunk, compacting_a_queue_keeps_order_and_gives_up_empty_cells)
{
    enum { N = 5 * CHUNK_ROOM };
    begin(4, N);
    tw_bare_timer *timers = bare_timers_new(N);
    struct queue queue = {0};
    for (int i = 0; i < N; i++)
        REQUIRE(queue_push(&pool, &queue, &timers[i]));
    for (int i = 0; i < N; i++) {
        if (i % 3 != 0)
            queue_remove(&timers[i]);
    }
    queue_compact(&pool, &queue);
    cr_assert_eq(queue.count, (size_t)(N + 2) / 3);
    for (int i = 0; i < N; i += 3)
        REQUIRE(queue_pop(&pool, &queue) == &timers[i]);
    queue_compact(&pool, &queue); /* an empty one stays empty */
    cr_assert_eq(queue.count, 0u);
    chunk_pool_free(&pool);
}

/* Reserved cells, in as many buckets as were reserved for with one cell more than
 * fills their chunks: the worst case takes no more memory. */
static void fill_to_room(size_t containers, size_t cells, size_t spread)
{
    begin(containers, cells);
    size_t used = 0, before = allocations;
    tw_bare_timer *timers = bare_timers_new(cells);
    struct bucket *buckets = calloc(containers, sizeof *buckets);
    for (size_t b = 0; b < spread && used < cells; b++, used++)
        push(&buckets[b], &timers[used]);
    for (size_t b = 0; used < cells; b = (b + 1) % spread) {
        for (int i = 0; i < CHUNK_ROOM && used < cells; i++, used++)
            push(&buckets[b], &timers[used]);
    }
    REQUIRE(allocations == before);
    used = 0;
    for (size_t b = 0; b < spread; b++)
        used += walk_bucket(&buckets[b]);
    REQUIRE(used == cells);
    chunk_pool_free(&pool);
    REQUIRE(memory.bytes == 0);
    free(buckets);
    free(timers);
}

Test(chunk, room_is_kept_however_the_cells_are_spread)
{
    static const size_t containers[] = {1, 2, 28, 100, 1549};
    static const size_t reserves[] = {1, 2, 27, 28, 29, 100, 1000, 1549, 1550, 20000};
    for (size_t c = 0; c < sizeof containers / sizeof *containers; c++) {
        for (size_t r = 0; r < sizeof reserves / sizeof *reserves; r++) {
            for (size_t spread = containers[c]; spread > 0; spread /= 3)
                fill_to_room(containers[c], reserves[r], spread);
        }
    }
}

Test(chunk, room_is_not_much_more_chunks_than_cells_need)
{
    begin(100, 1000000);
    cr_assert_leq(pool.total, 1000000 / CHUNK_ROOM + 100 + PORT_HUGE_PAGE / CHUNK_BYTES + 100);
    chunk_pool_free(&pool);
}

Test(chunk, earliest_is_lowered_by_pushes_and_begins_anew_with_an_empty_bucket)
{
    begin(1, 10);
    tw_bare_timer *timers = bare_timers_new(3);
    struct bucket bucket = {0};
    timers[0].deadline_ = 50, timers[1].deadline_ = 20, timers[2].deadline_ = 70;
    for (int i = 0; i < 3; i++)
        push(&bucket, &timers[i]);
    cr_assert_eq(bucket.earliest, 20u);
    bucket_remove(&pool, &bucket, &timers[1]);
    cr_assert_eq(bucket.earliest, 20u, "a removal does not look for another");
    bucket_remove(&pool, &bucket, &timers[0]);
    bucket_remove(&pool, &bucket, &timers[2]);
    push(&bucket, &timers[2]);
    cr_assert_eq(bucket.earliest, 70u);
    chunk_pool_free(&pool);
}

Test(chunk, cells_taken_at_once_come_from_one_chunk_and_the_top)
{
    enum { N = CHUNK_ROOM + 2 };
    begin(2, N);
    tw_bare_timer *timers = bare_timers_new(N);
    struct bucket bucket = {0};
    for (int i = 0; i < N; i++)
        push(&bucket, &timers[i]);
    struct cells taken = bucket_take(&bucket, N);
    cr_assert_eq(taken.count, 2u);
    cr_assert_eq(taken.first[1], &timers[N - 1]);
    cr_assert_not_null(taken.emptied);
    chunk_give(&pool, taken.emptied);
    taken = bucket_take(&bucket, 2);
    cr_assert(taken.count == 2 && !taken.emptied && taken.first[1] == &timers[CHUNK_ROOM - 1]);
    cr_assert_eq(walk_bucket(&bucket), (size_t)CHUNK_ROOM - 2);
    chunk_pool_free(&pool);
}

static unsigned count_kept(void)
{
    unsigned kept = 0;
    for (const struct chunk *chunk = pool.kept; chunk; chunk = chunk->link)
        kept++;
    return kept;
}

Test(chunk, growing_takes_memory_and_failing_to_changes_nothing)
{
    enum { N = 100 * CHUNK_ROOM };
    begin(1, 0);
    tw_bare_timer *timers = bare_timers_new(N);
    struct bucket bucket = {0};
    allocations_left = 1;
    size_t pushed = 0;
    while (bucket_push(&pool, &bucket, &timers[pushed], 0))
        REQUIRE(++pushed < N);
    cr_assert_eq(walk_bucket(&bucket), pushed);
    cr_assert_null(timers[pushed].place_);
    cr_assert_eq(count_kept(), (unsigned)CHUNK_KEPT, "a push takes none of those that are kept");
    allocations_left = -1;
    cr_assert(bucket_push(&pool, &bucket, &timers[pushed], 0));
    chunk_pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}

Test(chunk, compacting_a_full_pool_takes_the_chunks_that_are_kept)
{
    enum { N = 200 * CHUNK_ROOM };
    begin(1, 0);
    tw_bare_timer *timers = bare_timers_new(N);
    struct queue queue = {0};
    allocations_left = 1;
    size_t pushed = 0;
    while (queue_push(&pool, &queue, &timers[pushed]))
        REQUIRE(++pushed < N);
    queue_remove(&timers[0]); /* so that the result has an empty cell to spare, */
    while (pushed % CHUNK_ROOM != 1)
        queue_remove(&timers[--pushed]); /* and a chunk */
    queue_compact(&pool, &queue);
    cr_assert_eq(count_kept(), (unsigned)CHUNK_KEPT, "they are kept again");
    cr_assert_eq(queue.count, pushed - 1);
    for (size_t i = 1; i < pushed; i++)
        REQUIRE(queue_pop(&pool, &queue) == &timers[i]);
    chunk_pool_free(&pool);
}

/* What is asked for by touching nothing costs nothing. */
Test(chunk, slab_of_a_pool_of_millions_is_whole_huge_pages)
{
    size_t a_page = PORT_HUGE_PAGE / CHUNK_BYTES;
    memory_init(&memory, NULL);
    chunk_pool_init(&pool, &memory);
    cr_assert_eq(chunk_pool_reserve(&pool, 1, 1, false), 0);
    size_t first = pool.total, chunks = 40 * a_page + 5;
    cr_assert_eq(chunk_pool_reserve(&pool, chunks * CHUNK_ROOM, 1, false), 0);
    cr_assert_gt(pool.total, chunks);
    while (pool.total < first + 4 * chunks / 3 && pool.unused + 1 != pool.unused_end)
        chunk_pool_grow(&pool);
    for (size_t before = pool.total; pool.total == before;)
        REQUIRE(chunk_pool_grow(&pool));
    size_t bytes; /* of the newest slab: see chunk.c */
    memcpy(&bytes, pool.newest->cells, sizeof bytes);
    cr_assert_eq(bytes % PORT_HUGE_PAGE, 0u, "%zu bytes", bytes);
    cr_assert_eq(bytes, PORT_HUGE_PAGE);
    chunk_pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}

Test(chunk, reserve_adds_what_is_lacking_and_no_more)
{
    begin(1, 0);
    for (size_t chunks = 100; chunks <= 400; chunks *= 2) {
        cr_assert_eq(chunk_pool_reserve(&pool, chunks * CHUNK_ROOM, 1, false), 0);
        cr_assert_geq(pool.total, chunks);
        cr_assert_leq(pool.total, chunks + 10);
    }
    chunk_pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}

Test(chunk, reserve_of_more_than_can_be_is_refused)
{
    begin(10, 0);
    cr_assert_eq(chunk_pool_reserve(&pool, SIZE_MAX, 10, false), -1);
    cr_assert_eq(chunk_pool_reserve(&pool, SIZE_MAX / CHUNK_BYTES, 10, false), -1);
    /* The bytes of so many chunks, and of those that come on top, are few, modulo 2^64. */
    cr_assert_eq(chunk_pool_reserve(&pool, (SIZE_MAX / CHUNK_BYTES + 1) * CHUNK_ROOM, 10, false), -1);
    chunk_pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}

Test(chunk, compacting_a_queue_makes_no_chunk)
{
    enum { ALL = 8 * CHUNK_ROOM };
    begin(1, ALL);
    struct queue queue = {0};
    tw_bare_timer *timers = bare_timers_new(ALL);
    for (size_t i = 0; i < ALL; i++)
        REQUIRE(queue_push(&pool, &queue, &timers[i]));
    while (pool.free || pool.unused != pool.unused_end) /* none is at hand */
        REQUIRE(chunk_take(&pool));
    for (size_t i = 0; i < ALL; i += 2)
        queue_remove(&timers[i]);
    size_t total = pool.total;
    queue_compact(&pool, &queue);
    cr_assert_eq(pool.total, total);
    cr_assert_eq(queue.count, (size_t)ALL / 2);
    size_t kept = 0;
    for (const struct chunk *chunk = pool.kept; chunk; chunk = chunk->link)
        kept++;
    cr_assert_eq(kept, (size_t)CHUNK_KEPT);
    free(timers);
    chunk_pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}
