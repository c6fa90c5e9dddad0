/* SPDX-License-Identifier: MIT */
/*
 * What one event costs on this machine: the caller's own line at each size of
 * the server's memory, and what a timer's events add to it. Each is timed next
 * to the same touches without a timer, and the difference is what is told.
 */
#define _GNU_SOURCE
#include "probe.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPAN (60 * SECOND)
#define SAMPLE 200000          /* events timed in one go, at most */
#define LARGEST_ROUNDS 64

static struct random dice;

/* What reading the processor's clock takes; of few events it would be a part. */
static uint64_t reading_ns(void)
{
    uint64_t least_ns = UINT64_MAX;
    for (int i = 0; i < 1000; i++) {
        uint64_t before_ns = cpu_ns(), took_ns = cpu_ns() - before_ns;
        least_ns = took_ns < least_ns ? took_ns : least_ns;
    }
    return least_ns;
}

static double since(uint64_t before_ns, size_t events)
{
    static uint64_t reading;
    uint64_t took_ns = cpu_ns() - before_ns;
    if (reading == 0)
        reading = reading_ns();
    return ((double)took_ns - (double)reading) / (double)events;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* ------------------------------------------------------------- touching a line */

/* Events on lines chosen at random among so many, each of which was touched some four times
 * before, as one after the other as what is timed. (A last cache may keep only lines that were
 * needed again, and others drive them out meanwhile: after touches that overlap, ten times as
 * many in the same time, it holds what a server's would not.) */
static void touch_lines(struct record *records, size_t lines, size_t events)
{
    for (size_t i = 0; i < events; i++) {
        records[below(&dice, lines)].bytes++;
        wait_for_loads();
    }
}

static double time_touches(struct record *records, size_t lines)
{
    const size_t events = 200000;
    touch_lines(records, lines, 4 * lines < 5 * events ? 4 * lines : 5 * events);
    for (int tries = 0;; tries++) {
        long before = switches();
        uint64_t before_ns = cpu_ns();
        touch_lines(records, lines, events);
        double took_ns = since(before_ns, events);
        if (tries == 2 || switches() == before)
            return took_ns;
    }
}

/* What a second touch of a line takes, so many different lines after the first one, which
 * found it in no cache. (A last cache may not keep what was needed only once: after 12,000
 * others, two thirds of a nearer one, it came from memory again.) Half of the lines between
 * are touched for the first time and half for the second. */
static double time_again(struct record *records, size_t lines, size_t between, bool again)
{
    const size_t events = 20000;
    size_t apart = between / 2;
    uint32_t *past = allocate(apart, sizeof *past);
    uint64_t before_ns = 0;
    for (size_t i = 0; i < 2 * apart + events; i++) {
        if (i == 2 * apart)
            before_ns = cpu_ns();
        uint32_t first = (uint32_t)below(&dice, lines), second = past[i % apart];
        records[first].bytes++;
        wait_for_loads();
        if (again) {
            records[second].bytes++;
            wait_for_loads();
        }
        past[i % apart] = first;
    }
    double took_ns = since(before_ns, events);
    free(past);
    return took_ns;
}

static double cost_again(struct record *records, size_t lines, size_t between)
{
    double first = time_again(records, lines, between, false);
    return time_again(records, lines, between, true) - first;
}

struct curve {
    const size_t *sizes;
    size_t count, rounds;
    double *touch, *again; /* each round of the first size, then of the next */
};

static void answer_curve(const char *prefix, const struct curve *curve, double *took)
{
    for (size_t i = 0; i < curve->count; i++) {
        char name[48];
        snprintf(name, sizeof name, "%s%zu", prefix, curve->sizes[i]);
        answer(name, median(&took[i * curve->rounds], curve->rounds));
    }
}

/* The cost of a touch for each number of lines in `sizes`, all in turns, so that
 * a slow while falls on all alike. */
void calibrate_touch(const size_t *sizes, size_t count, size_t rounds)
{
    size_t most = 1;
    for (size_t i = 0; i < count; i++)
        most = sizes[i] > most ? sizes[i] : most;
    struct record *records = records_make(most);
    for (size_t i = 0; i < most; i++)
        records[i].bytes = 1;
    struct curve curve = {sizes, count, rounds, allocate(count * rounds, sizeof(double)),
                          allocate(count * rounds, sizeof(double))};
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < count; i++) {
            size_t at = i * rounds + round;
            curve.touch[at] = time_touches(records, sizes[i]);
            /* The nearest caches keep everything; among very many, lines would soon be touched
             * again by chance. */
            bool told = sizes[i] > 1000 && sizes[i] <= most / 16;
            curve.again[at] = told ? cost_again(records, most, sizes[i]) : curve.touch[at];
        }
    answer_begin();
    answer_curve("touch_", &curve, curve.touch);
    answer_curve("again_", &curve, curve.again);
    answer_end();
    free(curve.touch);
    free(curve.again);
    records_free(records, most);
}

/* ---------------------------------------------------------- what an event costs */

struct server {
    struct record *records, *guests; /* a record's second timer is its guest */
    size_t count;
    uint32_t *order;           /* which records, so many, none twice */
    size_t sample;
};

static uint64_t fired;
static uint64_t again_ns;      /* what fires starts again, so much later; 0: it does not */

static void line_fired(void *arg)
{
    struct record *record = arg;
    record->bytes++;
    fired++;
    if (again_ns > 0)
        record_start(record, again_ns);
}

static void draw_order(struct server *server)
{
    for (size_t i = 0; i < server->count; i++)
        server->order[i] = (uint32_t)i;
    for (size_t i = 0; i < server->sample; i++) {
        size_t other = i + below(&dice, server->count - i);
        uint32_t id = server->order[i];
        server->order[i] = server->order[other];
        server->order[other] = id;
    }
}

static struct server server_make(size_t count)
{
    struct server server = {.records = records_make(count), .guests = records_make(count),
                            .count = count,
                            .order = allocate(count, sizeof(uint32_t)),
                            .sample = count < SAMPLE ? count : SAMPLE};
    return server;
}

static void server_free(struct server *server)
{
    records_free(server->records, server->count);
    records_free(server->guests, server->count);
    free(server->order);
}

static void open_server(struct server *server, enum interface interface, size_t timers)
{
    world_open(interface, 0, timers, line_fired);
    for (size_t i = 0; i < server->count; i++) {
        record_init(&server->records[i], 0, (uint32_t)i);
        record_init(&server->guests[i], 1, (uint32_t)i);
    }
}

/* Time stands still; each record of the order has the same thing happen to it, or the same
 * without timers: then only what is touched is left, and what it takes to say what happens. */
enum event { TOUCH, TOUCH_BOTH, REFRESH, CLOSER, START, END, START_OWN, END_OWN };

/* The guest's line is the server's, too. */
static bool touches_guest(enum event event)
{
    return event == TOUCH_BOTH || event == START || event == END;
}

static double time_event(struct server *server, enum event event, uint64_t delay_ns)
{
    uint64_t before_ns = cpu_ns();
    for (size_t i = 0; i < server->sample; i++) {
        struct record *record = &server->records[server->order[i]];
        struct record *guest = &server->guests[server->order[i]];
        record->bytes++;
        if (touches_guest(event))
            guest->bytes++;
        if (event == REFRESH)
            record_push(record, delay_ns);
        else if (event == CLOSER)
            record_push(record, delay_ns + below(&dice, delay_ns));
        else if (event == START)
            record_start(guest, delay_ns);
        else if (event == END)
            record_end(guest);
        else if (event == START_OWN)
            record_start(record, delay_ns + below(&dice, delay_ns));
        else if (event == END_OWN)
            record_end(record);
        wait_for_loads();
    }
    return since(before_ns, server->sample);
}

static double time_without(struct server *server, enum event event, uint64_t delay_ns)
{
    enum interface interface = world.interface;
    world.interface = NONE;
    double took_ns = time_event(server, event, delay_ns);
    world.interface = interface;
    return took_ns;
}

/* The second timers of records, beside idle timers that are live. */
static const struct step {
    const char *name;
    enum event event;
    uint64_t delay_ns;
} guest_steps[] = {
    {"refresh", REFRESH, SPAN},
    {"both", TOUCH_BOTH, 0},
    {"guest_start", START, 30 * SECOND},
    {"guest_end", END, 0},
    {"guest_restart", START, 31 * SECOND},
    {"moved", CLOSER, SECOND},
}, own_steps[] = { /* and the records' own */
    {"start", START_OWN, 30 * SECOND},
    {"end", END_OWN, 0},
    {"restart", START_OWN, 62 * SECOND},
};
#define STEPS(steps) (sizeof(steps) / sizeof(steps)[0])
#define ALL_STEPS (STEPS(guest_steps) + STEPS(own_steps))

struct times {
    double took[ALL_STEPS][LARGEST_ROUNDS], touched[LARGEST_ROUNDS];
};

/* What a step is held against. */
static double time_base(struct server *server, const struct step *step)
{
    return time_without(server, step->event == TOUCH_BOTH ? TOUCH : step->event, step->delay_ns);
}

/* The steps one after the other, each between two rounds of the same without timers. */
static void time_round(struct server *server, const struct step *steps, size_t count,
                       struct times *times, size_t first, size_t round)
{
    double sum = 0;
    draw_order(server);
    for (size_t i = 0; i < count; i++) {
        time_base(server, &steps[i]);
        double before = time_base(server, &steps[i]);
        double with = time_event(server, steps[i].event, steps[i].delay_ns);
        double after = time_base(server, &steps[i]);
        times->took[first + i][round] = with - (before + after) / 2;
        sum += before + after;
    }
    if (steps == own_steps)
        times->touched[round] = sum / (2 * (double)count);
}

static void time_loop(struct server *server, enum interface interface, const struct step *steps,
                      size_t count, struct times *times, size_t first, size_t round)
{
    open_server(server, interface, 2 * server->count);
    world_shuffle_nodes(2 * server->count, &dice);
    for (size_t i = 0; i < server->count && steps == guest_steps; i++)
        record_start(&server->records[i], 1 + below(&dice, SPAN));
    time_round(server, steps, count, times, first, round);
    world_close();
}

static void answer_steps(const struct step *steps, size_t count, struct times *times,
                         size_t first, size_t rounds)
{
    for (size_t i = 0; i < count; i++)
        answer(steps[i].name, median(times->took[first + i], rounds));
}

static void answer_events(struct server *server, enum interface interface)
{
    static struct times times;
    const size_t own = STEPS(guest_steps);
    size_t rounds = 3 * SAMPLE / server->sample;
    rounds = rounds < LARGEST_ROUNDS ? rounds : LARGEST_ROUNDS;
    for (size_t round = 0; round < rounds; round++) {
        time_loop(server, interface, own_steps, STEPS(own_steps), &times, own, round);
        time_loop(server, interface, guest_steps, STEPS(guest_steps), &times, 0, round);
    }
    answer("touch", median(times.touched, rounds));
    answer_steps(guest_steps, STEPS(guest_steps), &times, 0, rounds);
    answer_steps(own_steps, STEPS(own_steps), &times, own, rounds);
}

/* ------------------------------------------------------- what time passing costs */

/* Steps of a millisecond; the processor time they took, in ns. */
static double time_steps(size_t steps, uint64_t *runs)
{
    uint64_t before_ns = cpu_ns();
    for (size_t i = 0; i < steps; i++) {
        uint64_t before = fired;
        world_run(MS);
        *runs += fired > before;
        wait_for_loads();
    }
    return (double)(cpu_ns() - before_ns);
}

/* What so many steps take without the loop. */
static double time_no_steps(size_t steps)
{
    enum interface interface = world.interface;
    uint64_t runs = 0;
    world.interface = NONE;
    double took_ns = time_steps(steps, &runs);
    world.interface = interface;
    return took_ns;
}

static double time_ticks(struct server *server, enum interface interface)
{
    double took[5];
    uint64_t runs = 0;
    open_server(server, interface, 1);
    record_start(&server->records[0], 3600 * SECOND);
    for (size_t i = 0; i < 5; i++)
        took[i] = (time_steps(20000, &runs) - time_no_steps(20000)) / 20000;
    world_close();
    return median(took, 5);
}

enum passing {
    VISITED, VISITED_MANY, DROPPED, FIRED_TOGETHER, FIRED_AGAIN, FIRED_MANY, FIRED_ALONE
};
static const char *const passing_names[] = {"visit", "visits", "drop", "fire", "again", "many",
                                            "alone"};

static bool is_visit(enum passing passing)
{
    return passing <= DROPPED;
}

/* In what time all timers are due: five in a step, fifty, or one in two. */
static uint64_t span_of(const struct server *server, enum passing passing)
{
    uint64_t span_ns = server->count / 5 * MS;
    if (passing == FIRED_ALONE)
        return 2 * server->count * MS;
    if (passing == FIRED_MANY || passing == VISITED_MANY)
        span_ns = server->count / 50 * MS;
    uint64_t least_ns = passing == VISITED_MANY ? SECOND : is_visit(passing) ? 2 * SECOND : 0;
    return span_ns > least_ns ? span_ns : least_ns; /* some slots of the second level */
}

/* Timers as they must be for time to do this to them, so that the steps that are
 * timed come next. */
static void prepare(struct server *server, enum passing passing)
{
    uint64_t span_ns = span_of(server, passing), runs = 0;
    uint64_t lead_ns = is_visit(passing) ? SECOND : 1;
    again_ns = passing == FIRED_AGAIN ? SPAN : 0;
    for (size_t i = 0; i < server->count; i++) {
        struct record *record = &server->records[i];
        uint64_t delay_ns = lead_ns + below(&dice, span_ns);
        record_start(record, delay_ns);
        if (passing == VISITED || passing == VISITED_MANY)
            record_push(record, delay_ns + 10 * SECOND + below(&dice, SPAN));
    }
    for (size_t i = 0; i < server->count && passing == DROPPED; i++)
        record_end(&server->records[i]);
    if (is_visit(passing))
        time_steps(1100, &runs);
}

/* What timers take that are visited or called. */
static void answer_passing(struct server *server, enum interface interface, enum passing passing,
                           double tick_ns)
{
    double took_ns = 0;
    uint64_t runs = 0, visited = 0, steps = 0;
    size_t timed = server->count / 10 < 1500 ? server->count / 10 : 1500;
    size_t enough = server->count < 300000 ? 20000 : 3000; /* steps */
    timed = passing == FIRED_MANY ? timed / 10 + 10 : timed;
    if (is_visit(passing))
        timed = span_of(server, passing) < 2 * SECOND ? 750 : 1500;
    fired = 0;
    for (size_t round = 0; steps < enough && round < 40; round++) {
        open_server(server, interface, server->count);
        prepare(server, passing);
        uint64_t before = world_stats().visited;
        took_ns += time_steps(timed, &runs) - time_no_steps(timed) - (double)timed * tick_ns;
        steps += timed;
        visited += world_stats().visited - before;
        world_close();
    }
    again_ns = 0;
    const struct {
        const char *name;
        double value;
    } answers[] = {{"ns", took_ns}, {"visited", (double)visited}, {"fired", (double)fired},
                   {"runs", (double)runs}, {"steps", (double)steps}};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_%s", passing_names[passing], answers[i].name);
        answer(name, answers[i].value);
    }
}

/* What reading the clock at a start adds to it: alone it would take more, since nothing goes on
 * meanwhile. */
static double time_clock(struct server *server, enum interface interface)
{
    double took[9];
    const size_t rounds = sizeof took / sizeof took[0];
    open_server(server, interface, server->count);
    for (size_t i = 0; i < server->count; i++)
        record_start(&server->records[i], SPAN);
    draw_order(server);
    time_event(server, REFRESH, SPAN);
    for (size_t i = 0; i < rounds; i++) {
        double before = time_event(server, REFRESH, SPAN);
        world.clock_each = true;
        double with = time_event(server, REFRESH, SPAN);
        world.clock_each = false;
        took[i] = with - (before + time_event(server, REFRESH, SPAN)) / 2;
    }
    world_close();
    return median(took, rounds);
}

void calibrate_events(enum interface interface, size_t count)
{
    struct server server = server_make(count);
    answer_begin();
    answer_events(&server, interface);
    double tick_ns = time_ticks(&server, interface);
    answer("tick", tick_ns);
    answer("clock", time_clock(&server, interface));
    /* Of few, only what a touch takes is asked for. */
    for (enum passing passing = VISITED; count >= 500 && passing <= FIRED_ALONE; passing++)
        answer_passing(&server, interface, passing, tick_ns);
    answer_end();
    server_free(&server);
}
