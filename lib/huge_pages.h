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

#define HUGE_PAGE ((size_t)2 << 20)

/* For the whole pages of a block that could hold a huge one. A hint. */
static inline void huge_pages_ask(void *block, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_PAGE) {
        uintptr_t begin = ((uintptr_t)block + 4095) & ~(uintptr_t)4095;
        uintptr_t end = ((uintptr_t)block + bytes) & ~(uintptr_t)4095;
        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    }
#else
    (void)block, (void)bytes;
#endif
}

#endif
