#include "heap.h"

#include <string.h>

#include "port.h"

#define PAGE_BYTES (HEAP_PAGE * sizeof(struct heap_pair))
#define ARITY 4

void heap_init(struct heap *heap, struct memory *memory)
{
    *heap = (struct heap){.memory = memory};
}

void heap_free(struct heap *heap)
{
    for (size_t i = 0; i < heap->page_count; i++)
        memory_free(heap->memory, heap->pages[i], PAGE_BYTES);
    memory_free(heap->memory, heap->pages, heap->directory * sizeof *heap->pages);
    heap_init(heap, heap->memory);
}

static int grow_directory(struct heap *heap, size_t entries)
{
    size_t doubled = heap->directory ? heap->directory * 2 : 64;
    if (entries < doubled)
        entries = doubled;
    struct heap_pair **pages =
        memory_alloc(heap->memory, entries * sizeof *pages, sizeof *pages);
    if (!pages)
        return -1;
    if (heap->page_count > 0)
        memcpy(pages, heap->pages, heap->page_count * sizeof *pages);
    memory_free(heap->memory, heap->pages, heap->directory * sizeof *pages);
    heap->pages = pages;
    heap->directory = entries;
    return 0;
}

int heap_reserve(struct heap *heap, size_t count, bool touch)
{
    size_t wanted = count / HEAP_PAGE + (count % HEAP_PAGE != 0);
    if (wanted > SIZE_MAX / PAGE_BYTES)
        return -1;
    if (wanted > heap->directory && grow_directory(heap, wanted) != 0)
        return -1;
    while (heap->page_count < wanted) {
        struct heap_pair *page = memory_alloc(heap->memory, PAGE_BYTES, 64);
        if (!page)
            return -1;
        if (touch)
            memory_touch(page, PAGE_BYTES);
        heap->pages[heap->page_count++] = page;
    }
    return 0;
}

static void heap_put(struct heap *heap, size_t index, struct heap_pair pair)
{
    *heap_at(heap, index) = pair;
    pair.timer->place_ = (void *)(uintptr_t)(index + 1);
}

/* Moves the pair up from a free place to where it belongs. */
static void sift_up(struct heap *heap, size_t index, struct heap_pair pair)
{
    while (index > 0) {
        size_t parent = (index - 1) / ARITY;
        struct heap_pair above = *heap_at(heap, parent);
        if (above.key <= pair.key)
            break;
        heap_put(heap, index, above);
        index = parent;
    }
    heap_put(heap, index, pair);
}

static size_t earliest_child(const struct heap *heap, size_t index)
{
    size_t first = index * ARITY + 1;
    size_t end = first + ARITY < heap->count ? first + ARITY : heap->count;
    size_t earliest = first;
    for (size_t child = first + 1; child < end; child++) {
        if (heap_at(heap, child)->key < heap_at(heap, earliest)->key)
            earliest = child;
    }
    return earliest;
}

static void sift_down(struct heap *heap, size_t index, struct heap_pair pair)
{
    while (index * ARITY + 1 < heap->count) {
        size_t child = earliest_child(heap, index);
        struct heap_pair below = *heap_at(heap, child);
        if (pair.key <= below.key)
            break;
        heap_put(heap, index, below);
        index = child;
    }
    heap_put(heap, index, pair);
}

void heap_push(struct heap *heap, tw_timer *timer)
{
    TW_ASSERT(!heap_full(heap));
    struct heap_pair pair = {.key = timer->deadline_, .timer = timer};
    sift_up(heap, heap->count++, pair);
}

void heap_remove(struct heap *heap, tw_timer *timer)
{
    size_t index = (uintptr_t)timer->place_ - 1;
    TW_ASSERT(index < heap->count && heap_at(heap, index)->timer == timer);
    uint64_t key = heap_at(heap, index)->key;
    struct heap_pair last = *heap_at(heap, --heap->count);
    if (index == heap->count)
        return;
    if (last.key < key)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

tw_timer *heap_pop(struct heap *heap)
{
    tw_timer *timer = heap_at(heap, 0)->timer;
    heap_remove(heap, timer);
    return timer;
}
