/* SPDX-License-Identifier: MIT */
/* support: the loop, the trace and the program of support.h. */
#include "support.h"

#include "../model/random.h"

uint64_t test_now_ns;

static uint64_t test_clock(void *arg)
{
    (void)arg;
    return test_now_ns;
}

tw_loop *test_loop_new(const tw_allocator *allocator)
{
    tw_options options = {.size = sizeof options, .clock = test_clock, .allocator = allocator};
    tw_loop *loop = tw_loop_new(&options);
    cr_assert_not_null(loop);
    return loop;
}

int tape_write(void *arg, const void *bytes, size_t count)
{
    struct tape *tape = arg;
    if (tape->room != 0 && tape->count + count > tape->room)
        return -1;
    tape->bytes = realloc(tape->bytes, tape->count + count);
    cr_assert_not_null(tape->bytes);
    memcpy(tape->bytes + tape->count, bytes, count);
    tape->count += count;
    return 0;
}

void tape_free(struct tape *tape)
{
    free(tape->bytes);
    *tape = (struct tape){0};
}

/* ------------------------------------------------------------- a random program */

enum { TIMERS = 100, CALLS = 100 };

static struct {
    tw_loop *loop;
    struct chance chance;
    tw_timer timers[TIMERS];
    tw_handle calls[CALLS];
    struct firings *firings;
    size_t room;
} program;

static void act(void);

static void on_fire(void *arg)
{
    (void)arg;
    struct firings *firings = program.firings;
    if (firings->count == program.room) {
        program.room = program.room ? program.room * 2 : 1024;
        firings->at_ns = realloc(firings->at_ns, program.room * sizeof *firings->at_ns);
        REQUIRE(firings->at_ns != NULL);
    }
    firings->at_ns[firings->count++] = tw_now_ns(program.loop);
    for (uint64_t acts = chance_below(&program.chance, 3); acts > 0; acts--)
        act();
}

/* Often one of a few, as servers have them; now and then anything. */
static uint64_t random_delay(void)
{
    static const uint64_t usual[] = {0, 5000000, 60000000, 1000000000};
    uint64_t choice = chance_below(&program.chance, 8);
    if (choice < 4)
        return usual[choice];
    return choice == 7 ? UINT64_MAX : chance_below(&program.chance, (uint64_t)1 << (8 * choice));
}

static void act_on_timer(tw_timer *timer)
{
    switch (chance_below(&program.chance, 5)) {
    case 0:
        tw_timer_stop(program.loop, timer);
        break;
    case 1:
        tw_timer_park(program.loop, timer);
        break;
    case 2: {
        uint64_t when_ns = test_now_ns + chance_below(&program.chance, 1000000) - 500000;
        REQUIRE(tw_timer_start_at_ns(program.loop, timer, when_ns) == 0);
        break;
    }
    default:
        REQUIRE(tw_timer_start_later_ns(program.loop, timer, random_delay()) == 0);
    }
}

static void act_on_call(tw_handle *call)
{
    tw_loop *loop = program.loop;
    switch (chance_below(&program.chance, 5)) {
    case 0:
        tw_cancel(loop, *call);
        break;
    case 1:
        tw_reschedule_later_ns(loop, *call, random_delay());
        break;
    default:
        if (tw_pending(loop, *call))
            break;
        uint64_t kind = chance_below(&program.chance, 10);
        if (kind == 0)
            *call = tw_call_every_ns(loop, 1000000 + random_delay() / 2, on_fire, NULL);
        else if (kind < 3)
            *call = tw_call_soon(loop, on_fire, NULL);
        else
            *call = tw_call_later_ns(loop, random_delay(), on_fire, NULL);
        REQUIRE(*call != 0);
    }
}

static void act(void)
{
    if (chance_below(&program.chance, 2) == 0)
        act_on_timer(&program.timers[chance_below(&program.chance, TIMERS)]);
    else
        act_on_call(&program.calls[chance_below(&program.chance, CALLS)]);
}

void record_random_program(uint64_t seed, size_t steps, struct tape *tape,
                           struct firings *firings)
{
    memset(&program, 0, sizeof program);
    test_now_ns = 1000000;
    program.chance = (struct chance){seed};
    program.firings = firings;
    program.loop = test_loop_new(NULL);
    for (size_t i = 0; i < TIMERS; i++)
        tw_timer_init(&program.timers[i], on_fire, NULL);
    cr_assert_eq(tw_record_start(program.loop, tape_write, tape), 0);
    for (size_t i = 0; i < steps; i++) {
        test_now_ns += chance_below(&program.chance, 4) == 0
                           ? chance_below(&program.chance, 20000000)
                           : chance_below(&program.chance, 3000);
        if (chance_below(&program.chance, 4) == 0)
            tw_run(program.loop);
        else
            act();
    }
    cr_assert_eq(tw_record_stop(program.loop), 0);
    const char *broken = tw_check(program.loop);
    cr_assert_null(broken, "%s", broken);
    tw_loop_free(program.loop);
}
