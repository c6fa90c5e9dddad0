/* SPDX-License-Identifier: MIT */
/* Promise 17: nobody is woken for nothing. */
#include "support.h"

static size_t calls;

static void count_call(void *arg)
{
    (void)arg;
    calls++;
}

/* Sleeps from wake-up to wake-up until so many calls were made; answers how many
 * wake-ups made none. */
static size_t empty_wakeups(tw_loop *loop, size_t expected)
{
    size_t empty = 0;
    while (calls < expected) {
        uint64_t next_ns = tw_next_ns(loop);
        REQUIRE(next_ns != NEVER && next_ns > clock_ns, "%zu calls", calls);
        REQUIRE(next_ns <= tw_earliest_ns(loop), "%zu calls", calls);
        empty += run_at(loop, next_ns) == 0;
    }
    return empty;
}

static const uint64_t delays[] = {5 * SECOND, MINUTE, HOUR, 10 * HOUR, 30 * DAY};
#define DELAYS (sizeof delays / sizeof *delays)

Test(waking, burst_of_one_deadline_is_one_wake_up)
{
    const size_t counts[] = {1, 32, 100, 1000, 4096};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        for (size_t d = 0; d < DELAYS; d++) {
            tw_loop *loop = loop_new();
            calls = 0;
            uint64_t when_ns = clock_ns + delays[d];
            for (size_t i = 0; i < counts[c]; i++)
                tw_call_at_ns(loop, when_ns, count_call, NULL);
            cr_assert_eq(tw_next_ns(loop), when_ns);
            cr_assert_eq(empty_wakeups(loop, counts[c]), 0, "%zu timers", counts[c]);
            loop_free(loop);
        }
    }
}

Test(waking, burst_of_very_many_is_woken_for_once_for_every_4096_and_level)
{
    const size_t count = MANY / 10;
    for (size_t d = 0; d < DELAYS; d++) {
        tw_loop *loop = loop_new();
        calls = 0;
        for (size_t i = 0; i < count; i++)
            tw_call_at_ns(loop, clock_ns + delays[d], count_call, NULL);
        size_t levels = d == 0 ? 1 : d < 3 ? 2 : 6;
        cr_assert_leq(empty_wakeups(loop, count), levels * (count / 4096), "delay %zu", d);
        loop_free(loop);
    }
}

Test(waking, deadlines_of_every_magnitude_are_woken_for_exactly)
{
    uint64_t chance = 31;
    tw_loop *loop = loop_new();
    for (size_t i = 0; i < 3000; i++) {
        uint64_t delay_ns = 1 + random_below(&chance, UINT64_C(1) << (1 + i % 55));
        tw_call_at_ns(loop, clock_ns + delay_ns, count_call, NULL);
        cr_assert_eq(tw_next_ns(loop), tw_earliest_ns(loop));
    }
    while (calls < 3000) {
        uint64_t next_ns = tw_next_ns(loop);
        cr_assert_eq(next_ns, tw_earliest_ns(loop), "nothing was disturbed");
        cr_assert_neq(run_at(loop, next_ns), 0);
    }
    loop_free(loop);
}

Test(waking, cancelled_or_moved_earliest_costs_one_wake_up_at_most)
{
    tw_loop *loop = loop_new();
    for (size_t d = 0; d < DELAYS; d++) {
        calls = 0;
        tw_handle first = tw_call_later_ns(loop, delays[d], count_call, NULL);
        tw_handle second = tw_call_later_ns(loop, delays[d] + 1, count_call, NULL);
        tw_call_later_ns(loop, delays[d] + 2, count_call, NULL);
        tw_next_ns(loop);
        cr_assert(tw_cancel(loop, first));
        cr_assert(tw_reschedule_at_ns(loop, second, clock_ns + 2 * delays[d]));
        cr_assert_eq(tw_earliest_ns(loop), clock_ns + delays[d] + 2);
        cr_assert_leq(empty_wakeups(loop, 2), 2);
    }
    loop_free(loop);
}

Test(waking, earliest_is_exact_whatever_happened)
{
    enum { TIMERS = 300 };
    static tw_timer timers[TIMERS];
    uint64_t chance = 32;
    tw_loop *loop = loop_new();
    for (size_t i = 0; i < TIMERS; i++)
        tw_timer_init(&timers[i], count_call, NULL);
    for (size_t round = 0; round < 5000; round++) {
        tw_timer *timer = &timers[random_below(&chance, TIMERS)];
        switch (random_below(&chance, 4)) {
        case 0: tw_timer_stop(loop, timer); break;
        case 1: tw_timer_park(loop, timer); break;
        default:
            tw_timer_start_later_ns(loop, timer,
                                    random_below(&chance, UINT64_C(1) << random_below(&chance, 60)));
        }
        if (round % 50 == 0)
            run_at(loop, clock_ns + random_below(&chance, SECOND));
        uint64_t earliest_ns = NEVER;
        for (size_t i = 0; i < TIMERS; i++) {
            if (tw_timer_when_ns(&timers[i]) < earliest_ns)
                earliest_ns = tw_timer_when_ns(&timers[i]);
        }
        REQUIRE(tw_earliest_ns(loop) == earliest_ns, "round %zu", round);
        REQUIRE(tw_next_ns(loop) <= earliest_ns, "round %zu", round);
    }
    loop_free(loop);
}

Test(waking, earliest_of_nothing_and_of_no_loop_is_never)
{
    errno = 0;
    cr_assert_eq(tw_earliest_ns(NULL), NEVER);
    cr_assert_eq(errno, EINVAL);
    tw_loop *loop = loop_new();
    cr_assert_eq(tw_earliest_ns(loop), NEVER);
    tw_call_at_ns(loop, NEVER, count_call, NULL);
    cr_assert_eq(tw_earliest_ns(loop), NEVER);
    tw_call_soon(loop, count_call, NULL);
    cr_assert_eq(tw_earliest_ns(loop), tw_now_ns(loop));
    loop_free(loop);
}
