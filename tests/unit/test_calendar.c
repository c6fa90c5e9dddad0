/* SPDX-License-Identifier: MIT */
/* calendar: what stays in place, what happens without memory, and wake-ups that
 * are never late. */
#include "support.h"

#include <signal.h>

static tw_loop *loop;
static struct calendar *calendar;
static uint64_t now;
static unsigned fired;
static uint64_t next_inside;

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now;
}

static void count(void *arg)
{
    (void)arg;
    fired++;
}

/* A loop with a tick of 2^10 ns, at tick 1000 or another. */
#define SHIFT 10
#define TICK (UINT64_C(1) << SHIFT)
#define SLOT_NS(level) (TICK << wheel_shift(level))
#define SPAN_NS (SLOT_NS(TW_LEVELS - 1) * WHEEL_SLOTS)

static void begin_at(uint64_t tick)
{
    tw_options options = {
        .size = sizeof options, .tick_ns = TICK, .clock = read_clock, .allocator = &unit_allocator};
    now = tick * TICK;
    loop = tw_loop_new(&options);
    cr_assert_not_null(loop);
    calendar = &loop->calendar;
}

static void begin(void)
{
    begin_at(1000);
}

static void check(void)
{
    const char *broken = tw_check(loop);
    cr_assert_null(broken, "%s", broken ? broken : "");
}

static tw_stats stats(void)
{
    tw_stats out = {.size = sizeof out};
    tw_stats_get(loop, &out);
    return out;
}

static tw_timer *timers_started(size_t n, uint64_t deadline)
{
    tw_timer *timers = timers_new(n);
    for (size_t i = 0; i < n; i++) {
        tw_timer_init(&timers[i], count, NULL);
        REQUIRE(tw_timer_start_at_ns(loop, &timers[i], deadline) == 0);
    }
    return timers;
}

static void start(tw_timer *timer, uint64_t deadline)
{
    REQUIRE(tw_timer_start_at_ns(loop, timer, deadline) == 0);
    REQUIRE(tw_timer_when_ns(timer) == deadline);
}

/* Follows tw_next_ns until nothing is pending; no call is late. */
static void sleep_through(uint64_t wake_ups)
{
    while (tw_pending_count(loop) > 0) {
        uint64_t next = tw_next_ns(loop);
        REQUIRE(next != UINT64_MAX && next > now);
        now = next;
        tw_run(loop);
        REQUIRE(wake_ups-- > 0);
    }
    cr_assert_eq(stats().late[0], stats().fired, "each on its nanosecond");
}

Test(calendar, moving_further_out_within_the_wheel_leaves_the_cell)
{
    begin();
    tw_timer *timer = timers_started(1, now + 20 * TICK);
    void *place = timer->bare_.place_;
    unsigned slot = timer_slot(&timer->bare_);
    for (uint64_t by = 20 * TICK; by < 4 * SPAN_NS; by = by * 5 / 4)
        start(timer, now + by);
    cr_assert_eq(timer->bare_.place_, place);
    cr_assert_eq(timer_slot(&timer->bare_), slot);
    cr_assert_eq(calendar->relocated, 0u);
    check();
    tw_loop_free(loop);
}

Test(calendar, moving_closer_than_the_slots_visit_leaves_the_slot)
{
    begin();
    tw_timer *timer = timers_started(1, now + SLOT_NS(1) * 5);
    start(timer, now + 2 * TICK);
    cr_assert_eq(wheel_level(timer_slot(&timer->bare_)), 0u);
    cr_assert_eq(calendar->relocated, 1u);
    now += 2 * TICK;
    cr_assert_eq(tw_run(loop), 1u);
    check();
    tw_loop_free(loop);
}

Test(calendar, moving_closer_within_the_slot_leaves_the_cell)
{
    begin();
    uint64_t begins = (now / SLOT_NS(1) + 4) * SLOT_NS(1);
    tw_timer *timer = timers_started(1, begins + SLOT_NS(1) - 1);
    cr_assert_eq(wheel_level(timer_slot(&timer->bare_)), 1u);
    start(timer, begins);
    cr_assert_eq(calendar->relocated, 0u);
    sleep_through(5);
    tw_loop_free(loop);
}

Test(calendar, timer_moved_lazily_beyond_the_span_is_visited_and_kept)
{
    begin();
    tw_timer *timer = timers_started(1, now + 2 * TICK);
    start(timer, now + 3 * SPAN_NS);
    now += 2 * TICK;
    cr_assert_eq(tw_run(loop), 0u);
    cr_assert_eq(stats().overflow, 1u);
    check();
    sleep_through(100);
    cr_assert_eq(fired, 1u);
    tw_loop_free(loop);
}

Test(calendar, timer_of_the_open_tick_moved_beyond_the_span_is_woken_for)
{
    begin();
    tw_timer *timer = timers_started(1, now);
    uint64_t deadline = now + 3 * SPAN_NS;
    start(timer, deadline);
    cr_assert_leq(tw_next_ns(loop), deadline);
    check();
    sleep_through(100);
    cr_assert_eq(fired, 1u);
    tw_loop_free(loop);
}

Test(calendar, parked_timers_start_again_in_the_same_cell)
{
    begin();
    tw_timer *timer = timers_started(1, now + 50 * TICK);
    void *place = timer->bare_.place_;
    tw_timer_park(loop, timer);
    cr_assert_eq(stats().parked, 1u);
    cr_assert_eq(tw_next_ns(loop), UINT64_MAX);
    start(timer, now + 60 * TICK);
    cr_assert_eq(stats().parked, 0u);
    cr_assert_eq(timer->bare_.place_, place);
    check();
    tw_loop_free(loop);
}

Test(calendar, visit_drops_the_cells_of_parked_timers)
{
    begin();
    const uint64_t delays[] = {0, 2 * TICK, SLOT_NS(1) * 4, SPAN_NS * 2};
    enum { N = sizeof delays / sizeof *delays };
    tw_timer *timers = timers_started(N, now + SLOT_NS(1));
    for (size_t i = 0; i < N; i++) {
        start(&timers[i], now + delays[i]);
        tw_timer_park(loop, &timers[i]);
    }
    check();
    cr_assert_eq(stats().parked, (size_t)N);
    cr_assert_eq(tw_advance(loop, now + SPAN_NS * 4), 0u);
    cr_assert_eq(stats().parked, 0u);
    for (size_t i = 0; i < N; i++)
        cr_assert_not(timer_placed(&timers[i].bare_));
    check();
    tw_loop_free(loop);
}

Test(calendar, parked_timers_beyond_the_span_do_not_wake_the_loop)
{
    begin();
    tw_timer *timers = timers_started(3, now + SPAN_NS * 2);
    start(&timers[2], now + SPAN_NS * 5);
    cr_assert_eq(tw_next_ns(loop), now + SPAN_NS * 2);
    tw_timer_park(loop, &timers[0]);
    tw_timer_park(loop, &timers[1]);
    cr_assert_eq(tw_next_ns(loop), now + SPAN_NS * 5);
    check();
    tw_loop_free(loop);
}

/* ---------------------------------------------------------------- no memory */

/* Takes every chunk that can be had without memory. */
static size_t take_all_chunks(void)
{
    size_t taken = 0;
    allocations_left = 0;
    while (chunk_take(&calendar->cells))
        taken++;
    calendar->cells.total -= taken; /* or else they would be lost (B6) */
    return taken;
}

Test(calendar, without_memory_a_move_spills_and_is_still_exact)
{
    begin();
    tw_timer *timers = timers_started(3, now + 2 * TICK);
    take_all_chunks();
    start(&timers[0], now + SPAN_NS * 3);
    start(&timers[1], now + TICK); /* closer: it cannot stay */
    cr_assert_eq(timer_slot(&timers[1].bare_), (unsigned)SLOT_SPILL);
    start(&timers[1], now + TICK + 5);
    cr_assert_eq(tw_next_ns(loop), now + TICK + 5);
    now += TICK + 4;
    cr_assert_eq(tw_run(loop), 0u);
    now++;
    cr_assert_eq(tw_run(loop), 1u);
    cr_assert_null(calendar->spill);
    sleep_through(1000);
    cr_assert_eq(fired, 3u);
    tw_loop_free(loop);
}

Test(calendar, spilled_timers_are_parked_stopped_shown_and_dropped)
{
    begin();
    tw_timer *timers = timers_started(5, now + 20 * TICK);
    take_all_chunks();
    for (uint64_t i = 0; i < 4; i++)
        start(&timers[i], now + (9 - i) * TICK);
    cr_assert_eq(calendar->spill, &timers[3].bare_, "in order");
    tw_timer_park(loop, &timers[3]);
    cr_assert_not(timer_placed(&timers[3].bare_));
    tw_timer_stop(loop, &timers[1]);
    cr_assert_eq(tw_pending_count(loop), 3u);
    cr_assert_eq(calendar_earliest_ns(calendar), now + 7 * TICK);
    tw_loop_free(loop);
    for (int i = 0; i < 5; i++)
        cr_assert_not(timer_placed(&timers[i].bare_));
}

Test(calendar, without_memory_a_start_fails_and_changes_nothing)
{
    begin();
    tw_timer near, far;
    tw_timer_init(&near, count, NULL);
    tw_timer_init(&far, count, NULL);
    start(&near, now + TICK * 3);
    take_all_chunks();
    const uint64_t delays[] = {0, 5 * TICK, SLOT_NS(1) * 5, SPAN_NS * 2};
    for (size_t i = 0; i < sizeof delays / sizeof *delays; i++) {
        errno = 0;
        cr_assert_eq(tw_timer_start_at_ns(loop, &far, now + delays[i]), -1);
        cr_assert_eq(errno, ENOMEM);
        cr_assert_not(tw_timer_active(&far));
    }
    cr_assert_eq(tw_next_ns(loop), now + TICK * 3);
    sleep_through(2);
    tw_loop_free(loop);
}

/* Of timers that were started while memory was there, whatever they do. */
Test(calendar, reserved_timers_start_without_memory)
{
    enum { N = 500 };
    begin();
    struct chance chance = {22};
    tw_timer *timers = timers_new(N);
    cr_assert_eq(tw_reserve_embedded(loop, N), 0);
    allocations_left = 0;
    for (int i = 0; i < 20 * N; i++) {
        tw_timer *timer = &timers[chance_below(&chance, N)];
        if (!timer->callback_)
            tw_timer_init(timer, count, NULL);
        start(timer, now + chance_magnitude(&chance, 50));
        if (chance_one_in(&chance, 50))
            now += chance_magnitude(&chance, 16), tw_run(loop);
        REQUIRE(!calendar->spill);
    }
    check();
    tw_loop_free(loop);
}

/* A callback moves the timers that are due with it, one after the other, while
 * not one more cell can be had: each leaves an empty cell in its run. */
struct movers {
    tw_timer *timers;
    size_t n;
};

static void move_all(void *arg)
{
    const struct movers *movers = arg;
    fired++;
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < movers->n; i++) {
            if (tw_timer_active(&movers->timers[i]))
                start(&movers->timers[i], now + (round + 1) * SLOT_NS(1));
        }
    }
    const char *broken = tw_check(loop);
    cr_assert_null(broken, "%s", broken ? broken : "");
}

Test(calendar, due_timers_are_moved_within_a_run_without_memory)
{
    begin();
    tw_timer mover;
    struct movers movers = {.n = 0};
    tw_timer_init(&mover, move_all, &movers);
    start(&mover, now + 3 * TICK);
    movers.n = 300;
    movers.timers = timers_started(movers.n, now + 3 * TICK);
    take_all_chunks();
    now += 3 * TICK;
    cr_assert_eq(tw_run(loop), 1u);
    check();
    sleep_through(10000);
    cr_assert_eq(fired, 1 + movers.n);
    tw_loop_free(loop);
}

static void move_one_closer(void *timer)
{
    fired++;
    start(timer, now); /* there is no cell for it */
    cr_assert_eq(timer_slot(&((tw_timer *)timer)->bare_), (unsigned)SLOT_SPILL);
}

static void expect_the_moved_one_to_wait(void *timer)
{
    fired++;
    cr_assert(tw_timer_active(timer), "it was started by a callback of this run");
}

/* The rest of the one run that there is comes first, and is all that does. */
Test(calendar, timer_that_spills_in_a_run_is_left_to_the_next)
{
    begin();
    tw_timer *far = timers_started(3, now + SLOT_NS(1) * 5), due[3];
    for (size_t i = 0; i < 3; i++) {
        tw_timer_init(&due[i], i ? expect_the_moved_one_to_wait : move_one_closer, far);
        start(&due[i], now + 3 * TICK);
    }
    tw_run(loop); /* the next one has only the wheel to look at */
    take_all_chunks();
    now += 3 * TICK;
    cr_assert_eq(tw_run(loop), 3u);
    check();
    cr_assert_eq(tw_run(loop), 1u);
    cr_assert_eq(fired, 4u);
    tw_loop_free(loop);
}

/* A cascade finds one chunk, which it has emptied itself: the next timer lies in the wheel
 * then, and is due after the run, the others have no cell, and are due in it. */
Test(calendar, timers_that_spill_in_a_cascade_are_given_out_in_that_run)
{
    begin();
    uint64_t slot_ns = (now / SLOT_NS(1) + 4) * SLOT_NS(1);
    tw_timer *timers = timers_started(CHUNK_ROOM - 1, slot_ns);
    tw_timer *later = timers_started(1, slot_ns + SLOT_NS(1) - TICK);
    tw_timer *first = timers_started(1, slot_ns + TICK);
    start(&timers[0], slot_ns + 2 * TICK);
    cr_assert_eq(timer_slot(&timers[0].bare_), timer_slot(&later->bare_));
    cr_assert_eq(timer_slot(&first->bare_), timer_slot(&later->bare_));
    tw_run(loop); /* the next one has only the wheel to look at */
    take_all_chunks();
    now = slot_ns + 2 * TICK;
    cr_assert_eq(tw_run(loop), (size_t)CHUNK_ROOM);
    cr_assert(tw_timer_active(later));
    check();
    now = slot_ns + SLOT_NS(1) - TICK;
    cr_assert_eq(tw_run(loop), 1u);
    tw_loop_free(loop);
}

/* A run that is left out does not even take the cursor along, but only so many in a row: what is
 * started then lies no higher than it would have. */
Test(calendar, time_is_taken_along_after_so_many_quiet_ticks)
{
    begin();
    tw_timer *far = timers_started(1, now + SLOT_NS(2));
    tw_run(loop);
    for (unsigned i = 0; i < 3 * CALENDAR_LAG; i++) {
        now += TICK;
        tw_run(loop);
        uint64_t behind = now / TICK - calendar->wheel.cursor;
        cr_assert_leq(behind, (uint64_t)CALENDAR_LAG);
        tw_timer *near = timers_started(1, now + TICK);
        cr_assert_eq(wheel_level(timer_slot(&near->bare_)), 0u);
        tw_timer_stop(loop, near);
        free(near);
        check();
    }
    tw_loop_free(loop);
    free(far);
}

/* Runs that find nothing to do take time along: what is started after them goes where it
 * would go in a loop that was busy all the while, and is moved no more often. */
Test(calendar, what_is_started_after_time_has_passed_goes_to_the_lowest_level)
{
    begin();
    const uint64_t top = SLOT_NS(TW_LEVELS - 1);
    tw_timer *far = timers_started(1, (now / top + 3) * top);
    tw_run(loop);
    now += top;
    cr_assert_lt(now, calendar->ready_ns);
    tw_run(loop);
    tw_timer *near = timers_started(1, now + TICK);
    cr_assert_eq(wheel_level(timer_slot(&near->bare_)), 0u);
    check();
    tw_timer_stop(loop, far);
    now += TICK;
    cr_assert_eq(tw_run(loop), 1u);
    cr_assert_eq(stats().moved, 0u);
    tw_loop_free(loop);
    free(near);
    free(far);
}

/* --------------------------------------------------------------- next_ns */

static void ask_next(void *arg)
{
    (void)arg;
    fired++;
    next_inside = tw_next_ns(loop);
}

Test(calendar, answer_given_inside_a_run_is_forgotten_after_it)
{
    begin();
    tw_timer *timers = timers_started(3, now + 2 * TICK);
    tw_timer_stop(loop, &timers[0]);
    tw_timer_init(&timers[0], ask_next, NULL);
    start(&timers[0], now + TICK);
    start(&timers[2], now + 90 * TICK);
    now += 2 * TICK;
    cr_assert_eq(tw_run(loop), 2u);
    cr_assert_leq(next_inside, now, "the other one was due too");
    cr_assert_gt(tw_next_ns(loop), now, "else the caller would wake for nothing");
    tw_loop_free(loop);
}

Test(calendar, next_wake_up_follows_every_start_move_and_stop)
{
    begin();
    tw_timer *timers = timers_new(50);
    struct chance chance = {21};
    for (size_t i = 0; i < 50; i++)
        tw_timer_init(&timers[i], count, NULL);
    for (int i = 0; i < 5000; i++) {
        tw_timer *timer = &timers[chance_below(&chance, 50)];
        if (chance_one_in(&chance, 3))
            tw_timer_stop(loop, timer);
        else if (chance_one_in(&chance, 4))
            tw_timer_park(loop, timer);
        else
            start(timer, now + 1 + chance_magnitude(&chance, 40));
        uint64_t earliest = UINT64_MAX;
        for (size_t t = 0; t < 50; t++) {
            if (tw_timer_when_ns(&timers[t]) < earliest)
                earliest = tw_timer_when_ns(&timers[t]);
        }
        REQUIRE(tw_next_ns(loop) <= earliest);
    }
    check();
    tw_loop_free(loop);
}

/* What waits in the first slots has all been parked. They are read as far as a chunk goes;
 * of the others it is believed what they once had. */
/* Where the numbers of the slots of all levels are small, and alike. */
Test(calendar, next_wake_up_in_the_clocks_first_slot_is_that_of_the_level_above)
{
    begin_at(0);
    uint64_t slot = SLOT_NS(1);
    tw_timer *above = timers_started(1, 2 * slot + slot / 4);
    timers_started(1, slot - TICK);
    now = slot - TICK;
    cr_assert_eq(tw_run(loop), 1u);
    tw_timer *below = timers_started(1, 3 * slot - 2 * TICK);
    cr_assert_eq(wheel_level(timer_slot(&above->bare_)), 1u);
    cr_assert_eq(wheel_level(timer_slot(&below->bare_)), 0u);
    cr_assert_eq(tw_next_ns(loop), 2 * slot + slot / 4);
    sleep_through(3);
    tw_loop_free(loop);
}

Test(calendar, next_wake_up_reads_a_chunk_of_a_level_and_no_more)
{
    enum { N = CHUNK_ROOM * 2 / 3 };
    begin();
    tw_timer *timers[3];
    for (unsigned slot = 0; slot < 3; slot++)
        timers[slot] = timers_started(N, now + (slot + 1) * TICK);
    tw_timer *last = timers_started(1, now + 4 * TICK);
    cr_assert_eq(tw_next_ns(loop), now + TICK);
    for (unsigned slot = 0; slot < 3; slot++) {
        for (unsigned i = 0; i < N; i++)
            tw_timer_park(loop, &timers[slot][i]);
    }
    cr_assert_eq(tw_next_ns(loop), now + 2 * TICK, "the second slot has not been read");
    now += 4 * TICK;
    cr_assert_eq(tw_run(loop), 1u);
    check();
    tw_loop_free(loop);
    for (unsigned slot = 0; slot < 3; slot++)
        free(timers[slot]);
    free(last);
}

/* Lazily moved timers empty a slot that the loop was going to be woken for. */
Test(calendar, slot_whose_timers_have_all_moved_on_is_harmless)
{
    enum { N = 500 };
    begin();
    tw_timer *timers = timers_started(N, now + SLOT_NS(1) * 5);
    for (size_t i = 0; i < N; i++)
        start(&timers[i], now + SPAN_NS - SLOT_NS(1) + i);
    sleep_through(10000);
    cr_assert_eq(fired, (unsigned)N);
    check();
    tw_loop_free(loop);
}

/* ------------------------------------------------------------ beyond the span */

/* One timer comes into reach alone and may wait; then a burst comes into reach
 * behind it, just before the lone one's last tick. */
Test(calendar, burst_behind_a_lone_timer_comes_in_evenly)
{
    enum { N = 20000 };
    begin();
    const uint64_t top = SLOT_NS(TW_LEVELS - 1);
    uint64_t base = now / top * top;
    timers_started(1, base + WHEEL_SLOTS * top);
    now = base + 5 * top;
    tw_run(loop);
    tw_timer *burst = timers_started(N, base + (2 * WHEEL_SLOTS - 3) * top);
    cr_assert_geq(stats().overflow, (size_t)N);
    for (unsigned i = 0; tw_pending_count(loop) > 0; i++) {
        now = tw_next_ns(loop);
        tw_run(loop);
        REQUIRE(i < 100000);
    }
    /* The burst has a window of the top level's slots to come in. */
    uint64_t even = N / (SLOT_NS(1) / TICK - 1) + 1; /* of the cascade out of level 1 */
    cr_assert_leq(stats().moved_max, 4 * even + 2 * WHEEL_BATCH);
    cr_assert_eq(fired, N + 1u);
    free(burst);
    tw_loop_free(loop);
}

/* ------------------------------------------------------------- bounded runs */

/* A bounded run reads no more than its share and no timer is given out before all
 * that may come before it. */
static void expect_bounded(uint64_t from, uint64_t over)
{
    const size_t n = 10 * CALENDAR_SHORT;
    struct chance chance = {23};
    begin();
    tw_timer *timers = timers_new(n);
    for (size_t i = 0; i < n; i++) {
        tw_timer_init(&timers[i], count, NULL);
        start(&timers[i], from + chance_below(&chance, over));
    }
    now = from + over;
    uint64_t visited = stats().visited;
    while (fired < n) {
        size_t made = tw_run_max(loop, 100);
        uint64_t read = stats().visited - visited;
        visited += read;
        REQUIRE(read <= CALENDAR_SHORT + READY_BATCH);
        REQUIRE(made > 0 || read > 0); /* it goes on */
        REQUIRE(made == 0 || fired % 10 || tw_check(loop) == NULL);
        REQUIRE(tw_next_ns(loop) <= now || fired == n);
    }
    tw_loop_free(loop);
    free(timers);
}

Test(calendar, bounded_run_of_one_deadline)
{
    expect_bounded(1000 * TICK + 5000 * TICK, 1);
}

Test(calendar, bounded_run_of_one_tick_in_any_order)
{
    expect_bounded(1000 * TICK + 5000 * TICK, TICK);
}

Test(calendar, bounded_run_of_what_was_started_in_the_past)
{
    expect_bounded(0, 1000 * TICK);
}

Test(calendar, bounded_run_over_many_slots)
{
    expect_bounded(1000 * TICK + SLOT_NS(TW_LEVELS - 1), SLOT_NS(TW_LEVELS - 1) * 3);
}

/* n timers in a tick that a bounded run has begun to open. */
static tw_timer *begin_opening(size_t n)
{
    begin();
    tw_timer *timers = timers_started(n, now + 3 * TICK);
    now += 3 * TICK;
    cr_assert_eq(tw_run_max(loop, 5), 0u);
    cr_assert(calendar->opening);
    return timers;
}

Test(calendar, unbounded_run_finishes_what_a_bounded_one_began)
{
    const size_t n = 3 * CALENDAR_SHORT;
    tw_timer *timers = begin_opening(n);
    check();
    tw_timer_stop(loop, &timers[0]);
    tw_timer_stop(loop, &timers[n - 1]);
    start(&timers[1], now + 2 * TICK);
    cr_assert_eq(calendar_earliest_ns(calendar), now);
    cr_assert_eq(tw_run(loop), n - 3);
    check();
    sleep_through(3);
    tw_loop_free(loop);
}

Test(calendar, tick_that_is_being_opened_may_lose_all_it_has)
{
    const size_t n = 3 * CALENDAR_SHORT;
    tw_timer *timers = begin_opening(n);
    for (size_t i = 0; i < n; i++)
        tw_timer_stop(loop, &timers[i]);
    check();
    cr_assert_eq(tw_run(loop), 0u);
    cr_assert_not(calendar->opening);
    check();
    tw_loop_free(loop);
}

Test(calendar, tick_that_is_being_opened_is_over_when_all_is_cancelled)
{
    const size_t n = 3 * CALENDAR_SHORT;
    begin_opening(n);
    cr_assert_eq(tw_cancel_all(loop), n);
    cr_assert_not(calendar->opening);
    check();
    cr_assert_eq(tw_next_ns(loop), UINT64_MAX);
    tw_loop_free(loop);
}

Test(calendar, loop_is_freed_while_a_tick_is_being_opened)
{
    const size_t n = 3 * CALENDAR_SHORT;
    begin();
    tw_timer *timers = timers_started(n, now + 3 * TICK);
    now += 3 * TICK;
    cr_assert_eq(tw_run_max(loop, 5), 0u);
    tw_loop_free(loop);
    for (size_t i = 0; i < n; i++)
        REQUIRE(!timer_placed(&timers[i].bare_));
    cr_assert_eq(fired, 0u);
}

/* A burst in one slot asks for further wake-ups, though the next is known. */
Test(calendar, next_is_worked_out_again_when_a_slot_has_become_crowded)
{
    enum { BURST = 3 * TW_WAKE_CELLS };
    begin();
    uint64_t when = now + SLOT_NS(TW_LEVELS - 1) * 5;
    tw_timer *burst = timers_new(BURST);
    uint64_t before = UINT64_MAX;
    for (size_t i = 0; i < BURST; i++) {
        tw_timer_init(&burst[i], count, NULL);
        start(&burst[i], when);
        uint64_t next = tw_next_ns(loop);
        REQUIRE(next <= before && next > now);
        before = next;
    }
    cr_assert_lt(before, when);
    sleep_through(BURST);
    cr_assert_eq(fired, (unsigned)BURST);
    tw_loop_free(loop);
}

/* -------------------------------------------------------------------- trimming */

Test(calendar, trimming_gives_back_what_pending_timers_do_not_need)
{
    enum { N = 100000 };
    begin();
    struct chance chance = {24};
    tw_timer *timers = timers_new(N);
    for (size_t i = 0; i < N; i++) {
        tw_timer_init(&timers[i], count, NULL);
        start(&timers[i], now + 2 * TICK + chance_magnitude(&chance, 50));
    }
    now += TICK;
    tw_run(loop);
    size_t peak = stats().bytes, kept = 0;
    for (size_t i = 0; i < N; i++) {
        if (i % 100 == 0)
            kept += tw_timer_active(&timers[i]);
        else if (i % 2)
            tw_timer_stop(loop, &timers[i]);
        else
            tw_timer_park(loop, &timers[i]);
    }
    calendar_trim(calendar);
    check();
    cr_assert_eq(stats().parked, 0u);
    cr_assert_lt(stats().bytes, peak / 2);
    cr_assert_eq(tw_pending_count(loop), kept);
    sleep_through(100000);
    calendar_trim(calendar);
    cr_assert_eq(calendar->cells.total, 0u);
    check();
    start(&timers[0], now + 5 * TICK);
    sleep_through(3);
    tw_loop_free(loop);
}

/* Runs that are too long to be merged, each with many more chunks than one. */
/* Half of the soon calls are cancelled, which is not yet enough to move the others together. */
Test(calendar, trimming_gives_back_the_cells_of_cancelled_soon_calls)
{
    enum { CHUNKS = 200, CALLS = CHUNKS * CHUNK_ROOM };
    static tw_handle calls[CALLS];
    begin();
    for (size_t i = 0; i < CALLS; i++)
        calls[i] = tw_call_soon(loop, count, NULL);
    for (size_t i = 0; i < CALLS; i += 2)
        cr_assert(tw_cancel(loop, calls[i]));
    cr_assert_eq(calendar->soon.count, (size_t)CALLS);
    tw_trim(loop);
    check();
    cr_assert_lt(calendar->cells.total, CHUNKS * 3 / 4);
    cr_assert_eq(tw_run(loop), CALLS / 2u);
    tw_loop_free(loop);
}

Test(calendar, trimming_takes_the_memory_for_all_runs_at_once)
{
    enum { RUNS = READY_FEW + 4, EACH = READY_BATCH * 3 / 4 };
    begin();
    for (uint64_t run = 0; run < RUNS; run++) {
        timers_started(EACH, now + TICK / 2 + run);
        tw_advance(loop, now + run + 1);
    }
    cr_assert_gt(calendar->ready.count, (size_t)READY_FEW);
    tw_timer *peak = timers_started(10000, now + 3 * TICK);
    for (size_t i = 0; i < 10000; i++)
        tw_timer_stop(loop, &peak[i]);
    allocations_left = 1;
    size_t before = allocations, total = calendar->cells.total;
    calendar_trim(calendar);
    cr_assert_eq(allocations, before + 1);
    cr_assert_lt(calendar->cells.total, total);
    allocations_left = -1;
    check();
    now += TICK;
    tw_run(loop);
    cr_assert_eq(fired, (unsigned)(RUNS * EACH));
    tw_loop_free(loop);
}

/* ---------------------------------------------------------------------- misuse */

/* An active timer is freed, and its memory used again for another. */
static void reuse_active(uint64_t first, uint64_t second)
{
    begin();
    tw_timer *timer = timers_started(1, now + first);
    tw_timer_init(timer, count, NULL);
    start(timer, now + second);
    now += first > second ? first : second;
    tw_run(loop);
}

Test(calendar, timer_freed_while_active_and_started_again_in_another_slot, .signal = SIGABRT)
{
    reuse_active(3 * TICK, 9 * TICK);
}

Test(calendar, timer_freed_while_active_and_started_again_in_the_same_slot, .signal = SIGABRT)
{
    reuse_active(3 * TICK, 3 * TICK);
}

Test(calendar, timer_freed_while_active_and_started_again_in_another_level, .signal = SIGABRT)
{
    reuse_active(SLOT_NS(1) * 5, 2 * TICK);
}

Test(calendar, timer_overwritten_while_active, .signal = SIGABRT)
{
    begin();
    tw_timer *timer = timers_started(1, now + SLOT_NS(1) * 5);
    memset(timer, 0xA5, sizeof *timer);
    now += SLOT_NS(1) * 6;
    tw_run(loop);
}

/* Only its state, and that still names its slot. */
Test(calendar, timer_that_is_said_to_be_another_loops, .signal = SIGABRT)
{
    begin();
    tw_timer *timer = timers_started(1, now + SLOT_NS(1) * 5);
    timer->bare_.state_ ^= 1u << TIMER_TAG_SHIFT;
    now += SLOT_NS(1) * 6;
    tw_run(loop);
}

/* Only where its cell is. */
Test(calendar, parked_timer_that_names_another_cell, .signal = SIGABRT)
{
    begin();
    tw_timer *timers = timers_started(2, now + SLOT_NS(1) * 5);
    tw_timer_park(loop, &timers[1]);
    timers[1].bare_.place_ = timers[0].bare_.place_;
    now += SLOT_NS(1) * 6;
    tw_run(loop);
}

Test(calendar, lone_timer_of_a_tick_that_is_said_to_be_another_loops, .signal = SIGABRT)
{
    begin();
    tw_timer *timer = timers_started(1, now + 2 * TICK);
    timer->bare_.state_ ^= 1u << (TIMER_TAG_SHIFT + 2);
    now += 3 * TICK;
    tw_run(loop);
}
