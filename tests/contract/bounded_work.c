/* SPDX-License-Identifier: MIT */
/* Promise 9: bounded work, held to the counters of tw_stats.
 *
 * The even share is what a perfectly smooth cascade would move in a tick: for
 * each level, the timers of the slot that must be emptied next, divided by the
 * ticks there are for it. The tests compute it from the density of the timers
 * they start and from what the header says of the wheel: its span of 2^25 ticks
 * is four levels of 64 * 2 slots each, of which the upper three are emptied, a
 * slot of 64, 64^2 or 64^3 ticks at a time. A minute reaches into two of them.
 * A wheel with fewer levels moves less.
 */
#include "support.h"

#define LEVELS_EMPTIED 2
#define SHARES_ALLOWED 2      /* that a run may move */
#define AT_ONE_WAKE_UP 4096   /* timers of a slot that a sleeping loop is woken once for */
#define LEAST_AT_ONCE 16      /* cells of a level that it may move however small the share is */

/* The most that a run may move beyond what is due. */
static uint64_t allowed(uint64_t share)
{
    return SHARES_ALLOWED * share + LEVELS_EMPTIED * LEAST_AT_ONCE;
}

static tw_loop *the_loop;
static size_t calls;

static void count_call(void *arg)
{
    (void)arg;
    calls++;
}

static void start_uniform(size_t count, uint64_t from_ns, uint64_t over_ns)
{
    uint64_t chance = 16;

    for (size_t i = 0; i < count; i++) {
        uint64_t when_ns = from_ns + random_below(&chance, over_ns);
        REQUIRE(tw_call_at_ns(the_loop, when_ns, count_call, NULL) != 0, "errno %d", errno);
    }
}

/* The even share of timers uniform over a time much longer than a slot. */
static uint64_t uniform_share(size_t count, uint64_t over_ns)
{
    return LEVELS_EMPTIED * (count / (over_ns / TICK) + 1);
}

typedef struct work {
    uint64_t moved_max;     /* by the most expensive run */
    uint64_t excess_max;    /* the most that a run moved beyond what was due in it */
    size_t runs;
} work;

static void note_run(work *seen, const tw_stats *before, const tw_stats *after)
{
    uint64_t moved = after->moved - before->moved;
    uint64_t due = after->fired - before->fired;

    seen->runs++;
    seen->moved_max = moved > seen->moved_max ? moved : seen->moved_max;
    if (moved > due && moved - due > seen->excess_max) {
        seen->excess_max = moved - due;
    }
}

/* Tick by tick until all have run. */
static work run_by_ticks(size_t count)
{
    work seen = {0};
    tw_stats before = stats_of(the_loop);

    while (calls < count) {
        run_at(the_loop, clock_ns + TICK);
        tw_stats after = stats_of(the_loop);
        note_run(&seen, &before, &after);
        before = after;
    }
    return seen;
}

Test(bounded_work, no_tick_moves_more_than_what_is_due_and_a_few_shares)
{
    uint64_t share = uniform_share(MANY, MINUTE);

    the_loop = loop_new();
    start_uniform(MANY, START, MINUTE);
    work seen = run_by_ticks(MANY);
    tw_stats stats = stats_of(the_loop);

    cr_log_info("even share %zu; most beyond what was due %zu, most in all %zu, moved_max %zu",
                (size_t)share, (size_t)seen.excess_max, (size_t)seen.moved_max,
                (size_t)stats.moved_max);
    cr_assert_leq(seen.excess_max, allowed(share));
    /* A run of one tick is one tick, give or take the one it begins in. */
    cr_assert_leq(stats.moved_max, seen.moved_max);
    cr_assert_geq(2 * stats.moved_max, seen.moved_max);
    cr_assert_leq(stats.moved, (uint64_t)LEVELS_EMPTIED * MANY, "each moves once a level at most");
    check_loop(the_loop);
    loop_free(the_loop);
}

static void restart(void *timer)
{
    static uint64_t chance = 17;

    calls++;
    tw_timer_start_later_ns(the_loop, timer, random_below(&chance, MINUTE));
}

Test(bounded_work, steady_state_is_as_smooth)
{
    size_t count = MANY / 5;
    uint64_t share = uniform_share(count, MINUTE / 2);     /* the density doubles: see below */
    tw_timer *timers = malloc(count * sizeof(*timers));
    uint64_t chance = 18;

    the_loop = loop_new();
    for (size_t i = 0; i < count; i++) {
        tw_timer_init(&timers[i], restart, &timers[i]);
        tw_timer_start_later_ns(the_loop, &timers[i], random_below(&chance, MINUTE));
    }
    /* In the steady state of uniform delays the next tick holds twice the average. */
    work seen = {0};
    tw_stats before = stats_of(the_loop);
    while (clock_ns < START + 2 * MINUTE) {
        run_at(the_loop, clock_ns + TICK);
        tw_stats after = stats_of(the_loop);
        note_run(&seen, &before, &after);
        before = after;
    }
    cr_log_info("even share %zu; most beyond what was due %zu", (size_t)share,
                (size_t)seen.excess_max);
    cr_assert_gt(calls, 3 * count);
    cr_assert_leq(seen.excess_max, allowed(share));
    check_loop(the_loop);
    loop_free(the_loop);
    free(timers);
}

/* A million in four seconds, a minute ahead: about one slot of 64^2 ticks. */
static void start_burst(void)
{
    the_loop = loop_new();
    start_uniform(MANY, START + MINUTE, 4 * SECOND);
}

static uint64_t burst_share(void)
{
    return LEVELS_EMPTIED * (MANY / (4 * SECOND / TICK) + 1);
}

Test(bounded_work, heavily_loaded_slot_is_emptied_in_even_shares_tick_by_tick)
{
    start_burst();
    work seen = run_by_ticks(MANY);
    cr_log_info("even share %zu; most beyond what was due %zu", (size_t)burst_share(),
                (size_t)seen.excess_max);
    cr_assert_leq(seen.excess_max, allowed(burst_share()));
    cr_assert_leq(stats_of(the_loop).moved_max, allowed(burst_share()));
    loop_free(the_loop);
}

/* The sleeper: it wakes only where tw_next_ns says. A few wake-ups on the way
 * spread the work, at most one for every 4,096 timers and level; none of them has to
 * move the whole slot, and none is late. */
Test(bounded_work, sleeper_is_woken_a_few_times_and_never_moves_a_whole_slot)
{
    work asleep = {0};

    start_burst();
    while (calls == 0) {
        tw_stats before = stats_of(the_loop);
        uint64_t next_ns = tw_next_ns(the_loop);

        REQUIRE(next_ns > clock_ns, "woken for nothing at once");
        run_at(the_loop, next_ns);
        tw_stats after = stats_of(the_loop);
        note_run(&asleep, &before, &after);
        REQUIRE(asleep.runs <= LEVELS_EMPTIED * (MANY / AT_ONE_WAKE_UP + 1),
                "woken more often than once for every 4,096 timers and level");
    }
    cr_log_info("%zu wake-ups before the first call; most moved in one %zu of %zu", asleep.runs,
                (size_t)asleep.moved_max, (size_t)MANY);
    cr_assert_leq(asleep.moved_max, LEVELS_EMPTIED * 2 * AT_ONE_WAKE_UP);

    while (calls < MANY) {
        uint64_t next_ns = tw_next_ns(the_loop);
        run_at(the_loop, next_ns > clock_ns ? next_ns : clock_ns);
    }
    tw_stats stats = stats_of(the_loop);
    cr_assert_eq(stats.late[0], MANY, "each was woken for on its nanosecond");
    loop_free(the_loop);
}

Test(bounded_work, burst_of_one_deadline_is_moved_in_even_shares_and_run_at_once)
{
    size_t count = MANY / 5;
    uint64_t when_ns = START + MINUTE + 12345;

    the_loop = loop_new();
    for (size_t i = 0; i < count; i++) {
        tw_call_at_ns(the_loop, when_ns, count_call, NULL);
    }
    work seen = {0};
    tw_stats before = stats_of(the_loop);
    while (clock_ns + TICK < when_ns) {
        run_at(the_loop, clock_ns + TICK);
        tw_stats after = stats_of(the_loop);
        note_run(&seen, &before, &after);
        before = after;
    }
    cr_assert_eq(calls, 0);
    /* All of them leave one slot of 64 ticks within the 64 ticks before it. */
    cr_assert_leq(seen.moved_max, allowed(count / 64));
    cr_assert_eq(run_at(the_loop, when_ns - 1), 0);
    cr_assert_eq(run_at(the_loop, when_ns), count);
    loop_free(the_loop);
}

/* Five slots' worth of the furthest level, 275 s each, wait in the heap. Were a
 * slot's worth taken in at once, it would be a fifth of all of them. */
Test(bounded_work, timers_beyond_the_span_come_in_by_even_shares)
{
    size_t count = MANY / 10;
    uint64_t over_s = 5 * 275;
    uint64_t share = count / over_s + 1;     /* of a run a second */
    work seen = {0};

    the_loop = loop_new();
    start_uniform(count, START + SPAN + HOUR, over_s * SECOND);
    cr_assert_eq(stats_of(the_loop).overflow, count);
    tw_stats before = stats_of(the_loop);
    while (calls < count) {
        run_at(the_loop, clock_ns + SECOND);
        tw_stats after = stats_of(the_loop);
        note_run(&seen, &before, &after);
        before = after;
    }
    cr_log_info("even share of a second and a level %zu; most beyond what was due %zu",
                (size_t)share, (size_t)seen.excess_max);
    /* Each comes out of the heap, and then down three levels. */
    cr_assert_leq(seen.excess_max, allowed(4 * share));
    loop_free(the_loop);
}

/* A refreshed idle timeout stays where it is: each is refreshed every 30 s, and
 * only the visit of its old place, once a minute at most, is work. */
Test(bounded_work, refreshes_stay_in_their_place)
{
    enum { TIMERS = 1000, REFRESHES = 200000 };
    static tw_timer timers[TIMERS];

    the_loop = loop_new();
    for (size_t i = 0; i < TIMERS; i++) {
        tw_timer_init(&timers[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, &timers[i], MINUTE);
    }
    for (size_t i = 0; i < REFRESHES; i++) {
        clock_ns += 30 * SECOND / TIMERS;
        if (i % 32 == 0) {
            tw_run(the_loop);
        }
        tw_timer_start_later_ns(the_loop, &timers[i * 617 % TIMERS], MINUTE);
    }
    tw_stats stats = stats_of(the_loop);
    cr_log_info("%d refreshes: relocated %zu, visited %zu", REFRESHES, (size_t)stats.relocated,
                (size_t)stats.visited);
    expect_nothing_fired();
    cr_assert_eq(stats.rearmed, REFRESHES);
    cr_assert_eq(stats.relocated, 0);
    cr_assert_leq(stats.visited, REFRESHES);
    for (size_t i = 0; i < TIMERS; i++) {
        tw_timer_stop(the_loop, &timers[i]);
    }
    loop_free(the_loop);
}

/* ------------------------------------------------- promise 18: bounded runs */

#define CELLS_ALLOWED 16384   /* that a bounded run may read */

static size_t next_expected;

static void count_in_order(void *arg)
{
    REQUIRE((uintptr_t)arg == next_expected, "%zu came, not %zu", (size_t)(uintptr_t)arg,
            next_expected);
    next_expected++;
    calls++;
}

/* Bounded runs until nothing is due any more; each of them is short. */
static void drain_in_pieces(size_t expected)
{
    uint64_t visited = stats_of(the_loop).visited;

    calls = 0;
    while (tw_next_ns(the_loop) <= clock_ns) {
        size_t made = calls % 2 ? tw_run_for_ns(the_loop, 0) : tw_run_max(the_loop, 10);
        uint64_t read = stats_of(the_loop).visited - visited;
        visited += read;
        REQUIRE(read <= CELLS_ALLOWED, "%zu cells in one run", (size_t)read);
        REQUIRE(made > 0 || read > 0, "%zu calls made", calls);
    }
    cr_assert_eq(calls, expected);
    check_loop(the_loop);
}

/* What is still in a tick's slot, but will not run in that tick, is read too. */
Test(bounded_work, short_run_reads_few_cells_where_a_burst_was_cancelled_moved_or_parked)
{
    tw_timer *timers = calloc(MANY, sizeof *timers);
    tw_handle *handles = calloc(MANY, sizeof *handles);

    the_loop = loop_new();
    uint64_t when_ns = clock_ns + 20 * TICK; /* no cascade will sort them out before */
    for (size_t i = 0; i < MANY; i++) {
        tw_timer_init(&timers[i], count_call, NULL);
        tw_timer_start_at_ns(the_loop, &timers[i], when_ns);
        handles[i] = tw_call_at_ns(the_loop, when_ns, count_call, NULL);
    }
    for (size_t i = 0; i < MANY; i++) {
        if (i % 100 == 0) {
            continue;
        }
        REQUIRE(tw_cancel(the_loop, handles[i]), "%zu", i);
        if (i % 2) {
            tw_timer_park(the_loop, &timers[i]);
        } else {
            tw_timer_start_at_ns(the_loop, &timers[i], when_ns + MINUTE);
        }
    }
    clock_ns = when_ns;
    drain_in_pieces(2 * (MANY / 100));
    clock_ns = when_ns + MINUTE;
    drain_in_pieces(MANY / 2 - MANY / 100);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    for (size_t i = 0; i < MANY; i++) {
        tw_timer_stop(the_loop, &timers[i]);
    }
    loop_free(the_loop);
    free(handles);
    free(timers);
}

/* Their cells are empty, and have to be passed by. */
Test(bounded_work, short_run_passes_few_of_the_timers_by_that_were_stopped_in_the_open_tick)
{
    tw_timer *timers = calloc(MANY, sizeof *timers);
    uint64_t tick_ns = (clock_ns + 20 * TICK) / TICK * TICK;

    the_loop = loop_new();
    for (size_t i = 0; i < MANY; i++) {
        tw_timer_init(&timers[i], count_call, NULL);
        tw_timer_start_at_ns(the_loop, &timers[i], i == 0 ? tick_ns : tick_ns + 1 + i % 1000);
    }
    cr_assert_eq(run_at(the_loop, tick_ns), 1); /* the first; the others are sorted, too */
    for (size_t i = 0; i < MANY; i++) {
        if (i % 1000 != 999) {
            tw_timer_stop(the_loop, &timers[i]);
        }
    }
    clock_ns = tick_ns + 1000;
    size_t runs = 0, idle = 0;
    for (; calls < 1 + MANY / 1000; runs++) {
        uint64_t visited = stats_of(the_loop).visited;
        size_t before = calls, made = tw_run_max(the_loop, 10);
        uint64_t read = stats_of(the_loop).visited - visited;
        REQUIRE(read <= CELLS_ALLOWED, "%zu cells in one run", (size_t)read);
        REQUIRE(made == calls - before && (made > 0 || read > 0), "run %zu did nothing", runs);
        idle += made == 0;
    }
    cr_assert_geq(idle, MANY / 2 / CELLS_ALLOWED);
    check_loop(the_loop);
    cr_assert_eq(tw_pending_count(the_loop), 0);
    loop_free(the_loop);
    free(timers);
}

Test(bounded_work, short_run_passes_few_of_the_soon_calls_by_that_were_cancelled)
{
    tw_handle *handles = calloc(MANY, sizeof *handles);
    size_t cancelled = MANY / 2 - 10; /* of one more they would be moved together */

    the_loop = loop_new();
    for (size_t i = 0; i < MANY; i++) {
        handles[i] = tw_call_soon(the_loop, count_in_order, ID(i));
    }
    tw_call_at_ns(the_loop, clock_ns, count_in_order, ID(MANY)); /* after them, whatever is left */
    for (size_t i = 0; i < cancelled; i++) {
        REQUIRE(tw_cancel(the_loop, handles[i]), "%zu", i);
    }
    next_expected = cancelled;
    size_t runs = 0, idle = 0;
    for (; tw_next_ns(the_loop) <= clock_ns; runs++) {
        uint64_t visited = stats_of(the_loop).visited;
        size_t made = tw_run_max(the_loop, 1000);
        uint64_t read = stats_of(the_loop).visited - visited;
        REQUIRE(read <= CELLS_ALLOWED, "%zu cells in one run", (size_t)read);
        REQUIRE(made > 0 || read > 0, "run %zu did nothing", runs);
        idle += made == 0;
    }
    cr_assert_eq(calls, MANY - cancelled + 1);
    cr_assert_geq(idle, cancelled / CELLS_ALLOWED);
    check_loop(the_loop);
    loop_free(the_loop);
    free(handles);
}

/* ------------------------------------------ bounded runs, and other threads' calls */

/* What a million calls would need at once if all were taken in by one run. */
static size_t bytes_taken(size_t before)
{
    return stats_of(the_loop).bytes - before;
}

Test(bounded_work, short_run_takes_in_few_of_the_calls_that_other_threads_have_started)
{
    the_loop = loop_new();
    size_t before = stats_of(the_loop).bytes;
    for (size_t i = 0; i < MANY; i++) {
        REQUIRE(tw_call_later_threadsafe_ns(the_loop, MINUTE, count_in_order, ID(i)) != 0, "%zu", i);
    }
    cr_assert_eq(tw_pending_count(the_loop), MANY);
    size_t runs = 0;
    uint64_t visited = stats_of(the_loop).visited;
    while (tw_next_ns(the_loop) <= clock_ns) {
        cr_assert_leq(stats_of(the_loop).visited - visited, 4096, "tw_next_ns is bounded, too");
        cr_assert_eq(tw_run_max(the_loop, 1), 0);
        runs++;
        uint64_t read = stats_of(the_loop).visited - visited;
        visited += read;
        REQUIRE(read > 0 && read <= 3 * 4096, "%zu looked at in run %zu", (size_t)read, runs);
        REQUIRE(runs > 1 || bytes_taken(before) < 200000, "%zu bytes in the first run",
                bytes_taken(before));
    }
    cr_assert_geq(runs, MANY / (3 * 4096));
    cr_assert_leq(runs, MANY / 4096 + 2);
    cr_assert_leq(tw_next_ns(the_loop), START + MINUTE);
    check_loop(the_loop);
    cr_assert_eq(tw_call_at_ns(the_loop, START + MINUTE, count_in_order, ID(MANY)) != 0, 1);
    cr_assert_eq(run_at(the_loop, START + MINUTE), MANY + 1, "all in the order of their starts");
    cr_assert_eq(stats_of(the_loop).rearmed, 0);
    loop_free(the_loop);
}

/* Nothing overtakes what has not been taken in yet. */
Test(bounded_work, short_runs_make_calls_that_are_due_already_in_order)
{
    the_loop = loop_new();
    uint64_t when_ns = clock_ns;
    tw_call_at_ns(the_loop, when_ns, count_in_order, ID(1));
    for (size_t i = 2; i < MANY; i++) {
        REQUIRE(tw_call_at_threadsafe_ns(the_loop, when_ns, count_in_order, ID(i)) != 0, "%zu", i);
    }
    cr_assert_eq(tw_run_max(the_loop, 10), 0, "the earliest may be among the rest");
    tw_call_at_ns(the_loop, when_ns, count_in_order, ID(MANY)); /* those were there before it */
    tw_call_at_threadsafe_ns(the_loop, when_ns - 1, count_in_order, ID(0));
    while (tw_next_ns(the_loop) <= clock_ns) {
        uint64_t visited = stats_of(the_loop).visited;
        size_t made = tw_run_max(the_loop, 10);
        uint64_t read = stats_of(the_loop).visited - visited;
        REQUIRE(read <= CELLS_ALLOWED, "%zu cells in one run", (size_t)read);
        REQUIRE(made > 0 || read > 0, "%zu calls made", calls);
    }
    cr_assert_eq(calls, MANY + 1);
    check_loop(the_loop);
    loop_free(the_loop);
}

/* The start of a million, half of them cancelled when the loop has seen them. */
Test(bounded_work, short_runs_take_out_few_of_the_calls_that_other_threads_have_cancelled)
{
    tw_handle *handles = calloc(MANY, sizeof *handles);

    the_loop = loop_new();
    for (size_t i = 0; i < MANY; i++) {
        handles[i] = tw_call_later_threadsafe_ns(the_loop, MINUTE, count_call, NULL);
    }
    tw_run(the_loop);
    uint64_t visited = stats_of(the_loop).visited;
    for (size_t i = 0; i < MANY; i += 2) {
        REQUIRE(tw_cancel_threadsafe(the_loop, handles[i]), "%zu", i);
    }
    for (size_t runs = 0; tw_next_ns(the_loop) <= clock_ns; runs++) {
        REQUIRE(tw_run_for_ns(the_loop, 0) == 0, "nothing is due");
        uint64_t read = stats_of(the_loop).visited - visited;
        visited += read;
        REQUIRE(read <= 3 * 4096, "%zu looked at", (size_t)read);
        REQUIRE(runs <= MANY / 2 / 4096 + 2, "%zu runs", runs);
    }
    cr_assert_eq(tw_pending_count(the_loop), MANY / 2);
    check_loop(the_loop);
    cr_assert_eq(run_at(the_loop, START + MINUTE), MANY / 2);
    loop_free(the_loop);
    free(handles);
}

/* While the loop takes in what was there, the next million comes. */
Test(bounded_work, calls_that_arrive_meanwhile_do_not_hold_up_those_that_were_there)
{
    the_loop = loop_new();
    size_t started = 0;
    while (started < 50000) {
        tw_call_at_threadsafe_ns(the_loop, clock_ns, count_in_order, ID(started++));
    }
    for (size_t runs = 0; calls == 0; runs++) {
        REQUIRE(runs < 100, "nothing is ever made");
        for (size_t i = 0; i < 2 * 4096; i++) {
            tw_call_at_threadsafe_ns(the_loop, clock_ns, count_in_order, ID(started++));
        }
        tw_run_max(the_loop, 10);
    }
    tw_run(the_loop);
    tw_run(the_loop);
    cr_assert_eq(calls, started);
    loop_free(the_loop);
}

/* A handle of one that has not been taken in yet is as good as another. */
Test(bounded_work, handles_of_calls_that_wait_to_be_taken_in_can_be_used)
{
    enum { CALLS = 20000 };
    static tw_handle handles[CALLS];

    the_loop = loop_new();
    for (size_t i = 0; i < CALLS; i++) {
        handles[i] = tw_call_later_threadsafe_ns(the_loop, MINUTE, count_call, NULL);
    }
    tw_run_max(the_loop, 1);
    for (size_t i = 0; i < CALLS; i += 100) {
        REQUIRE(tw_pending(the_loop, handles[i]), "%zu", i);
        REQUIRE(tw_when_ns(the_loop, handles[i]) == START + MINUTE, "%zu", i);
        REQUIRE(tw_cancel(the_loop, handles[i]), "%zu", i);
        REQUIRE(!tw_cancel(the_loop, handles[i]), "%zu", i);
        /* In the node of the last, which is still on its way. */
        handles[i] = tw_call_later_threadsafe_ns(the_loop, MINUTE, count_call, NULL);
    }
    tw_run_max(the_loop, 1);
    cr_assert(tw_reschedule_at_ns(the_loop, handles[1], START + SECOND));
    cr_assert_eq(tw_earliest_ns(the_loop), START + SECOND);
    cr_assert_eq(tw_pending_count(the_loop), CALLS);
    check_loop(the_loop);
    cr_assert_eq(run_at(the_loop, START + MINUTE), CALLS);
    loop_free(the_loop);
}

Test(bounded_work, calls_that_wait_to_be_taken_in_are_dropped_with_the_loop)
{
    the_loop = loop_new();
    for (size_t i = 0; i < 20000; i++) {
        tw_call_later_threadsafe_ns(the_loop, MINUTE, count_call, NULL);
        tw_call_soon_threadsafe(the_loop, count_call, NULL);
    }
    tw_run_max(the_loop, 1);
    cr_assert_eq(tw_cancel_all(the_loop), 40000 - calls);
    for (size_t i = 0; i < 20000; i++) {
        tw_call_later_threadsafe_ns(the_loop, MINUTE, count_call, NULL);
        tw_call_soon_threadsafe(the_loop, count_call, NULL);
    }
    tw_run_max(the_loop, 1);
    loop_free(the_loop);
}

Test(bounded_work, short_run_turns_few_of_the_calls_round_that_other_threads_have_posted)
{
    the_loop = loop_new();
    for (size_t i = 0; i < MANY; i++) {
        REQUIRE(tw_call_soon_threadsafe(the_loop, count_in_order, ID(i)) == 0, "%zu", i);
    }
    size_t runs = 0;
    while (tw_next_ns(the_loop) <= clock_ns) {
        uint64_t visited = stats_of(the_loop).visited;
        size_t made = tw_run_max(the_loop, 100);
        uint64_t read = stats_of(the_loop).visited - visited;
        runs++;
        REQUIRE(read <= 4096, "%zu turned in run %zu", (size_t)read, runs);
        REQUIRE(made == 100 || read > 0, "run %zu did nothing", runs);
    }
    cr_assert_eq(calls, MANY);
    cr_assert_geq(runs, MANY / 100 + MANY / 4096);
    loop_free(the_loop);
}

/* The one in the old node is looked at with the old stack, but started after it. */
Test(bounded_work, call_started_in_the_node_of_one_that_waits_to_be_taken_in_keeps_its_turn)
{
    enum { CALLS = 10000 };
    uint64_t when_ns = START + MINUTE;

    the_loop = loop_new();
    tw_handle oldest = tw_call_at_threadsafe_ns(the_loop, when_ns, count_call, NULL);
    for (size_t i = 0; i < CALLS; i++) {
        tw_call_at_threadsafe_ns(the_loop, when_ns, count_in_order, ID(i));
    }
    tw_run_max(the_loop, 1);
    cr_assert(tw_cancel_threadsafe(the_loop, oldest));
    tw_call_at_threadsafe_ns(the_loop, when_ns, count_in_order, ID(CALLS));
    tw_call_at_threadsafe_ns(the_loop, when_ns, count_in_order, ID(CALLS + 1));
    cr_assert_eq(run_at(the_loop, when_ns), CALLS + 2);
    loop_free(the_loop);
}
