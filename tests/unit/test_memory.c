/* SPDX-License-Identifier: MIT */
/* memory: counting what is held; port: what every system must give. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE /* for huge_pages.h */
#endif
#include "support.h"

#include <signal.h>

#include "huge_pages.h"

Test(memory, bytes_are_those_given_out_and_not_given_back)
{
    struct memory memory = unit_memory();
    void *a = memory_alloc(&memory, 64, 64), *b = memory_alloc(&memory, 128, 8);
    cr_assert_eq(memory.bytes, 192u);
    memory_free(&memory, a, 64);
    cr_assert_eq(memory.bytes, 128u);
    memory_free(&memory, NULL, 1000);
    cr_assert_eq(memory.bytes, 128u, "nothing was given back");
    memory_free(&memory, b, 128);
    cr_assert_eq(memory.bytes, 0u);
}

Test(memory, failed_allocation_is_not_counted)
{
    struct memory memory = unit_memory();
    allocations_left = 0;
    cr_assert_null(memory_alloc(&memory, 64, 64));
    cr_assert_eq(memory.bytes, 0u);
}

static void *shifted_alloc(void *arg, size_t bytes, size_t alignment)
{
    (void)alignment;
    *(int *)arg += 1;
    char *block = malloc(bytes + 8);
    return block ? block + 8 : NULL;
}

static void shifted_free(void *arg, void *block, size_t bytes)
{
    (void)bytes;
    *(int *)arg -= 1;
    free((char *)block - 8);
}

Test(memory, misaligned_memory_is_given_back_and_counts_as_none)
{
    int held = 0;
    tw_allocator allocator = {shifted_alloc, shifted_free, &held};
    struct memory memory;
    memory_init(&memory, &allocator);
    cr_assert_null(memory_alloc(&memory, 64, 64));
    cr_assert_eq(held, 0);
    cr_assert_eq(memory.bytes, 0u);
    void *block = memory_alloc(&memory, 64, 8);
    cr_assert_not_null(block);
    memory_free(&memory, block, 64);

    tw_options options = {.size = sizeof options, .allocator = &allocator};
    errno = 0;
    cr_assert_null(tw_loop_new(&options));
    cr_assert_eq(errno, ENOMEM);
    cr_assert_eq(held, 0);
}

/* A span that begins or ends within a page is refused by the system as a whole. */
Test(memory, huge_pages_are_asked_for_whole_pages_of_any_size)
{
    for (uintptr_t page = 4096; page <= 65536; page *= 2) {
        for (uintptr_t block = 64; block < 2 * page; block += 4096 - 64) {
            struct page_span span = huge_pages_span(block, HUGE_PAGE, page);
            REQUIRE(span.begin % page == 0 && span.bytes % page == 0);
            REQUIRE(span.begin >= block && span.begin + span.bytes <= block + HUGE_PAGE);
            REQUIRE(span.bytes + 2 * page > HUGE_PAGE);
        }
    }
    cr_assert_eq(huge_pages_span(1, 4096, 65536).bytes, 0u, "no whole page");
}

Test(memory, default_allocator_aligns)
{
    struct memory memory;
    memory_init(&memory, NULL);
    for (size_t alignment = 1; alignment <= PORT_HUGE_PAGE; alignment *= 2) {
        void *block = memory_alloc(&memory, alignment, alignment);
        cr_assert_not_null(block);
        cr_assert_eq((uintptr_t)block % alignment, 0u);
        memory_touch(block, alignment);
        memory_free(&memory, block, alignment);
    }
}

Test(memory, touch_writes_to_each_page)
{
    enum { PAGES = 9 };
    unsigned char *block = malloc(PAGES * 4096);
    cr_assert_not_null(block);
    memset(block, 0xff, PAGES * 4096);
    memory_touch(block, PAGES * 4096 - 1);
    for (size_t page = 0; page < PAGES; page++)
        cr_assert_eq(block[page * 4096], 0u, "page %zu", page);
    free(block);
}

Test(memory, whole_huge_pages_are_aligned_to_one)
{
    cr_assert_eq(memory_slab_alignment(PORT_HUGE_PAGE, 64), PORT_HUGE_PAGE);
    cr_assert_eq(memory_slab_alignment(3 * PORT_HUGE_PAGE, 64), PORT_HUGE_PAGE);
    cr_assert_eq(memory_slab_alignment(PORT_HUGE_PAGE - 64, 64), 64u);
}

Test(port, clock_does_not_go_backwards)
{
    uint64_t last = port_clock_ns();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = port_clock_ns();
        REQUIRE(now >= last);
        last = now;
    }
}

Test(port, eight_successive_tags_differ)
{
    unsigned seen = 0;
    for (int i = 0; i < 8; i++)
        seen |= 1u << (port_next_tag() & 7);
    cr_assert_eq(seen, 0xffu);
}

Test(port, invariant_that_is_broken_ends_the_process, .signal = SIGABRT)
{
    tw_broken("nothing", __FILE__, __LINE__);
}

#ifdef __linux__
/* A hint that the system does not take gives nothing back. */
Test(port, discarding_what_is_not_mapped_gives_nothing_back)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *pages = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(pages, MAP_FAILED);
    cr_assert_eq(port_discard(pages, 4 * page), 4 * page);
    cr_assert_eq(port_discard((char *)pages + 1, 2 * page), page, "whole ones only");
    cr_assert_eq(port_discard((char *)pages + 1, page), 0u);
    munmap(pages, 4 * page);
    cr_assert_eq(port_discard(pages, 4 * page), 0u);
}
#endif

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
Test(port, memory_that_there_is_not_is_refused) /* sanitizers abort at such a size */
{
    struct memory memory;
    memory_init(&memory, NULL);
    cr_assert_null(memory_alloc(&memory, (SIZE_MAX >> 1) & ~(size_t)63, 64));
    cr_assert_eq(memory.bytes, 0u);
}
#endif
