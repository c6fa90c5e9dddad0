/* SPDX-License-Identifier: MIT */
/*
 * huge_pages: asking the system for them, where it has them.
 *
 * At ten million timers address translation is half of the cost of a miss.
 * Include it first, with _DEFAULT_SOURCE defined.
 */
#ifndef TW_HUGE_PAGES_H
#define TW_HUGE_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_PAGE ((size_t)2 << 20)

/* The whole pages of a block, pages being of so many bytes. */
struct page_span {
    uintptr_t begin;
    size_t bytes;
};

static inline struct page_span huge_pages_span(uintptr_t block, size_t bytes, uintptr_t page)
{
    uintptr_t begin = (block + page - 1) & ~(page - 1);
    uintptr_t end = (block + bytes) & ~(page - 1);
    return (struct page_span){begin, end > begin ? end - begin : 0};
}

/* For the whole pages of a block that could hold a huge one. A hint. */
static inline void huge_pages_ask(void *block, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_PAGE) {
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
        struct page_span span = huge_pages_span((uintptr_t)block, bytes, page);
        (void)madvise((void *)span.begin, span.bytes, MADV_HUGEPAGE);
    }
#else
    (void)block, (void)bytes;
#endif
}

#endif
