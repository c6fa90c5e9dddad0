/* SPDX-License-Identifier: MIT */
/* The recorder: what it writes down is what happened. */
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

/* ------------------------------------------------- a trace, run again by a loop */

enum { MAX_TIMERS = 4096 };

/* Reads a trace and does what it says, on embedded timers; soon calls by handle.
 * What a callback did is done in the callback. */
static struct player {
    tw_loop *loop;
    struct trace_reader reader;
    struct trace_event event; /* the next one */
    int more;
    size_t fired;
    const struct firings *expected;
    tw_timer timers[MAX_TIMERS];
    tw_handle soon[MAX_TIMERS];
} player;

static void next_event(void)
{
    player.more = trace_read_next(&player.reader, &player.event);
    if (player.more < 0)
        cr_assert(false, "%s", player.reader.error);
    if (player.more == 1)
        REQUIRE(player.event.id < MAX_TIMERS);
}

static void move(uint32_t id, uint64_t deadline_ns)
{
    if (!tw_reschedule_at_ns(player.loop, player.soon[id], deadline_ns))
        REQUIRE(tw_timer_start_at_ns(player.loop, &player.timers[id], deadline_ns) == 0);
}

static void stop(uint32_t id)
{
    if (!tw_cancel(player.loop, player.soon[id]))
        tw_timer_stop(player.loop, &player.timers[id]);
}

static void on_timer(void *arg);

/* Everything up to the next firing or run. */
static void play_operations(void)
{
    for (; player.more == 1; next_event()) {
        uint32_t id = player.event.id;
        test_now_ns = player.event.time_ns;
        switch (player.event.op) {
        case TRACE_START:
            REQUIRE(!tw_timer_active(&player.timers[id]));
            move(id, player.event.deadline_ns);
            break;
        case TRACE_MOVE:
            move(id, player.event.deadline_ns);
            break;
        case TRACE_STOP:
            stop(id);
            break;
        case TRACE_PARK:
            tw_timer_park(player.loop, &player.timers[id]);
            break;
        case TRACE_SOON:
            player.soon[id] = tw_call_soon(player.loop, on_timer, &player.timers[id]);
            break;
        default:
            return;
        }
    }
}

static void on_timer(void *arg)
{
    REQUIRE(player.more == 1 && player.event.op == TRACE_FIRE);
    REQUIRE(arg == &player.timers[player.event.id]);
    REQUIRE(player.fired < player.expected->count);
    REQUIRE(tw_now_ns(player.loop) == player.expected->at_ns[player.fired]);
    player.fired++;
    next_event();
    play_operations();
}

static void play(const struct tape *tape, const struct firings *expected)
{
    memset(&player, 0, sizeof player);
    player.expected = expected;
    test_now_ns = 1000000;
    player.loop = test_loop_new(NULL);
    for (size_t i = 0; i < MAX_TIMERS; i++)
        tw_timer_init(&player.timers[i], on_timer, &player.timers[i]);
    REQUIRE(trace_read_begin(&player.reader, tape->bytes, tape->count) == 0);
    next_event();
    play_operations();
    while (player.more == 1) {
        REQUIRE(player.event.op == TRACE_RUN); /* else a firing did not come */
        uint64_t reading_ns = player.event.deadline_ns;
        test_now_ns = player.event.time_ns;
        next_event();
        tw_advance(player.loop, reading_ns);
        play_operations();
    }
    tw_loop_free(player.loop);
}

Test(recorder, a_recorded_random_program_fires_the_same_when_it_is_replayed)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct tape tape = {0};
        struct firings firings = {0};
        record_random_program(seed, 20000, &tape, &firings);
        cr_assert_gt(firings.count, 1000, "seed %d", (int)seed);
        play(&tape, &firings);
        cr_assert_eq(player.fired, firings.count, "seed %d: %zu fired of %zu", (int)seed,
                     player.fired, firings.count);
        free(firings.at_ns);
        tape_free(&tape);
    }
}

/* ------------------------------------------------------------- switching on and off */

static void nothing(void *arg)
{
    (void)arg;
}

static void expect_events(const struct tape *tape, const struct trace_event *expected, size_t count)
{
    struct trace_reader reader;
    struct trace_event event;
    cr_assert_eq(trace_read_begin(&reader, tape->bytes, tape->count), 0, "%s", reader.error);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(trace_read_next(&reader, &event), 1, "event %zu: %s", i, reader.error);
        cr_assert_eq(event.op, expected[i].op, "event %zu is a %s", i, trace_op_names[event.op]);
        cr_assert_eq(event.time_ns, expected[i].time_ns, "event %zu", i);
        cr_assert_eq(event.id, expected[i].id, "event %zu", i);
        cr_assert_eq(event.deadline_ns, expected[i].deadline_ns, "event %zu", i);
    }
    cr_assert_eq(trace_read_next(&reader, &event), 0, "%s", reader.error);
}

Test(recorder, what_was_pending_before_comes_in_when_it_is_moved)
{
    test_now_ns = 1000;
    tw_loop *loop = test_loop_new(NULL);
    tw_timer timers[4];
    for (size_t i = 0; i < 4; i++) {
        tw_timer_init(&timers[i], nothing, NULL);
        cr_assert_eq(tw_timer_start_at_ns(loop, &timers[i], 5000000000), 0);
    }
    struct tape tape = {0};
    cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0);
    cr_assert(tw_recording(loop));
    test_now_ns = 2000;
    tw_timer_stop(loop, &timers[0]);
    tw_timer_park(loop, &timers[1]);
    tw_timer_start_later_ns(loop, &timers[2], 6000000000);
    tw_timer_start_later_ns(loop, &timers[1], 7);
    test_now_ns = 3000;
    tw_run(loop);
    cr_assert_eq(tw_record_stop(loop), 0);
    cr_assert_not(tw_recording(loop));
    tw_timer_stop(loop, &timers[2]); /* not in the trace */
    const struct trace_event expected[] = {
        {.op = TRACE_START, .time_ns = 2000, .id = 0, .deadline_ns = 6000002000},
        {.op = TRACE_START, .time_ns = 2000, .id = 1, .deadline_ns = 2007},
        {.op = TRACE_RUN, .time_ns = 3000, .deadline_ns = 3000},
        {.op = TRACE_FIRE, .time_ns = 3000, .id = 1},
    };
    expect_events(&tape, expected, 4);
    tw_loop_free(loop);
    tape_free(&tape);
}

Test(recorder, ids_are_kept_while_parked_and_given_again_after_a_stop)
{
    test_now_ns = 1000;
    tw_loop *loop = test_loop_new(NULL);
    tw_timer a, b;
    tw_timer_init(&a, nothing, NULL);
    tw_timer_init(&b, nothing, NULL);
    struct tape tape = {0};
    cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0);
    tw_timer_start_at_ns(loop, &a, 9000000000);
    tw_timer_park(loop, &a);
    tw_timer_start_at_ns(loop, &b, 9000000000);
    tw_timer_start_at_ns(loop, &a, 9000000000);
    tw_timer_stop(loop, &a);
    tw_handle call = tw_call_at_ns(loop, 9000000000, nothing, NULL);
    tw_cancel(loop, call);
    tw_loop_free(loop); /* ends the trace, too */
    const struct trace_event expected[] = {
        {.op = TRACE_START, .time_ns = 1000, .id = 0, .deadline_ns = 9000000000},
        {.op = TRACE_PARK, .time_ns = 1000, .id = 0},
        {.op = TRACE_START, .time_ns = 1000, .id = 1, .deadline_ns = 9000000000},
        {.op = TRACE_START, .time_ns = 1000, .id = 0, .deadline_ns = 9000000000},
        {.op = TRACE_STOP, .time_ns = 1000, .id = 0},
        {.op = TRACE_START, .time_ns = 1000, .id = 0, .deadline_ns = 9000000000},
        {.op = TRACE_STOP, .time_ns = 1000, .id = 0},
    };
    expect_events(&tape, expected, 7);
    tape_free(&tape);
}

Test(recorder, a_stop_frees_the_id_of_a_timer_that_the_loop_has_forgotten_while_parked)
{
    test_now_ns = 1000;
    tw_loop *loop = test_loop_new(NULL);
    tw_timer a, b;
    tw_timer_init(&a, nothing, NULL);
    tw_timer_init(&b, nothing, NULL);
    struct tape tape = {0};
    cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0);
    tw_timer_start_at_ns(loop, &a, 5000000);
    tw_timer_park(loop, &a);
    test_now_ns = 1000000000;
    tw_run(loop); /* visits its place, and drops it */
    tw_timer_stop(loop, &a);
    tw_timer_start_at_ns(loop, &b, 2000000000);
    cr_assert_eq(tw_record_stop(loop), 0);
    const struct trace_event expected[] = {
        {.op = TRACE_START, .time_ns = 1000, .id = 0, .deadline_ns = 5000000},
        {.op = TRACE_PARK, .time_ns = 1000, .id = 0},
        {.op = TRACE_RUN, .time_ns = 1000000000, .deadline_ns = 1000000000},
        {.op = TRACE_START, .time_ns = 1000000000, .id = 0, .deadline_ns = 2000000000},
    };
    expect_events(&tape, expected, 4);
    tw_timer_stop(loop, &b);
    tw_loop_free(loop);
    tape_free(&tape);
}

/* ------------------------------------------------------------------------- fork */

/* Calls body(loop, tape) in a child process; Criterion is of no use there. */
static void expect_true_in_child(bool (*body)(tw_loop *loop, struct tape *tape), tw_loop *loop,
                                 struct tape *tape)
{
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0)
        _exit(body(loop, tape) ? 0 : 1);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void start_and_fire(tw_loop *loop, size_t count)
{
    tw_timer timer;
    tw_timer_init(&timer, nothing, NULL);
    for (size_t i = 0; i < count; i++) {
        tw_timer_start_later_ns(loop, &timer, 0);
        tw_run(loop);
    }
}

/* So much that the buffer is full several times over. */
static bool fills_buffers_and_stops(tw_loop *loop, struct tape *tape)
{
    size_t before = tape->count;
    if (tw_recording(loop))
        return false;
    start_and_fire(loop, 50000);
    bool refused = tw_record_stop(loop) == -1 && errno == EPERM;
    bool over = tw_record_stop(loop) == -1 && errno == EINVAL;
    return refused && over && tape->count == before && !tw_check(loop);
}

static bool stops_at_once(tw_loop *loop, struct tape *tape)
{
    size_t before = tape->count;
    return tw_record_stop(loop) == -1 && errno == EPERM && tape->count == before;
}

static bool frees_the_loop(tw_loop *loop, struct tape *tape)
{
    size_t before = tape->count;
    tw_loop_free(loop);
    return tape->count == before;
}

static bool records_anew(tw_loop *loop, struct tape *parents)
{
    size_t before = parents->count;
    struct tape tape = {0};
    if (tw_record_start(loop, tape_write, &tape) != 0 || !tw_recording(loop))
        return false;
    start_and_fire(loop, 50000);
    bool written = tw_record_stop(loop) == 0 && tape.count > 65536;
    struct trace_reader reader;
    struct trace_event event;
    bool sound = trace_read_begin(&reader, tape.bytes, tape.count) == 0;
    size_t events = 0;
    while (sound && trace_read_next(&reader, &event) == 1)
        events++;
    return written && sound && events == 150000 && parents->count == before;
}

Test(recorder, a_child_process_leaves_the_trace_to_its_parent)
{
    test_now_ns = 1000;
    tw_loop *loop = test_loop_new(NULL);
    struct tape tape = {0};
    tw_timer timer;
    tw_timer_init(&timer, nothing, NULL);
    cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0);
    tw_timer_start_at_ns(loop, &timer, 5000);
    expect_true_in_child(fills_buffers_and_stops, loop, &tape);
    expect_true_in_child(stops_at_once, loop, &tape);
    expect_true_in_child(frees_the_loop, loop, &tape);
    expect_true_in_child(records_anew, loop, &tape);
    cr_assert(tw_recording(loop));
    tw_timer_stop(loop, &timer);
    cr_assert_eq(tw_record_stop(loop), 0);
    const struct trace_event expected[] = {
        {.op = TRACE_START, .time_ns = 1000, .id = 0, .deadline_ns = 5000},
        {.op = TRACE_STOP, .time_ns = 1000, .id = 0},
    };
    expect_events(&tape, expected, 2);
    tw_loop_free(loop);
    tape_free(&tape);
}

/* --------------------------------------------------------------------- failures */

Test(recorder, misuse_is_answered)
{
    tw_loop *loop = test_loop_new(NULL);
    struct tape tape = {0};
    cr_assert(tw_record_start(NULL, tape_write, &tape) == -1 && errno == EINVAL);
    cr_assert(tw_record_start(loop, NULL, &tape) == -1 && errno == EINVAL);
    cr_assert(tw_record_stop(NULL) == -1 && errno == EINVAL);
    cr_assert(tw_record_stop(loop) == -1 && errno == EINVAL);
    cr_assert_not(tw_recording(NULL));
    cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0);
    cr_assert(tw_record_start(loop, tape_write, &tape) == -1 && errno == EBUSY);
    cr_assert_eq(tw_record_stop(loop), 0);
    tw_loop_free(loop);
    tape_free(&tape);
}

static void count_call(void *arg)
{
    ++*(size_t *)arg;
}

/* Starts so many timers, moves each, and runs them all. */
static void start_move_and_fire(tw_loop *loop, size_t count)
{
    tw_timer *timers = calloc(count, sizeof *timers);
    size_t fired = 0;
    REQUIRE(timers != NULL);
    for (size_t i = 0; i < count; i++) {
        tw_timer_init(&timers[i], count_call, &fired);
        REQUIRE(tw_timer_start_later_ns(loop, &timers[i], 1000000 + i) == 0);
        REQUIRE(tw_timer_start_later_ns(loop, &timers[i], 2000000 + i * 3) == 0);
    }
    test_now_ns += 1000000000;
    cr_assert_eq(tw_run(loop), count);
    cr_assert_eq(fired, count);
    cr_assert_null(tw_check(loop));
    free(timers);
}

/* Another thread's call is none of the loop's own: the trace is as if it had not been. */
Test(recorder, calls_of_other_threads_are_left_out)
{
    struct tape with = {0}, without = {0};
    for (int others = 0; others < 2; others++) {
        test_now_ns = 1000000;
        tw_loop *loop = test_loop_new(NULL);
        cr_assert_eq(tw_record_start(loop, tape_write, others ? &with : &without), 0);
        tw_call_later_ns(loop, 5, nothing, NULL);
        if (others)
            cr_assert_neq(tw_call_later_threadsafe_ns(loop, 7, nothing, NULL), 0u);
        test_now_ns += 10;
        cr_assert_eq(tw_run(loop), others ? 2u : 1u);
        cr_assert_eq(tw_record_stop(loop), 0);
        tw_loop_free(loop);
    }
    cr_assert_eq(with.count, without.count);
    cr_assert_eq(memcmp(with.bytes, without.bytes, with.count), 0);
    tape_free(&with);
    tape_free(&without);
}

static size_t longest_write;

static int measure(void *written, const void *bytes, size_t count)
{
    (void)bytes;
    if (count > longest_write)
        longest_write = count;
    *(size_t *)written += count;
    return 0;
}

/* Nearly the longest events there are: delays that were not seen before, of 2^62 ns. So
 * many of them that the buffer is full at every distance from the end of one, or from the
 * trace's. */
Test(recorder, no_write_is_of_more_than_64_kib_wherever_the_trace_ends)
{
    enum { BUFFER = 65536, EVENT = 12 };
    tw_timer timer;
    tw_timer_init(&timer, free, NULL); /* a callback that is never called */
    for (size_t moves = (BUFFER - 100) / EVENT; moves < (BUFFER + 60) / EVENT; moves++) {
        for (size_t phase = 0; phase < EVENT; phase++) {
            tw_loop *loop = test_loop_new(NULL);
            size_t written = 0;
            cr_assert_eq(tw_record_start(loop, measure, &written), 0);
            for (size_t i = 0; i < phase; i++)
                tw_run(loop); /* two bytes each */
            for (size_t i = 0; i < moves; i++)
                REQUIRE(tw_timer_start_at_ns(loop, &timer, ((uint64_t)1 << 62) + i) == 0);
            tw_timer_stop(loop, &timer);
            REQUIRE(tw_record_stop(loop) == 0);
            REQUIRE(written >= moves * 11);
            tw_loop_free(loop);
        }
    }
    cr_assert_leq(longest_write, (size_t)BUFFER);
    cr_assert_gt(longest_write, (size_t)BUFFER - 64);
}

Test(recorder, a_write_that_fails_ends_the_recording_and_not_the_loop)
{
    for (size_t room = 1; room < 400000; room += 50000) {
        tw_loop *loop = test_loop_new(NULL);
        struct tape tape = {.room = room};
        cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0);
        start_move_and_fire(loop, 50000);
        cr_assert_not(tw_recording(loop), "room for %zu bytes", room);
        cr_assert(tw_record_stop(loop) == -1 && errno == EIO);
        cr_assert(tw_record_stop(loop) == -1 && errno == EINVAL);
        tape.room = 0;
        cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0); /* it can be tried again */
        start_move_and_fire(loop, 10);
        cr_assert_eq(tw_record_stop(loop), 0);
        tw_loop_free(loop);
        tape_free(&tape);
    }
}

static size_t bytes_left;

static void *alloc_some(void *arg, size_t bytes, size_t alignment)
{
    (void)arg;
    if (bytes > bytes_left)
        return NULL;
    bytes_left -= bytes;
    return aligned_alloc(alignment < 8 ? 8 : alignment, bytes);
}

static void free_any(void *arg, void *block, size_t bytes)
{
    (void)arg, (void)bytes;
    free(block);
}

Test(recorder, without_memory_it_does_not_begin_or_ends_and_says_so)
{
    const tw_allocator allocator = {.alloc = alloc_some, .free = free_any};
    const size_t timers = 20000;
    struct tape tape = {0};
    bytes_left = SIZE_MAX / 2;
    tw_loop *loop = test_loop_new(&allocator);
    cr_assert_eq(tw_reserve(loop, timers), 0);
    bytes_left = 0;
    cr_assert(tw_record_start(loop, tape_write, &tape) == -1 && errno == ENOMEM);
    bytes_left = 70000; /* for the recorder, but not for its table */
    cr_assert(tw_record_start(loop, tape_write, &tape) == -1 && errno == ENOMEM);
    bytes_left = 150000; /* for both, but not for many timers */
    cr_assert_eq(tw_record_start(loop, tape_write, &tape), 0);
    start_move_and_fire(loop, timers);
    cr_assert_not(tw_recording(loop));
    cr_assert(tw_record_stop(loop) == -1 && errno == ENOMEM);
    tw_loop_free(loop);
    tape_free(&tape);
}
