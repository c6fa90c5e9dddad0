/* SPDX-License-Identifier: MIT */
/* Every field of tw_stats, and tw_stats_get itself. */
#include "support.h"

#include <stdio.h>

static tw_loop *the_loop;

/* What holds at any time. */
static void expect_balance(void)
{
    tw_stats stats = stats_of(the_loop);

    REQUIRE(stats.started == stats.fired + stats.cancelled + stats.pending,
            "started %zu, fired %zu, cancelled %zu, pending %zu", (size_t)stats.started,
            (size_t)stats.fired, (size_t)stats.cancelled, stats.pending);
    REQUIRE(stats.pending == tw_pending_count(the_loop), "pending %zu", stats.pending);
    REQUIRE(stats.bytes == heap.live_bytes, "bytes %zu, and the allocator says %zu", stats.bytes,
            heap.live_bytes);
}

Test(stats, initialiser_sets_the_size)
{
    tw_stats stats = TW_STATS_INIT;

    the_loop = loop_new();
    tw_call_soon(the_loop, record, ID(1));
    tw_stats_get(the_loop, &stats);
    cr_assert_eq(stats.size, sizeof(stats));
    cr_assert_eq(stats.pending, 1);
    loop_free(the_loop);
}

Test(stats, new_loop_has_done_nothing)
{
    the_loop = loop_new();
    tw_stats stats = stats_of(the_loop);
    tw_stats nothing = {.size = sizeof(nothing), .bytes = heap.live_bytes};

    cr_assert_gt(stats.bytes, 0);
    cr_assert_eq(memcmp(&stats, &nothing, sizeof(stats)), 0);
    loop_free(the_loop);
}

Test(stats, calls_are_counted_as_started_fired_cancelled_and_pending)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(3));
    tw_call_soon(the_loop, record, ID(1));
    tw_handle call = tw_call_later(the_loop, 1.0, record, ID(2));
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_call_later(the_loop, 1e9, record, ID(4));
    cr_assert_eq(stats_of(the_loop).started, 4);
    cr_assert_eq(stats_of(the_loop).pending, 4);
    expect_balance();
    tw_run(the_loop);
    cr_assert_eq(stats_of(the_loop).fired, 1);
    tw_cancel(the_loop, call);
    tw_cancel(the_loop, call);
    cr_assert_eq(stats_of(the_loop).cancelled, 1);
    expect_balance();
    run_at(the_loop, START + SECOND);
    cr_assert_eq(stats_of(the_loop).fired, 2);
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_timer_stop(the_loop, &timer);
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_timer_park(the_loop, &timer);
    tw_timer_stop(the_loop, &timer);
    cr_assert_eq(stats_of(the_loop).started, 6);
    cr_assert_eq(stats_of(the_loop).cancelled, 3);
    cr_assert_eq(stats_of(the_loop).pending, 1);
    expect_balance();
    loop_free(the_loop);
}

Test(stats, moves_of_what_is_pending_are_counted_as_rearmed_and_not_as_started)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_timer_start_later_ns(the_loop, &timer, 2 * SECOND);
    tw_timer_start_at_ns(the_loop, &timer, START + MS);
    tw_handle call = tw_call_later(the_loop, 1.0, record, ID(2));
    tw_reschedule_later(the_loop, call, 2.0);
    tw_reschedule_at_ns(the_loop, call, START + 2 * SPAN);
    tw_stats stats = stats_of(the_loop);
    cr_assert_eq(stats.rearmed, 4);
    cr_assert_eq(stats.started, 2);
    cr_assert_eq(stats.cancelled, 0);

    tw_timer_park(the_loop, &timer);
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    cr_assert_eq(stats_of(the_loop).rearmed, 4, "a parked timer is started, not moved");
    cr_assert_eq(stats_of(the_loop).started, 3);
    expect_balance();
    tw_timer_stop(the_loop, &timer);
    loop_free(the_loop);
}

Test(stats, refused_starts_and_stale_handles_count_nothing)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_stats before = stats_of(the_loop);
    tw_call_later(the_loop, (double)NAN, record, ID(1));
    tw_call_soon(the_loop, NULL, NULL);
    tw_cancel(the_loop, 12345);
    tw_reschedule_later(the_loop, 12345, 1.0);
    tw_timer_stop(the_loop, &timer);
    tw_timer_park(the_loop, &timer);
    tw_stats after = stats_of(the_loop);
    cr_assert_eq(memcmp(&before, &after, sizeof(after)), 0);
    loop_free(the_loop);
}

Test(stats, periodic_call_counts_as_started_again_for_each_of_its_calls)
{
    the_loop = loop_new();
    tw_handle call = tw_call_every(the_loop, 1.0, record, ID(1));
    for (uint64_t i = 1; i <= 5; i++) {
        run_at(the_loop, START + i * SECOND);
        tw_stats stats = stats_of(the_loop);
        cr_assert_eq(stats.fired, i);
        cr_assert_eq(stats.started, i + 1);
        cr_assert_eq(stats.pending, 1);
        expect_balance();
    }
    tw_cancel(the_loop, call);
    cr_assert_eq(stats_of(the_loop).cancelled, 1);
    expect_balance();
    loop_free(the_loop);
}

Test(stats, parked_counts_the_cells_held)
{
    static tw_timer timers[100];

    the_loop = loop_new();
    for (int i = 0; i < 100; i++) {
        tw_timer_init(&timers[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, &timers[i], SECOND);
        tw_timer_park(the_loop, &timers[i]);
    }
    cr_assert_eq(stats_of(the_loop).parked, 100);
    for (int i = 0; i < 30; i++) {
        tw_timer_stop(the_loop, &timers[i]);
    }
    cr_assert_eq(stats_of(the_loop).parked, 70);
    for (int i = 30; i < 50; i++) {
        tw_timer_start_later_ns(the_loop, &timers[i], 2 * SECOND);
    }
    cr_assert_eq(stats_of(the_loop).parked, 50);
    run_at(the_loop, START + MINUTE);
    cr_assert_eq(fired_count, 20);
    cr_assert_eq(stats_of(the_loop).parked, 0, "a visit drops them");
    expect_balance();
    loop_free(the_loop);
}

Test(stats, overflow_counts_the_timers_beyond_the_span)
{
    the_loop = loop_new();
    tw_handle far = tw_call_later_ns(the_loop, 2 * SPAN, record, ID(1));
    tw_handle near = tw_call_later_ns(the_loop, SPAN / 2, record, ID(2));
    tw_call_later_ns(the_loop, 3 * SPAN, record, ID(3));
    cr_assert_eq(stats_of(the_loop).overflow, 2);
    tw_cancel(the_loop, far);       /* it may keep its place, parked, until it is visited */
    tw_reschedule_later_ns(the_loop, near, 4 * SPAN);      /* it may wait in the wheel for now */
    cr_assert_geq(stats_of(the_loop).overflow, 1);
    cr_assert_leq(stats_of(the_loop).overflow, 3);
    run_at(the_loop, START + 2 * SPAN + SPAN / 2);
    cr_assert_eq(stats_of(the_loop).overflow, 1, "one has come within the span");
    run_at(the_loop, START + 5 * SPAN);
    cr_assert_eq(stats_of(the_loop).overflow, 0);
    expect_fired(3, 2);
    loop_free(the_loop);
}

Test(stats, moved_counts_what_cascades_bring_closer)
{
    the_loop = loop_new();
    for (uintptr_t i = 0; i < 100; i++) {
        tw_call_later_ns(the_loop, 10 * TICK, record, ID(i));
    }
    run_at(the_loop, START + 20 * TICK);
    cr_assert_eq(stats_of(the_loop).moved, 0, "what is near enough is never moved");
    cr_assert_eq(stats_of(the_loop).moved_max, 0);
    for (uintptr_t i = 0; i < 100; i++) {
        tw_call_later_ns(the_loop, HOUR, record, ID(i));
    }
    for (uint64_t now_ns = clock_ns; fired_count < 200; now_ns += SECOND) {
        run_at(the_loop, now_ns);
    }
    tw_stats stats = stats_of(the_loop);
    cr_assert_geq(stats.moved, 100);
    cr_assert_leq(stats.moved, 300);
    cr_assert_geq(stats.moved_max, 1);
    cr_assert_leq(stats.moved_max, 100);
    cr_assert_geq(stats.visited, 200);
    loop_free(the_loop);
}

Test(stats, relocated_counts_the_moves_that_were_more_than_a_store)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_later_ns(the_loop, &timer, 10 * SECOND);
    for (uint64_t i = 1; i <= 50; i++) {
        tw_timer_start_later_ns(the_loop, &timer, 10 * SECOND + i * SECOND);
    }
    cr_assert_eq(stats_of(the_loop).relocated, 0);
    cr_assert_eq(stats_of(the_loop).rearmed, 50);
    tw_timer_start_later_ns(the_loop, &timer, MS);
    cr_assert_eq(stats_of(the_loop).relocated, 1, "a move closer is more than a store");
    tw_timer_stop(the_loop, &timer);
    loop_free(the_loop);
}

Test(stats, bytes_are_what_the_allocator_gave)
{
    static tw_handle calls[20000];

    the_loop = loop_new();
    expect_balance();
    for (size_t i = 0; i < 20000; i++) {
        calls[i] = tw_call_later_ns(the_loop, i * (i % 2 ? MS : HOUR), record, NULL);
        expect_balance();
    }
    cr_assert_eq(tw_reserve(the_loop, 50000), 0);
    expect_balance();
    for (size_t i = 0; i < 20000; i += 3) {
        tw_cancel(the_loop, calls[i]);
    }
    run_at(the_loop, START + YEAR);
    expect_balance();
    loop_free(the_loop);
}

/* ----------------------------------------------------------------- lateness */

/* One call that runs so late, and where it is counted. */
static void expect_late(uint64_t late_ns, int bucket)
{
    clock_ns = START;
    the_loop = loop_new();
    tw_call_at_ns(the_loop, START + 5, record, ID(1));
    run_at(the_loop, START + 5 + late_ns);
    tw_stats stats = stats_of(the_loop);
    for (int k = 0; k < 64; k++) {
        cr_assert_eq(stats.late[k], k == bucket, "%zu ns late: late[%d] is %zu", (size_t)late_ns,
                     k, (size_t)stats.late[k]);
    }
    loop_free(the_loop);
}

Test(stats, late_is_a_histogram_by_powers_of_two)
{
    expect_late(0, 0);
    expect_late(1, 1);
    expect_late(2, 2);
    expect_late(3, 2);
    expect_late(4, 3);
    expect_late(7, 3);
    expect_late(8, 4);
    for (int k = 1; k < 63; k++) {
        expect_late(UINT64_C(1) << (k - 1), k);
        expect_late((UINT64_C(1) << k) - 1, k);
    }
}

Test(stats, lateness_beyond_the_histogram_falls_in_its_last_place)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, 0, record, ID(1));
    run_at(the_loop, NEVER - 1);
    cr_assert_eq(stats_of(the_loop).late[63], 1);
    loop_free(the_loop);
}

Test(stats, lateness_counts_timers_of_both_levels_and_periodic_ones_but_not_soon_calls)
{
    tw_timer timer;
    uint64_t total = 0;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_call_every(the_loop, 1.0, record, ID(2));
    tw_call_later_ns(the_loop, SECOND, record, ID(3));
    clock_ns += SECOND + 100;
    tw_call_soon(the_loop, record, ID(4));
    cr_assert_eq(tw_run(the_loop), 4);
    tw_stats stats = stats_of(the_loop);
    cr_assert_eq(stats.late[7], 3);
    for (int k = 0; k < 64; k++) {
        total += stats.late[k];
    }
    cr_assert_eq(total, 3);
    loop_free(the_loop);
}

/* --------------------------------------------------------------- tw_stats_get */

/* Of an older header's caller: it may end after any word. */
Test(stats, shorter_struct_is_filled_as_far_as_it_goes)
{
    the_loop = loop_new();
    tw_call_at_ns(the_loop, 0, record, ID(1));
    tw_run(the_loop);
    tw_call_soon(the_loop, record, ID(2));
    tw_stats full = stats_of(the_loop);
    for (size_t size = sizeof(size_t); size <= sizeof(full); size += sizeof(size_t)) {
        tw_stats *shorter = malloc(size);       /* a sanitizer sees a write beyond it */

        memset(shorter, 0xcc, size);
        memcpy(shorter, &size, sizeof(size_t));
        tw_stats_get(the_loop, shorter);
        cr_assert_eq(memcmp((char *)shorter + sizeof(size_t), (char *)&full + sizeof(size_t),
                            size - sizeof(size_t)), 0, "size %zu", size);
        free(shorter);
    }
    loop_free(the_loop);
}

Test(stats, rest_of_a_longer_struct_is_left_alone)
{
    struct {
        tw_stats stats;
        uint64_t newer[4];
    } longer;

    the_loop = loop_new();
    tw_call_soon(the_loop, record, ID(1));
    memset(&longer, 0xcc, sizeof(longer));
    longer.stats.size = sizeof(longer);
    tw_stats_get(the_loop, &longer.stats);
    cr_assert_eq(longer.stats.pending, 1);
    cr_assert_eq(longer.stats.visited, 0);
    cr_assert_eq(longer.stats.wakeups, 0);
    cr_assert_eq(longer.stats.alarms, 0);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(longer.newer[i], UINT64_C(0xcccccccccccccccc));
    }
    loop_free(the_loop);
}

Test(version, string_is_that_of_the_header)
{
    char numbers[32];

    cr_assert_str_eq(tw_version(), TW_VERSION_STRING);
    snprintf(numbers, sizeof(numbers), "%d.%d.%d", TW_VERSION_MAJOR, TW_VERSION_MINOR,
             TW_VERSION_PATCH);
    cr_assert_str_eq(TW_VERSION_STRING, numbers);
}
