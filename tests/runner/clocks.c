/* SPDX-License-Identifier: MIT */
/* options.clock_id. */
#include "support.h"

static uint64_t some_clock(void *arg)
{
    (void)arg;
    return 1;
}

Test(clocks, unknown_ones_are_refused)
{
    tw_options options = {.size = sizeof options, .clock_id = 2};
    errno = 0;
    cr_assert_null(tw_loop_new(&options));
    cr_assert_eq(errno, EINVAL);
    options.clock_id = -1;
    cr_assert_null(tw_loop_new(&options));
}

Test(clocks, one_beside_a_clock_of_the_callers_is_refused)
{
    tw_options options = {.size = sizeof options, .clock_id = TW_CLOCK_BOOTTIME,
                          .clock = some_clock};
    errno = 0;
    cr_assert_null(tw_loop_new(&options));
    cr_assert_eq(errno, EINVAL);
}

#if HAS_FD

struct alarm {
    tw_loop *loop;
    uint64_t deadline_ns;
};

static void expect_not_early(void *arg)
{
    struct alarm *alarm = arg;
    cr_assert_geq(tw_time_ns(alarm->loop), alarm->deadline_ns);
    tw_stop(alarm->loop);
}

Test(clocks, boottime_drives_a_loop)
{
    tw_options options = {.size = sizeof options, .clock_id = TW_CLOCK_BOOTTIME};
    tw_loop *loop = tw_loop_new(&options), *monotonic = loop_new();
    cr_assert_not_null(loop);
    uint64_t monotonic_ns = tw_time_ns(monotonic);
    cr_assert_geq(tw_time_ns(loop), monotonic_ns, "it never stops, so it is ahead");
    struct alarm alarm = {loop, tw_time_ns(loop) + 20 * MS};
    tw_call_at_ns(loop, alarm.deadline_ns, expect_not_early, &alarm);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_geq(tw_fd(loop), 0);
    loop_free(monotonic);
    loop_free(loop);
}

#else

Test(clocks, boottime_is_refused_where_nothing_can_sleep_by_it)
{
    tw_options options = {.size = sizeof options, .clock_id = TW_CLOCK_BOOTTIME};
    errno = 0;
    cr_assert_null(tw_loop_new(&options));
    cr_assert_eq(errno, ENOTSUP);
}

Test(clocks, tw_fd_is_refused_where_no_descriptor_tells_time)
{
    tw_loop *loop = loop_new();
    errno = 0;
    cr_assert_eq(tw_fd(loop), -1);
    cr_assert_eq(errno, ENOTSUP);
    size_t calls = 0;
    tw_call_later_ns(loop, MS, count, &calls);
    tw_call_later_ns(loop, 2 * MS, stop, loop);
    cr_assert_eq(tw_run_forever(loop), 0);
    cr_assert_eq(calls, 1);
    loop_free(loop);
}

#endif
