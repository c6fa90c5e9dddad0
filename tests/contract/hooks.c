/* SPDX-License-Identifier: MIT */
/* Hooks that use the loop. In some it is refused with EBUSY: they are called in
 * the midst of something. In the others it works, as from a callback. */
#include "support.h"

static tw_loop *the_loop;
static tw_handle a_call, an_interval, a_remote;
static tw_timer active, parked, idle;
static size_t hooks;                   /* how often a hook has tried everything */
static bool trying;                    /* a hook does so only while this is set */

static void expect_busy(bool refused, const char *what)
{
    REQUIRE(refused && errno == EBUSY, "%s: refused %d, errno %d", what, refused, errno);
}

#define BUSY(call) (errno = 0, expect_busy((call), #call))
#define BUSY_VOID(call) (errno = 0, call, expect_busy(true, #call))

static int no_write(void *arg, const void *bytes, size_t count)
{
    (void)arg, (void)bytes, (void)count;
    return 0;
}

/* Everything that would change the loop. */
static void try_everything(void)
{
    tw_stats before = stats_of(the_loop);

    BUSY(tw_call_soon(the_loop, record, NULL) == 0);
    BUSY(tw_call_later(the_loop, 1.0, record, NULL) == 0);
    BUSY(tw_call_later_ns(the_loop, 1, record, NULL) == 0);
    BUSY(tw_call_at(the_loop, 1.0, record, NULL) == 0);
    BUSY(tw_call_at_ns(the_loop, 1, record, NULL) == 0);
    BUSY(tw_call_every_ns(the_loop, 1, record, NULL) == 0);
    BUSY(tw_call_later_in(the_loop, 1.0, record, NULL, NULL) == 0);
    BUSY(!tw_cancel(the_loop, a_call));
    BUSY(tw_cancel_all(the_loop) == 0);
    BUSY(!tw_reschedule_later(the_loop, a_call, 1.0));
    BUSY(!tw_reschedule_at_ns(the_loop, a_call, NEVER));
    BUSY(!tw_set_interval_ns(the_loop, an_interval, 1));
    BUSY(tw_timer_start_at_ns(the_loop, &idle, START) == -1);
    BUSY(tw_timer_start_at_ns(the_loop, &active, NEVER) == -1);
    BUSY(tw_timer_start_at_ns(the_loop, &parked, NEVER) == -1);
    BUSY_VOID(tw_timer_stop(the_loop, &active));
    BUSY_VOID(tw_timer_stop(the_loop, &parked));
    BUSY_VOID(tw_timer_park(the_loop, &active));
    BUSY(tw_run(the_loop) == 0);
    BUSY(tw_run_max(the_loop, 1) == 0);
    BUSY(tw_advance(the_loop, clock_ns + YEAR) == 0);
    BUSY(tw_run_forever(the_loop) == -1);
    BUSY_VOID(tw_loop_free(the_loop));
    BUSY(tw_next_ns(the_loop) == tw_now_ns(the_loop));
    BUSY(tw_earliest_ns(the_loop) == tw_now_ns(the_loop));
    BUSY(tw_fd(the_loop) == -1);
    BUSY(!tw_reschedule_at_ns(the_loop, a_remote, START));
    BUSY(!tw_cancel(the_loop, a_remote));
    BUSY(tw_trim(the_loop) == 0);
    BUSY(tw_reserve(the_loop, 1000) == -1);
    BUSY(tw_record_start(the_loop, no_write, NULL) == -1);

    /* What only asks is answered. */
    REQUIRE(tw_pending(the_loop, a_call), "it asks in vain");
    REQUIRE(tw_when_ns(the_loop, a_call) == START + DAY, "it asks in vain");
    REQUIRE(tw_timer_active(&active) && !tw_timer_active(&parked), "it asks in vain");
    REQUIRE(tw_time_ns(the_loop) == clock_ns, "it asks in vain");
    tw_timer_stop(the_loop, &idle);
    tw_stats after = stats_of(the_loop);
    REQUIRE(memcmp(&before, &after, sizeof(before)) == 0, "it changed something");
    hooks++;
}

static void try_now(void)
{
    if (trying) {
        trying = false;
        try_everything();
        trying = true;
    }
}

/* What try_everything tries it on. */
static void prepare(void)
{
    a_call = tw_call_at_ns(the_loop, START + DAY, record, ID(1));
    an_interval = tw_call_every_ns(the_loop, YEAR, record, ID(2));
    a_remote = tw_call_at_threadsafe_ns(the_loop, START + DAY, record, ID(6));
    tw_timer_init(&active, record, ID(3));
    tw_timer_init(&parked, record, ID(4));
    tw_timer_init(&idle, record, ID(5));
    tw_timer_start_at_ns(the_loop, &active, START + DAY);
    tw_timer_start_at_ns(the_loop, &parked, START + DAY);
    tw_timer_park(the_loop, &parked);
    trying = true;
}

/* --------------------------------------------------------------- the allocator */

static void *trying_alloc(void *arg, size_t bytes, size_t alignment)
{
    try_now();
    return counting_allocator.alloc(arg, bytes, alignment);
}

static void trying_free(void *arg, void *memory, size_t bytes)
{
    counting_allocator.free(arg, memory, bytes);
    try_now();
}

static const tw_allocator trying_allocator = {trying_alloc, trying_free, &heap};

static void start_more(void *id)
{
    ledger_fire(id);
    for (uintptr_t i = 0; i < 100; i++) {
        uint64_t when_ns = clock_ns + i;
        REQUIRE(tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns))) != 0, "%d",
                errno);
    }
}

Test(hooks, allocator_cannot_change_the_loop)
{
    tw_options options = test_options();

    options.allocator = &trying_allocator;
    the_loop = loop_with(&options);
    prepare();
    for (uint64_t i = 0; i < 20000; i++) {      /* one tick, shuffled: it needs scratch memory */
        uint64_t when_ns = START + SECOND + i * 7919 % 20000;
        REQUIRE(tw_call_at_ns(the_loop, when_ns, i % 100 ? ledger_fire : start_more,
                              ID(ledger_add(when_ns))) != 0, "%d", errno);
        if (i % 10 == 0) {      /* and the heap grows */
            tw_cancel(the_loop, tw_call_at_ns(the_loop, START + YEAR, record, NULL));
            tw_call_at_ns(the_loop, START + 2 * YEAR, record, NULL);
        }
    }
    size_t in_starts = hooks;
    cr_assert_eq(tw_reserve(the_loop, 100000), 0);
    cr_assert_eq(ledger_run_mixed_at(the_loop, START + 2 * SECOND), 20000);
    cr_assert_gt(in_starts, 5);
    cr_assert_gt(hooks, in_starts + 2);
    cr_assert_eq(ledger_run_mixed_at(the_loop, START + 3 * SECOND), 20000);
    trying = false;
    tw_timer_stop(the_loop, &active);
    loop_free(the_loop);
}

/* ---------------------------------------------------------------- a context's */

static void trying_retain(tw_context *context)
{
    (void)context;
    try_now();
}

Test(hooks, retain_cannot_change_the_loop)
{
    static const tw_context_ops ops = {.retain = trying_retain};
    tw_context context = {&ops};

    the_loop = loop_new();
    prepare();
    tw_context_set(the_loop, &context);
    cr_assert_neq(tw_call_soon(the_loop, record, ID(6)), 0);
    cr_assert_neq(tw_call_later_ns(the_loop, 1, record, ID(7)), 0);
    tw_handle every = tw_call_every_ns(the_loop, 2, record, ID(8));
    cr_assert_eq(hooks, 3);
    cr_assert_eq(run_at(the_loop, START + 5), 3);
    cr_assert_eq(hooks, 4, "a periodic call holds another reference while it runs");
    trying = false;
    tw_cancel(the_loop, every);
    expect_fired(6, 7, 8);
    loop_free(the_loop);
}

/* enter, leave, release, on_slow and on_drop are called where all is well. */
static tw_handle victims[64];
static size_t victim;
static bool allowed;

static void use_the_loop(void)
{
    if (!allowed) {
        return;
    }
    allowed = false;
    errno = 0;
    REQUIRE(tw_call_soon(the_loop, record, ID(100)) != 0, "%d", errno);
    REQUIRE(tw_call_later_ns(the_loop, SECOND, record, ID(100)) != 0, "%d", errno);
    REQUIRE(tw_cancel(the_loop, victims[victim++]), "victim %zu", victim);
    REQUIRE(tw_timer_start_later_ns(the_loop, &idle, SECOND) == 0, "%d", errno);
    tw_timer_stop(the_loop, &idle);
    check_loop(the_loop);
    hooks++;
    allowed = true;
}

static void run_is_refused(void)
{
    BUSY(tw_run(the_loop) == 0);
    BUSY_VOID(tw_loop_free(the_loop));
}

static void use_in_run(tw_context *context)
{
    (void)context;
    use_the_loop();
    if (allowed) {
        run_is_refused();
    }
}

static void use_in_release(tw_context *context)
{
    (void)context;
    use_the_loop();
}

static void use_when_slow(void *hook_arg, tw_callback *callback, void *arg, uint64_t took_ns)
{
    (void)hook_arg, (void)callback, (void)arg, (void)took_ns;
    use_the_loop();
    run_is_refused();
}

Test(hooks, enter_leave_release_and_on_slow_are_as_callbacks)
{
    static const tw_context_ops ops = {
        .enter = use_in_run, .leave = use_in_run, .release = use_in_release};
    tw_context context = {&ops};
    tw_options options = test_options();

    options.slow_callback_ns = 1;
    options.on_slow = use_when_slow;
    clock_step_ns = 1;
    the_loop = loop_with(&options);
    tw_timer_init(&idle, record, ID(5));
    for (size_t i = 0; i < 64; i++) {
        victims[i] = tw_call_later_ns(the_loop, DAY, record, ID(i));
    }
    allowed = true;
    tw_call_later_in(the_loop, 0.001, record, ID(1), &context);
    tw_handle every = tw_call_at_in(the_loop, 0.0, record, ID(2), &context);
    cr_assert(tw_cancel(the_loop, every));
    cr_assert_eq(hooks, 1);
    run_at(the_loop, START + 2 * MS);
    cr_assert_eq(hooks, 1 + 5, "enter, on_slow, leave, release; and on_slow of a soon call");
    allowed = false;
    cr_assert_eq(tw_pending_count(the_loop), 64 - 6 + 12 - 1);
    check_loop(the_loop);
    loop_free(the_loop);
}

static bool freed;

static void free_in_release(tw_context *context)
{
    (void)context;
    tw_loop_free(the_loop);
    freed = true;
}

/* Outside of a run a release may even do that: cancelling was over. */
Test(hooks, release_of_a_cancelled_call_may_free_the_loop)
{
    static const tw_context_ops ops = {.release = free_in_release};
    tw_context context = {&ops};

    the_loop = loop_new();
    tw_handle call = tw_call_later_in(the_loop, 1.0, record, NULL, &context);
    cr_assert(tw_cancel(the_loop, call));
    cr_assert(freed);
    cr_assert_eq(heap.live_blocks, 0);
}

/* ------------------------------------------------------------------ the clock */

static size_t readings;

static uint64_t using_clock(void *arg)
{
    (void)arg;
    readings++;
    if (the_loop) {
        tw_handle call = tw_call_later_ns(the_loop, MINUTE, record, NULL);
        REQUIRE(call != 0, "%d", errno);
        REQUIRE(tw_time_ns(the_loop) >= START, "no time");
        REQUIRE(tw_timeout_ms(the_loop) >= 0, "no timeout");
        tw_timer_start_later_ns(the_loop, &active, SECOND);
        REQUIRE(tw_cancel(the_loop, call), "it is pending");
        BUSY(tw_run(the_loop) == 0);
        BUSY(tw_run_max(the_loop, 5) == 0);
        BUSY_VOID(tw_loop_free(the_loop));
        REQUIRE(tw_advance(the_loop, clock_ns) == 0, "it ran");
        check_loop(the_loop);
        hooks++;
    }
    return clock_ns;
}

Test(hooks, clock_may_use_the_loop_but_neither_run_nor_free_it)
{
    tw_options options = test_options();
    uint64_t draw = 5;

    options.clock = using_clock;
    tw_timer_init(&active, record, ID(1));
    the_loop = loop_with(&options);
    readings = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        tw_call_later_ns(the_loop, random_below(&draw, SECOND), record, ID(i));
        run_at(the_loop, clock_ns + MS);
        REQUIRE(readings == 2 * (i + 1), "%zu readings: one a call, one a run", readings);
    }
    cr_assert_eq(hooks, 2000);
    run_at(the_loop, clock_ns + MINUTE);
    cr_assert_eq(fired_count, 1001);
    tw_loop *loop = the_loop;
    the_loop = NULL;
    loop_free(loop);
}

static unsigned advances, refusals;

static uint64_t advancing_clock(void *arg)
{
    (void)arg;
    if (!the_loop)
        return clock_ns;
    errno = 0;
    REQUIRE(tw_advance(the_loop, clock_ns) == 0, "it ran");
    if (errno == 0) {
        REQUIRE(tw_now_ns(the_loop) == clock_ns, "the advance has not moved it");
        advances++;
    } else {
        REQUIRE(errno == EBUSY, "errno %d", errno);
        REQUIRE(tw_now_ns(the_loop) < clock_ns, "it is refused and has moved it");
        refusals++;
    }
    return clock_ns;
}

Test(hooks, an_advance_in_the_clock_is_refused_only_if_it_has_something_to_do)
{
    tw_options options = test_options();
    options.clock = advancing_clock;
    tw_loop *loop = loop_with(&options);
    tw_call_at_ns(loop, START + SECOND, record, ID(1));
    run_at(loop, START + MS);
    the_loop = loop;
    clock_ns = START + 2 * MS;
    cr_assert_eq(tw_time_ns(loop), clock_ns);
    cr_assert_eq(advances, 1);
    clock_ns = START + SECOND;
    cr_assert_eq(tw_time_ns(loop), clock_ns);
    cr_assert_eq(refusals, 1);
    cr_assert_eq(fired_count, 0);
    the_loop = NULL;
    loop_free(loop);
}

/* --------------------------------------------------------------- the recorder's */

static int trying_write(void *arg, const void *bytes, size_t count)
{
    (void)arg, (void)bytes;
    REQUIRE(count > 0, "nothing to write");
    if (trying) {
        trying = false;
        try_everything();
        BUSY(tw_record_stop(the_loop) == -1);
        trying = true;
    }
    return 0;
}

Test(hooks, write_cannot_change_the_loop)
{
    the_loop = loop_new();
    prepare();
    cr_assert_eq(tw_record_start(the_loop, trying_write, NULL), 0);
    for (uint64_t i = 0; i < 60000; i++) {
        tw_handle call = tw_call_later_ns(the_loop, i % 1000 * MS, record, ID(i));
        if (i % 3) {
            tw_reschedule_later_ns(the_loop, call, 5 * SECOND);
        }
        if (i % 5 == 0) {
            tw_cancel(the_loop, call);
        }
        if (i % 100 == 0) {
            run_at(the_loop, clock_ns + MS);
        }
    }
    cr_assert_gt(hooks, 5);
    check_loop(the_loop);
    cr_assert_eq(tw_record_stop(the_loop), 0);
    trying = false;
    loop_free(the_loop);
}

/* ------------------------------------------------------------ while it is freed */

static size_t started, refused;

static void start_in_drop(void *hook_arg, tw_callback *callback, void *arg)
{
    (void)hook_arg, (void)callback, (void)arg;
    BUSY(tw_record_start(the_loop, no_write, NULL) == -1);
    BUSY(tw_fd(the_loop) == -1);
    tw_reschedule_at_ns(the_loop, a_call, 0);       /* before whatever is waited for */
    for (int i = 0; i < 3; i++) {
        errno = 0;
        bool is_started = i == 0   ? tw_call_soon(the_loop, record, NULL) != 0
                          : i == 1 ? tw_call_at_ns(the_loop, 1, record, NULL) != 0
                                   : tw_timer_start_at_ns(the_loop, &idle, 1) == 0;
        started += is_started;
        refused += !is_started && errno == EBUSY;
    }
}

Test(hooks, nothing_is_started_while_the_loop_is_freed)
{
    for (int with_fd = 0; with_fd < 2; with_fd++) {
        tw_options options = test_options();

        started = refused = 0;
        options.on_drop = start_in_drop;
        options.clock = with_fd ? NULL : options.clock;
        the_loop = loop_with(&options);
        if (with_fd && tw_fd(the_loop) < 0) {
            cr_assert_eq(errno, ENOTSUP);
        }
        tw_timer_init(&idle, record, NULL);
        for (int i = 0; i < 10; i++) {
            a_call = tw_call_later(the_loop, 3600.0, record, NULL);
        }
        loop_free(the_loop);
        cr_assert_eq(started, 0, "%zu calls were started", started);
        cr_assert_eq(refused, 30);
    }
}

/* The allocator's hooks go on while all is given back, to the very last block. */
static size_t given_back, shown;

static bool count_shown(void *arg, const tw_call_info *info)
{
    (void)arg, (void)info;
    shown++;
    return true;
}

static void asking_free(void *arg, void *memory, size_t bytes)
{
    if (trying) {
        given_back++;
        BUSY(tw_call_soon(the_loop, record, NULL) == 0);
        BUSY(!tw_cancel(the_loop, a_call));
        BUSY(tw_run(the_loop) == 0);
        BUSY_VOID(tw_loop_free(the_loop));
        tw_foreach(the_loop, count_shown, NULL);
        REQUIRE(!tw_pending(the_loop, a_call) && !tw_pending(the_loop, an_interval), "pending");
        REQUIRE(tw_when_ns(the_loop, an_interval) == NEVER, "it is over");
        REQUIRE(tw_pending_count(the_loop) == 0, "%zu", tw_pending_count(the_loop));
        /* What was a node looks like one that is pending, but nobody looks at it. */
        if (memory != (void *)the_loop) {
            memset(memory, 1, bytes);
        }
        for (tw_handle index = 0; index < 3; index++) {
            REQUIRE(!tw_pending(the_loop, UINT64_C(0x01010101) << 32 | index), "found");
        }
    }
    counting_allocator.free(arg, memory, bytes);
}

Test(hooks, nothing_is_found_by_the_allocator_while_the_loop_is_freed)
{
    tw_allocator asking = {counting_allocator.alloc, asking_free, &heap};
    tw_options options = test_options();

    options.allocator = &asking;
    the_loop = loop_with(&options);
    a_call = tw_call_later_threadsafe_ns(the_loop, DAY, record, NULL);
    tw_call_soon(the_loop, record, NULL);
    run_at(the_loop, START + 1);
    for (int i = 0; i < 1000; i++) {
        an_interval = tw_call_every_ns(the_loop, YEAR, record, NULL);
    }
    trying = true;
    given_back = shown = 0;
    loop_free(the_loop);
    trying = false;
    cr_assert_gt(given_back, 4);
    cr_assert_eq(shown, 0);
}
