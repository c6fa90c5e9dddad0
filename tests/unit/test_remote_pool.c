/* SPDX-License-Identifier: MIT */
/* remote_pool: nodes that any thread takes and gives back, and their handles.
 *
 * What another thread may do at a bad moment is done here by the test itself, between
 * the two halves of what the first one does. */
#include "support.h"

#include <unistd.h>

#include "remote_pool.h"

enum { FIRST_SLAB = 64, SECOND_SLAB = 128 };

static struct remote_pool pool;

static void begin(void)
{
    memset(&pool, 0, sizeof pool);
}

static void end(void)
{
    remote_pool_free(&pool);
}

/* What remote_pool_take has read when it is stopped before its compare-and-swap. */
struct stopped {
    uint64_t head, next;
};

static struct stopped stop_half_way(void)
{
    uint64_t head = atomic_load(&pool.free);
    const struct remote_node *node = remote_pool_find(&pool, REMOTE_BIT | ((uint32_t)head - 1));
    return (struct stopped){head, ((head >> 32) + 1) << 32 | atomic_load(&node->next_free)};
}

/* Whether it succeeds when it goes on. */
static bool goes_on(struct stopped thread)
{
    return atomic_compare_exchange_strong(&pool.free, &thread.head, thread.next);
}

static struct remote_node *take_started(void)
{
    struct remote_node *node = remote_pool_take(&pool);
    atomic_fetch_add(&node->state, (uint64_t)1 << 32); /* as each start does */
    return node;
}

Test(remote_pool, index_and_node_lead_to_each_other_over_every_slab_border)
{
    enum { N = 5000 };
    begin();
    for (uint32_t i = 0; i < N; i++) {
        struct remote_node *node = remote_pool_take(&pool);
        REQUIRE(node && node->node.index == (REMOTE_BIT | i));
        REQUIRE(remote_pool_find(&pool, REMOTE_BIT | i) == node);
        REQUIRE(remote_owns(&node->node) && remote_node_of(&node->node) == node);
    }
    end();
}

Test(remote_pool, no_number_is_a_handle_but_those_of_slabs_that_there_are)
{
    begin();
    remote_pool_take(&pool);
    cr_assert_not_null(remote_pool_find(&pool, REMOTE_BIT | (FIRST_SLAB - 1)));
    cr_assert_null(remote_pool_find(&pool, REMOTE_BIT | FIRST_SLAB));
    cr_assert_null(remote_pool_find(&pool, 0));
    cr_assert_null(remote_pool_find(&pool, FIRST_SLAB - 1));
    cr_assert_null(remote_pool_find(&pool, UINT32_MAX));
    cr_assert_null(remote_pool_find(&pool, UINT64_MAX));
    /* The first index that no slab has, and the last that one could have. */
    uint32_t beyond = ((uint32_t)1 << 31) - FIRST_SLAB;
    cr_assert_null(remote_pool_find(&pool, REMOTE_BIT | beyond));
    cr_assert_null(remote_pool_find(&pool, REMOTE_BIT | (beyond - 1)));
    end();
}

Test(remote_pool, node_given_back_last_is_taken_first)
{
    begin();
    struct remote_node *a = remote_pool_take(&pool), *b = remote_pool_take(&pool);
    remote_pool_give(&pool, a);
    remote_pool_give(&pool, b);
    cr_assert_eq(remote_pool_take(&pool), b);
    cr_assert_eq(remote_pool_take(&pool), a);
    end();
}

/* The ABA problem: the stack's top is the same node again, and what lies under it is
 * not what it was. Without a tag that tells, node a would be two threads'. */
Test(remote_pool, thread_stopped_while_taking_is_told_that_its_node_was_taken_meanwhile)
{
    begin();
    struct remote_node *a = remote_pool_take(&pool), *b = remote_pool_take(&pool);
    remote_pool_give(&pool, a);
    remote_pool_give(&pool, b);
    for (int round = 0; round < 3; round++) {
        struct stopped thread = stop_half_way();
        REQUIRE(remote_pool_take(&pool) == b);
        REQUIRE(remote_pool_take(&pool) == a);
        remote_pool_give(&pool, b); /* on top again, and a is in use */
        cr_assert_not(goes_on(thread));
        remote_pool_take(&pool);
        remote_pool_give(&pool, a);
        remote_pool_give(&pool, b);
    }
    end();
}

Test(remote_pool, thread_stopped_while_taking_is_told_that_the_pool_was_trimmed_meanwhile)
{
    begin();
    struct remote_node *first[FIRST_SLAB];
    for (unsigned i = 0; i < FIRST_SLAB; i++)
        first[i] = take_started();
    struct remote_node *b = take_started();
    take_started(); /* stays in use, and so does its slab, b's */
    for (unsigned i = 0; i < FIRST_SLAB; i++)
        remote_pool_give(&pool, first[i]);
    remote_pool_give(&pool, b);
    struct stopped thread = stop_half_way();
    remote_pool_trim(&pool);
    /* b is on top again; the one under it is as if never taken. */
    cr_assert_eq((uint32_t)atomic_load(&pool.free), (uint32_t)thread.head);
    cr_assert_not(goes_on(thread));
    end();
}

Test(remote_pool, node_whose_generation_would_wrap_is_not_taken_again)
{
    begin();
    struct remote_node *node = remote_pool_take(&pool);
    atomic_store(&node->state, (uint64_t)UINT32_MAX << 32 | REMOTE_FREE);
    remote_pool_give(&pool, node);
    cr_assert_neq(remote_pool_take(&pool), node);
    struct remote_node *other = remote_pool_take(&pool);
    atomic_store(&other->state, (uint64_t)(UINT32_MAX - 1) << 32 | REMOTE_FREE);
    remote_pool_give(&pool, other);
    cr_assert_eq(remote_pool_take(&pool), other);
    end();
}

/* What a node of a trimmed slab is given as its generation. */
static uint32_t generation_after_trimming(void)
{
    struct remote_node *node = remote_pool_take(&pool);
    return remote_generation(atomic_load(&node->state));
}

Test(remote_pool, slab_that_is_trimmed_goes_on_from_the_highest_generation_it_has_had)
{
    begin();
    struct remote_node *nodes[3];
    for (unsigned i = 0; i < 3; i++)
        nodes[i] = take_started();
    atomic_store(&nodes[1]->state, (uint64_t)7 << 32 | REMOTE_FREE);
    for (unsigned i = 0; i < 3; i++)
        remote_pool_give(&pool, nodes[i]);
    remote_pool_trim(&pool);
    cr_assert_eq((uint32_t)atomic_load(&pool.free), 0u);
    cr_assert_eq(atomic_load(&pool.slabs[0].used), 0u);
    cr_assert_eq(generation_after_trimming(), 7u);
    end();
}

Test(remote_pool, trimming_gives_back_the_pages_of_slabs_that_are_all_free)
{
    begin();
    enum { N = FIRST_SLAB + SECOND_SLAB };
    struct remote_node *nodes[N];
    for (unsigned i = 0; i < N; i++)
        nodes[i] = take_started();
    for (unsigned i = 0; i < N; i++)
        remote_pool_give(&pool, nodes[i]);
    size_t given = remote_pool_trim(&pool);
#ifdef __linux__
    if (sysconf(_SC_PAGESIZE) == 4096)
        cr_assert_geq(given, 4096u); /* 128 nodes have three whole pages, or two */
#endif
    cr_assert_leq(given, N * sizeof(struct remote_node));
    cr_assert_eq(remote_pool_trim(&pool), 0u); /* there is nothing more */
    end();
}

Test(remote_pool, slab_with_a_node_in_use_is_left_as_it_is)
{
    begin();
    struct remote_node *used = take_started(), *given = take_started();
    remote_pool_give(&pool, given);
    cr_assert_eq(remote_pool_trim(&pool), 0u);
    cr_assert_eq(atomic_load(&pool.slabs[0].used), 2u);
    cr_assert_eq(remote_pool_take(&pool), given);
    remote_pool_give(&pool, used);
    end();
}

/* It is free, but the loop has still to take it off the stack of arrivals. */
Test(remote_pool, slab_with_a_node_that_is_linked_is_left_as_it_is)
{
    begin();
    struct remote_node *node = take_started();
    atomic_fetch_or(&node->state, REMOTE_LINKED);
    remote_pool_give(&pool, node);
    cr_assert_eq(remote_pool_trim(&pool), 0u);
    cr_assert_eq(remote_pool_take(&pool), node);
    end();
}

Test(remote_pool, slab_of_which_nothing_was_taken_is_not_claimed)
{
    begin();
    cr_assert_eq(remote_pool_trim(&pool), 0u);
    cr_assert_eq(atomic_load(&pool.slabs[0].used), 0u);
    remote_pool_take(&pool);
    cr_assert_eq(remote_pool_trim(&pool), 0u);
    cr_assert_eq(atomic_load(&pool.slabs[0].used), 1u);
    end();
}

static void count_visit(void *arg, struct remote_node *node)
{
    uint32_t *next = arg;
    REQUIRE(node->node.index == (REMOTE_BIT | *next));
    ++*next;
}

Test(remote_pool, each_node_that_was_taken_is_visited_once)
{
    begin();
    uint32_t visited = 0;
    remote_pool_visit(&pool, count_visit, &visited);
    cr_assert_eq(visited, 0u);
    for (unsigned i = 0; i < FIRST_SLAB + 3; i++)
        remote_pool_take(&pool);
    remote_pool_visit(&pool, count_visit, &visited);
    cr_assert_eq(visited, (uint32_t)FIRST_SLAB + 3);
    end();
}
