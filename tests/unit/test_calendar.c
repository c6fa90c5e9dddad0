/* calendar: what stays in place, what happens without memory, and wake-ups that
 * are never late. */
#include "support.h"

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

/* A loop with a tick of 2^10 ns, at tick 1000. */
#define SHIFT 10
#define TICK (UINT64_C(1) << SHIFT)
#define SLOT_NS(level) (TICK << wheel_shift(level))
#define SPAN_NS (SLOT_NS(TW_LEVELS - 1) * WHEEL_SLOTS)

static void begin(void)
{
    tw_options options = {
        .size = sizeof options, .tick_ns = TICK, .clock = read_clock, .allocator = &unit_allocator};
    now = 1000 * TICK;
    loop = tw_loop_new(&options);
    cr_assert_not_null(loop);
    calendar = &loop->calendar;
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
    void *place = timer->place_;
    unsigned slot = timer_slot(timer);
    for (uint64_t by = 20 * TICK; by < 4 * SPAN_NS; by = by * 5 / 4)
        start(timer, now + by);
    cr_assert_eq(timer->place_, place);
    cr_assert_eq(timer_slot(timer), slot);
    cr_assert_eq(calendar->relocated, 0u);
    check();
    tw_loop_free(loop);
}

Test(calendar, moving_closer_than_the_slots_visit_leaves_the_slot)
{
    begin();
    tw_timer *timer = timers_started(1, now + SLOT_NS(1) * 5);
    start(timer, now + 2 * TICK);
    cr_assert_eq(wheel_level(timer_slot(timer)), 0u);
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
    cr_assert_eq(wheel_level(timer_slot(timer)), 1u);
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
    cr_assert_eq(calendar->heap.count, 1u);
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
    void *place = timer->place_;
    tw_timer_park(loop, timer);
    cr_assert_eq(stats().parked, 1u);
    cr_assert_eq(tw_next_ns(loop), UINT64_MAX);
    start(timer, now + 60 * TICK);
    cr_assert_eq(stats().parked, 0u);
    cr_assert_eq(timer->place_, place);
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
    cr_assert_eq(calendar->cells.cells, 0u);
    for (size_t i = 0; i < N; i++)
        cr_assert_not(timer_placed(&timers[i]));
    check();
    tw_loop_free(loop);
}

Test(calendar, parked_tops_of_the_heap_do_not_wake_the_loop)
{
    begin();
    tw_timer *timers = timers_started(3, now + SPAN_NS * 2);
    start(&timers[2], now + SPAN_NS * 5);
    tw_timer_park(loop, &timers[0]);
    tw_timer_park(loop, &timers[1]);
    cr_assert_eq(tw_next_ns(loop), now + SPAN_NS * 5);
    check();
    tw_loop_free(loop);
}

/* ---------------------------------------------------------------- no memory */

Test(calendar, without_memory_for_the_heap_a_move_waits_in_the_furthest_slot)
{
    begin();
    tw_timer *timer = timers_started(1, now + 2 * TICK);
    uint64_t deadline = now + SPAN_NS * 3;
    allocations_left = 0;
    now += 2 * TICK - 1;
    start(timer, deadline); /* lazily; the visit finds it beyond the span */
    now++;
    cr_assert_eq(tw_run(loop), 0u);
    cr_assert_eq(calendar->heap.count, 0u);
    cr_assert_eq(timer_slot(timer), wheel_furthest_slot(&calendar->wheel));
    check();
    sleep_through(1000);
    cr_assert_eq(now, deadline);
    tw_loop_free(loop);
}

Test(calendar, without_memory_a_start_beyond_the_span_fails_and_changes_nothing)
{
    begin();
    tw_timer near, far;
    tw_timer_init(&near, count, NULL);
    tw_timer_init(&far, count, NULL);
    start(&near, now + TICK * 3);
    size_t cells = calendar->cells.cells;
    allocations_left = 0;
    errno = 0;
    cr_assert_eq(tw_timer_start_at_ns(loop, &far, now + SPAN_NS * 2), -1);
    cr_assert_eq(errno, ENOMEM);
    cr_assert_not(tw_timer_active(&far));
    cr_assert_eq(calendar->cells.cells, cells);
    check();
    tw_loop_free(loop);
}

/* Empty cells that cancelled soon calls have left are room, if it comes to that. */
Test(calendar, without_memory_empty_cells_of_queues_are_used_again)
{
    begin();
    tw_timer first;
    tw_timer_init(&first, count, NULL);
    start(&first, now + 5 * TICK);
    cr_assert_eq(tw_reserve(loop, 100), 0);
    allocations_left = 0;
    for (size_t i = 0; i < 20 * calendar->cells.room; i++) {
        tw_handle handle = tw_call_soon(loop, count, NULL);
        REQUIRE(handle != 0);
        REQUIRE(tw_cancel(loop, handle));
    }
    check();
    cr_assert_leq(calendar->cells.cells, calendar->cells.room);
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
    movers.n = calendar->cells.room - 1; /* all cells there are */
    movers.timers = timers_started(movers.n, now + 3 * TICK);
    cr_assert_eq(calendar->cells.cells, calendar->cells.room);
    allocations_left = 0;
    now += 3 * TICK;
    cr_assert_eq(tw_run(loop), 1u);
    check();
    sleep_through(10000);
    cr_assert_eq(fired, 1 + movers.n);
    tw_loop_free(loop);
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

/* --------------------------------------------------------------- the heap */

/* One timer comes into reach alone and may wait; then a crowd comes into reach
 * behind it, just before the lone one's last tick. */
Test(calendar, crowd_behind_a_lone_timer_of_the_heap_comes_in_evenly)
{
    enum { N = 20000 };
    begin();
    const uint64_t top = SLOT_NS(TW_LEVELS - 1);
    uint64_t base = now / top * top;
    tw_timer *lone = timers_started(1, base + WHEEL_SLOTS * top);
    now = base + 5 * top;
    tw_run(loop);
    tw_timer *crowd = timers_started(N, base + (2 * WHEEL_SLOTS - 3) * top);
    cr_assert_eq(calendar->heap.count, N + (size_t)(timer_slot(lone) == SLOT_HEAP));
    for (unsigned i = 0; tw_pending_count(loop) > 0; i++) {
        now = tw_next_ns(loop);
        tw_run(loop);
        REQUIRE(i < 100000);
    }
    /* The crowd has a window of the top level's slots to come in. */
    uint64_t even = N / (SLOT_NS(1) / TICK - 1) + 1; /* of the cascade out of level 1 */
    cr_assert_leq(stats().moved_max, 4 * even + 2 * WHEEL_BATCH);
    cr_assert_eq(fired, N + 1u);
    free(crowd);
    tw_loop_free(loop);
}
