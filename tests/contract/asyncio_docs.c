/* SPDX-License-Identifier: MIT */
/* The two programs of asyncio's documentation that the contract quotes. */
#include "support.h"

static tw_loop *the_loop;

/* As a poll loop would drive it. */
static void run_until_nothing_is_pending(void)
{
    while (tw_pending_count(the_loop) > 0) {
        clock_ns += (uint64_t)tw_timeout_ms(the_loop) * MS;
        tw_run(the_loop);
    }
}

static void expect_documented_order_and_times(void)
{
    run_until_nothing_is_pending();
    expect_fired(3, 2, 1);
    cr_assert_eq(fired[0].at_ns, START);
    /* now + 0.1 is not a whole number of nanoseconds as a double, and is rounded up. */
    cr_assert_geq(fired[1].at_ns, START + 100 * MS);
    cr_assert_lt(fired[1].at_ns, START + 102 * MS);
    cr_assert_geq(fired[2].at_ns, START + 200 * MS);
    cr_assert_lt(fired[2].at_ns, START + 202 * MS);
}

Test(asyncio_docs, call_later_and_call_soon)
{
    the_loop = loop_new();
    tw_call_later(the_loop, 0.2, record, ID(1));
    tw_call_later(the_loop, 0.1, record, ID(2));
    tw_call_soon(the_loop, record, ID(3));
    expect_documented_order_and_times();
    loop_free(the_loop);
}

Test(asyncio_docs, call_at_and_call_soon)
{
    the_loop = loop_new();
    double now = tw_time(the_loop);
    tw_call_at(the_loop, now + 0.2, record, ID(1));
    tw_call_at(the_loop, now + 0.1, record, ID(2));
    tw_call_soon(the_loop, record, ID(3));
    expect_documented_order_and_times();
    loop_free(the_loop);
}
