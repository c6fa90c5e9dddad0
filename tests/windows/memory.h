/* SPDX-License-Identifier: MIT */
/* Before each test's own lines: C11's aligned_alloc, which Windows lacks. What it has in
 * its place is not to be given to free, so all memory of the tests is of that kind. */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static inline void *tests_aligned_alloc(size_t alignment, size_t bytes)
{
    return _aligned_malloc(bytes, alignment);
}

static inline void *tests_malloc(size_t bytes)
{
    return _aligned_malloc(bytes, 16);
}

static inline void *tests_calloc(size_t count, size_t bytes)
{
    void *block = tests_malloc(count * bytes);
    return block ? memset(block, 0, count * bytes) : NULL;
}

static inline void *tests_realloc(void *block, size_t bytes)
{
    return _aligned_realloc(block, bytes, 16);
}

static inline void tests_free(void *block)
{
    _aligned_free(block);
}

#define aligned_alloc tests_aligned_alloc
#define malloc tests_malloc
#define calloc tests_calloc
#define realloc tests_realloc
#define free tests_free
