/* SPDX-License-Identifier: MIT */
/*
 * The bound on a run's work, held against the wheel itself: at every tick, what
 * moves is at most what is due, and four times the even share, and a batch for
 * each level.
 *
 * The even share is what a perfectly smooth cascade would move: for each level,
 * the cells of the slot that must be emptied next, counted when it becomes the
 * next, divided by the ticks there are to empty it in.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "loop.h"
#include "random.h"

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MANY 1000000
#else
#define MANY 100000
#endif

#define SHIFT 20
#define TICK (UINT64_C(1) << SHIFT)
#define SECOND UINT64_C(1000000000)
#define START (1000 * SECOND)

static tw_loop *loop;
static uint64_t now;
static struct chance chance;
static size_t fired;
static tw_timer *timers;
static uint64_t restart_over;    /* ns; 0: a timer that has fired is over */

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now;
}

static void fire(void *arg)
{
    fired++;
    if (restart_over > 0)
        tw_timer_start_at_ns(loop, arg, now + 1 + chance_below(&chance, restart_over));
}

static void begin(size_t n, uint64_t from, uint64_t over)
{
    tw_options options = {.size = sizeof options, .tick_ns = TICK, .clock = read_clock};
    now = START;
    chance.state = n;
    loop = tw_loop_new(&options);
    timers = calloc(n, sizeof *timers);
    cr_assert(loop && timers);
    for (size_t i = 0; i < n; i++) {
        tw_timer_init(&timers[i], fire, &timers[i]);
        if (tw_timer_start_at_ns(loop, &timers[i], from + chance_below(&chance, over)) != 0)
            cr_assert_fail("no memory");
    }
}

static tw_stats stats(void)
{
    tw_stats out = {.size = sizeof out};
    tw_stats_get(loop, &out);
    return out;
}

/* What each level's next slot held when it became the next. */
static struct load {
    uint64_t number[TW_LEVELS];  /* of the slot that time was in then */
    uint64_t cells[TW_LEVELS];
} load;

/* The even share of the tick that begins, in cells, rounded up. */
static uint64_t even_share(uint64_t tick)
{
    const struct wheel *wheel = &loop->calendar.wheel;
    uint64_t share = 0;
    for (unsigned level = 1; level < TW_LEVELS; level++) {
        uint64_t number = tick >> wheel_shift(level);
        if (number != load.number[level]) {
            load.number[level] = number;
            load.cells[level] = wheel->slots[wheel_slot_at(level, number + 1)].count;
        }
        share += (load.cells[level] >> wheel_shift(level)) + 1;
    }
    return share;
}

struct work {
    uint64_t excess;     /* the most that a tick moved beyond its bound; 0: none did */
    uint64_t most;       /* the most that a tick moved */
    uint64_t moved;
};

static struct work run_ticks(uint64_t ticks)
{
    struct work work = {0};
    tw_stats before = stats();
    uint64_t began_with = before.moved;
    for (uint64_t i = 0; i < ticks; i++) {
        now += TICK;
        uint64_t share = even_share(now >> SHIFT);
        tw_run(loop);
        tw_stats after = stats();
        uint64_t moved = after.moved - before.moved;
        uint64_t bound = after.fired - before.fired + 4 * share + (TW_LEVELS - 1) * WHEEL_BATCH;
        if (moved > bound && moved - bound > work.excess)
            work.excess = moved - bound;
        work.most = moved > work.most ? moved : work.most;
        before = after;
    }
    work.moved = before.moved - began_with;
    return work;
}

static void end(void)
{
    const char *broken = tw_check(loop);
    cr_assert_null(broken, "%s", broken ? broken : "");
    tw_loop_free(loop);
    free(timers);
}

static void expect_even(struct work work)
{
    cr_log_info("moved %zu in all, at most %zu in a tick", (size_t)work.moved, (size_t)work.most);
    cr_assert_gt(work.moved, 0u, "else nothing was measured");
    cr_assert_eq(work.excess, 0u, "a tick moved %zu more than its bound", (size_t)work.excess);
}

Test(even_share, uniform_over_a_minute)
{
    begin(MANY, START, 60 * SECOND);
    expect_even(run_ticks(60 * SECOND / TICK + 2));
    cr_assert_eq(fired, (size_t)MANY);
    end();
}

Test(even_share, steady_state_of_restarts)
{
    begin(MANY / 4, START, 60 * SECOND);
    restart_over = 60 * SECOND;
    expect_even(run_ticks(90 * SECOND / TICK));
    restart_over = 0;
    end();
}

Test(even_share, burst_of_one_deadline)
{
    begin(MANY / 2, START + 90 * SECOND, 1);
    expect_even(run_ticks(90 * SECOND / TICK + 2));
    cr_assert_eq(fired, (size_t)MANY / 2);
    end();
}

Test(even_share, burst_behind_a_quiet_minute)
{
    begin(MANY, START + 100 * SECOND, 2 * SECOND);
    expect_even(run_ticks(102 * SECOND / TICK + 2));
    cr_assert_eq(fired, (size_t)MANY);
    end();
}

/* Idle timeouts: each is refreshed about every two seconds, so that every visit
 * finds timers that have moved on. */
Test(even_share, refreshed_timeouts)
{
    begin(MANY / 4, START + 60 * SECOND, 60 * SECOND);
    struct work all = {0};
    for (int second = 0; second < 130; second++) {
        for (size_t i = 0; i < MANY / 8; i++)
            tw_timer_start_at_ns(loop, &timers[chance_below(&chance, MANY / 4)],
                                 now + 60 * SECOND);
        struct work work = run_ticks(SECOND / TICK);
        all.excess = work.excess > all.excess ? work.excess : all.excess;
        all.most = work.most > all.most ? work.most : all.most;
        all.moved += work.moved;
    }
    expect_even(all);
    end();
}
