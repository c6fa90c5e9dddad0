/* SPDX-License-Identifier: MIT */
/*
 * jemalloc: a loop's memory in a jemalloc arena of its own.
 *
 * Through jemalloc's non-standard interface: mallocx and dallocx with
 * MALLOCX_ARENA, and mallctl's arenas.create and arena.<i>.destroy, which
 * jemalloc(3) describes.
 *
 * A loop's first block is the loop itself, and it is the last to be freed. So
 * the arena is destroyed when no block is left in it.
 */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* madvise */
#endif

#include "tickwheel_jemalloc.h"

#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdio.h>

#include "huge_pages.h"
#include "options.h"

struct arena {
    unsigned index;
    size_t blocks;      /* allocated and not yet freed */
};

/* No thread cache: blocks are few and large, and none of an arena's memory may
 * linger in a cache when it is destroyed. */
static int arena_flags(const struct arena *arena)
{
    return (int)(MALLOCX_ARENA(arena->index) | MALLOCX_TCACHE_NONE);
}

static void *arena_alloc(void *allocator_arg, size_t bytes, size_t alignment)
{
    struct arena *arena = allocator_arg;
    /* Half of the macro is unreachable because it is about alignments beyond 2^31. */
    void *block = mallocx(bytes, arena_flags(arena) | (int)MALLOCX_ALIGN(alignment));
    if (block) {
        arena->blocks++;
        huge_pages_ask(block, bytes);
    }
    return block;
}

static void arena_destroy(struct arena *arena)
{
    char name[40];
    snprintf(name, sizeof name, "arena.%u.destroy", arena->index);
    (void)mallctl(name, NULL, NULL, NULL, 0);
    dallocx(arena, 0);
}

static void arena_free(void *allocator_arg, void *memory, size_t bytes)
{
    struct arena *arena = allocator_arg;
    (void)bytes;
    dallocx(memory, arena_flags(arena));
    if (--arena->blocks == 0)
        arena_destroy(arena);
}

/* NULL: there is no memory, or no arena left. */
static struct arena *arena_new(void)
{
    struct arena *arena = mallocx(sizeof *arena, 0);
    if (!arena)
        return NULL;
    size_t size = sizeof arena->index;
    arena->blocks = 0;
    if (mallctl("arenas.create", &arena->index, &size, NULL, 0) != 0) {
        dallocx(arena, 0);
        return NULL;
    }
    return arena;
}

tw_loop *tw_jemalloc_loop_new(const tw_options *given, unsigned *index)
{
    tw_options options;
    if (options_copy(given, &options) != 0 || options.allocator) {
        errno = EINVAL;
        return NULL;
    }
    options.size = sizeof options;
    struct arena *arena = arena_new();
    if (!arena) {
        errno = ENOMEM;
        return NULL;
    }
    if (index)
        *index = arena->index;
    /* Held while the loop is made, so that a loop that fails half-way does not
     * take the arena with it before we have looked. */
    arena->blocks = 1;
    options.allocator = &(tw_allocator){.alloc = arena_alloc, .free = arena_free,
                                        .allocator_arg = arena};
    tw_loop *loop = tw_loop_new(&options);
    if (--arena->blocks == 0)
        arena_destroy(arena);
    return loop;
}
