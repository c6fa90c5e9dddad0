/* SPDX-License-Identifier: MIT */
/*
 * tickwheel::jemalloc: loops with a jemalloc arena of their own.
 *
 * A server that uses jemalloc sees the loop's memory apart in jemalloc's
 * statistics (stats.arenas.<arena>.*), its heap is not fragmented by timers,
 * and the arena goes at once when the loop is freed. Link
 * tickwheel::jemalloc (CMake) or tickwheel-jemalloc (pkg-config).
 *
 *     unsigned arena;
 *     tw_loop *loop = tw_jemalloc_loop_new(NULL, &arena);
 */
#ifndef TICKWHEEL_JEMALLOC_H
#define TICKWHEEL_JEMALLOC_H

#include <tickwheel.h>

#ifdef __cplusplus
extern "C" {
#endif

/* As tw_loop_new, with all of the loop's memory in a new arena.
 *   options  as for tw_loop_new; options->allocator must be NULL.
 *   arena    NULL, or where the arena's index is stored.
 * Returns the loop, to be freed by tw_loop_free, which destroys the arena; or
 * NULL: EINVAL, ENOMEM (also if jemalloc has no arena left to give).
 * Cost: an arena's own metadata, some 100 KiB of address space. Any thread. */
TW_API tw_loop *tw_jemalloc_loop_new(const tw_options *options, unsigned *arena);

#ifdef __cplusplus
}
#endif
#endif
