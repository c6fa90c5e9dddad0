/* SPDX-License-Identifier: MIT */
/* Promise 10: only starting a timer can fail for memory, and then nothing has
 * changed. A scenario that uses everything is played again and again: each time
 * another allocation fails, only that one, or it and all later ones. */
#include "support.h"

static tw_loop *the_loop;

/* ------------------------------------------------------ what must not change */

typedef struct snapshot {
    tw_stats stats;
    uint64_t next_ns;
} snapshot;

static snapshot snapshot_of_loop(void)
{
    return (snapshot){stats_of(the_loop), tw_next_ns(the_loop)};
}

/* The bytes held may change: a start that needs two blocks may keep the one it
 * got for the next attempt. And cells of cancelled calls may be given up to make
 * room. */
static void expect_unchanged(snapshot before, const char *what)
{
    int error = errno;
    snapshot after = snapshot_of_loop();

    REQUIRE(error == ENOMEM, "%s failed with errno %d", what, error);
    REQUIRE(after.stats.bytes == heap.live_bytes, "%s: %zu bytes held, and not %zu", what,
            after.stats.bytes, heap.live_bytes);
    REQUIRE(after.stats.parked <= before.stats.parked, "%s failed and parked something", what);
    before.stats.bytes = after.stats.bytes;
    before.stats.parked = after.stats.parked;
    const unsigned char *was = (const void *)&before.stats, *is = (const void *)&after.stats;
    for (size_t i = 0; i < sizeof(tw_stats); i++) {
        REQUIRE(was[i] == is[i], "%s failed and changed tw_stats at byte %zu", what, i);
    }
    REQUIRE(before.next_ns == after.next_ns, "%s failed and changed tw_next_ns", what);
    check_loop(the_loop);
}

/* ------------------------------------------------------------- the scenario */

enum { TIMERS = 6000, BURST = 4000, PERIODIC = 8 };

static tw_timer timers[TIMERS];          /* odd ones; the even ones are calls by handle */
static tw_handle handles[TIMERS];
static size_t periodic_calls[PERIODIC];
static bool periodic_started[PERIODIC];
static int context_references;
static uint64_t chance;

static void retain(tw_context *context)
{
    (void)context;
    context_references++;
}

static void release(tw_context *context)
{
    (void)context;
    context_references--;
}

static const tw_context_ops context_ops = {.retain = retain, .release = release};
static tw_context the_context = {&context_ops};

static bool is_pending(size_t i)
{
    return ledger[i].state == ENTRY_PENDING;
}

static bool try_start(size_t i, uint64_t when_ns, tw_callback *callback)
{
    if (i % 2) {
        bool was_active = tw_timer_active(&timers[i]);
        bool started = tw_timer_start_at_ns(the_loop, &timers[i], when_ns) == 0;
        REQUIRE(started || !was_active, "an active timer could not be moved");
        REQUIRE(started || !tw_timer_active(&timers[i]), "refused, and active");
        return started;
    }
    handles[i] = i % 4 ? tw_call_at_ns(the_loop, when_ns, callback, ID(i))
                       : tw_call_at_in(the_loop, (double)when_ns / 1e9, callback, ID(i),
                                       &the_context);
    return handles[i] != 0;
}

/* Starts timer i. If it is refused, nothing may have changed; where only one
 * allocation fails the second attempt must succeed. */
static void start(size_t i, uint64_t when_ns, tw_callback *callback)
{
    snapshot before = snapshot_of_loop();
    int references = context_references;
    uint64_t failed = heap.failed;
    bool started = try_start(i, when_ns, callback);

    if (!started) {
        REQUIRE(heap.failed > failed, "refused without an allocation that failed: errno %d",
                errno);
        expect_unchanged(before, "a start");
        REQUIRE(context_references == references, "refused, and the context was retained");
        if (heap.fail_from) {
            return;
        }
        REQUIRE(try_start(i, when_ns, callback), "the second attempt failed with %d", errno);
    }
    if (i % 4 == 0) {
        when_ns = tw_when_ns(the_loop, handles[i]);     /* rounded up from seconds */
    }
    ledger_move(i, when_ns);
}

static void fire_and_restart(void *id)
{
    size_t i = (uintptr_t)id;

    ledger_fire(id);
    if (random_below(&chance, 4) == 0) {
        start(i, clock_ns + random_below(&chance, 20 * SECOND), fire_and_restart);
    }
}

static void move(size_t i, uint64_t when_ns)
{
    if (i % 2) {
        REQUIRE(tw_timer_start_at_ns(the_loop, &timers[i], when_ns) == 0,
                "an active timer could not be moved: %d", errno);
    } else {
        REQUIRE(tw_reschedule_at_ns(the_loop, handles[i], when_ns),
                "a pending call could not be moved: %d", errno);
    }
    ledger_move(i, when_ns);
}

static void cancel(size_t i)
{
    if (i % 2 == 0) {
        REQUIRE(tw_cancel(the_loop, handles[i]), "a pending call could not be cancelled");
    } else if (i % 3 == 0) {
        tw_timer_park(the_loop, &timers[i]);
    } else {
        tw_timer_stop(the_loop, &timers[i]);
    }
    ledger_cancel(i);
}

static uint64_t random_when_ns(void)
{
    uint64_t reach_ns = UINT64_C(1) << (20 + random_below(&chance, 32));     /* 1 ms to 52 days */

    return clock_ns + random_below(&chance, reach_ns);
}

static void count_period(void *count)
{
    ++*(size_t *)count;
}

static void make_loop(void)
{
    tw_options options = test_options();

    the_loop = tw_loop_new(&options);
    if (the_loop == NULL) {
        REQUIRE(errno == ENOMEM, "errno %d", errno);
        REQUIRE(heap.live_blocks == 0, "a loop that could not be made left memory behind");
        heap_recover();
        the_loop = loop_with(&options);
    }
}

static void start_periodic_calls(void)
{
    for (size_t i = 0; i < PERIODIC; i++) {
        snapshot before = snapshot_of_loop();
        periodic_calls[i] = 0;
        periodic_started[i] = tw_call_every_ns(the_loop, (i + 1) * 100 * MS, count_period,
                                               &periodic_calls[i]) != 0;
        if (!periodic_started[i]) {
            expect_unchanged(before, "tw_call_every");
        }
    }
}

static void try_reserve(size_t count)
{
    snapshot before = snapshot_of_loop();

    if (tw_reserve(the_loop, count) != 0) {
        expect_unchanged(before, "tw_reserve");
    }
    before = snapshot_of_loop();
    if (tw_reserve_embedded(the_loop, 2 * count) != 0) {
        expect_unchanged(before, "tw_reserve_embedded");
    }
}

static size_t soon_calls;

static void post_soon_calls(size_t count)
{
    size_t posted = 0;

    soon_calls = 0;
    for (size_t i = 0; i < count; i++) {
        snapshot before = snapshot_of_loop();
        bool done = tw_call_soon(the_loop, count_period, &soon_calls) != 0;
        posted += done;
        if (!done) {
            expect_unchanged(before, "tw_call_soon");
        }
    }
    size_t made = tw_run(the_loop);
    REQUIRE(soon_calls == posted && made >= posted, "%zu calls of %zu", soon_calls, posted);
}

/* A step of everything: starts, moves near and far, cancels, parks, a run. */
static void shuffle_timers(size_t operations)
{
    for (size_t n = 0; n < operations; n++) {
        size_t i = random_below(&chance, TIMERS);
        uint64_t when_ns = random_when_ns();

        if (!is_pending(i)) {
            start(i, when_ns, fire_and_restart);
        } else if (random_below(&chance, 3) == 0) {
            cancel(i);
        } else {
            move(i, when_ns);
        }
    }
}

/* All that are pending go to deadlines within one tick: it must be sorted. */
static void gather_the_burst(uint64_t when_ns)
{
    for (size_t i = 0; i < BURST; i++) {
        uint64_t at_ns = when_ns + random_below(&chance, TICK / 2);
        if (is_pending(i)) {
            move(i, at_ns);
        } else {
            start(i, at_ns, fire_and_restart);
        }
    }
}

static void step_to(uint64_t now_ns)
{
    ledger_run_mixed_at(the_loop, now_ns);
    check_loop(the_loop);
}

static void play(void)
{
    chance = 26;
    clock_ns = START;
    ledger_count = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        ledger_cancel(ledger_add(0));
        tw_timer_init(&timers[i], fire_and_restart, ID(i));
    }
    make_loop();
    start_periodic_calls();
    post_soon_calls(700);
    for (uint64_t i = 1; i <= 8; i++) {
        shuffle_timers(1000);
        step_to(START + i * SECOND);
    }
    try_reserve(3000);
    gather_the_burst(START + 10 * SECOND);
    step_to(START + 11 * SECOND);
    shuffle_timers(1000);
    for (uint64_t i = 0; i < PERIODIC; i++) {
        /* One call a run at most, and it is due in each of the nine. */
        REQUIRE(!periodic_started[i] || periodic_calls[i] == 9, "periodic call %d: %zu", (int)i,
                periodic_calls[i]);
    }
    step_to(START + DAY);
    step_to(START + YEAR);
    REQUIRE(ledger_pending() <= TIMERS / 2, "little was left to run");
    for (size_t i = 1; i < TIMERS; i += 2) {
        tw_timer_stop(the_loop, &timers[i]);
    }
    loop_free(the_loop);
    REQUIRE(context_references == 0, "%d references are left", context_references);
}

static size_t play_with_each_failure(bool and_all_later_ones)
{
    size_t failures = 0;

    for (uint64_t k = 1;; k++) {
        heap = (heap_stats){.fail_at = k, .fail_from = and_all_later_ones};
        play();
        if (heap.failed == 0) {
            return failures;
        }
        failures++;
        REQUIRE(failures < 2000, "the scenario has no end of allocations");
    }
}

Test(no_memory, each_single_failure_is_reported_and_changes_nothing)
{
    size_t failures = play_with_each_failure(false);

    cr_log_info("%zu allocations failed, each in its turn", failures);
    cr_assert_geq(failures, 5, "the scenario hardly allocates: it proves little");
}

Test(no_memory, when_memory_is_gone_for_good_moves_cancels_and_runs_go_on)
{
    size_t failures = play_with_each_failure(true);

    cr_log_info("memory ended at %zu places", failures);
    cr_assert_geq(failures, 5, "the scenario hardly allocates: it proves little");
}

/* ----------------------------------------------------------- single promises */

Test(no_memory, loop_that_cannot_be_made_is_null_and_leaves_nothing)
{
    tw_options options = test_options();
    uint64_t k = 0;

    options.reserve = 100000;
    do {
        heap = (heap_stats){.fail_at = ++k};
        errno = 0;
        the_loop = tw_loop_new(&options);
        if (the_loop == NULL) {
            cr_assert_eq(errno, ENOMEM);
            cr_assert_eq(heap.live_blocks, 0);
            cr_assert_eq(heap.live_bytes, 0);
        }
    } while (the_loop == NULL);
    cr_assert_geq(k, 2);
    loop_free(the_loop);
}

/* From the wheel to beyond the span and back, when the heap there cannot grow. */
Test(no_memory, moving_everything_beyond_the_span_and_back_never_fails)
{
    static tw_handle calls[5000];

    the_loop = loop_new();
    for (size_t i = 0; i < 5000; i++) {
        uint64_t when_ns = START + i * MS;
        calls[i] = tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    heap_exhaust();
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 5000; i++) {
            uint64_t when_ns = clock_ns + (round == 1 ? i * MS : SPAN + i * MINUTE);
            REQUIRE(tw_reschedule_at_ns(the_loop, calls[i], when_ns), "errno %d", errno);
            ledger_move(i, when_ns);
            REQUIRE(tw_when_ns(the_loop, calls[i]) == when_ns, "its deadline is another");
        }
        check_loop(the_loop);
        REQUIRE(tw_next_ns(the_loop) <= ledger_earliest_ns(), "it would oversleep");
    }
    for (uint64_t hour = 1; ledger_pending() > 0; hour++) {
        ledger_run_at(the_loop, START + hour * HOUR);
        check_loop(the_loop);
    }
    loop_free(the_loop);
}

Test(no_memory, cancels_stops_and_parks_need_none)
{
    static tw_handle calls[2000];
    static tw_timer embedded[2000];
    uint64_t draw = 27;

    the_loop = loop_new();
    for (size_t i = 0; i < 2000; i++) {
        calls[i] = tw_call_later_ns(the_loop, random_below(&draw, 2 * SPAN), record, NULL);
        tw_timer_init(&embedded[i], record, NULL);
        tw_timer_start_later_ns(the_loop, &embedded[i], random_below(&draw, 2 * SPAN));
    }
    heap_exhaust();
    for (size_t i = 0; i < 2000; i++) {
        REQUIRE(tw_cancel(the_loop, calls[i]), "call %zu", i);
        if (i % 2) {
            tw_timer_park(the_loop, &embedded[i]);
        } else {
            tw_timer_stop(the_loop, &embedded[i]);
        }
    }
    check_loop(the_loop);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    run_at(the_loop, START + YEAR);
    expect_nothing_fired();
    cr_assert_eq(tw_next_ns(the_loop), NEVER);
    for (size_t i = 0; i < 2000; i++) {
        tw_timer_stop(the_loop, &embedded[i]);
    }
    loop_free(the_loop);
}

Test(no_memory, enormous_tick_is_run_in_order_without_any)
{
    uint64_t draw = 28;

    the_loop = loop_new();
    for (int i = 0; i < 50000; i++) {      /* all within the tick, a few with equal deadlines */
        uint64_t when_ns = START + MINUTE + random_below(&draw, TICK / 4);
        tw_call_at_ns(the_loop, when_ns, ledger_fire, ID(ledger_add(when_ns)));
    }
    heap_exhaust();
    cr_assert_eq(ledger_run_at(the_loop, START + 2 * MINUTE), 50000);
    loop_free(the_loop);
}

Test(no_memory, freeing_the_loop_needs_none)
{
    the_loop = loop_new();
    for (uint64_t i = 0; i < 5000; i++) {
        tw_call_later_ns(the_loop, i * MINUTE, record, NULL);
    }
    heap_exhaust();
    loop_free(the_loop);
}

/* Others take whatever room there is, until there is none; then it starts itself. */
static tw_timer restarted;
static size_t restarts;

static void take_all_room(void)
{
    uint64_t delay_ns = TICK;

    while (tw_call_later_ns(the_loop, delay_ns, record, NULL) != 0) {
        delay_ns += delay_ns / 64 + TICK;       /* everywhere */
        REQUIRE(delay_ns < YEAR, "there is no end of memory");
    }
    for (delay_ns = 0; delay_ns < 64 * TICK; delay_ns += TICK / 16) {
        static tw_timer more[1024];
        tw_timer *timer = &more[delay_ns / (TICK / 16)];
        if (!tw_timer_active(timer)) {
            tw_timer_init(timer, record, NULL);
            tw_timer_start_later_ns(the_loop, timer, delay_ns);
        }
    }
}

static void restart_myself(void *arg)
{
    (void)arg;
    take_all_room();
    REQUIRE(tw_timer_start_later_ns(the_loop, &restarted, ++restarts * 37 * MS) == 0, "%d", errno);
}

static void call_again(void *arg)
{
    REQUIRE(tw_call_later_ns(the_loop, ++restarts * 41 * MS, call_again, arg) != 0, "%d", errno);
    take_all_room();
}

Test(no_memory, what_is_started_again_from_its_own_callback_does_not_fail)
{
    for (int by_handle = 0; by_handle < 2; by_handle++) {
        heap_recover();
        restarts = 0;
        the_loop = loop_new();
        tw_timer_init(&restarted, restart_myself, NULL);
        if (by_handle) {
            tw_call_later_ns(the_loop, MS, call_again, NULL);
        } else {
            tw_timer_start_later_ns(the_loop, &restarted, MS);
        }
        heap_exhaust();
        take_all_room();
        for (int i = 0; i < 30; i++) {
            run_at(the_loop, clock_ns + 100 * MS);
            check_loop(the_loop);
        }
        cr_assert_gt(restarts, 5);
        for (int i = 0; i < 2000 && restarts; i++) {
            run_at(the_loop, clock_ns + SECOND);
        }
        tw_cancel_all(the_loop);
        loop_free(the_loop);
    }
}

/* Embedded timers of others, moves and cancels before it, and a call that it has started
 * and cancelled: a call by handle is started again all the same. */
static tw_handle others[64];

static void call_again_after_others(void *arg)
{
    static tw_timer more[256];
    size_t refused = 0;

    for (size_t i = 0; i < 256; i++) {
        if (!tw_timer_active(&more[i])) {
            tw_timer_init(&more[i], record, NULL);
            refused += tw_timer_start_later_ns(the_loop, &more[i], (i + 1) * (restarts + 1) * MS) != 0;
        }
    }
    cr_assert(refused > 0 || restarts > 0, "there was memory after all");
    for (size_t i = restarts % 3; i < 64; i += 3) {
        tw_reschedule_later_ns(the_loop, others[i], (i + 1) * 7 * MS);
    }
    if (restarts % 4 == 1) {
        bool pending = tw_pending(the_loop, others[restarts]);
        cr_assert_eq(tw_cancel(the_loop, others[restarts]), pending);
    }
    if (restarts % 4 == 2) {
        tw_handle own = tw_call_later_ns(the_loop, DAY, record, NULL);
        REQUIRE(own != 0 && tw_cancel(the_loop, own), "%d", errno);
    }
    restarts++;
    REQUIRE(tw_call_later_ns(the_loop, restarts * 41 * MS, call_again_after_others, arg) != 0, "%d",
            errno);
    check_loop(the_loop);
}

Test(no_memory, call_is_started_again_from_its_own_callback_after_what_others_do)
{
    the_loop = loop_new();
    for (size_t i = 0; i < 64; i++) {
        others[i] = tw_call_later_ns(the_loop, YEAR, record, NULL);
    }
    tw_call_later_ns(the_loop, MS, call_again_after_others, NULL);
    heap_exhaust();
    while (tw_call_later_ns(the_loop, HOUR, record, NULL) != 0) {
    }
    while (restarts < 40) {
        run_at(the_loop, clock_ns + 50 * MS);
    }
    check_loop(the_loop);
    tw_cancel_all(the_loop);
    loop_free(the_loop);
}
