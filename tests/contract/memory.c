/* SPDX-License-Identifier: MIT */
/* Promise 10, and what a loop may take: bounds, reserving, and no memory. */
#include "support.h"

/* The bounds are of a million timers: where there are fewer, half of a slab of nodes counts. */
#define COUNTED (MANY < 100000 ? MANY : (size_t)1000000)

static tw_loop *the_loop;

static void count_nothing(void *arg)
{
    (void)arg;
}

/* ------------------------------------------------------------------- bounds */

Test(memory, new_loop_with_ten_timers_takes_at_most_64_kib)
{
    tw_timer timers[5];

    the_loop = loop_new();
    for (uintptr_t i = 0; i < 5; i++) {
        tw_timer_init(&timers[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, &timers[i], (uint64_t)i * DAY);
        tw_call_later_ns(the_loop, (uint64_t)i * SECOND, record, ID(i));
    }
    cr_log_info("a loop with ten timers takes %zu bytes", heap.live_bytes);
    cr_assert_leq(heap.live_bytes, 64 * 1024);
    loop_free(the_loop);
}

Test(memory, embedded_timers_take_48_bytes_each_and_a_mib)
{
    tw_timer *timers = malloc(COUNTED * sizeof(*timers));
    uint64_t chance = 20;

    the_loop = loop_new();
    for (size_t i = 0; i < COUNTED; i++) {
        tw_timer_init(&timers[i], record, NULL);
        REQUIRE(tw_timer_start_later_ns(the_loop, &timers[i], random_below(&chance, MINUTE)) == 0,
                "errno %d", errno);
    }
    cr_log_info("%zu timers take %zu bytes beside their own", COUNTED, heap.live_bytes);
    cr_assert_leq(heap.live_bytes + COUNTED * sizeof(*timers), 48 * COUNTED + (1 << 20));
    for (size_t i = 0; i < COUNTED; i++) {
        tw_timer_stop(the_loop, &timers[i]);
    }
    loop_free(the_loop);
    free(timers);
}

Test(memory, calls_by_handle_take_80_bytes_each)
{
    uint64_t chance = 21;

    the_loop = loop_new();
    for (size_t i = 0; i < COUNTED; i++) {
        REQUIRE(tw_call_later_ns(the_loop, random_below(&chance, MINUTE), record, NULL) != 0,
                "errno %d", errno);
    }
    cr_log_info("%zu calls take %zu bytes", COUNTED, heap.live_bytes);
    cr_assert_leq(heap.live_bytes, 80 * COUNTED + (1 << 20));
    loop_free(the_loop);
}

Test(memory, steady_use_does_not_grow_it)
{
    enum { LIVE = 2000 };
    static tw_handle calls[LIVE];
    uint64_t chance = 22;
    size_t after_five_minutes = 0;

    the_loop = loop_new();
    for (uint64_t now_ns = START; now_ns < START + 20 * MINUTE; now_ns += 50 * MS) {
        run_at(the_loop, now_ns);
        for (int i = 0; i < 20; i++) {
            size_t k = random_below(&chance, LIVE);
            tw_cancel(the_loop, calls[k]);
            uint64_t delay_ns = random_below(&chance, 2) ? random_below(&chance, MINUTE)
                                                         : random_below(&chance, 2 * SPAN);
            calls[k] = tw_call_later_ns(the_loop, delay_ns, count_nothing, NULL);
        }
        if (now_ns == START + 5 * MINUTE) {
            after_five_minutes = heap.live_bytes;
        }
    }
    cr_assert_leq(heap.live_bytes, after_five_minutes);
    loop_free(the_loop);
}

Test(memory, handles_parked_by_cancel_do_not_pile_up)
{
    the_loop = loop_new();
    for (int i = 0; i < 1000; i++) {
        tw_cancel(the_loop, tw_call_later_ns(the_loop, HOUR, record, NULL));
    }
    size_t bytes = heap.live_bytes;
    for (uint64_t i = 0; i < 100000; i++) {       /* ever other deadlines */
        uint64_t delay_ns = HOUR - i % 3600 * SECOND;
        tw_cancel(the_loop, tw_call_later_ns(the_loop, delay_ns, record, NULL));
    }
    cr_assert_leq(heap.live_bytes, bytes + 4096);
    loop_free(the_loop);
}

/* ------------------------------------------------------------------ reserving */

static void start_by_handle(size_t count, uint64_t reach_ns)
{
    uint64_t chance = 23;

    for (size_t i = 0; i < count; i++) {
        uint64_t delay_ns = random_below(&chance, reach_ns);
        REQUIRE(tw_call_later_ns(the_loop, delay_ns, record, NULL) != 0, "errno %d", errno);
    }
}

/* Cancelled before a run has seen them, with one that stays before them or without. */
Test(memory, soon_calls_cancelled_do_not_pile_up)
{
    for (int kept = 0; kept < 2; kept++) {
        the_loop = loop_new();
        cr_assert_eq(tw_reserve(the_loop, 1000), 0);
        uint64_t calls = heap.calls;
        if (kept) {
            tw_call_soon(the_loop, record, ID(1));
        }
        for (int i = 0; i < 300000; i++) {
            REQUIRE(tw_cancel(the_loop, tw_call_soon(the_loop, record, ID(2))), "pair %d", i);
        }
        cr_assert_eq(heap.calls, calls, "it allocated after the reserve");
        check_loop(the_loop);
        forget_fired();
        cr_assert_eq(tw_run(the_loop), (size_t)kept);
        loop_free(the_loop);
    }
}

Test(reserve, so_many_calls_start_without_allocating_with_any_delay)
{
    const uint64_t reaches[] = {1, SECOND, MINUTE, SPAN, 100 * YEAR};

    for (int i = 0; i < 5; i++) {
        clock_ns = START;
        the_loop = loop_new();
        cr_assert_eq(tw_reserve(the_loop, 10000), 0);
        check_loop(the_loop);
        uint64_t before = heap.calls;
        start_by_handle(10000, reaches[i]);
        cr_assert_eq(heap.calls, before, "reach %d: %d allocations", i,
                     (int)(heap.calls - before));
        loop_free(the_loop);
    }
}

Test(reserve, so_many_timers_of_either_level_start_without_allocating)
{
    static tw_timer timers[5000];
    uint64_t chance = 24;

    the_loop = loop_new();
    cr_assert_eq(tw_reserve(the_loop, 10000), 0);
    uint64_t before = heap.calls;
    for (size_t i = 0; i < 5000; i++) {
        tw_timer_init(&timers[i], record, NULL);
        tw_timer_start_later_ns(the_loop, &timers[i], random_below(&chance, 2 * SPAN));
    }
    start_by_handle(5000, 2 * SPAN);
    cr_assert_eq(heap.calls, before);
    cr_assert_eq(tw_pending_count(the_loop), 10000);
    loop_free(the_loop);
}

Test(reserve, soon_and_periodic_calls_are_covered_too)
{
    the_loop = loop_new();
    cr_assert_eq(tw_reserve(the_loop, 5000), 0);
    uint64_t before = heap.calls;
    for (int i = 0; i < 2500; i++) {
        REQUIRE(tw_call_soon(the_loop, record, NULL) != 0, "errno %d", errno);
        REQUIRE(tw_call_every(the_loop, 1.0, record, NULL) != 0, "errno %d", errno);
    }
    cr_assert_eq(heap.calls, before);
    loop_free(the_loop);
}

Test(reserve, room_is_used_again_after_runs_and_cancels)
{
    static tw_handle calls[2000];

    the_loop = loop_new();
    cr_assert_eq(tw_reserve(the_loop, 2000), 0);
    heap_exhaust();
    for (int round = 0; round < 20; round++) {
        for (uint64_t i = 0; i < 2000; i++) {
            uint64_t delay_ns = i * (round % 4 ? MS : HOUR);
            calls[i] = tw_call_later_ns(the_loop, delay_ns, record, NULL);
            REQUIRE(calls[i] != 0, "round %d, call %d: errno %d", round, (int)i, errno);
        }
        for (size_t i = 0; i < 2000; i += 2) {
            REQUIRE(tw_cancel(the_loop, calls[i]), "call %zu", i);
        }
        run_at(the_loop, clock_ns + 2000 * HOUR);
        cr_assert_eq(tw_pending_count(the_loop), 0);
        check_loop(the_loop);
    }
    loop_free(the_loop);
}

Test(reserve, option_does_the_same)
{
    tw_options options = test_options();

    options.reserve = 3000;
    the_loop = loop_with(&options);
    uint64_t before = heap.calls;
    start_by_handle(3000, 2 * SPAN);
    cr_assert_eq(heap.calls, before);
    loop_free(the_loop);
}

Test(reserve, embedded_within_the_span_take_eight_bytes_each)
{
    enum { COUNT = 200000 };
    static tw_timer timers[COUNT];
    uint64_t chance = 25;

    the_loop = loop_new();
    size_t bytes = heap.live_bytes;
    cr_assert_eq(tw_reserve_embedded(the_loop, COUNT), 0);
    cr_log_info("%d reserved: %zu bytes", COUNT, heap.live_bytes - bytes);
    /* Beside the cells, what each slot of the wheel may leave unused. */
    cr_assert_leq(heap.live_bytes - bytes, COUNT * 8 + (1 << 20));
    uint64_t before = heap.calls;
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t reach_ns = (SPAN - SPAN / 64) >> random_below(&chance, 40);
        tw_timer_init(&timers[i], record, NULL);
        tw_timer_start_later_ns(the_loop, &timers[i], random_below(&chance, reach_ns));
    }
    cr_assert_eq(heap.calls, before);
    loop_free(the_loop);
}

Test(reserve, timers_that_are_spread_evenly_run_without_allocating)
{
    static tw_timer timers[20000];

    the_loop = loop_new();
    cr_assert_eq(tw_reserve_embedded(the_loop, 20000), 0);
    uint64_t before = heap.calls;
    for (uint64_t i = 0; i < 20000; i++) {
        tw_timer_init(&timers[i], record, NULL);
        tw_timer_start_later_ns(the_loop, &timers[i], i * 100000);
    }
    size_t calls = 0;
    for (int ms = 0; ms <= 2000; ms++) {
        clock_ns += MS;
        calls += tw_run(the_loop);
    }
    cr_assert_eq(calls, 20000u);
    cr_assert_eq(heap.calls, before);
    loop_free(the_loop);
}

Test(reserve, calls_within_the_span_take_seventy_two_bytes_each)
{
    enum { COUNT = 200000 };
    uint64_t chance = 26;

    the_loop = loop_new();
    size_t bytes = heap.live_bytes;
    cr_assert_eq(tw_reserve_calls(the_loop, COUNT), 0);
    /* Beside them, what slots may leave unused and the rest of a slab of nodes. */
    cr_assert_leq(heap.live_bytes - bytes, COUNT * 72 + (1 << 20) + (2 << 20));
    uint64_t before = heap.calls;
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t reach_ns = (SPAN - SPAN / 64) >> random_below(&chance, 40);
        cr_assert_neq(tw_call_later_ns(the_loop, random_below(&chance, reach_ns), record, NULL), 0);
    }
    cr_assert_eq(heap.calls, before);
    loop_free(the_loop);
}

Test(reserve, zero_or_less_than_there_is_changes_nothing)
{
    the_loop = loop_new();
    cr_assert_eq(tw_reserve(the_loop, 1000), 0);
    size_t bytes = heap.live_bytes;
    uint64_t calls = heap.calls;
    cr_assert_eq(tw_reserve(the_loop, 0), 0);
    cr_assert_eq(tw_reserve(the_loop, 10), 0);
    cr_assert_eq(tw_reserve(the_loop, 1000), 0);
    cr_assert_eq(tw_reserve_embedded(the_loop, 0), 0);
    cr_assert_eq(heap.live_bytes, bytes);
    cr_assert_eq(heap.calls, calls);
    loop_free(the_loop);
}

Test(reserve, absurd_amounts_fail_with_enomem_and_harm_nothing)
{
    const size_t absurd[] = {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 8, SIZE_MAX / 64 + 1,
                             (SIZE_MAX / 256 + 1) * 31}; /* whose chunks have few bytes, modulo 2^64 */
    tw_options options = test_options();

    the_loop = loop_new();
    tw_call_later(the_loop, 1.0, record, ID(1));
    for (size_t i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        errno = 0;
        cr_assert_eq(tw_reserve(the_loop, absurd[i]), -1, "amount %zu", i);
        cr_assert_eq(errno, ENOMEM);
        errno = 0;
        cr_assert_eq(tw_reserve_embedded(the_loop, absurd[i]), -1, "amount %zu", i);
        cr_assert_eq(errno, ENOMEM);
        check_loop(the_loop);
    }
    run_at(the_loop, START + SECOND);
    expect_fired(1);
    loop_free(the_loop);

    options.reserve = SIZE_MAX;
    errno = 0;
    cr_assert_null(tw_loop_new(&options));
    cr_assert_eq(errno, ENOMEM);
    cr_assert_eq(heap.live_blocks, 0);
}
