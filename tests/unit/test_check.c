/* SPDX-License-Identifier: MIT */
/* check: each kind of damage, done by hand, is told by its number. */
#include "support.h"

static tw_loop *loop;
static struct calendar *calendar;
static uint64_t now = UINT64_C(1) << 40;
static tw_timer *timers;

enum { TIMERS = 40, FRESH = 30, FAR = 31, UPPER = 35 };

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* A loop with timers in each place: 0 to 29 in level 0, 30 fresh, 31 to 34
 * beyond the span, 35 to 39 in an upper level; two calls and two soon calls, and a parked node. */
static void begin(void)
{
    tw_options options = {.size = sizeof options, .tick_ns = 1024, .clock = read_clock};
    loop = tw_loop_new(&options);
    cr_assert_not_null(loop);
    calendar = &loop->calendar;
    timers = timers_new(TIMERS);
    for (size_t i = 0; i < TIMERS; i++) {
        uint64_t delay = i < FRESH ? 3 * 1024 : 0;
        if (i >= FAR)
            delay = (UINT64_C(1) << 45) + i;
        if (i >= UPPER)
            delay = UINT64_C(1024) << (TW_LEVEL_BITS + 2);
        tw_timer_init(&timers[i], nothing, NULL);
        cr_assert_eq(tw_timer_start_at_ns(loop, &timers[i], now + delay), 0);
    }
    for (int i = 0; i < 2; i++) {
        tw_call_at_ns(loop, now + 5 * 1024, nothing, NULL);
        tw_call_soon(loop, nothing, NULL);
    }
    tw_cancel(loop, tw_call_at_ns(loop, now + 5 * 1024, nothing, NULL));
    const char *broken = tw_check(loop);
    cr_assert_null(broken, "%s", broken ? broken : "");
    cr_assert_eq(timer_slot(&timers[FRESH].bare_), (unsigned)SLOT_FRESH);
    cr_assert_geq(timer_slot(&timers[FAR].bare_), (unsigned)WHEEL_NEAR_SLOTS);
    cr_assert_eq(wheel_level(timer_slot(&timers[UPPER].bare_)), 1u);
}

#define EXPECT(number)                                                                             \
    do {                                                                                           \
        const char *broken_ = tw_check(loop);                                                      \
        cr_assert_not_null(broken_, "the damage was not seen");                                    \
        cr_assert(strncmp(broken_, number ":", strlen(number) + 1) == 0, "%s", broken_);           \
    } while (0)

static tw_bare_timer *first_soon(void)
{
    return *calendar->soon.head;
}

Test(check, no_loop_is_told)
{
    cr_assert_not_null(tw_check(NULL));
}

Test(check, T1_timer_that_names_another_slot)
{
    begin();
    timer_set_slot(&timers[0].bare_, timer_slot(&timers[0].bare_) ^ 1);
    EXPECT("T1");
}

Test(check, T1_timer_overwritten_with_zeroes_or_initialised_again)
{
    begin();
    timers[0].bare_.state_ = 0;
    EXPECT("T1");
}

Test(check, T2_timer_of_another_loop)
{
    begin();
    timers[0].bare_.state_ ^= 1u << TIMER_TAG_SHIFT;
    EXPECT("T2");
}

Test(check, T3_active_timer_without_a_callback)
{
    begin();
    timers[5].callback_ = NULL;
    EXPECT("T3");
}

Test(check, T4_timer_that_points_at_another_cell)
{
    begin();
    timers[0].bare_.place_ = timers[1].bare_.place_;
    EXPECT("T4");
}

Test(check, T4_cell_that_points_at_another_timer)
{
    begin();
    *(tw_bare_timer **)timers[0].bare_.place_ = &timers[1].bare_;
    EXPECT("T4");
}

static void flip_bit_of(unsigned slot)
{
    unsigned index = slot & (WHEEL_SLOTS - 1);
    calendar->wheel.occupied[wheel_level(slot)][index / 64] ^= UINT64_C(1) << (index & 63);
}

Test(check, W1_bit_missing_or_left_over)
{
    begin();
    unsigned slot = timer_slot(&timers[0].bare_);
    flip_bit_of(slot);
    EXPECT("W1");
    flip_bit_of(slot);
    cr_assert_null(tw_check(loop));
    flip_bit_of(slot ^ 1);
    EXPECT("W1");
}

/* A loop with one timer, in level 1; answers the first tick of its slot. */
static uint64_t begin_with_one(void)
{
    static tw_timer timer;
    tw_options options = {.size = sizeof options, .tick_ns = 1024, .clock = read_clock};
    loop = tw_loop_new(&options);
    calendar = &loop->calendar;
    tw_timer_init(&timer, nothing, NULL);
    tw_timer_start_at_ns(loop, &timer, now + (UINT64_C(1024) << (TW_LEVEL_BITS + 2)));
    cr_assert_eq(wheel_level(timer_slot(&timer.bare_)), 1u);
    return wheel_start(1, wheel_number(&calendar->wheel, timer_slot(&timer.bare_)));
}

Test(check, W1_slot_of_no_level_with_cells)
{
    begin();
    for (unsigned slot = TW_LEVELS * WHEEL_SLOTS; slot < WHEEL_NEAR_SLOTS; slot++) {
        calendar->wheel.slots[slot].count++;
        EXPECT("W1");
        calendar->wheel.slots[slot].count--;
    }
    cr_assert_null(tw_check(loop));
}

Test(check, W2_time_in_a_tick_with_cells_that_is_not_being_opened)
{
    begin();
    calendar->wheel.cursor = timers[0].bare_.deadline_ >> calendar->tick_shift;
    EXPECT("W2");
}

Test(check, W2_tick_left_half_opened_by_a_run_that_could_have_gone_on)
{
    begin();
    calendar->opening = true;
    calendar->still_state = CALENDAR_NO_STATE;
    calendar->budget = 0;
    cr_assert_null(tw_check(loop));
    calendar->budget = 1;
    EXPECT("W2");
}

Test(check, W2_half_opened_tick_that_starts_still_go_to)
{
    begin();
    calendar->opening = true;
    calendar->still_state = CALENDAR_NO_STATE;
    calendar->budget = 0;
    calendar->horizon_ns -= UINT64_C(1) << calendar->tick_shift;
    EXPECT("W2");
}

Test(check, W2_time_in_a_slot_with_cells)
{
    uint64_t start = begin_with_one();
    calendar->wheel.cursor = start;
    EXPECT("W2");
}

Test(check, W3_time_about_to_enter_a_slot_with_cells)
{
    uint64_t start = begin_with_one();
    calendar->wheel.cursor = start - 1;
    calendar->wheel.cascade_due = WHEEL_NEVER;
    EXPECT("W3");
}

Test(check, W4_cascade_that_would_come_too_late)
{
    begin();
    uint64_t due = calendar->wheel.cascades[1].due;
    calendar->wheel.cascades[1].due = WHEEL_NEVER;
    EXPECT("W4");
    calendar->wheel.cascades[1].due = due;
    cr_assert_null(tw_check(loop));
    calendar->wheel.cascade_due = calendar->wheel.cascades[1].due + 1;
    EXPECT("W4");
}

Test(check, W4_tick_that_would_be_passed_by)
{
    begin();
    calendar->wheel.next_tick = WHEEL_NEVER;
    EXPECT("W4");
}

Test(check, W5_level_taken_for_an_empty_one)
{
    begin();
    calendar->wheel.levels = 1;
    EXPECT("W5");
}

Test(check, W5_slot_of_very_many_that_nobody_wakes_up_for)
{
    begin();
    for (unsigned i = 0; i <= TW_WAKE_CELLS; i++)
        tw_call_at_ns(loop, now + (UINT64_C(1) << 45), nothing, NULL);
    cr_assert_null(tw_check(loop));
    calendar->wheel.waking_levels = 0;
    EXPECT("W5");
}

Test(check, W5_no_tick_is_woken_for_on_the_way_to_it)
{
    begin();
    for (unsigned i = 0; i <= TW_WAKE_CELLS + CHUNK_ROOM; i++)
        tw_call_at_ns(loop, now + 5 * 1024, nothing, NULL);
    cr_assert_eq(calendar->wheel.waking_levels, 0);
    cr_assert_not(calendar->wheel.wakes_more);
    cr_assert_null(tw_check(loop));
}

Test(check, C1_deadline_before_the_visit_of_its_slot)
{
    begin();
    timers[0].bare_.deadline_ -= 2 * 1024;
    EXPECT("C1");
}

Test(check, C2_parked_timer_in_a_queue)
{
    begin();
    first_soon()->state_ |= TIMER_PARKED;
    EXPECT("C2");
}

Test(check, R1_queue_out_of_order)
{
    begin();
    timer_set_sequence(first_soon(), calendar->sequence + TIMER_SEQUENCE_ONE);
    EXPECT("R1");
}

/* A loop with a sorted run and, beside it, another. */
static void begin_with_runs(void)
{
    begin();
    now += 1024;
    tw_run(loop);
    for (int runs = 0; runs < 2; runs++) {
        for (int i = 0; i < 24 - 20 * runs; i++)
            tw_call_at_ns(loop, now + 500 + (uint64_t)i, nothing, NULL);
        tw_advance(loop, now + 1);
    }
    cr_assert_eq(calendar->ready.count, 2u);
    cr_assert_null(tw_check(loop));
}

Test(check, R2_run_not_known_by_its_first_timer)
{
    begin_with_runs();
    calendar->ready.runs[0].deadline--;
    EXPECT("R2");
}

Test(check, R3_burst_whose_run_is_not_ended)
{
    begin_with_runs();
    calendar->ready.joined = calendar->ready.runs[0];
    EXPECT("R3");
}

Test(check, R3_run_without_a_cell)
{
    begin_with_runs();
    calendar->ready.runs[1].queue.count = 0;
    EXPECT("R3");
}

Test(check, R3_runs_that_are_no_heap)
{
    begin_with_runs();
    struct ready_run *runs = calendar->ready.runs;
    struct ready_run before = runs[1];
    runs[1].deadline = runs[0].deadline - 1;
    EXPECT("R3");
    runs[1].deadline = runs[0].deadline;
    runs[1].sequence = runs[0].sequence - TIMER_SEQUENCE_ONE;
    EXPECT("R3");
    runs[1].sequence = runs[0].sequence;
    EXPECT("R2"); /* in order, but not by its own first timer */
    runs[1] = before;
    cr_assert_null(tw_check(loop));
}

Test(check, C3_deadline_before_that_which_is_slept_for)
{
    begin();
    (void)tw_next_ns(loop); /* there are soon calls: the timers' own is not worked out */
    (void)calendar_next_ns(calendar);
    cr_assert_null(tw_check(loop));
    calendar->next_ns++;
    EXPECT("C3");
}

Test(check, C3_soon_calls_are_no_part_of_it)
{
    begin_with_one();
    tw_call_soon(loop, nothing, NULL);
    uint64_t next = calendar_next_ns(calendar);
    cr_assert_gt(next, now);
    cr_assert_null(tw_check(loop));
    calendar->next_ns = next + 1;
    EXPECT("C3");
}

static tw_timer spilled[2];

/* Two timers in the list, the later one first. */
static void begin_with_spilled(void)
{
    begin();
    for (int i = 0; i < 2; i++) {
        tw_timer_init(&spilled[i], nothing, NULL);
        tw_timer_start_at_ns(loop, &spilled[i], now + 100 - (uint64_t)i);
        tw_timer_stop(loop, &spilled[i]);
        spilled[i].bare_.state_ = (uint16_t)(calendar->tag | (SLOT_SPILL + 1));
    }
    calendar->spill = &spilled[0].bare_;
    spilled[0].bare_.place_ = &spilled[1];
    spilled[1].bare_.place_ = NULL;
}

Test(check, C4_spilled_timers_out_of_order)
{
    begin_with_spilled();
    EXPECT("C4");
}

Test(check, C2_spilled_timer_that_is_parked)
{
    begin_with_spilled();
    spilled[0].bare_.state_ |= TIMER_PARKED;
    EXPECT("C2");
}

Test(check, T1_T2_spilled_timer_that_says_otherwise)
{
    begin_with_spilled();
    timer_set_slot(&spilled[0].bare_, SLOT_FRESH);
    EXPECT("T1");
    timer_set_slot(&spilled[0].bare_, SLOT_SPILL);
    spilled[0].bare_.state_ ^= 1u << TIMER_TAG_SHIFT;
    EXPECT("T2");
}

Test(check, B1_bucket_with_more_cells_than_it_counts)
{
    begin();
    calendar->wheel.slots[timer_slot(&timers[0].bare_)].count--;
    EXPECT("B1");
}

Test(check, B1_bucket_with_fewer_cells_than_it_counts)
{
    begin();
    calendar->ready.fresh.count++;
    EXPECT("B1");
}

Test(check, B2_queue_that_does_not_end_at_its_tail)
{
    begin();
    calendar->soon.count--;
    EXPECT("B2");
    calendar->soon.count += 2;
    EXPECT("B2");
}

Test(check, T1_T4_timer_in_a_queue_that_says_otherwise)
{
    begin();
    tw_bare_timer *timer = first_soon();
    timer_set_slot(timer, SLOT_RUN);
    EXPECT("T1");
    timer_set_slot(timer, SLOT_SOON);
    timer->place_ = &calendar->soon;
    EXPECT("T4");
}

Test(check, B4_timer_due_before_its_bucket_says)
{
    begin();
    calendar->wheel.slots[timer_slot(&timers[0].bare_)].earliest = UINT64_MAX;
    EXPECT("B4");
}

Test(check, B5_chunk_that_is_free_and_in_use)
{
    begin();
    calendar->cells.total = 1;
    EXPECT("B5");
}

Test(check, B5_chunk_that_is_free_and_in_a_queue)
{
    begin();
    for (int i = 0; i < 2 * CHUNK_ROOM; i++)
        tw_call_soon(loop, nothing, NULL);
    cr_assert_null(tw_check(loop));
    chunk_give(&calendar->cells, chunk_of(calendar->soon.tail - 1));
    EXPECT("B5");
}

Test(check, B6_lost_chunk)
{
    begin();
    struct chunk *lost = chunk_take(&calendar->cells);
    EXPECT("B6");
    chunk_give(&calendar->cells, lost);
    cr_assert_null(tw_check(loop));
}

Test(check, P1_pending_call_of_an_even_generation)
{
    begin();
    pool_at(&loop->pool, 0)->generation++;
    EXPECT("P1");
}

Test(check, P2_free_node_of_an_odd_generation)
{
    begin();
    loop->pool.free->generation++;
    EXPECT("P2");
}

Test(check, P3_node_with_the_wrong_index)
{
    begin();
    loop->pool.free->index = 0;
    EXPECT("P3");
}

Test(check, P5_nodes_in_use_that_no_call_explains)
{
    begin();
    pool_take(&loop->pool)->timer.callback_ = nothing;
    EXPECT("P5");
}

Test(check, P5_lost_nodes)
{
    begin();
    loop->pool.free = loop->pool.free->next;
    EXPECT("P5");
}

Test(check, P6_handles_looked_for_in_slabs_that_are_missing)
{
    begin();
    loop->pool.found_at_once--;
    EXPECT("P6");
}

Test(check, L1_wrong_count_of_pending_timers)
{
    begin();
    loop->counts.fired++;
    EXPECT("L1");
}

Test(check, L2_wrong_count_of_parked_timers)
{
    begin();
    calendar->park_ends++;
    EXPECT("L2");
}

Test(check, L3_wrong_count_of_soon_calls)
{
    begin();
    calendar->soon_pending++;
    EXPECT("L3");
}

Test(check, X6_wrong_count_of_calls_of_other_threads)
{
    begin();
    cr_assert_neq(tw_call_at_threadsafe_ns(loop, now + 5 * 1024, nothing, NULL), 0u);
    remote_collect(loop);
    cr_assert_null(tw_check(loop));
    loop->remote.placed++;
    EXPECT("X6");
}

/* A loop that has run and has nothing to do before a timer that is sorted already. */
static void begin_passing(void)
{
    begin();
    tw_cancel_all(loop);
    tw_timer_start_at_ns(loop, &timers[0], now + 3 * 1024 + 500);
    for (size_t i = 0; i < CALENDAR_FEW; i++) /* so many that the tick is sorted */
        tw_call_at_ns(loop, now + 3 * 1024, nothing, NULL);
    now += 3 * 1024;
    cr_assert_eq(tw_run(loop), (size_t)CALENDAR_FEW);
    cr_assert_eq(timer_slot(&timers[0].bare_), (unsigned)SLOT_RUN);
    cr_assert_eq(calendar->ready_ns, now + 500);
    cr_assert_null(tw_check(loop));
}

/* A loop that knows until when it has nothing to do. */
static void begin_quiet(void)
{
    begin();
    tw_cancel_all(loop);
    tw_timer_start_at_ns(loop, &timers[0], now + 1024 + 500);
    tw_run(loop);
    tw_run(loop);
    cr_assert_eq(calendar->quiet_ns, now + 1024 + 500);
    cr_assert_null(tw_check(loop));
}

Test(check, F11_run_that_would_be_left_out_while_another_is_under_way)
{
    begin_quiet();
    calendar->running = true;
    calendar->still_state = CALENDAR_NO_STATE;
    loop->run.outermost = TW_FRAME();
    EXPECT("F11");
}

Test(check, F11_run_that_would_be_left_out_though_there_is_more)
{
    begin_quiet();
    calendar->ready_ns = 0;
    EXPECT("F11");
}

Test(check, F11_run_that_would_be_left_out_though_a_timer_is_due)
{
    begin_quiet();
    calendar->quiet_ns++;
    EXPECT("F11");
}

Test(check, F11_run_that_would_be_left_out_though_timers_are_to_be_moved)
{
    begin_quiet();
    calendar->wheel.cascade_due = calendar->quiet_ns / 1024 - 1;
    calendar->wheel.cascades[1].due = calendar->wheel.cascade_due;
    EXPECT("F11");
}

Test(check, F11_run_that_would_be_left_out_though_the_loop_is_woken_for_it)
{
    begin_quiet();
    cr_assert_eq(tw_next_ns(loop), calendar->quiet_ns);
    calendar->next_ns--;
    EXPECT("F11");
}

Test(check, F1_run_that_has_no_frame)
{
    begin();
    calendar->running = true;
    EXPECT("F1");
}

Test(check, F2_short_cuts_that_pass_by_the_recorder)
{
    begin();
    calendar->fast_state = CALENDAR_NO_STATE;
    EXPECT("F2");
}

Test(check, F3_time_that_stands_still_or_does_not)
{
    begin();
    calendar->still_state = CALENDAR_NO_STATE;
    EXPECT("F3");
    calendar->still_state = calendar->fast_state;
    cr_assert_null(tw_check(loop));
    calendar->running = true;
    loop->run.outermost = TW_FRAME();
    EXPECT("F3");
}

Test(check, F4_run_that_would_pass_by_what_is_not_in_the_wheel)
{
    begin();
    calendar->ready_ns = now;
    EXPECT("F4");
}

Test(check, F4_run_that_would_pass_by_what_is_ready)
{
    begin_passing();
    calendar->ready_ns++;
    EXPECT("F4");
}

Test(check, F4_run_that_would_pass_by_what_was_cut_short)
{
    begin_passing();
    calendar->budget = 0;
    EXPECT("F4");
}

Test(check, F4_run_that_would_pass_by_a_soon_call)
{
    begin_passing();
    tw_call_soon(loop, nothing, NULL);
    calendar->ready_ns = now + 500;
    EXPECT("F4");
}

Test(check, F4_run_that_would_pass_by_what_is_spilled)
{
    begin_passing();
    tw_timer *timer = &timers[1];
    tw_timer_start_at_ns(loop, timer, now + 2000);
    tw_timer_stop(loop, timer);
    loop->counts.stops--;
    timer->bare_.state_ = (uint16_t)(calendar->tag | (SLOT_SPILL + 1));
    timer->bare_.place_ = NULL;
    calendar->spill = &timer->bare_;
    calendar->ready_ns = now + 500;
    EXPECT("F4");
    calendar->ready_ns = 0;
    cr_assert_null(tw_check(loop));
}

Test(check, F4_run_that_would_pass_by_who_waits_between_the_runs)
{
    begin_passing();
    loop->awaited = loop->runner.fd_given = true;
    EXPECT("F4");
}

Test(check, F4_run_that_would_pass_by_the_recorder)
{
    begin_passing();
    loop->recorder = (struct recorder *)(void *)timers; /* only whether there is one is asked */
    calendar->fast_state = calendar->still_state = CALENDAR_NO_STATE;
    loop->plain_calls = false;
    loop_watch_starts(loop, 0);
    EXPECT("F4");
    loop->recorder = NULL;
}

Test(check, F4_run_that_would_pass_by_what_other_threads_have_sent)
{
    begin_passing();
    struct remote_node *node = calloc(1, sizeof *node);
    loop->remote.arrived = node;
    EXPECT("F4");
    loop->remote.arrived = NULL;
    tw_post post;
    tw_post_init(&post, nothing, NULL);
    loop->posts.turning = &post;
    EXPECT("F4");
    loop->posts.turning = NULL;
    loop->posts.taken = &post;
    EXPECT("F4");
    loop->posts.taken = NULL;
    cr_assert_null(tw_check(loop));
    free(node);
}

Test(check, F4_run_that_would_pass_by_the_end_of_the_loop)
{
    begin_passing();
    loop->closing = loop->dropping = loop->posts.closed = true;
    loop_watch_starts(loop, 0);
    EXPECT("F4");
}

Test(check, F4_run_that_would_pass_by_the_rest_of_the_soon_calls)
{
    begin_passing();
    loop->soon_cut = true;
    EXPECT("F4");
}

Test(check, F4_run_to_be_gone_on_with_that_has_calls_scheduled_since)
{
    begin();
    loop->soon_cut = true;
    loop->soon_end = calendar->sequence;
    cr_assert_null(tw_check(loop));
    loop->soon_end += TIMER_SEQUENCE_ONE;
    EXPECT("F4");
}

Test(check, F4_run_that_passes_inside_a_run)
{
    begin_passing();
    calendar->running = true;
    loop->run.outermost = TW_FRAME();
    calendar->still_state = CALENDAR_NO_STATE;
    EXPECT("F4");
}

Test(check, F5_starts_that_are_not_looked_at_or_for_nothing)
{
    begin();
    loop->guarded = true;
    EXPECT("F5");
    loop->guarded = false;
    loop->pending_cap = 1000;
    EXPECT("F5");
}

Test(check, F6_poller_that_is_not_told_when_a_run_is_over)
{
    begin();
    loop->runner.fd_given = true;
    EXPECT("F6");
}

Test(check, F7_alarm_that_is_not_set)
{
    begin();
    loop_watch_starts(loop, now + 1);
    EXPECT("F7");
}

Test(check, F7_alarm_that_is_set_for_another_time)
{
    begin();
    loop->awaited = loop->runner.fd_given = true;
    loop->runner.backend.armed_ns = now + 2;
    loop_watch_starts(loop, now + 1);
    EXPECT("F7");
}

Test(check, F7_alarm_that_starts_are_compared_with_during_a_run)
{
    begin();
    loop->awaited = loop->runner.fd_given = true;
    loop->runner.backend.armed_ns = now + 1;
    loop_watch_starts(loop, now + 1);
    cr_assert_null(tw_check(loop));
    calendar->running = true;
    loop->run.outermost = TW_FRAME();
    calendar->still_state = CALENDAR_NO_STATE;
    EXPECT("F7");
}

Test(check, F8_other_threads_that_are_told_otherwise)
{
    begin();
    atomic_store(&loop->remote.ends_empty, true);
    EXPECT("F8");
}

Test(check, F10_callbacks_that_pass_by_the_recorder)
{
    begin();
    loop->plain_calls = !loop->plain_calls;
    EXPECT("F10");
}

Test(check, F9_freed_loop_that_is_open_to_posts)
{
    begin();
    loop->closing = true;
    loop_watch_starts(loop, 0);
    EXPECT("F9");
    loop->dropping = true;
    EXPECT("F9");
    loop->posts.closed = true;
    cr_assert_null(tw_check(loop));
}

Test(check, S2_alarm_after_the_earliest_deadline)
{
    begin();
    loop->awaited = loop->runner.fd_given = true;
    loop->runner.backend.armed_ns = now + 1;
    loop_watch_starts(loop, now + 1); /* timer 30 is due now */
    cr_assert_null(tw_check(loop), "it is awake");
    (void)post_reader_is(&loop->posts, POST_ASLEEP);
    EXPECT("S2");
}

Test(check, locked_loop_cannot_be_told)
{
    begin();
    loop_lock(loop);
    cr_assert_not_null(tw_check(loop));
    loop_unlock(loop);
    cr_assert_null(tw_check(loop));
}
