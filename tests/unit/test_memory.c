/* memory: counting what is held; port: what every system must give. */
#include "support.h"

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
