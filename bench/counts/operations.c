/* SPDX-License-Identifier: MIT */
/*
 * tickwheel's single operations, for bench/count: bench_operations NAME runs one
 * of them many times, counts that and nothing else, and prints how often it ran.
 * Without a name it lists them. docs/benchmarks/counts.md shows the result.
 *
 * What is counted is a loop of calls as a program makes them: the call itself and
 * four or five instructions of the loop are in it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tickwheel.h>

#include "counting.h"

enum { TIMERS = 20000 };

static const uint64_t MS = 1000000, SECOND = 1000000000, HOUR = 3600 * (uint64_t)1000000000;

static uint64_t now_ns;         /* the clock */
static tw_loop *loop;
static tw_timer timers[TIMERS];
static tw_timer *shuffled[TIMERS]; /* the same in a random order */
static uint64_t when_ns[TIMERS];
static tw_handle handles[TIMERS];
static uint64_t fired;

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return now_ns;
}

static void on_timer(void *arg)
{
    (void)arg;
    fired++;
}

static void must(int worked, const char *call)
{
    if (!worked) {
        perror(call);
        exit(1);
    }
}

/* The k-th of a fixed sequence, as in bench/suite/world.h. */
static uint64_t draw(uint64_t counter)
{
    uint64_t x = (counter + 1) * 0x9E3779B97F4A7C15;
    x ^= x >> 32;
    x *= 0xD6E8FEB86659FD93;
    return x ^ x >> 32;
}

static void open_loop(void)
{
    tw_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.clock = read_clock;
    now_ns = SECOND;
    loop = tw_loop_new(&options);
    must(loop != NULL, "tw_loop_new");
    for (size_t i = 0; i < TIMERS; i++) {
        tw_timer_init(&timers[i], on_timer, NULL);
        shuffled[i] = &timers[i];
    }
    for (size_t i = TIMERS - 1; i > 0; i--) {
        size_t other = draw(i) % (i + 1);
        tw_timer *swapped = shuffled[i];
        shuffled[i] = shuffled[other];
        shuffled[other] = swapped;
    }
}

/* Deadlines from `from_ns` on, uniform over `span_ns`. */
static void draw_deadlines(uint64_t from_ns, uint64_t span_ns)
{
    for (size_t i = 0; i < TIMERS; i++)
        when_ns[i] = from_ns + draw(i) % span_ns;
}

/* ---------------------------------------------------------- timers that fire */

/* `together` timers are due at the same tick, every 3 ms; each run fires those of
 * one tick. All were started in random order before, so each moves through the
 * levels that its deadline asks for. */
static size_t fire(size_t together)
{
    must(tw_reserve_embedded(loop, TIMERS) == 0, "tw_reserve_embedded");
    const uint64_t runs = TIMERS / together;
    for (size_t i = 0; i < TIMERS; i++) {
        uint64_t run = 1 + i / together;
        tw_timer_start_at_ns(loop, shuffled[i], now_ns + run * 3 * MS - draw(i) % (MS / 4));
    }
    COUNTING_BEGIN();
    for (uint64_t run = 1; run <= runs; run++)
        tw_advance(loop, SECOND + run * 3 * MS);
    COUNTING_END();
    must(fired == TIMERS, "all should have fired");
    return TIMERS;
}

static size_t fire_one(void)
{
    return fire(1);
}

static size_t fire_two(void)
{
    return fire(2);
}

static size_t fire_twenty(void)
{
    return fire(20);
}

/* ----------------------------------------------------------- calls by handle */

static size_t call_at(void)
{
    must(tw_reserve_calls(loop, TIMERS) == 0, "tw_reserve_calls");
    draw_deadlines(now_ns, 60 * SECOND);
    COUNTING_BEGIN();
    for (size_t i = 0; i < TIMERS; i++)
        handles[i] = tw_call_at_ns(loop, when_ns[i], on_timer, NULL);
    COUNTING_END();
    must(handles[TIMERS - 1] != 0, "tw_call_at_ns");
    return TIMERS;
}

static size_t reschedule(void)
{
    call_at();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    for (size_t i = 0; i < TIMERS; i++)
        tw_reschedule_at_ns(loop, handles[i], now_ns + 60 * SECOND);
    COUNTING_END();
    return TIMERS;
}

static size_t cancel(void)
{
    call_at();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    for (size_t i = 0; i < TIMERS; i++)
        tw_cancel(loop, handles[i]);
    COUNTING_END();
    return TIMERS;
}

/* `together` soon calls, then the run that makes them, over and over. */
static size_t soon(size_t together)
{
    must(tw_reserve_calls(loop, 1000) == 0, "tw_reserve_calls");
    COUNTING_BEGIN();
    for (size_t i = 0; i < TIMERS / together; i++) {
        for (size_t k = 0; k < together; k++)
            tw_call_soon(loop, on_timer, NULL);
        tw_advance(loop, now_ns);
    }
    COUNTING_END();
    must(fired == TIMERS, "all should have run");
    return TIMERS;
}

static size_t soon_one(void)
{
    return soon(1);
}

static size_t soon_twenty(void)
{
    return soon(20);
}

static size_t run_nothing(void)
{
    tw_timer_start_at_ns(loop, &timers[0], now_ns + HOUR);
    COUNTING_BEGIN();
    for (uint64_t i = 0; i < TIMERS; i++)
        tw_advance(loop, SECOND + i * 3 * MS);
    COUNTING_END();
    return TIMERS;
}

/* ------------------------------------------------------------ embedded timers */

static void start_all(void)
{
    for (size_t i = 0; i < TIMERS; i++)
        tw_timer_start_at_ns(loop, shuffled[i], when_ns[i]);
}

static void park_all(void)
{
    for (size_t i = 0; i < TIMERS; i++)
        tw_timer_park(loop, &timers[i]);
}

static void stop_all(void)
{
    for (size_t i = 0; i < TIMERS; i++)
        tw_timer_stop(loop, &timers[i]);
}

static void refresh_all(void)
{
    for (size_t i = 0; i < TIMERS; i++)
        tw_timer_start_at_ns(loop, &timers[i], now_ns + 61 * SECOND);
}

static size_t start(void)
{
    must(tw_reserve_embedded(loop, TIMERS) == 0, "tw_reserve_embedded");
    draw_deadlines(now_ns, 60 * SECOND);
    COUNTING_BEGIN();
    start_all();
    COUNTING_END();
    return TIMERS;
}

static size_t refresh(void)
{
    start();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    refresh_all();
    COUNTING_END();
    return TIMERS;
}

static size_t park(void)
{
    start();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    park_all();
    COUNTING_END();
    return TIMERS;
}

static size_t unpark(void)
{
    park();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    refresh_all();
    COUNTING_END();
    return TIMERS;
}

static size_t stop(void)
{
    start();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    stop_all();
    COUNTING_END();
    return TIMERS;
}

/* Beyond the span of 9.8 hours: from 10 hours to 30 days. */
static size_t far_start(void)
{
    must(tw_reserve(loop, TIMERS) == 0, "tw_reserve");
    draw_deadlines(now_ns + 10 * HOUR, 710 * HOUR);
    COUNTING_BEGIN();
    start_all();
    COUNTING_END();
    return TIMERS;
}

static size_t far_park(void)
{
    far_start();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    park_all();
    COUNTING_END();
    return TIMERS;
}

static size_t far_stop(void)
{
    far_start();
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    stop_all();
    COUNTING_END();
    return TIMERS;
}

/* An earliest timer is started and stopped again, and the loop is asked when to run next:
 * what it knows of the earliest is wrong each time. The other timers are `interval_ns`
 * apart, some fifteen a slot: so few that cells are read. */
static size_t next_stopped_of(uint64_t from_ns, uint64_t interval_ns)
{
    enum { FEW = 480 };
    must(tw_reserve_embedded(loop, FEW + 1) == 0, "tw_reserve_embedded");
    for (size_t i = 0; i < FEW; i++)
        tw_timer_start_at_ns(loop, &timers[i], from_ns + i * interval_ns);
    uint64_t next = 0;
    COUNTING_BEGIN();
    for (size_t i = 0; i < TIMERS; i++) {
        tw_timer_start_at_ns(loop, &timers[FEW], from_ns - 1 - i);
        tw_timer_stop(loop, &timers[FEW]);
        next = tw_next_ns(loop);
    }
    COUNTING_END();
    must(next == from_ns, "tw_next_ns");
    return TIMERS;
}

static size_t next_stopped(void)
{
    return next_stopped_of(now_ns + SECOND, 18 * MS);
}

static size_t far_next_stopped(void)
{
    return next_stopped_of(now_ns + 10 * HOUR, HOUR / 3);
}

static void free_it(void)
{
    COUNTING_REPORT("");
    COUNTING_BEGIN();
    tw_loop_free(loop);
    COUNTING_END();
}

static size_t free_loop(void)
{
    start();
    free_it();
    return TIMERS;
}

static size_t far_free_loop(void)
{
    far_start();
    free_it();
    return TIMERS;
}

static const struct operation {
    const char *name;
    size_t (*run)(void);   /* answers how many operations were counted */
    const char *what;
} operations[] = {
    {"fire-one", fire_one, "a run that fires one timer, its cascades included"},
    {"fire-two", fire_two, "the same with two in the tick, per timer"},
    {"fire-twenty", fire_twenty, "the same with twenty in the tick, per timer"},
    {"run-nothing", run_nothing, "a run in which nothing is due"},
    {"call-at", call_at, "`tw_call_at_ns` on reserved room"},
    {"reschedule", reschedule, "`tw_reschedule_at_ns`, further out"},
    {"cancel", cancel, "`tw_cancel`"},
    {"soon-one", soon_one, "`tw_call_soon` and the run that makes the one call"},
    {"soon-twenty", soon_twenty, "the same with twenty calls, per call"},
    {"start", start, "`tw_timer_start_at_ns` of an idle timer, in random order"},
    {"refresh", refresh, "`tw_timer_start_at_ns` of an active timer, further out"},
    {"park", park, "`tw_timer_park`"},
    {"unpark", unpark, "`tw_timer_start_at_ns` of a parked timer, further out"},
    {"stop", stop, "`tw_timer_stop`"},
    {"far-start", far_start, "a start beyond the span"},
    {"far-park", far_park, "a park beyond the span"},
    {"far-stop", far_stop, "a stop beyond the span"},
    {"next-stopped", next_stopped, "`tw_next_ns` after an earliest timer was started and stopped, and both"},
    {"far-next-stopped", far_next_stopped, "the same beyond the span"},
    {"free", free_loop, "`tw_loop_free`, per timer that is active"},
    {"far-free", far_free_loop, "`tw_loop_free` beyond the span, per timer"},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        const struct operation *operation = &operations[i];
        if (argc < 2) {
            printf("%s\t%s\n", operation->name, operation->what);
            continue;
        }
        if (strcmp(argv[1], operation->name) != 0)
            continue;
        COUNTING_WARM();
        open_loop();
        size_t count = operation->run();
        COUNTING_REPORT(operation->name);
        printf("%s\t%zu\n", operation->name, count);
        return 0;
    }
    if (argc < 2)
        return 0;
    fprintf(stderr, "bench_operations: there is no operation %s\n", argv[1]);
    return 2;
}
