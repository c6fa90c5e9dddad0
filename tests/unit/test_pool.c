/* SPDX-License-Identifier: MIT */
/* pool: handles never repeat, and nodes are found from their index. */
#include "support.h"

static struct memory memory;
static struct pool pool;

static void begin(void)
{
    memory = unit_memory();
    pool_init(&pool, &memory, 0);
}

/* What is neither free nor gone for good. */
static uint32_t in_use(void)
{
    uint32_t count = pool.used - pool.missing - pool.retired;
    for (const struct node *node = pool.free; node; node = node->next)
        count--;
    return count;
}

static void end(void)
{
    pool_free(&pool);
    cr_assert_eq(memory.bytes, 0u);
}

Test(pool, index_and_node_lead_to_each_other_over_every_slab_border)
{
    enum { N = 2 * 32768 + 70000 };
    begin();
    struct node **nodes = malloc(N * sizeof *nodes);
    for (uint32_t i = 0; i < N; i++) {
        nodes[i] = pool_take(&pool);
        REQUIRE(nodes[i] && nodes[i]->index == i);
        REQUIRE(i == 0 || nodes[i] != nodes[i - 1]);
    }
    for (uint32_t i = 0; i < N; i++) {
        REQUIRE(pool_at(&pool, i) == nodes[i]);
        REQUIRE(pool_find(&pool, pool_handle(nodes[i])) == nodes[i]);
    }
    cr_assert_eq(in_use(), (uint32_t)N);
    free(nodes);
    end();
}

Test(pool, node_given_back_last_is_taken_first)
{
    begin();
    struct node *a = pool_take(&pool), *b = pool_take(&pool);
    pool_give(&pool, a);
    pool_give(&pool, b);
    cr_assert_eq(pool_take(&pool), b);
    cr_assert_eq(pool_take(&pool), a);
    end();
}

Test(pool, handle_of_a_node_used_again_is_another)
{
    begin();
    tw_handle last = 0;
    const struct node *first = NULL;
    for (int i = 0; i < 10000; i++) {
        struct node *node = pool_take(&pool);
        REQUIRE(!first || node == first);
        first = node;
        tw_handle handle = pool_handle(node);
        REQUIRE(handle != 0 && handle > last); /* the generation only goes up */
        REQUIRE(pool_find(&pool, handle) == node);
        pool_give(&pool, node);
        REQUIRE(pool_find(&pool, handle) == NULL);
        last = handle;
    }
    end();
}

Test(pool, node_whose_generation_would_wrap_is_retired)
{
    begin();
    struct node *node = pool_take(&pool);
    node->generation = UINT32_MAX; /* its last use */
    tw_handle handle = pool_handle(node);
    cr_assert_eq(pool_find(&pool, handle), node);
    pool_give(&pool, node);
    cr_assert_eq(pool.retired, 1u);
    cr_assert_eq(in_use(), 0u);
    cr_assert_null(pool_find(&pool, handle));
    for (uint64_t generation = 0; generation < 10; generation++)
        cr_assert_null(pool_find(&pool, generation << 32 | node->index));
    cr_assert_neq(pool_take(&pool), node);
    end();
}

Test(pool, invented_handles_are_not_found)
{
    begin();
    struct node *node = pool_take(&pool);
    tw_handle handle = pool_handle(node);
    cr_assert_null(pool_find(&pool, 0));
    cr_assert_null(pool_find(&pool, handle + 1), "an index never used");
    cr_assert_null(pool_find(&pool, handle + ((tw_handle)1 << 32)));
    cr_assert_null(pool_find(&pool, handle + ((tw_handle)2 << 32)));
    cr_assert_null(pool_find(&pool, UINT64_MAX));
    struct chance chance = {15};
    for (int i = 0; i < 100000; i++) {
        tw_handle invented = chance_magnitude(&chance, 64);
        REQUIRE(invented == handle || !pool_find(&pool, invented));
    }
    pool_give(&pool, node);
    cr_assert_null(pool_find(&pool, (tw_handle)2 << 32), "a free node has no handle");
    end();
}

Test(pool, reserve_makes_no_slab_that_is_not_needed)
{
    begin();
    cr_assert_eq(pool_reserve(&pool, 0), 0);
    cr_assert_eq(pool.room, 0u);
    cr_assert_eq(pool_reserve(&pool, 64), 0);
    cr_assert_eq(pool.room, 64u);
    cr_assert_eq(pool_reserve(&pool, 65), 0);
    cr_assert_eq(pool.room, 192u);
    end();
}

Test(pool, reserve_makes_room_for_so_many_at_once)
{
    begin();
    cr_assert_eq(pool_reserve(&pool, 1000), 0);
    size_t before = allocations;
    for (int i = 0; i < 1000; i++)
        REQUIRE(pool_take(&pool));
    cr_assert_eq(allocations, before);
    end();
}

Test(pool, failing_to_grow_loses_nothing)
{
    for (long left = 0; left < 2; left++) {
        begin();
        allocations_left = left;
        cr_assert_null(pool_take(&pool));
        cr_assert_eq(in_use(), 0u);
        cr_assert_eq(pool.used, 0u);
        allocations_left = -1;
        cr_assert_not_null(pool_take(&pool));
        end();
    }
}

/* Takes so many nodes, and gives all back but one. */
static struct node *keep_one_of(uint32_t nodes, uint32_t kept)
{
    struct node **all = malloc(nodes * sizeof *all);
    for (uint32_t i = 0; i < nodes; i++)
        all[i] = pool_take(&pool);
    for (uint32_t i = 0; i < nodes; i++) {
        if (i != kept)
            pool_give(&pool, all[i]);
    }
    struct node *node = all[kept];
    free(all);
    return node;
}

Test(pool, trimming_gives_idle_slabs_back_wherever_they_are)
{
    begin();
    struct node *kept = keep_one_of(200, 100); /* in the second slab of three */
    tw_handle handle = pool_handle(kept);
    pool_trim(&pool);
    cr_assert_eq(pool.room, 128u);
    cr_assert_eq(pool.missing, 64u, "the first");
    cr_assert_eq(pool.used, 192u, "the third is cut off");
    cr_assert_eq(pool_find(&pool, handle), kept);
    for (uint32_t index = 0; index < 300; index++) {
        for (uint32_t generation = 0; generation < 8; generation++)
            REQUIRE(index == 100 || !pool_find(&pool, (uint64_t)generation << 32 | index));
    }
    pool_give(&pool, kept);
    pool_trim(&pool);
    cr_assert_eq(pool.room + pool.used + pool.missing, 0u);
    end();
}

Test(pool, slab_that_was_given_back_is_made_again_before_there_is_another)
{
    begin();
    struct node *kept = keep_one_of(192, 191);
    pool_trim(&pool);
    cr_assert_eq(pool.missing, 64u);
    for (uint32_t i = 1; i < 192; i++) {
        struct node *node = pool_take(&pool);
        REQUIRE(node && node->index < 191);
        REQUIRE(node->generation >= 3); /* after that of any handle before */
        REQUIRE(pool_find(&pool, pool_handle(node)) == node);
    }
    cr_assert_eq(pool.missing, 0u);
    cr_assert_eq(pool.room, 192u);
    cr_assert_eq(pool_take(&pool)->index, 192u);
    cr_assert_eq(pool_find(&pool, pool_handle(kept)), kept);
    end();
}

Test(pool, slab_with_a_retired_node_stays)
{
    begin();
    struct node *node = pool_take(&pool);
    node->generation = UINT32_MAX;
    pool_give(&pool, node);
    pool_trim(&pool);
    cr_assert_eq(pool.room, 64u);
    cr_assert_neq(pool_take(&pool)->index, 0u);
    end();
}

/* In the first of all pools, whose number is 0, too. */
Test(pool, trimming_keeps_the_nodes_that_were_never_taken)
{
    begin();
    struct node *kept = pool_take(&pool);
    pool_trim(&pool);
    for (uint32_t i = 1; i < 64; i++)
        REQUIRE(pool_take(&pool)->index < 64);
    cr_assert_eq(pool.room, 64u);
    pool_give(&pool, kept);
    end();
}

Test(pool, of_as_many_nodes_as_there_are_indices_has_no_more)
{
    begin();
    cr_assert_not_null(pool_take(&pool));
    struct pool before = pool;
    pool.used = pool.room = POOL_MOST - 10; /* as if there were so many slabs, */
    pool.free = NULL;                       /* and every node in use */
    cr_assert_null(pool_take(&pool));
    cr_assert_eq(pool.used, POOL_MOST - 10);
    pool = before;
    cr_assert_not_null(pool_take(&pool));
    end();
}

Test(pool, slab_that_cannot_be_made_again_is_told_and_loses_nothing)
{
    begin();
    struct node *kept = keep_one_of(64 + 128 + 10, 64 + 128 + 5);
    pool_trim(&pool);
    cr_assert_gt(pool.missing, 0u);
    while (pool.free)
        pool_take(&pool);
    while (pool.used < pool.room + pool.missing)
        pool_take(&pool);
    while (pool.free)
        pool_take(&pool);
    allocations_left = 0;
    uint32_t taken = in_use();
    cr_assert_null(pool_take(&pool));
    cr_assert_eq(in_use(), taken);
    allocations_left = -1;
    struct node *again = pool_take(&pool);
    cr_assert_not_null(again);
    cr_assert_lt(again->index, 64u + 128);
    cr_assert_eq(pool_find(&pool, pool_handle(kept)), kept);
    end();
}
