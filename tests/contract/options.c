/* SPDX-License-Identifier: MIT */
/* Every option: its default, its effect, its limits; and sizes of other times. */
#include "support.h"

static tw_loop *the_loop;

static void expect_refused(const tw_options *options, int line)
{
    errno = 0;
    cr_assert_null(tw_loop_new(options), "line %d", line);
    cr_assert_eq(errno, EINVAL, "line %d: errno %d", line, errno);
    cr_assert_eq(heap.live_blocks, 0, "line %d", line);
}
#define EXPECT_REFUSED(options) expect_refused(options, __LINE__)

Test(options, defaults_make_a_working_loop)
{
    tw_options options = {.size = sizeof(options)};

    the_loop = tw_loop_new(&options);
    cr_assert_not_null(the_loop);
    tw_call_soon(the_loop, record, ID(1));
    cr_assert_eq(tw_run(the_loop), 1);
    tw_loop_free(the_loop);

    the_loop = tw_loop_new(NULL);
    cr_assert_not_null(the_loop);
    tw_call_later(the_loop, 0, record, ID(2));
    cr_assert_eq(tw_run(the_loop), 1);
    expect_fired(1, 2);
    tw_loop_free(the_loop);
}

Test(options, initialiser_is_the_defaults)
{
    static const tw_options initial = TW_OPTIONS_INIT;
    tw_options zero;

    memset(&zero, 0, sizeof(zero));
    zero.size = sizeof(zero);
    const tw_options *both[] = {&initial, &zero};
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(both[i]->size, sizeof(tw_options));
        the_loop = loop_with(both[i]);
        cr_assert_neq(tw_time_ns(the_loop), 0);
        tw_loop_free(the_loop);
    }
}

/* A caller compiled against an older header: the struct may end after any word. What lies
 * behind is not the library's to read. */
Test(options, shorter_struct_takes_what_it_lacks_as_zero)
{
    tw_options options;

    for (size_t size = offsetof(tw_options, slack_ns); size <= sizeof(options);
         size += sizeof(size_t)) {
        tw_options full = test_options();
        tw_options *shorter = malloc(size);     /* a sanitizer sees a read beyond it */

        forget_fired();
        full.size = size;
        memcpy(shorter, &full, size);
        the_loop = tw_loop_new(shorter);
        cr_assert_not_null(the_loop, "size %zu, errno %d", size, errno);
        free(shorter);
        tw_call_soon(the_loop, record, ID(1));
        cr_assert_eq(tw_run(the_loop), 1);
        tw_loop_free(the_loop);
        cr_assert_eq(heap.live_blocks, 0);
    }

    /* Rubbish behind the end that size names is not looked at. */
    memset(&options, 0xff, sizeof(options));
    options.size = offsetof(tw_options, max_pending);
    options.tick_ns = options.slack_ns = 0;
    options.reserve = 0;
    the_loop = tw_loop_new(&options);
    cr_assert_not_null(the_loop);
    cr_assert_neq(tw_call_soon(the_loop, record, ID(2)), 0);
    tw_loop_free(the_loop);
}

/* No version of the struct ends within a field; but half a pointer is not one. */
Test(options, size_that_ends_within_a_pointer_leaves_it_out)
{
    tw_options options = test_options();
    const size_t begin = offsetof(tw_options, allocator);

    for (options.size = begin + 1; options.size < begin + sizeof(void *); options.size++) {
        the_loop = tw_loop_new(&options);
        cr_assert_not_null(the_loop, "size %zu, errno %d", options.size, errno);
        tw_loop_free(the_loop);
    }
    cr_assert_eq(heap.calls, 0, "half of the allocator's pointer was used");
}

Test(options, size_that_was_not_set_is_refused)
{
    tw_options options = test_options();

    options.size = 0;
    EXPECT_REFUSED(&options);
    options.size = sizeof(size_t) - 1;
    EXPECT_REFUSED(&options);
    options.size = offsetof(tw_options, tick_ns);      /* holds no option at all */
    EXPECT_REFUSED(&options);
}

Test(options, longer_struct_of_a_newer_caller_is_accepted)
{
    struct {
        tw_options options;
        uint64_t newer[4];
    } longer;

    memset(&longer, 0, sizeof(longer));
    longer.options = test_options();
    longer.options.size = sizeof(longer);
    longer.options.max_pending = 1;
    the_loop = loop_with(&longer.options);
    cr_assert_neq(tw_call_soon(the_loop, record, ID(1)), 0);
    cr_assert_eq(tw_call_soon(the_loop, record, ID(2)), 0);
    loop_free(the_loop);

    longer.newer[2] = 1;       /* it asks for what this version does not know */
    EXPECT_REFUSED(&longer.options);
}

Test(options, structs_may_be_changed_and_freed_once_the_loop_is_made)
{
    tw_options *options = malloc(sizeof(*options));
    tw_allocator *allocator = malloc(sizeof(*allocator));

    *options = test_options();
    *allocator = counting_allocator;
    options->allocator = allocator;
    the_loop = loop_with(options);
    memset(allocator, 0xff, sizeof(*allocator));
    free(allocator);
    memset(options, 0xff, sizeof(*options));
    free(options);
    for (uintptr_t i = 0; i < 10000; i++) {
        REQUIRE(tw_call_later_ns(the_loop, i, record, ID(i)) != 0, "errno %d", errno);
    }
    run_at(the_loop, START + SECOND);
    loop_free(the_loop);
}

Test(options, values_out_of_range_are_refused)
{
    tw_options options = test_options();
    tw_allocator broken = counting_allocator;

    options.tick_ns = (UINT64_C(1) << 63) + 1;
    EXPECT_REFUSED(&options);
    options.tick_ns = UINT64_MAX;
    EXPECT_REFUSED(&options);
    options.tick_ns = UINT64_C(1) << 63;
    the_loop = loop_with(&options);
    loop_free(the_loop);

    options = test_options();
    options.missed = 2;
    EXPECT_REFUSED(&options);
    options.missed = -1;
    EXPECT_REFUSED(&options);

    options = test_options();
    options.clock_id = TW_CLOCK_BOOTTIME;      /* beside a clock of the caller's */
    EXPECT_REFUSED(&options);
    options.clock = NULL;
    options.clock_id = 2;
    EXPECT_REFUSED(&options);
    options.clock_id = -1;
    EXPECT_REFUSED(&options);

    options = test_options();
    options.allocator = &broken;
    broken.alloc = NULL;
    EXPECT_REFUSED(&options);
    broken = counting_allocator;
    broken.free = NULL;
    EXPECT_REFUSED(&options);
}

Test(options, any_tick_is_rounded_up_to_a_power_of_two_and_accuracy_stays)
{
    const uint64_t ticks[] = {1, 2, 3, 1000, 1000000, 1 << 20, 1000000007,
                              UINT64_C(1) << 40, (UINT64_C(1) << 62) + 1};

    for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
        tw_options options = test_options();

        options.tick_ns = ticks[i];
        clock_ns = START;
        forget_fired();
        the_loop = loop_with(&options);
        for (uintptr_t k = 0; k < 10; k++) {
            tw_call_at_ns(the_loop, START + 100 * MS + 10 - k, record, ID(10 - k));
        }
        for (uintptr_t k = 1; k <= 10; k++) {
            cr_assert_eq(run_at(the_loop, START + 100 * MS + k), 1);
            cr_assert_eq(fired[k - 1].id, k);
        }
        loop_free(the_loop);
    }
}

/* The header gives the span as tick * 2^25: what lies behind waits in the heap. */
Test(options, tick_decides_where_the_span_ends)
{
    const uint64_t given[] = {1 << 10, 1000, 0};
    const uint64_t rounded[] = {1 << 10, 1 << 10, TICK};

    for (int i = 0; i < 3; i++) {
        tw_options options = test_options();
        options.tick_ns = given[i];
        clock_ns = START;
        the_loop = loop_with(&options);
        uint64_t span_ns = rounded[i] << 25;
        tw_call_later_ns(the_loop, span_ns / 10 * 9, record, ID(1));
        cr_assert_eq(stats_of(the_loop).overflow, 0, "tick %zu", (size_t)given[i]);
        tw_call_later_ns(the_loop, span_ns + span_ns / 10, record, ID(2));
        cr_assert_eq(stats_of(the_loop).overflow, 1, "tick %zu", (size_t)given[i]);
        run_at(the_loop, START + 2 * span_ns);
        expect_fired(1, 2);
        forget_fired();
        loop_free(the_loop);
    }
}

/* --------------------------------------------------------------- max_pending */

Test(max_pending, start_beyond_it_fails_with_enobufs)
{
    tw_timer timer;
    tw_options options = test_options();

    options.max_pending = 3;
    the_loop = loop_with(&options);
    tw_timer_init(&timer, record, ID(9));
    tw_handle first = tw_call_later(the_loop, 1.0, record, ID(1));
    tw_call_soon(the_loop, record, ID(2));
    tw_call_later(the_loop, 1e9, record, ID(3));

    errno = 0;
    cr_assert_eq(tw_call_later(the_loop, 1.0, record, ID(4)), 0);
    cr_assert_eq(errno, ENOBUFS);
    errno = 0;
    cr_assert_eq(tw_call_soon(the_loop, record, ID(4)), 0);
    cr_assert_eq(errno, ENOBUFS);
    errno = 0;
    cr_assert_eq(tw_call_at_ns(the_loop, START, record, ID(4)), 0);
    cr_assert_eq(errno, ENOBUFS);
    errno = 0;
    cr_assert_eq(tw_call_every(the_loop, 1.0, record, ID(4)), 0);
    cr_assert_eq(errno, ENOBUFS);
    errno = 0;
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, SECOND), -1);
    cr_assert_eq(errno, ENOBUFS);
    cr_assert(!tw_timer_active(&timer));
    cr_assert_eq(tw_pending_count(the_loop), 3);
    cr_assert_eq(stats_of(the_loop).started, 3);

    cr_assert(tw_reschedule_later(the_loop, first, 2.0), "a move is not a start");
    cr_assert(tw_cancel(the_loop, first));
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, SECOND), 0, "there is room again");
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, MS), 0, "a re-arm is not a start");
    errno = 0;
    cr_assert_eq(tw_call_soon(the_loop, record, ID(4)), 0);
    cr_assert_eq(errno, ENOBUFS);
    tw_timer_park(the_loop, &timer);
    cr_assert_neq(tw_call_soon(the_loop, record, ID(4)), 0, "a parked timer is not pending");
    errno = 0;
    cr_assert_eq(tw_timer_start_later_ns(the_loop, &timer, MS), -1, "and its start is a start");
    cr_assert_eq(errno, ENOBUFS);
    tw_timer_stop(the_loop, &timer);
    run_at(the_loop, START + SECOND);
    expect_fired(2, 4);
    loop_free(the_loop);
}

static void call_again(void *id)
{
    record(id);
    cr_assert_neq(tw_call_later_ns(the_loop, SECOND, call_again, id), 0);
}

Test(max_pending, call_under_way_is_not_pending_any_more)
{
    tw_options options = test_options();

    options.max_pending = 1;
    the_loop = loop_with(&options);
    tw_call_soon(the_loop, call_again, ID(1));
    for (uint64_t i = 0; i < 5; i++) {
        cr_assert_eq(run_at(the_loop, START + i * SECOND), 1);
    }
    loop_free(the_loop);
}

Test(max_pending, periodic_call_goes_on_at_the_cap)
{
    tw_options options = test_options();

    options.max_pending = 1;
    the_loop = loop_with(&options);
    cr_assert_neq(tw_call_every(the_loop, 1.0, record, ID(1)), 0);
    for (uint64_t i = 1; i <= 5; i++) {
        cr_assert_eq(run_at(the_loop, START + i * SECOND), 1);
    }
    cr_assert_eq(tw_call_soon(the_loop, record, ID(2)), 0);
    loop_free(the_loop);
}

/* -------------------------------------------------------------- slow callbacks */

typedef struct slow_report {
    tw_callback *callback;
    void *arg;
    uint64_t took_ns;
} slow_report;

static slow_report reports[8];
static size_t report_count;

static void on_slow(void *hook_arg, tw_callback *callback, void *arg, uint64_t took_ns)
{
    REQUIRE(hook_arg == reports, "the hook got an argument that is not its own");
    REQUIRE(report_count < 8, "too many reports");
    reports[report_count++] = (slow_report){callback, arg, took_ns};
}

static void take_time(void *took_ns)
{
    clock_ns += (uintptr_t)took_ns;
}

Test(slow_callback, one_that_takes_so_long_is_told_with_its_duration)
{
    tw_options options = test_options();
    tw_timer timer;

    options.slow_callback_ns = 10 * MS;
    options.on_slow = on_slow;
    options.hook_arg = reports;
    the_loop = loop_with(&options);
    tw_timer_init(&timer, take_time, ID(30 * MS));
    tw_call_soon(the_loop, take_time, ID(20 * MS));
    tw_call_soon(the_loop, take_time, ID(10 * MS - 1));     /* not so long */
    tw_call_at_ns(the_loop, START - 1, take_time, ID(0));
    tw_call_at_ns(the_loop, START, take_time, ID(10 * MS));
    tw_timer_start_at_ns(the_loop, &timer, START);
    cr_assert_eq(tw_run(the_loop), 5);
    cr_assert_eq(report_count, 3);
    const uintptr_t expected[] = {20 * MS, 10 * MS, 30 * MS};
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(reports[i].took_ns, expected[i], "report %d", i);
        cr_assert_eq((uintptr_t)reports[i].arg, expected[i], "report %d", i);
        cr_assert_eq(reports[i].callback, take_time, "report %d", i);
    }
    loop_free(the_loop);
}

Test(slow_callback, it_is_off_by_default_and_without_a_hook)
{
    tw_options options = test_options();

    options.on_slow = on_slow;
    options.hook_arg = reports;
    the_loop = loop_with(&options);
    tw_call_soon(the_loop, take_time, ID(10 * SECOND));
    tw_run(the_loop);
    cr_assert_eq(report_count, 0);
    loop_free(the_loop);

    options.on_slow = NULL;
    options.slow_callback_ns = 1;
    the_loop = loop_with(&options);
    tw_call_soon(the_loop, take_time, ID(10 * SECOND));
    cr_assert_eq(tw_run(the_loop), 1);
    loop_free(the_loop);
}

Test(slow_callback, periodic_one_is_told_each_time)
{
    tw_options options = test_options();

    options.slow_callback_ns = MS;
    options.on_slow = on_slow;
    options.hook_arg = reports;
    the_loop = loop_with(&options);
    tw_call_every(the_loop, 1.0, take_time, ID(2 * MS));
    run_at(the_loop, START + SECOND);
    run_at(the_loop, START + 2 * SECOND);
    cr_assert_eq(report_count, 2);
    cr_assert_eq(reports[1].took_ns, 2 * MS);
    loop_free(the_loop);
}

/* --------------------------------------------------------------------- on_drop */

static uintptr_t dropped[16];
static size_t dropped_count;
static int start_errno;

static void on_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    tw_timer timer;

    REQUIRE(hook_arg == dropped, "the hook got an argument that is not its own");
    REQUIRE(callback == record, "the hook got another callback");
    REQUIRE(dropped_count < 16, "too many drops");
    dropped[dropped_count++] = (uintptr_t)arg;

    errno = 0;
    REQUIRE(tw_call_soon(the_loop, record, ID(99)) == 0, "started while freeing");
    start_errno = errno;
    tw_timer_init(&timer, record, ID(99));
    REQUIRE(tw_timer_start_later_ns(the_loop, &timer, 1) == -1, "started while freeing");
    REQUIRE(errno == EBUSY, "errno %d", errno);
}

static int compare_ids(const void *left, const void *right)
{
    uintptr_t a = *(const uintptr_t *)left, b = *(const uintptr_t *)right;

    return (a > b) - (a < b);
}

Test(on_drop, each_pending_call_is_handed_back_once_and_nothing_else)
{
    tw_options options = test_options();
    tw_timer active, far, parked, stopped;
    tw_timer *timers[] = {&active, &far, &parked, &stopped};

    options.on_drop = on_drop;
    options.hook_arg = dropped;
    the_loop = loop_with(&options);
    for (uintptr_t i = 0; i < 4; i++) {
        tw_timer_init(timers[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, timers[i], i == 1 ? YEAR : SECOND);
    }
    tw_timer_park(the_loop, &parked);
    tw_timer_stop(the_loop, &stopped);
    tw_call_soon(the_loop, record, ID(4));
    tw_call_later(the_loop, 1.0, record, ID(5));
    tw_call_later(the_loop, (double)INFINITY, record, ID(6));
    tw_call_every(the_loop, 1.0, record, ID(7));
    tw_cancel(the_loop, tw_call_later(the_loop, 1.0, record, ID(8)));
    tw_call_at_ns(the_loop, START + 1, record, ID(9));      /* due, and left by tw_run_max */
    tw_call_at_ns(the_loop, START + 2, record, ID(10));
    clock_ns = START + 10;
    cr_assert_eq(tw_run_max(the_loop, 2), 2);               /* 4 and 9 */
    loop_free(the_loop);

    expect_fired(4, 9);
    qsort(dropped, dropped_count, sizeof(dropped[0]), compare_ids);
    const uintptr_t expected[] = {0, 1, 5, 6, 7, 10};
    cr_assert_eq(dropped_count, 6);
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(dropped[i], expected[i], "drop %d", i);
    }
    cr_assert_eq(start_errno, EBUSY);
    for (int i = 0; i < 4; i++) {
        cr_assert(!tw_timer_active(timers[i]), "timer %d", i);
    }
}

static void free_dropped(void *hook_arg, tw_callback *callback, void *arg)
{
    (void)hook_arg;
    (void)callback;
    dropped_count++;
    memset(arg, 0xff, sizeof(tw_timer));
    free(arg);
}

/* The natural use of the hook: the struct that holds the timer dies with it. */
Test(on_drop, hook_may_free_the_timer_it_is_told_of)
{
    tw_options options = test_options();

    options.on_drop = free_dropped;
    the_loop = loop_with(&options);
    for (uint64_t i = 0; i < 500; i++) {
        tw_timer *timer = malloc(sizeof(*timer));
        tw_timer_init(timer, record, timer);
        tw_timer_start_later_ns(the_loop, timer, UINT64_C(1) << i % 60);
    }
    loop_free(the_loop);
    cr_assert_eq(dropped_count, 500);
}
