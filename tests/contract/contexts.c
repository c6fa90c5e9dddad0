/* SPDX-License-Identifier: MIT */
/* Promise 13: contexts. */
#include "support.h"

static tw_loop *the_loop;

/* A context that counts its references and writes down what is done to it. */
typedef struct test_context {
    tw_context base;       /* first, as the header asks */
    int references;
    int inside;            /* enter without leave */
    char diary[64];        /* r: retain, l: release, <: enter, >: leave, *: callback */
} test_context;

static void note(test_context *context, char event)
{
    size_t length = strlen(context->diary);

    REQUIRE(length + 1 < sizeof(context->diary), "the diary is full");
    context->diary[length] = event;
}

static void retain(tw_context *base)
{
    test_context *context = (test_context *)base;

    context->references++;
    note(context, 'r');
}

static void release(tw_context *base)
{
    test_context *context = (test_context *)base;

    REQUIRE(context->references > 0, "released more often than retained");
    REQUIRE(context->references > 1 || context->inside == 0, "the last release came before leave");
    context->references--;
    note(context, 'l');
}

static void enter(tw_context *base)
{
    test_context *context = (test_context *)base;

    REQUIRE(context->references > 0, "entered without a reference");
    context->inside++;
    note(context, '<');
}

static void leave(tw_context *base)
{
    test_context *context = (test_context *)base;

    REQUIRE(context->references > 0, "left without a reference");
    REQUIRE(context->inside == 1, "left without being entered");
    context->inside--;
    note(context, '>');
}

static const tw_context_ops all_ops = {retain, release, enter, leave};

#define CONTEXT() {.base = {&all_ops}}

static void expect_diary(const test_context *context, const char *diary, int line)
{
    cr_assert_str_eq(context->diary, diary, "line %d: the diary says %s, and not %s", line,
                     context->diary, diary);
}
#define EXPECT_DIARY(context, diary) expect_diary(&(context), diary, __LINE__)

/* Notes itself in the context that is current. */
static void note_in_context(void *id)
{
    test_context *context = (test_context *)tw_context_current(the_loop);

    record(id);
    if (context != NULL) {
        note(context, '*');
    }
}

Test(contexts, none_is_current_at_first)
{
    the_loop = loop_new();
    cr_assert_null(tw_context_current(the_loop));
    loop_free(the_loop);
}

Test(contexts, set_answers_the_one_before_and_calls_no_hook)
{
    test_context first = CONTEXT(), second = CONTEXT();

    the_loop = loop_new();
    cr_assert_null(tw_context_set(the_loop, &first.base));
    cr_assert_eq(tw_context_current(the_loop), &first.base);
    cr_assert_eq(tw_context_set(the_loop, &second.base), &first.base);
    cr_assert_eq(tw_context_set(the_loop, NULL), &second.base);
    cr_assert_null(tw_context_current(the_loop));
    EXPECT_DIARY(first, "");
    EXPECT_DIARY(second, "");
    loop_free(the_loop);
}

Test(contexts, call_runs_in_the_context_it_was_given)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    tw_handle call = tw_call_later_in(the_loop, 0.5, note_in_context, ID(1), &context.base);
    cr_assert_neq(call, 0);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 500 * MS);
    EXPECT_DIARY(context, "r");
    run_at(the_loop, START + SECOND);
    EXPECT_DIARY(context, "r<*>l");
    cr_assert_eq(context.references, 0);
    cr_assert_null(tw_context_current(the_loop));

    call = tw_call_at_in(the_loop, 1001.5, note_in_context, ID(2), &context.base);
    cr_assert_eq(tw_when_ns(the_loop, call), START + 1500 * MS);
    run_at(the_loop, START + 2 * SECOND);
    EXPECT_DIARY(context, "r<*>lr<*>l");
    loop_free(the_loop);
}

Test(contexts, call_runs_in_the_context_that_was_current_when_it_was_scheduled)
{
    test_context first = CONTEXT(), second = CONTEXT();

    the_loop = loop_new();
    tw_context_set(the_loop, &first.base);
    tw_call_soon(the_loop, note_in_context, ID(1));
    tw_call_later(the_loop, 0.0, note_in_context, ID(2));
    tw_call_at_in(the_loop, 0.0, note_in_context, ID(3), NULL);
    tw_context_set(the_loop, &second.base);
    tw_call_later_in(the_loop, 0.0, note_in_context, ID(4), NULL);
    tw_call_at_ns(the_loop, START, note_in_context, ID(5));
    tw_context_set(the_loop, NULL);
    tw_call_soon(the_loop, note_in_context, ID(6));
    tw_run(the_loop);
    cr_assert_eq(fired_count, 6);
    cr_assert_eq(first.references, 0);
    cr_assert_eq(second.references, 0);
    EXPECT_DIARY(first, "rrr<*>l<*>l<*>l");
    EXPECT_DIARY(second, "rr<*>l<*>l");
    loop_free(the_loop);
}

static test_context *expected_context;

static void expect_current(void *id)
{
    record(id);
    cr_assert_eq((test_context *)tw_context_current(the_loop), expected_context);
}

static void schedule_heirs(void *id)
{
    expect_current(id);
    tw_call_soon(the_loop, expect_current, ID(10));
    tw_call_later(the_loop, 1.0, expect_current, ID(11));
    tw_call_later_in(the_loop, 2.0, expect_current, ID(12), NULL);
    tw_call_at_ns(the_loop, clock_ns + 3 * SECOND, expect_current, ID(13));
    tw_call_every(the_loop, 4.0, expect_current, ID(14));
}

Test(contexts, what_a_callback_schedules_inherits_its_context)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    expected_context = &context;
    tw_call_later_in(the_loop, 0.0, schedule_heirs, ID(1), &context.base);
    tw_run(the_loop);
    cr_assert_eq(context.references, 5);
    for (uint64_t second = 1; second <= 4; second++) {
        run_at(the_loop, START + second * SECOND);
    }
    expect_fired(1, 10, 11, 12, 13, 14);
    cr_assert_eq(context.references, 1, "the periodic one is pending still");
    loop_free(the_loop);
    cr_assert_eq(context.references, 0, "dropped with the loop");
}

static void set_another_context(void *context)
{
    record(ID(1));
    tw_context_set(the_loop, context);
    cr_assert_eq(tw_context_current(the_loop), context);
    tw_call_later(the_loop, 0.0, note_in_context, ID(2));
}

Test(contexts, context_set_in_a_callback_lasts_until_it_returns)
{
    test_context own = CONTEXT(), given = CONTEXT(), other = CONTEXT();

    the_loop = loop_new();
    tw_context_set(the_loop, &own.base);
    tw_call_at_in(the_loop, 0.0, set_another_context, &other, &given.base);
    tw_call_at(the_loop, 0.0, note_in_context, ID(3));
    tw_run(the_loop);
    cr_assert_eq(tw_context_current(the_loop), &own.base);
    EXPECT_DIARY(given, "r<>l");
    EXPECT_DIARY(own, "r<*>l");
    EXPECT_DIARY(other, "r");
    tw_run(the_loop);
    EXPECT_DIARY(other, "r<*>l");
    expect_fired(1, 3, 2);
    loop_free(the_loop);
}

Test(contexts, former_context_is_current_again_after_each_call)
{
    test_context own = CONTEXT(), given = CONTEXT();

    the_loop = loop_new();
    tw_context_set(the_loop, &own.base);
    for (uintptr_t i = 0; i < 5; i++) {
        tw_call_at_in(the_loop, 0.0, note_in_context, ID(i), i % 2 ? &given.base : NULL);
    }
    tw_run(the_loop);
    EXPECT_DIARY(own, "rrr<*>l<*>l<*>l");
    EXPECT_DIARY(given, "rr<*>l<*>l");
    cr_assert_eq(tw_context_current(the_loop), &own.base);
    loop_free(the_loop);
}

static tw_timer started_in_context;

static void start_embedded(void *id)
{
    record(id);
    tw_timer_start_later_ns(the_loop, &started_in_context, SECOND);
}

Test(contexts, embedded_timer_runs_in_the_loops_own_without_hooks)
{
    test_context own = CONTEXT(), given = CONTEXT();

    the_loop = loop_new();
    tw_timer_init(&started_in_context, note_in_context, ID(2));
    tw_call_later_in(the_loop, 0.0, start_embedded, ID(1), &given.base);
    tw_run(the_loop);
    tw_context_set(the_loop, &own.base);
    run_at(the_loop, START + SECOND);
    expect_fired(1, 2);
    EXPECT_DIARY(own, "*");
    EXPECT_DIARY(given, "r<>l");
    loop_free(the_loop);
}

static void set_context_in_embedded(void *context)
{
    tw_context_set(the_loop, context);
    record(ID(1));
}

Test(contexts, context_set_by_an_embedded_callback_lasts_until_it_returns)
{
    test_context own = CONTEXT(), other = CONTEXT();
    tw_timer timer;

    the_loop = loop_new();
    tw_context_set(the_loop, &own.base);
    tw_timer_init(&timer, set_context_in_embedded, &other);
    tw_timer_start_later_ns(the_loop, &timer, 0);
    tw_run(the_loop);
    expect_fired(1);
    cr_assert_eq(tw_context_current(the_loop), &own.base);
    loop_free(the_loop);
}

Test(contexts, cancel_releases_at_once)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    tw_context_set(the_loop, &context.base);
    tw_handle calls[] = {
        tw_call_soon(the_loop, record, ID(1)), tw_call_later(the_loop, 1.0, record, ID(2)),
        tw_call_later(the_loop, 1e9, record, ID(3)), tw_call_every(the_loop, 1.0, record, ID(4)),
        tw_call_later(the_loop, (double)INFINITY, record, ID(5)),
    };
    cr_assert_eq(context.references, 5);
    for (int i = 0; i < 5; i++) {
        cr_assert(tw_cancel(the_loop, calls[i]));
        cr_assert_eq(context.references, 4 - i);
        cr_assert(!tw_cancel(the_loop, calls[i]));
        cr_assert_eq(context.references, 4 - i);
    }
    loop_free(the_loop);
    EXPECT_DIARY(context, "rrrrrlllll");
}

Test(contexts, reschedule_keeps_the_one_reference_and_the_context)
{
    test_context context = CONTEXT(), other = CONTEXT();

    the_loop = loop_new();
    tw_handle call = tw_call_later_in(the_loop, 1.0, note_in_context, ID(1), &context.base);
    tw_context_set(the_loop, &other.base);
    tw_reschedule_later(the_loop, call, 5.0);
    tw_reschedule_later_ns(the_loop, call, 30 * DAY);
    tw_reschedule_at(the_loop, call, 1003.0);
    cr_assert_eq(context.references, 1);
    run_at(the_loop, START + 3 * SECOND);
    cr_assert_eq(context.references, 0);
    EXPECT_DIARY(other, "");
    cr_assert_eq(fired_count, 1);
    loop_free(the_loop);
}

Test(contexts, loop_free_releases_what_is_pending)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    tw_context_set(the_loop, &context.base);
    tw_call_soon(the_loop, record, ID(1));
    tw_call_later(the_loop, 1.0, record, ID(2));
    tw_call_later(the_loop, 1e9, record, ID(3));
    tw_call_every(the_loop, 1.0, record, ID(4));
    tw_call_at(the_loop, (double)INFINITY, record, ID(5));
    cr_assert_eq(context.references, 5);
    loop_free(the_loop);
    cr_assert_eq(context.references, 0);
    EXPECT_DIARY(context, "rrrrrlllll");
    expect_nothing_fired();
}

Test(contexts, call_holds_its_reference_while_its_callback_runs)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    tw_call_soon(the_loop, note_in_context, ID(0));
    tw_call_later_in(the_loop, 0.0, note_in_context, ID(1), &context.base);
    tw_run(the_loop);
    cr_assert_str_eq(context.diary, "r<*>l", "released before the callback had returned");
    loop_free(the_loop);
}

static tw_handle periodic;

static void count_periodic(void *context)
{
    record(ID(1));
    cr_assert_eq(tw_context_current(the_loop), context);
    cr_assert_geq(((test_context *)context)->references, 1);
}

Test(contexts, periodic_call_holds_one_reference_until_it_is_cancelled)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    tw_context_set(the_loop, &context.base);
    periodic = tw_call_every(the_loop, 1.0, count_periodic, &context);
    tw_context_set(the_loop, NULL);
    for (uint64_t second = 1; second <= 5; second++) {
        cr_assert_eq(context.references, 1);
        run_at(the_loop, START + second * SECOND);
        cr_assert_eq(context.inside, 0);
    }
    cr_assert_eq(fired_count, 5);
    cr_assert(tw_cancel(the_loop, periodic));
    cr_assert_eq(context.references, 0);
    loop_free(the_loop);
}

static void cancel_periodic(void *id)
{
    record(id);
    cr_assert(tw_cancel(the_loop, periodic));
    cr_assert(!tw_cancel(the_loop, periodic));
}

/* The hooks themselves verify that leave comes with a reference still held. */
Test(contexts, periodic_call_cancelled_in_its_callback_is_left_and_then_released)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    tw_context_set(the_loop, &context.base);
    periodic = tw_call_every(the_loop, 1.0, cancel_periodic, ID(1));
    run_at(the_loop, START + 10 * SECOND);
    expect_fired(1);
    cr_assert_eq(context.references, 0);
    cr_assert_eq(context.inside, 0);
    loop_free(the_loop);
}

static tw_handle another_in_context;

static void cancel_another(void *id)
{
    record(id);
    cr_assert(tw_cancel(the_loop, another_in_context));
}

Test(contexts, due_call_cancelled_by_a_callback_is_released_and_never_entered)
{
    test_context context = CONTEXT();

    the_loop = loop_new();
    tw_call_at(the_loop, 0.0, cancel_another, ID(1));
    another_in_context = tw_call_later_in(the_loop, 0.0, record, ID(2), &context.base);
    tw_run(the_loop);
    expect_fired(1);
    EXPECT_DIARY(context, "rl");
    loop_free(the_loop);
}

Test(contexts, refused_call_takes_no_reference)
{
    test_context context = CONTEXT();
    tw_options options = test_options();

    options.max_pending = 1;
    the_loop = loop_with(&options);
    tw_call_later(the_loop, 1.0, record, ID(1));
    cr_assert_eq(tw_call_later_in(the_loop, 1.0, record, ID(2), &context.base), 0);
    cr_assert_eq(tw_call_later_in(the_loop, (double)NAN, record, ID(2), &context.base), 0);
    cr_assert_eq(tw_call_at_in(the_loop, (double)NAN, record, ID(2), &context.base), 0);
    EXPECT_DIARY(context, "");
    loop_free(the_loop);
}

Test(contexts, each_hook_may_be_null_and_so_may_all)
{
    const tw_context_ops some = {.enter = enter};
    const tw_context_ops none = {0};
    test_context partly = {.base = {&some}, .references = 1};
    tw_context empty = {&none}, bare = {NULL};

    the_loop = loop_new();
    tw_call_later_in(the_loop, 0.0, record, ID(1), &partly.base);
    tw_call_later_in(the_loop, 0.0, record, ID(2), &empty);
    tw_call_later_in(the_loop, 0.0, record, ID(3), &bare);
    tw_handle call = tw_call_later_in(the_loop, 0.0, record, ID(4), &bare);
    tw_call_later_in(the_loop, 9.0, record, ID(5), &empty);
    cr_assert(tw_cancel(the_loop, call));
    tw_run(the_loop);
    expect_fired(1, 2, 3);
    EXPECT_DIARY(partly, "<");
    loop_free(the_loop);
}

static int contexts_alive;

static void release_and_free(tw_context *base)
{
    test_context *context = (test_context *)base;

    release(base);
    if (context->references == 0) {
        memset(context, 0xff, sizeof(*context));
        free(context);
        contexts_alive--;
    }
}

static const tw_context_ops freeing_ops = {retain, release_and_free, enter, leave};

/* The last release frees the context: nothing may look at it afterwards. */
Test(contexts, last_release_may_free_the_context)
{
    tw_handle calls[300];

    the_loop = loop_new();
    for (uintptr_t i = 0; i < 300; i++) {
        test_context *context = calloc(1, sizeof(*context));
        context->base.ops = &freeing_ops;
        contexts_alive++;
        calls[i] = tw_call_later_in(the_loop, (double)(i % 50), record, ID(i), &context->base);
    }
    for (size_t i = 0; i < 300; i += 3) {
        cr_assert(tw_cancel(the_loop, calls[i]));
    }
    cr_assert_eq(contexts_alive, 200);
    run_at(the_loop, START + 25 * SECOND);
    cr_assert_lt(contexts_alive, 200);
    loop_free(the_loop);
    cr_assert_eq(contexts_alive, 0);
}
