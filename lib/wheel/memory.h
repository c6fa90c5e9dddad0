/* SPDX-License-Identifier: MIT */
/*
 * memory: the caller's allocator, and the count of what is held from it.
 */
#ifndef TW_MEMORY_H
#define TW_MEMORY_H

#include <tickwheel.h>

struct memory {
    tw_allocator allocator; /* alloc and free are set, also for the default */
    size_t bytes;           /* held now */
};

/* NULL: malloc. */
void memory_init(struct memory *memory, const tw_allocator *allocator);

/* bytes is a multiple of alignment, a power of two. NULL if there is none, or if the
 * allocator's is not aligned so. */
void *memory_alloc(struct memory *memory, size_t bytes, size_t alignment);

/* block may be NULL. */
void memory_free(struct memory *memory, void *block, size_t bytes);

/* Writes to every page of a new block, so that its page faults are over. */
void memory_touch(void *block, size_t bytes);

/* The alignment for a large block: a huge page, if the block fills one. */
size_t memory_slab_alignment(size_t bytes, size_t least);

#endif
