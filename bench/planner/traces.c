/* SPDX-License-Identifier: MIT */
/*
 * A recorded server's trace: the classes of timers that are in it, and what it
 * costs to play it again.
 *
 * Timers are of one class if they are started with about the same delay: delays
 * are sorted into bins of two per cent, and neighbouring bins that are not empty
 * are one class. Rates are of the later part of the trace alone, since a server
 * that was just started is not yet what it will be.
 */
#include "probe.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../replaying/trace_file.h"

#define BINS 4096              /* of two per cent each: from 1 ns to far beyond 2^63 */
#define MAX_FOUND 24
#define LATER 0.25             /* of the trace's time has passed when counting begins */

static struct {
    struct trace_event *events;
    size_t count, records;
    uint64_t begin_ns, from_ns, end_ns; /* from: when counting begins */
} trace;

/* ------------------------------------------------------------------- reading it */

static void keep(const struct trace_event *event)
{
    static size_t room;
    if (trace.count == room) {
        room = room ? 2 * room : 65536;
        trace.events = realloc(trace.events, room * sizeof *trace.events);
        if (!trace.events)
            fail("memory for the trace");
    }
    trace.events[trace.count++] = *event;
    if (event->op != TRACE_RUN && event->id >= trace.records)
        trace.records = (size_t)event->id + 1;
}

static int refuse(const char *path, const char *why)
{
    fprintf(stderr, "%s: %s\n", path ? path : "standard input", why);
    return -1;
}

static int load(const char *path)
{
    size_t bytes;
    void *text = trace_load(path, TRACE_MAX_BYTES, &bytes);
    if (!text)
        return refuse(path, strerror(errno));
    if (bytes == 0) {
        free(text);
        return refuse(path, "the trace is empty");
    }
    struct trace_reader reader;
    struct trace_event event;
    int more = trace_read_begin(&reader, text, bytes) == 0 ? 1 : -1;
    while (more == 1 && (more = trace_read_next(&reader, &event)) == 1)
        keep(&event);
    free(text);
    if (more != 0)
        return refuse(path, reader.error);
    if (trace.count == 0)
        return refuse(path, "the trace is empty");
    trace.begin_ns = trace.events[0].time_ns;
    trace.end_ns = trace.events[trace.count - 1].time_ns;
    if (trace.end_ns - trace.begin_ns < MS)
        return refuse(path, "the trace is shorter than a millisecond");
    trace.from_ns = trace.begin_ns + (uint64_t)(LATER * (double)(trace.end_ns - trace.begin_ns));
    return 0;
}

/* ------------------------------------------------------------------ the classes */

struct found {
    unsigned first_bin, last_bin;
    double all;                /* starts, of the whole trace */
    double delays, delays_squared;
    double starts, pushes, push_ages, closer, closer_to, ends, end_ages, fires;
    double live, held;         /* now: pending; and pending or parked */
    double live_ns, held_ns;   /* summed over time */
};

static struct found found[MAX_FOUND];
static size_t found_count;
static double bins[BINS];

static unsigned bin_of(uint64_t delay_ns)
{
    return (unsigned)(log((double)delay_ns + 1) / log(1.02));
}

static uint64_t delay_of(const struct trace_event *event)
{
    return event->deadline_ns > event->time_ns ? event->deadline_ns - event->time_ns : 0;
}

static void merge(size_t i)
{
    found[i].last_bin = found[i + 1].last_bin;
    found[i].all += found[i + 1].all;
    memmove(&found[i + 1], &found[i + 2], (found_count - i - 2) * sizeof *found);
    found_count--;
}

/* The two neighbours that are nearest. */
static size_t nearest(void)
{
    size_t best = 0;
    for (size_t i = 1; i + 1 < found_count; i++)
        if (found[i + 1].first_bin - found[i].last_bin <
            found[best + 1].first_bin - found[best].last_bin)
            best = i;
    return best;
}

static void find_classes(void)
{
    for (size_t i = 0; i < trace.count; i++)
        if (trace.events[i].op == TRACE_START)
            bins[bin_of(delay_of(&trace.events[i]))]++;
    for (unsigned bin = 0; bin < BINS; bin++) {
        if (bins[bin] == 0)
            continue;
        struct found *last = found_count > 0 ? &found[found_count - 1] : NULL;
        if (!last || bin - last->last_bin > 2) {
            if (found_count == MAX_FOUND)
                merge(nearest());
            last = &found[found_count++];
            *last = (struct found){.first_bin = bin};
        }
        last->last_bin = bin;
        last->all += bins[bin];
    }
}

static struct found *class_of(uint64_t delay_ns)
{
    unsigned bin = bin_of(delay_ns);
    for (size_t i = 0; i < found_count; i++)
        if (bin <= found[i].last_bin)
            return &found[i];
    return NULL;
}

/* ------------------------------------------------------------ what they go through */

struct life {
    struct found *class;       /* NULL: it is not pending */
    struct found *holder;      /* the class that it is parked in, or pending; NULL: neither */
    uint64_t began_ns, deadline_ns;
};

static void live_until(uint64_t now_ns, uint64_t *before_ns)
{
    if (now_ns > *before_ns && now_ns > trace.from_ns) {
        uint64_t from_ns = *before_ns > trace.from_ns ? *before_ns : trace.from_ns;
        for (size_t i = 0; i < found_count; i++) {
            found[i].live_ns += found[i].live * (double)(now_ns - from_ns);
            found[i].held_ns += found[i].held * (double)(now_ns - from_ns);
        }
    }
    *before_ns = now_ns;
}

static void live_start(struct life *life, const struct trace_event *event, bool counted)
{
    double delay = (double)delay_of(event);
    if (life->class)
        life->class->live--;
    if (life->holder)
        life->holder->held--;
    struct found *class = class_of(delay_of(event));
    *life = (struct life){class, class, event->time_ns, event->deadline_ns};
    class->live++;
    class->held++;
    life->class->starts += counted;
    life->class->delays += delay;
    life->class->delays_squared += delay * delay;
}

static void live_move(struct life *life, const struct trace_event *event, bool counted)
{
    bool closer = event->deadline_ns < life->deadline_ns;
    life->deadline_ns = event->deadline_ns;
    life->class->pushes += counted;
    life->class->push_ages += counted ? (double)(event->time_ns - life->began_ns) : 0;
    life->class->closer += closer && counted;
    life->class->closer_to += closer && counted ? (double)delay_of(event) : 0;
}

static void live_end(struct life *life, const struct trace_event *event, bool counted)
{
    if (life->holder && event->op != TRACE_PARK) {
        life->holder->held--;
        life->holder = NULL;
    }
    if (!life->class)
        return;
    life->class->live--;
    if (event->op == TRACE_FIRE) {
        life->class->fires += counted;
    } else {
        life->class->ends += counted;
        life->class->end_ages += counted ? (double)(event->time_ns - life->began_ns) : 0;
    }
    life->class = NULL;
}

static double follow(void)
{
    struct life *lives = allocate(trace.records, sizeof *lives);
    uint64_t before_ns = trace.begin_ns;
    double runs = 0;
    for (size_t i = 0; i < trace.count; i++) {
        const struct trace_event *event = &trace.events[i];
        bool counted = event->time_ns >= trace.from_ns;
        live_until(event->time_ns, &before_ns);
        struct life *life = &lives[event->id];
        if (event->op == TRACE_RUN)
            runs += counted;
        else if (event->op == TRACE_START)
            live_start(life, event, counted);
        else if (event->op == TRACE_MOVE && life->class)
            live_move(life, event, counted);
        else if (event->op != TRACE_SOON && event->op != TRACE_MOVE)
            live_end(life, event, counted);
    }
    free(lives);
    return runs;
}

int trace_classes(const char *path)
{
    if (load(path) != 0)
        return 1;
    find_classes();
    if (found_count == 0)
        return -refuse(path, "no timer is started in the trace");
    double seconds = (double)(trace.end_ns - trace.from_ns) * 1e-9, runs = follow();
    answer_begin();
    answer("seconds", seconds);
    answer("runs", runs / seconds);
    answer("records", (double)trace.records);
    answer_end();
    for (size_t i = 0; i < found_count; i++) {
        const struct found *class = &found[i];
        double mean = class->delays / class->all;
        double variance = class->delays_squared / class->all - mean * mean;
        answer_begin();
        answer("timeout", mean * 1e-9);
        answer("spread", sqrt(variance > 0 ? variance : 0) * 1e-9);
        answer("live", class->live_ns * 1e-9 / seconds);
        answer("held", class->held_ns * 1e-9 / seconds);
        answer("starts", class->starts / seconds);
        answer("pushes", class->pushes / seconds);
        answer("push_age", class->pushes > 0 ? class->push_ages / class->pushes * 1e-9 : 0);
        answer("closer", class->pushes > 0 ? class->closer / class->pushes : 0);
        answer("to", class->closer > 0 ? class->closer_to / class->closer * 1e-9 : 0);
        answer("ends", class->ends / seconds);
        answer("after", class->ends > 0 ? class->end_ages / class->ends * 1e-9 : 0);
        answer("fires", class->fires / seconds);
        answer_end();
    }
    free(trace.events);
    return 0;
}

/* ------------------------------------------------------------- playing it again */

static uint64_t fires;

static void replay_fired(void *arg)
{
    struct record *record = arg;
    record->bytes++;
    record->class = 0;           /* of a replay: 1 while it is pending */
    fires++;
}

/* To find out what reading the trace takes: all events are on one record. */
static bool read_only;
static uint64_t touches;

static void replay_event(struct record *records, const struct trace_event *event)
{
    struct record *record = &records[read_only ? 0 : event->id];
    if (event->op == TRACE_RUN) {
        world.now_ns = event->deadline_ns;
        world_run(0);
    } else if (event->op == TRACE_START || event->op == TRACE_MOVE) {
        world.now_ns = event->time_ns;
        touches++;
        record->bytes++;
        if (record->class)
            record_push(record, event->deadline_ns - event->time_ns);
        else
            record_start(record, event->deadline_ns - event->time_ns);
        record->class = 1;
    } else if ((event->op == TRACE_STOP || event->op == TRACE_PARK) && record->class) {
        world.now_ns = event->time_ns;
        touches++;
        record->bytes++;
        record_end(record);
        record->class = 0;
    }
    wait_for_loads();
}

/* The whole trace; the processor time of the part that counts. */
static double replay_once(struct record *records, enum interface interface, uint64_t from_ns,
                          double *bytes)
{
    world_open(interface, 0, trace.records, replay_fired);
    for (size_t i = 0; i < trace.records; i++)
        record_init(&records[i], 0, (uint32_t)i);
    size_t at = 0;
    for (; at < trace.count && trace.events[at].time_ns < from_ns; at++)
        replay_event(records, &trace.events[at]);
    fires = touches = 0;
    uint64_t began_ns = cpu_ns();
    for (; at < trace.count; at++)
        replay_event(records, &trace.events[at]);
    double took_ns = (double)(cpu_ns() - began_ns);
    *bytes = (double)world_stats().bytes;
    world_close();
    return took_ns;
}

/* A trace numbers its timers as they come, so that those that come one after the other
 * would be neighbours in memory. In a server they are not. */
static void shuffle_records(void)
{
    struct random dice = {1};
    uint32_t *other = allocate(trace.records, sizeof *other);
    for (size_t i = 0; i < trace.records; i++) {
        size_t at = below(&dice, i + 1);
        other[i] = other[at];
        other[at] = (uint32_t)i;
    }
    for (size_t i = 0; i < trace.count; i++)
        if (trace.events[i].op != TRACE_RUN)
            trace.events[i].id = other[trace.events[i].id];
    free(other);
}

/* Time begins at a second, as the loop's does. */
static void rebase(void)
{
    uint64_t shift_ns = trace.begin_ns - SECOND;
    for (size_t i = 0; i < trace.count; i++) {
        struct trace_event *event = &trace.events[i];
        event->time_ns -= shift_ns;
        if (event->deadline_ns != UINT64_MAX)
            event->deadline_ns = event->deadline_ns > shift_ns ? event->deadline_ns - shift_ns : 0;
    }
    trace.from_ns -= shift_ns;
    trace.end_ns -= shift_ns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int trace_replay(enum interface interface, const char *path, size_t rounds)
{
    if (load(path) != 0)
        return 1;
    rebase();
    shuffle_records();
    double with[64], own[64], reading[64], bytes = 0, none;
    size_t recorded = 0, count = rounds < 64 ? rounds : 64;
    for (size_t i = 0; i < trace.count; i++)
        recorded += trace.events[i].op == TRACE_FIRE && trace.events[i].time_ns >= trace.from_ns;
    struct record *records = records_make(trace.records);
    replay_once(records, NONE, trace.from_ns, &none);
    read_only = true;
    for (size_t i = 0; i < count; i++)
        reading[i] = replay_once(records, NONE, trace.from_ns, &none);
    read_only = false;
    size_t touched = touches;
    for (size_t i = 0; i < count; i++) {
        double before = replay_once(records, NONE, trace.from_ns, &none);
        with[i] = replay_once(records, interface, trace.from_ns, &bytes);
        uint64_t fired = fires;
        own[i] = with[i] - (before + replay_once(records, NONE, trace.from_ns, &none)) / 2;
        fires = fired;
    }
    qsort(with, count, sizeof *with, by_value);
    qsort(own, count, sizeof *own, by_value);
    qsort(reading, count, sizeof *reading, by_value);
    double seconds_ns = (double)(trace.end_ns - trace.from_ns);
    answer_begin();
    answer("cpu_share", with[count / 2] / seconds_ns);
    answer("choosing_share", reading[count / 2] / seconds_ns);
    answer("touches", (double)touched * 1e9 / seconds_ns);
    answer("timers_share", own[count / 2] / seconds_ns);
    answer("fired", (double)fires);
    answer("recorded", (double)recorded);
    answer("bytes", bytes);
    answer_end();
    records_free(records, trace.records);
    free(trace.events);
    return 0;
}
