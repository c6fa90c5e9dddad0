/* SPDX-License-Identifier: MIT */
/*
 * memory: malloc where no allocator was given, and the same count of bytes for both.
 */
#include "memory.h"

#include "port.h"

static void *default_alloc(void *arg, size_t bytes, size_t alignment)
{
    (void)arg;
    return port_alloc(bytes, alignment);
}

static void default_free(void *arg, void *block, size_t bytes)
{
    (void)arg, (void)bytes;
    port_free(block);
}

void memory_init(struct memory *memory, const tw_allocator *allocator)
{
    memory->bytes = 0;
    memory->allocator = allocator ? *allocator
                                  : (tw_allocator){.alloc = default_alloc, .free = default_free};
}

void *memory_alloc(struct memory *memory, size_t bytes, size_t alignment)
{
    TW_ASSERT(bytes % alignment == 0);
    const tw_allocator *allocator = &memory->allocator;
    void *block = allocator->alloc(allocator->allocator_arg, bytes, alignment);
    if (TW_UNLIKELY((uintptr_t)block % alignment != 0)) {
        allocator->free(allocator->allocator_arg, block, bytes); /* of no use here */
        block = NULL;
    }
    if (block)
        memory->bytes += bytes;
    return block;
}

void memory_free(struct memory *memory, void *block, size_t bytes)
{
    if (!block)
        return;
    memory->bytes -= bytes;
    memory->allocator.free(memory->allocator.allocator_arg, block, bytes);
}

void memory_touch(void *block, size_t bytes)
{
    volatile char *byte = block;
    for (size_t i = 0; i < bytes; i += 4096) /* no system has smaller ones */
        byte[i] = 0;
}

size_t memory_slab_alignment(size_t bytes, size_t least)
{
    return bytes % PORT_HUGE_PAGE == 0 ? PORT_HUGE_PAGE : least;
}
