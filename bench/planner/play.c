/* SPDX-License-Identifier: MIT */
/*
 * Plays a plan through, and tells what it really cost.
 *
 * The plan's events come at even rates, a run's worth after each run of the loop,
 * on records chosen at random. They are played in two worlds in turns, a window
 * of virtual time each: with timers, and the same events on the same records
 * without. The timers' own part is the difference of two neighbouring windows.
 *
 * The whole is played several times over, to the same last event: what one run of
 * the loop took is the least of its repetitions, since what an interrupt adds to
 * one it does not add to all.
 *
 * The plan on standard input, a line each, all numbers (bench/planner/measure.py
 * writes it):
 *     plan  wakeups tick_ns clock_each reserve warm window pairs turns rounds
 *     class count rate on least most pushed closer to cancelled after ends
 *           live parked live_samples samples
 *     sample left placed age cancel_in           so many, after their class
 * Times are in seconds but for tick_ns. A class is of `count` timers in records of
 * their own, or of `rate` starts a second in records taken from a pool (on -1), or
 * on records of class `on`. `ends` are cancelled a second; `live` are at once, and
 * `parked` cells of others. A sample is a timer as the plan settles into: its time
 * left, that of the deadline for which it came to its place, how long ago that was,
 * and when it will be cancelled; the live ones first, then the parked ones.
 */
#define _GNU_SOURCE
#include "probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_CLASSES 32

struct sample {
    double left, placed, age, cancel_in; /* cancel_in < 0: it will not be cancelled */
};

/* Timers to be cancelled, each as long after its start: so they come in order. */
struct ends {
    struct end {
        uint64_t when_ns;
        uint32_t id;
    } *items;
    size_t mask, head, tail;
};

/* How many events are due, so that the rate holds on average. */
struct pace {
    double per_step, due;
};

/* What goes on in one world with the timers of one class. */
struct flow {
    struct pace starts, pushes, ends_paced;
    struct ends ends;
    uint64_t *live;            /* a bit for each record */
    uint32_t *spare;           /* of a pool: records that are free, the last first */
    size_t spare_count, live_count;
};

struct class {
    double count, rate, on, least, most, pushed, closer, to, cancelled, after, ends, live,
        parked, live_samples, sample_count;
    struct sample *samples;
    struct class *host;        /* NULL: it has records of its own */
    struct record *records;    /* with a host, one for each of its records */
    size_t capacity;           /* of the records */
    struct flow with, without; /* timers */
};

static struct {
    double wakeups, tick_ns, clock_each, reserve, warm, window, pairs, turns, rounds;
    struct class classes[MAX_CLASSES];
    size_t class_count;
} plan;

static struct random dice, other_dice; /* of the world with timers, and of the one without */
/* Events so far. */
struct counts {
    uint64_t fires, starts, pushes, ends, runs_fired, fired_max, cells_max, touches;
};
static struct counts with_timers, without_timers, *counts = &with_timers;

static uint64_t ns(double seconds)
{
    return seconds < 1e9 ? (uint64_t)(seconds * 1e9) : UINT64_C(1000000000) * SECOND;
}

/* ----------------------------------------------------------------- reading it */

static bool read_numbers(const char *text, double *out, size_t wanted)
{
    char *rest;
    for (size_t i = 0; i < wanted; i++, text = rest) {
        out[i] = strtod(text, &rest);
        if (rest == text || !isfinite(out[i]))
            return false;
    }
    return text[strspn(text, " \n")] == '\0';
}

static bool read_class(const char *text, struct class *class)
{
    if (!read_numbers(text, &class->count, 15))
        return false;
    bool fits = class->count >= 0 && class->count <= 1e8 && class->rate >= 0 &&
                class->on >= -1 && class->on < (double)(class - plan.classes) &&
                class->most > 0 && class->live_samples >= 0 &&
                class->sample_count >= class->live_samples && class->sample_count <= 1e6;
    if (fits)
        class->samples = allocate((size_t)class->sample_count, sizeof *class->samples);
    return fits;
}

static bool read_plan(FILE *file)
{
    char text[1024];
    size_t samples = 0;
    while (fgets(text, sizeof text, file)) {
        struct class *last = plan.class_count > 0 ? &plan.classes[plan.class_count - 1] : NULL;
        if (strncmp(text, "plan ", 5) == 0) {
            if (!read_numbers(text + 5, &plan.wakeups, 9))
                return false;
        } else if (strncmp(text, "class ", 6) == 0 && plan.class_count < MAX_CLASSES) {
            if (!read_class(text + 6, &plan.classes[plan.class_count++]))
                return false;
            samples = 0;
        } else if (strncmp(text, "sample ", 7) == 0 && last && samples < last->sample_count) {
            if (!read_numbers(text + 7, &last->samples[samples++].left, 4))
                return false;
        } else {
            return false;
        }
    }
    return plan.class_count > 0 && plan.wakeups >= 1 && plan.window > 0 && plan.pairs >= 1 &&
           plan.rounds >= 1;
}

/* ------------------------------------------------------------------ the records */

static bool is_live(const struct flow *flow, uint32_t id)
{
    return flow->live[id / 64] >> (id % 64) & 1;
}

static void set_live(struct flow *flow, uint32_t id, bool live)
{
    uint64_t bit = (uint64_t)1 << (id % 64);
    if (is_live(flow, id) == live)
        return;
    flow->live[id / 64] ^= bit;
    flow->live_count += live ? 1 : (size_t)-1;
}

/* To find out what the choosing takes: all events are on one record. */
static bool choose_only;

/* The server's part of an event on a record with this number. */
static void touch(struct class *class, uint32_t id)
{
    (class->host ? class->host->records : class->records)[choose_only ? 0 : id].bytes++;
    counts->touches++;
}

/* Takes a record for a new timer; none: UINT32_MAX. */
static uint32_t take_record(struct class *class, struct flow *flow, struct random *random)
{
    if (!class->host)
        return flow->spare_count > 0 ? flow->spare[--flow->spare_count] : UINT32_MAX;
    for (int tries = 0; tries < 8; tries++) {
        uint32_t id = (uint32_t)below(random, class->capacity);
        if (!is_live(flow, id))
            return id;
    }
    return UINT32_MAX;
}

static void give_record(const struct class *class, struct flow *flow, uint32_t id)
{
    set_live(flow, id, false);
    if (!class->host && class->count == 0)
        flow->spare[flow->spare_count++] = id;
}

/* A record with a live timer; none was met: UINT32_MAX. */
static uint32_t draw_live(const struct class *class, const struct flow *flow,
                          struct random *random)
{
    for (int tries = 0; tries < 1000 && flow->live_count > 0; tries++) {
        uint32_t id = (uint32_t)below(random, class->capacity);
        if (is_live(flow, id))
            return id;
    }
    return UINT32_MAX;
}

/* -------------------------------------------------------------------- the events */

static uint64_t draw_delay(const struct class *class, struct random *random)
{
    double delay = class->least;
    if (class->most > class->least)
        delay += uniform(random) * (class->most - class->least);
    return ns(delay);
}

static void end_later(struct flow *flow, uint32_t id, uint64_t when_ns)
{
    struct ends *ends = &flow->ends;
    if (ends->tail - ends->head > ends->mask) { /* full: twice the room */
        size_t size = 2 * (ends->mask + 1);
        struct end *items = allocate(size, sizeof *items);
        for (size_t at = ends->head; at < ends->tail; at++)
            items[at & (size - 1)] = ends->items[at & ends->mask];
        free(ends->items);
        ends->items = items;
        ends->mask = size - 1;
    }
    ends->items[ends->tail++ & ends->mask] = (struct end){when_ns, id};
}

/* A timer's life begins; the record was touched. */
static void begin(struct class *class, struct flow *flow, uint32_t id, struct random *random)
{
    set_live(flow, id, true);
    record_start(&class->records[id], draw_delay(class, random));
    if (uniform(random) < class->cancelled)
        end_later(flow, id, world.now_ns + ns(class->after));
    counts->starts++;
}

static void timer_fired(void *arg)
{
    struct record *record = arg;
    struct class *class = &plan.classes[record->class];
    touch(class, record->id);
    counts->fires++;
    if (class->count > 0)
        begin(class, &class->with, record->id, &dice);
    else
        give_record(class, &class->with, record->id);
}

static size_t due_now(struct pace *pace)
{
    pace->due += pace->per_step;
    size_t due = (size_t)pace->due;
    pace->due -= (double)due;
    return due;
}

static void start_one(struct class *class, struct flow *flow, struct random *random)
{
    uint32_t id = take_record(class, flow, random);
    if (id == UINT32_MAX)
        return;
    touch(class, id);
    if (world.interface != NONE) {
        begin(class, flow, id, random);
    } else if (uniform(random) < class->cancelled) {
        set_live(flow, id, true);
        end_later(flow, id, world.now_ns + ns(class->after));
    } else {
        give_record(class, flow, id);
    }
    wait_for_loads();
}

static void push_one(struct class *class, struct flow *flow, struct random *random)
{
    uint32_t id = draw_live(class, flow, random);
    if (id == UINT32_MAX)
        return;
    touch(class, id);
    bool closer = class->closer > 0 && uniform(random) < class->closer;
    record_push(&class->records[id], closer ? ns(class->to) : draw_delay(class, random));
    counts->pushes++;
    wait_for_loads();
}

/* What is cancelled. A timer of a count is followed by another. It may have fired
 * and begun anew since its end was settled: then it is that one. */
static void end_one(struct class *class, struct flow *flow, uint32_t id, struct random *random)
{
    if (!is_live(flow, id))
        return;
    touch(class, id);
    record_end(&class->records[id]);
    counts->ends++;
    wait_for_loads();
    if (class->count == 0) {
        give_record(class, flow, id);
        return;
    }
    touch(class, id);
    if (world.interface != NONE)
        begin(class, flow, id, random);
    wait_for_loads();
}

static void class_ends(struct class *class, struct flow *flow, struct random *random)
{
    struct ends *ends = &flow->ends;
    while (ends->head < ends->tail &&
           ends->items[ends->head & ends->mask].when_ns <= world.now_ns)
        end_one(class, flow, ends->items[ends->head++ & ends->mask].id, random);
    if (world.interface == NONE)
        for (size_t due = due_now(&flow->ends_paced); due > 0; due--)
            end_one(class, flow, (uint32_t)below(random, class->capacity), random);
}

static void class_starts(struct class *class, struct flow *flow, struct random *random)
{
    for (size_t due = due_now(&flow->starts); due > 0; due--)
        start_one(class, flow, random);
    double pushes = (double)class->with.live_count; /* as many in the other world */
    flow->pushes.per_step = class->pushed > 0 ? pushes / (class->pushed * plan.wakeups) : 0;
    for (size_t due = due_now(&flow->pushes); due > 0; due--)
        push_one(class, flow, random);
}

/* A run's worth of events of all classes: first what ends, then what begins, each
 * time with another class first. So a node that one class gave back may be another's
 * next, as in a server. */
static void events(bool with)
{
    static size_t turn;
    struct random *random = with ? &dice : &other_dice;
    turn++;
    for (size_t i = 0; i < plan.class_count; i++) {
        struct class *class = &plan.classes[(turn + i) % plan.class_count];
        class_ends(class, with ? &class->with : &class->without, random);
    }
    for (size_t i = 0; i < plan.class_count; i++) {
        struct class *class = &plan.classes[(turn / 2 + i) % plan.class_count];
        class_starts(class, with ? &class->with : &class->without, random);
    }
}

/* --------------------------------------------------------------------- settling */

static void flow_init(struct class *class, struct flow *flow)
{
    size_t capacity = class->capacity;
    *flow = (struct flow){.starts = {class->rate / plan.wakeups, 0},
                          .live = allocate(capacity / 64 + 1, sizeof(uint64_t))};
    flow->ends = (struct ends){.items = allocate(64, sizeof(struct end)), .mask = 63};
    if (class->count > 0)
        flow->ends_paced.per_step = class->ends / plan.wakeups;
    else if (!class->host)
        flow->spare = allocate(capacity, sizeof(uint32_t));
}

static void flow_free(struct flow *flow)
{
    free(flow->live);
    free(flow->spare);
    free(flow->ends.items);
}

static int by_when(const void *a, const void *b)
{
    const struct end *x = a, *y = b;
    return (x->when_ns > y->when_ns) - (x->when_ns < y->when_ns);
}

/* A timer as the plan settles into: which record's, and what it is like. Live ones
 * come to their place `age` before now. */
struct settled {
    uint32_t id, class, sample;
    bool live;
    uint64_t age_ns;
};

static struct {
    struct settled *items;
    size_t count, room;
} settling;

/* Near a time that many records share, so that they are not due at once. */
static uint64_t about(double seconds, double range)
{
    return 1 + ns(fabs(seconds + (uniform(&dice) - 0.5) * range / 64));
}

static void settle_later(const struct class *class, uint32_t id, bool live)
{
    size_t first = live ? 0 : (size_t)class->live_samples;
    size_t count = live ? (size_t)class->live_samples : (size_t)class->sample_count - first;
    if (count == 0)
        return;
    uint32_t sample = (uint32_t)(first + below(&dice, count));
    if (settling.count == settling.room) {
        settling.room = settling.room ? 2 * settling.room : 4096;
        settling.items = realloc(settling.items, settling.room * sizeof *settling.items);
        if (!settling.items)
            fail("memory");
    }
    settling.items[settling.count++] = (struct settled){
        .id = id, .class = (uint32_t)(class - plan.classes), .sample = sample, .live = live,
        .age_ns = about(class->samples[sample].age, class->most)};
}

/* So many of the records live, and so many with a parked cell, in the mean. */
static void choose_settled(const struct class *class)
{
    double capacity = (double)class->capacity;
    bool pooled = !class->host && class->count == 0;
    for (uint32_t id = 0; id < class->capacity && class->sample_count > 0; id++) {
        double lot = pooled ? id : uniform(&dice) * capacity;
        if (lot < class->live)
            settle_later(class, id, true);
        else if (lot < class->live + class->parked && world.interface == PARK)
            settle_later(class, id, false);
    }
}

static int by_age(const void *a, const void *b)
{
    const struct settled *x = a, *y = b;
    return (x->age_ns < y->age_ns) - (x->age_ns > y->age_ns); /* the oldest first */
}

/* All timers come to their places, the loop's time going on meanwhile. */
static void settle_places(void)
{
    qsort(settling.items, settling.count, sizeof *settling.items, by_age);
    uint64_t oldest_ns = settling.count > 0 ? settling.items[0].age_ns : 0;
    uint64_t end_ns = world.now_ns + oldest_ns;
    for (size_t i = 0; i < settling.count; i++) {
        const struct settled *settled = &settling.items[i];
        const struct class *class = &plan.classes[settled->class];
        uint64_t at_ns = end_ns - settled->age_ns;
        if (at_ns > world.now_ns + oldest_ns / 4096)
            world_run(at_ns - world.now_ns);
        uint64_t ahead_ns = about(class->samples[settled->sample].placed, class->most);
        record_start(&class->records[settled->id], end_ns + ahead_ns - world.now_ns);
    }
    world_run(end_ns - world.now_ns);
}

/* Those that are live get their time left; the others are parked. */
static void settle_deadlines(void)
{
    for (size_t i = 0; i < settling.count; i++) {
        const struct settled *settled = &settling.items[i];
        struct class *class = &plan.classes[settled->class];
        const struct sample *sample = &class->samples[settled->sample];
        struct record *record = &class->records[settled->id];
        if (!settled->live) {
            record_end(record);
            continue;
        }
        if (sample->left > sample->placed)
            record_push(record, about(sample->left, class->most));
        set_live(&class->with, settled->id, true);
        if (sample->cancel_in >= 0)
            end_later(&class->with, settled->id,
                      world.now_ns + about(sample->cancel_in, class->after));
    }
    settling.count = 0;
}

static void settle_pool(struct class *class, struct flow *flow)
{
    for (uint32_t id = (uint32_t)class->capacity; id-- > 0;)
        if (!is_live(flow, id))
            flow->spare[flow->spare_count++] = id;
}

/* As it would be after a long time. */
static void settle(void)
{
    for (size_t i = 0; i < plan.class_count; i++) {
        struct class *class = &plan.classes[i];
        flow_init(class, &class->with);
        flow_init(class, &class->without);
        for (uint32_t id = 0; id < class->capacity; id++)
            record_init(&class->records[id], (uint32_t)i, id);
        choose_settled(class);
    }
    settle_places();
    settle_deadlines();
    for (size_t i = 0; i < plan.class_count; i++) {
        struct class *class = &plan.classes[i];
        struct ends *ends = &class->with.ends;
        qsort(ends->items, ends->tail, sizeof *ends->items, by_when);
        for (uint32_t id = 0; id < class->capacity && class->count > 0; id++)
            set_live(&class->without, id, true);
        if (!class->host && class->count == 0) {
            settle_pool(class, &class->with);
            settle_pool(class, &class->without);
        }
    }
}

/* With room for chance. */
static size_t pool_capacity(const struct class *class)
{
    return (size_t)(class->live + 10 * sqrt(class->live) + 1000);
}

static void make_records(void)
{
    for (size_t i = 0; i < plan.class_count; i++) {
        struct class *class = &plan.classes[i];
        class->host = class->on >= 0 ? &plan.classes[(size_t)class->on] : NULL;
        class->capacity = class->host ? class->host->capacity
                          : class->count > 0 ? (size_t)class->count : pool_capacity(class);
        class->records = records_make(class->capacity);
    }
}

static FILE *recording;

static int write_trace(void *file, const void *bytes, size_t size)
{
    return fwrite(bytes, 1, size, file) == size ? 0 : -1;
}

static void open_plan(enum interface interface)
{
    dice.state = other_dice.state = 0;
    world.clock_each = plan.clock_each != 0;
    world_open(interface, (uint64_t)plan.tick_ns, (size_t)plan.reserve, timer_fired);
    world_shuffle_nodes((size_t)plan.reserve, &dice);
    settle();
    if (recording && tw_record_start(world.loop, write_trace, recording) != 0)
        fail("tw_record_start");
}

static void close_plan(void)
{
    for (size_t i = 0; i < plan.class_count; i++) {
        flow_free(&plan.classes[i].with);
        flow_free(&plan.classes[i].without);
    }
    world_close();
}

/* ---------------------------------------------------------------------- playing */

/* What each run of the loop took at least, in all rounds. */
static float *turns_ns;

static uint64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

/* Plays so many runs of the loop; in the world without timers there is none. */
static void play_steps(bool with, size_t steps)
{
    uint64_t step_ns = ns(1 / plan.wakeups);
    for (size_t i = 0; i < steps; i++) {
        uint64_t fires = counts->fires;
        world_run(step_ns);
        wait_for_loads();
        fires = counts->fires - fires;
        counts->runs_fired += fires > 0;
        counts->fired_max = fires > counts->fired_max ? fires : counts->fired_max;
        events(with);
    }
}


/* The same, and times each. */
static void time_turns(void)
{
    for (size_t i = 0; i < (size_t)plan.turns; i++) {
        uint64_t began_ns = wall_ns();
        world_run(ns(1 / plan.wakeups));
        wait_for_loads();
        float took_ns = (float)(wall_ns() - began_ns);
        turns_ns[i] = took_ns < turns_ns[i] ? took_ns : turns_ns[i];
        events(true);
        tw_stats now = world_stats();
        if (now.pending + now.parked > counts->cells_max)
            counts->cells_max = now.pending + now.parked;
    }
}

static uint64_t without_now_ns, without_began_ns; /* the other world's time */

static void play_without(size_t steps)
{
    enum interface interface = world.interface;
    uint64_t now_ns = world.now_ns;
    world.interface = NONE;
    world.now_ns = without_now_ns;
    counts = &without_timers;
    play_steps(false, steps);
    without_now_ns = world.now_ns;
    world.now_ns = now_ns;
    world.interface = interface;
    counts = &with_timers;
}

static void play_window(bool with, size_t steps)
{
    if (with)
        play_steps(true, steps);
    else
        play_without(steps);
}

/* The processor time of a window, once the caches hold what this world needs; of
 * another one if the processor was taken away meanwhile. */
static double window_ns(bool with, size_t steps)
{
    play_window(with, steps / 4);
    for (int tries = 0;; tries++) {
        long before = switches();
        uint64_t began_ns = cpu_ns();
        play_window(with, steps);
        double took_ns = (double)(cpu_ns() - began_ns);
        if (tries == 3 || switches() == before)
            return took_ns;
    }
}

struct windows {
    double *with, *own, *without, *choosing;
    size_t count;
};

static void time_windows(struct windows *windows)
{
    size_t steps = (size_t)(plan.window * plan.wakeups);
    window_ns(false, steps);
    for (size_t pair = 0; pair < (size_t)plan.pairs; pair++, windows->count++) {
        double before = window_ns(false, steps);
        double with = window_ns(true, steps);
        double without = (before + window_ns(false, steps)) / 2;
        choose_only = true;
        windows->choosing[windows->count] = window_ns(false, steps);
        choose_only = false;
        windows->with[windows->count] = with;
        windows->without[windows->count] = without;
        windows->own[windows->count] = with - without;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The quantile, as a share of a processor. */
static double share_of(double *values, size_t count, double quantile)
{
    qsort(values, count, sizeof *values, by_value);
    double played_ns = floor(plan.window * plan.wakeups) / plan.wakeups * 1e9;
    return values[(size_t)(quantile * (double)(count - 1) + 0.5)] / played_ns;
}

static void answer_windows(struct windows *windows)
{
    answer("cpu_share", share_of(windows->with, windows->count, 0.5));
    answer("records_share", share_of(windows->without, windows->count, 0.5));
    answer("choosing_share", share_of(windows->choosing, windows->count, 0.5));
    answer("timers_share", share_of(windows->own, windows->count, 0.5));
    answer("timers_low", share_of(windows->own, windows->count, 0.25));
    answer("timers_high", share_of(windows->own, windows->count, 0.75));
}

/* Counts are of the windows with timers, a second. */
static void answer_counts(const tw_stats *before, const tw_stats *after, double seconds)
{
    answer("starts", (double)with_timers.starts / seconds);
    answer("pushes", (double)with_timers.pushes / seconds);
    answer("ends", (double)with_timers.ends / seconds);
    answer("fires", (double)with_timers.fires / seconds);
    answer("runs_fired", (double)with_timers.runs_fired / seconds);
    answer("visited", (double)(after->visited - before->visited) / seconds);
    answer("relocated", (double)(after->relocated - before->relocated) / seconds);
    answer("due_max", (double)with_timers.fired_max);
    answer("moved_max", (double)after->moved_max);
    answer("cells", (double)with_timers.cells_max);
    answer("bytes", (double)after->bytes);
}

static void answer_turns(void)
{
    float longest_ns = 0;
    for (size_t i = 0; i < (size_t)plan.turns; i++)
        longest_ns = turns_ns[i] > longest_ns ? turns_ns[i] : longest_ns;
    answer("longest_ns", (double)longest_ns);
}

static void play_rounds(enum interface interface)
{
    size_t pairs = (size_t)(plan.pairs * plan.rounds);
    struct windows windows = {.with = allocate(pairs, sizeof(double)),
                              .own = allocate(pairs, sizeof(double)),
                              .without = allocate(pairs, sizeof(double)),
                              .choosing = allocate(pairs, sizeof(double))};
    tw_stats before = {0}, after = {0};
    double began_s = 0, seconds = 0;
    for (size_t round = 0; round < (size_t)plan.rounds; round++) {
        open_plan(interface);
        without_now_ns = without_began_ns = world.now_ns;
        without_timers.touches = 0;
        play_steps(true, (size_t)(plan.warm * plan.wakeups));
        time_turns();
        uint64_t cells = with_timers.cells_max;
        with_timers = (struct counts){.cells_max = cells};
        before = world_stats();
        began_s = (double)world.now_ns * 1e-9;
        time_windows(&windows);
        after = world_stats();
        seconds = (double)world.now_ns * 1e-9 - began_s;
        close_plan();
    }
    answer_begin();
    answer_windows(&windows);
    answer_counts(&before, &after, seconds);
    answer("touches", (double)without_timers.touches * 1e9 /
                          (double)(without_now_ns - without_began_ns));
    answer_turns();
    answer_end();
    free(windows.with);
    free(windows.own);
    free(windows.without);
    free(windows.choosing);
}

int play(enum interface interface, const char *trace)
{
    if (!read_plan(stdin))
        return 2;
    if (trace && !(recording = fopen(trace, "wb")))
        fail(trace);
    make_records();
    turns_ns = allocate((size_t)plan.turns, sizeof *turns_ns);
    for (size_t i = 0; i < (size_t)plan.turns; i++)
        turns_ns[i] = INFINITY;
    play_rounds(interface);
    if (recording && fclose(recording) != 0)
        fail(trace);
    free(turns_ns);
    for (size_t i = 0; i < plan.class_count; i++) {
        struct class *class = &plan.classes[i];
        records_free(class->records, class->capacity);
        free(class->samples);
    }
    return 0;
}
