/* SPDX-License-Identifier: MIT */
/* Promises 19 and 22: memory returns, and what is pending is shown. */
#include "support.h"

static tw_loop *the_loop;

struct seen {
    size_t count, limit;
    uint64_t ids;      /* a bit for each */
    tw_call_info last;
};

static bool see(void *arg, const tw_call_info *info)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last = *info;
    uint64_t bit = UINT64_C(1) << ((uintptr_t)info->arg & 63);
    REQUIRE(!(seen->ids & bit), "shown twice");
    seen->ids |= bit;
    return seen->count < seen->limit;
}

static struct seen look(size_t limit)
{
    struct seen seen = {.limit = limit};
    cr_assert_eq(tw_foreach(the_loop, see, &seen), seen.count);
    return seen;
}

Test(foreach, shows_each_pending_call_and_active_timer_once)
{
    tw_timer timers[3];
    tw_context context = {NULL};
    the_loop = loop_new();
    for (size_t i = 0; i < 3; i++)
        tw_timer_init(&timers[i], record, ID(i + 1));
    cr_assert_eq(look(99).count, 0);
    tw_timer_start_later_ns(the_loop, &timers[0], SECOND);
    tw_timer_start_later_ns(the_loop, &timers[1], 40 * DAY);
    tw_timer_start_later_ns(the_loop, &timers[2], SECOND);
    tw_timer_park(the_loop, &timers[2]);
    tw_call_soon(the_loop, record, ID(4));
    tw_call_at_ns(the_loop, 0, record, ID(5));
    tw_cancel(the_loop, tw_call_later(the_loop, 1, record, ID(6)));
    tw_call_every(the_loop, 0.5, record, ID(7));
    tw_call_at_ns(the_loop, NEVER, record, ID(8));
    tw_call_later_in(the_loop, 9.0, record, ID(9), &context);
    struct seen seen = look(99);
    cr_assert_eq(seen.ids, 0x3B6, "%zx", (size_t)seen.ids);
    cr_assert_eq(look(2).count, 2, "visit has ended it");
    cr_assert_eq(tw_pending_count(the_loop), 7);
    loop_free(the_loop);
}

Test(foreach, tells_what_there_is_to_know)
{
    tw_timer timer = TW_TIMER_INIT(record, ID(1));
    tw_context context = {NULL};
    the_loop = loop_new();
    tw_timer_start_later_ns(the_loop, &timer, SECOND);
    tw_call_info info = look(99).last;
    cr_assert_eq(info.size, sizeof info);
    cr_assert(info.when_ns == START + SECOND && info.interval_ns == 0);
    cr_assert(info.callback == record && info.arg == ID(1) && info.timer == &timer);
    cr_assert(info.handle == 0 && info.context == NULL);
    tw_timer_stop(the_loop, &timer);

    tw_handle call = tw_call_later_in(the_loop, 2.0, record, ID(2), &context);
    info = look(99).last;
    cr_assert(info.handle == call && info.timer == NULL && info.context == &context);
    cr_assert_eq(info.when_ns, START + 2 * SECOND);
    tw_cancel(the_loop, call);

    call = tw_call_every_ns(the_loop, 30 * MS, record, ID(3));
    info = look(99).last;
    cr_assert(info.handle == call && info.interval_ns == 30 * MS);
    tw_cancel(the_loop, call);

    call = tw_call_later_threadsafe(the_loop, 3.0, record, ID(4));
    info = look(99).last;
    cr_assert(info.handle == call && info.when_ns == START + 3 * SECOND && info.arg == ID(4));
    tw_run(the_loop);
    cr_assert_eq(look(99).count, 1);
    tw_cancel(the_loop, call);
    cr_assert_eq(look(99).count, 0);
    loop_free(the_loop);
}

static size_t refused;

static void expect_refused(int result)
{
    REQUIRE(result && errno == EBUSY, "errno %d", errno);
    errno = 0;
    refused++;
}

static tw_timer active, idle;

static bool change_the_loop(void *arg, const tw_call_info *info)
{
    (void)arg;
    errno = 0;
    expect_refused(tw_call_soon(the_loop, record, ID(1)) == 0);
    expect_refused(tw_call_later(the_loop, 1, record, ID(1)) == 0);
    expect_refused(!tw_cancel(the_loop, info->handle) || info->handle == 0);
    expect_refused(tw_timer_start_later_ns(the_loop, &idle, 5) == -1);
    expect_refused(tw_timer_start_later_ns(the_loop, &active, HOUR) == -1);
    expect_refused(tw_timer_start_later_ns(the_loop, &active, 5) == -1);
    tw_timer_stop(the_loop, &active);
    expect_refused(1);
    tw_timer_park(the_loop, &active);
    expect_refused(1);
    expect_refused(tw_run(the_loop) == 0);
    expect_refused(tw_trim(the_loop) == 0);
    expect_refused(tw_cancel_all(the_loop) == 0);
    expect_refused(tw_reserve(the_loop, 10) == -1);
    tw_loop_free(the_loop);
    expect_refused(1);
    return info->handle == 0;
}

Test(foreach, inside_visit_the_loop_is_not_changed)
{
    the_loop = loop_new();
    tw_timer_init(&active, record, ID(1));
    tw_timer_init(&idle, record, ID(2));
    tw_timer_start_later_ns(the_loop, &active, SECOND);
    tw_handle call = tw_call_later(the_loop, 1, record, ID(3));
    errno = 0;
    cr_assert_geq(tw_foreach(the_loop, change_the_loop, NULL), 1);
    cr_assert_geq(refused, 13);
    cr_assert(tw_timer_active(&active) && !tw_timer_active(&idle) && tw_pending(the_loop, call));
    check_loop(the_loop);
    cr_assert_eq(run_at(the_loop, START + SECOND), 2, "and goes on afterwards");
    loop_free(the_loop);
}

static void look_inside(void *arg)
{
    *(size_t *)arg = look(99).count;
}

static size_t visits_left;

static bool count_down(void *visit_arg, const tw_call_info *info)
{
    (void)visit_arg, (void)info;
    return --visits_left > 0;
}

/* Calls of other threads, of the loop's own, soon calls and timers, some in runs. */
Test(foreach, ends_when_visit_says_so_wherever_it_is)
{
    tw_timer timer;

    the_loop = loop_new();
    tw_timer_init(&timer, record, ID(1));
    tw_timer_start_at_ns(the_loop, &timer, START + DAY);
    for (int i = 0; i < 3; i++) {
        tw_call_later_threadsafe_ns(the_loop, HOUR, record, ID(2));
        tw_call_soon(the_loop, record, ID(3));
        tw_call_later_ns(the_loop, HOUR, record, ID(4));
        tw_call_at_ns(the_loop, START, record, ID(5));
    }
    for (size_t most = 1; most <= 13; most++) {
        visits_left = most;
        cr_assert_eq(tw_foreach(the_loop, count_down, NULL), most);
        cr_assert_eq(visits_left, 0);
    }
    visits_left = 14;
    cr_assert_eq(tw_foreach(the_loop, count_down, NULL), 13);
    loop_free(the_loop);
}

static bool expect_bare(void *timer, const tw_call_info *info)
{
    cr_assert_eq((void *)info->timer, timer);
    cr_assert(!info->callback && !info->arg && info->handle == 0);
    cr_assert_eq(info->when_ns, START + DAY);
    return true;
}

static void nothing_bare(void *hook_arg, tw_bare_timer *timer)
{
    (void)hook_arg, (void)timer;
}

Test(foreach, shows_a_bare_timer_without_callback_and_argument)
{
    tw_options options = test_options();
    tw_bare_timer timer = {0};

    options.on_bare = nothing_bare;
    the_loop = loop_with(&options);
    cr_assert_eq(tw_bare_start_at_ns(the_loop, &timer, START + DAY), 0);
    cr_assert_eq(tw_foreach(the_loop, expect_bare, &timer), 1);
    loop_free(the_loop);
}

Test(foreach, may_be_called_from_a_callback_and_takes_no_nonsense)
{
    size_t count = 0;
    the_loop = loop_new();
    tw_call_soon(the_loop, look_inside, &count);
    tw_call_later(the_loop, 1, record, ID(1));
    tw_run(the_loop);
    cr_assert_eq(count, 1);
    errno = 0;
    cr_assert_eq(tw_foreach(NULL, see, NULL), 0);
    cr_assert_eq(errno, EINVAL);
    errno = 0;
    cr_assert_eq(tw_foreach(the_loop, NULL, NULL), 0);
    cr_assert_eq(errno, EINVAL);
    loop_free(the_loop);
}

/* ------------------------------------------------------------------- tw_trim */

Test(trim, after_a_peak_an_empty_loop_holds_little)
{
    const size_t count = MANY / 4;
    tw_handle *calls = malloc(count * sizeof *calls);
    tw_timer *timers = calloc(count, sizeof *timers);
    the_loop = loop_new();
    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            calls[i] = tw_call_later_ns(the_loop, i * MS, record, ID(1));
            tw_timer_init(&timers[i], record, ID(2));
            tw_timer_start_later_ns(the_loop, &timers[i], i * SECOND);
        }
        size_t peak = stats_of(the_loop).bytes;
        for (size_t i = 0; i < count; i++) {
            tw_cancel(the_loop, calls[i]);
            if (i % 2)
                tw_timer_stop(the_loop, &timers[i]);
            else
                tw_timer_park(the_loop, &timers[i]);
        }
        size_t before = stats_of(the_loop).bytes, given = tw_trim(the_loop);
        cr_assert_geq(before, peak);
        cr_assert_eq(stats_of(the_loop).bytes, before - given);
        cr_assert_lt(stats_of(the_loop).bytes, 1 << 20);
        check_loop(the_loop);
        for (size_t i = 0; i < count; i += 100)
            REQUIRE(!tw_pending(the_loop, calls[i]) && !tw_cancel(the_loop, calls[i]), "stale");
    }
    loop_free(the_loop);
    free(calls);
    free(timers);
}

/* What stays takes as much as its cells do, or as the slots it is in; and all of that comes
 * with the first block, so that what can fail does before anything is moved. */
static void expect_trimmed(size_t count, size_t stay, size_t slots)
{
    tw_timer *timers = calloc(count, sizeof *timers);
    the_loop = loop_new();
    for (size_t i = 0; i < count; i++) {
        tw_timer_init(&timers[i], record, ID(i));
        tw_timer_start_later_ns(the_loop, &timers[i], (2 + i % slots) * (TICK << 8));
    }
    for (size_t i = stay; i < count; i++)
        tw_timer_stop(the_loop, &timers[i]);
    size_t before = heap.live_bytes;
    heap.fail_at = heap.calls + 2;
    heap.fail_from = true;
    cr_assert_gt(tw_trim(the_loop), 0);
    heap_recover();
    cr_assert_lt(heap.live_bytes, before / 2);
    check_loop(the_loop);
    cr_assert_eq(run_at(the_loop, clock_ns + DAY), stay);
    loop_free(the_loop);
    free(timers);
}

Test(trim, what_stays_is_moved_into_one_block_as_large_as_it_needs)
{
    expect_trimmed(25000, 300, 300);
    expect_trimmed(25000, 6250, 3);
}

/* A cancelled call's node keeps its place until that can be moved. */
Test(trim, without_memory_leaves_what_is_parked_where_it_is)
{
    tw_handle far[100];

    the_loop = loop_new();
    for (int i = 0; i < 100; i++) {
        far[i] = tw_call_later_ns(the_loop, DAY, record, ID(i));
    }
    for (int i = 0; i < 100; i++) {
        tw_cancel(the_loop, far[i]);
    }
    tw_call_later_ns(the_loop, HOUR, record, ID(1));
    cr_assert_eq(stats_of(the_loop).parked, 99);
    heap_exhaust();
    (void)tw_trim(the_loop);
    heap_recover();
    check_loop(the_loop);
    cr_assert_eq(stats_of(the_loop).parked, 99);
    (void)tw_trim(the_loop);
    check_loop(the_loop);
    cr_assert_eq(stats_of(the_loop).parked, 0);
    cr_assert_eq(run_at(the_loop, START + DAY), 1);
    loop_free(the_loop);
}

Test(trim, what_is_pending_goes_on_and_no_handle_comes_back)
{
    enum { CALLS = 5000 };
    static tw_handle calls[CALLS];
    the_loop = loop_new();
    for (size_t i = 0; i < CALLS; i++)
        calls[i] = tw_call_later_ns(the_loop, (1 + i % 60) * SECOND, record, ID(1));
    for (size_t i = 7; i < CALLS; i++)
        tw_cancel(the_loop, calls[i]);
    cr_assert_gt(tw_trim(the_loop), 0);
    check_loop(the_loop);
    for (size_t i = 0; i < CALLS; i++) {
        tw_handle call = tw_call_later_ns(the_loop, MINUTE, record, ID(2));
        for (size_t k = 0; k < CALLS; k += 1 + i % 97)
            REQUIRE(call != calls[k], "a handle was given out again");
        tw_cancel(the_loop, call);
    }
    cr_assert_eq(run_at(the_loop, START + HOUR), 7);
    tw_trim(the_loop);
    tw_trim(the_loop);
    check_loop(the_loop);
    loop_free(the_loop);
    errno = 0;
    cr_assert_eq(tw_trim(NULL), 0);
    cr_assert_eq(errno, EINVAL);
}

/* The nodes before and behind it are given back all the same. */
Test(trim, one_call_that_is_pending_after_a_peak_holds_its_own_block_only)
{
    tw_handle *calls = malloc(MANY * sizeof *calls);
    the_loop = loop_new();
    for (size_t round = 0; round < 3; round++) {
        size_t late = MANY / 2 + round * (MANY / 2 - 1) / 2; /* the middle, behind it, the last */
        for (size_t i = 0; i < MANY; i++)
            calls[i] = tw_call_later_ns(the_loop, i == late ? HOUR : MINUTE, record, ID(i));
        for (size_t i = 0; i < MANY; i++)
            REQUIRE(i == late || tw_cancel(the_loop, calls[i]), "%zu", i);
        cr_assert_gt(tw_trim(the_loop), 0);
        cr_assert_lt(heap.live_bytes, 3 << 20, "%zu bytes in round %zu", heap.live_bytes, round);
        check_loop(the_loop);
        for (size_t i = 0; i < MANY; i++)
            REQUIRE(tw_pending(the_loop, calls[i]) == (i == late), "%zu", i);
        cr_assert_eq(tw_pending_count(the_loop), 1);
        cr_assert(tw_cancel(the_loop, calls[late]));
    }
    loop_free(the_loop);
    free(calls);
}

static int compare_handles(const void *a, const void *b)
{
    const tw_handle *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

Test(trim, no_handle_comes_back_when_blocks_in_the_middle_are_made_again)
{
    enum { ROUNDS = 4 };
    const size_t count = MANY / 10;
    tw_handle *calls = malloc(ROUNDS * count * sizeof *calls);
    uint64_t chance = 21;
    the_loop = loop_new();
    for (size_t round = 0; round < ROUNDS; round++) {
        tw_handle *of_round = calls + round * count;
        for (size_t i = 0; i < count; i++) {
            of_round[i] = tw_call_later_ns(the_loop, HOUR, record, ID(i));
            REQUIRE(of_round[i] != 0, "%zu", i);
        }
        size_t kept = random_below(&chance, count); /* one of them holds its block */
        for (size_t i = 0; i < count; i++)
            REQUIRE(i == kept || tw_cancel(the_loop, of_round[i]), "%zu", i);
        tw_trim(the_loop);
        check_loop(the_loop);
        for (size_t i = 0; i < (round + 1) * count; i += 7)
            REQUIRE(tw_when_ns(the_loop, calls[i]) == NEVER || tw_pending(the_loop, calls[i]), "%zu", i);
        cr_assert_eq(tw_pending_count(the_loop), round + 1);
    }
    qsort(calls, ROUNDS * count, sizeof *calls, compare_handles);
    for (size_t i = 1; i < ROUNDS * count; i++)
        REQUIRE(calls[i] != calls[i - 1], "a handle was given out twice");
    cr_assert_eq(run_at(the_loop, START + HOUR), ROUNDS);
    loop_free(the_loop);
    free(calls);
}

Test(trim, without_memory_for_a_block_that_was_given_back_a_start_is_refused)
{
    enum { CALLS = 1000 };
    static tw_handle calls[CALLS];
    the_loop = loop_new();
    for (size_t i = 0; i < CALLS; i++)
        calls[i] = tw_call_later_ns(the_loop, MINUTE, record, ID(i));
    for (size_t i = 0; i < CALLS - 1; i++)
        tw_cancel(the_loop, calls[i]);
    tw_trim(the_loop);
    heap_exhaust();
    size_t started = 0;
    while (tw_call_later_ns(the_loop, MINUTE, record, ID(1)) != 0)
        started++;
    cr_assert_eq(errno, ENOMEM);
    cr_assert_lt(started, CALLS - 1);
    check_loop(the_loop);
    heap_recover();
    cr_assert_eq(tw_reserve_calls(the_loop, CALLS), 0);
    heap_exhaust();
    for (; started < CALLS - 1; started++)
        REQUIRE(tw_call_later_ns(the_loop, MINUTE, record, ID(1)) != 0, "%zu", started);
    heap_recover();
    check_loop(the_loop);
    cr_assert_eq(run_at(the_loop, START + MINUTE), CALLS);
    loop_free(the_loop);
}
