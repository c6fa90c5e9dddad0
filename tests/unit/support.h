/* SPDX-License-Identifier: MIT */
/*
 * What the unit tests share: an allocator that counts and can be told to fail,
 * timers, and an assertion that is cheap in a loop.
 */
#ifndef TICKWHEEL_TESTS_UNIT_SUPPORT_H
#define TICKWHEEL_TESTS_UNIT_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../model/random.h"
#include "remote_loop.h"

/* Criterion reports each assertion that holds to its parent process, which is
 * too slow for a loop. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            cr_assert(false, "not so: %s (%s:%d)", #condition, __FILE__, __LINE__);                \
    } while (0)

/* How many more allocations succeed; below 0: all do. */
static long allocations_left = -1;
static size_t allocations;

static void *unit_alloc(void *arg, size_t bytes, size_t alignment)
{
    (void)arg;
    if (allocations_left == 0 || bytes > SIZE_MAX / 256) /* sanitizers abort at such sizes */
        return NULL;
    allocations_left -= allocations_left > 0;
    allocations++;
    if (alignment < sizeof(void *))
        alignment = sizeof(void *);
    return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void unit_free(void *arg, void *block, size_t bytes)
{
    (void)arg, (void)bytes;
    free(block);
}

static const tw_allocator unit_allocator = {.alloc = unit_alloc, .free = unit_free};

static inline struct memory unit_memory(void)
{
    struct memory memory;
    memory_init(&memory, &unit_allocator);
    return memory;
}

/* n timers without a place, all with deadline 0. A test may leave them behind
 * when its process ends: the latest are still pointed to, so they are no leak. */
static inline tw_timer *timers_new(size_t n)
{
    static tw_timer *latest[64];
    static size_t count;
    tw_timer *timers = calloc(n, sizeof *timers);
    cr_assert_not_null(timers);
    return latest[count++ % 64] = timers;
}

/* The same, bare. */
static inline tw_bare_timer *bare_timers_new(size_t n)
{
    static tw_bare_timer *latest[64];
    static size_t count;
    tw_bare_timer *timers = calloc(n ? n : 1, sizeof *timers);
    cr_assert_not_null(timers);
    return latest[count++ % 64] = timers;
}

/* How many of a pool's chunks were given back and not taken again. */
static inline size_t chunks_free(const struct chunk_pool *pool)
{
    size_t n = 0;
    for (const struct chunk *chunk = pool->free; chunk; chunk = chunk->link)
        n++;
    return n;
}

#endif
