/* SPDX-License-Identifier: MIT */
/* world: the loop, its clock and its timers, as world.h says. */
#define _GNU_SOURCE
#include "world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

const char *const interface_names[4] = {"none", "stop", "park", "handles"};

struct world world;

_Static_assert(sizeof(struct record) == 128, "a record is a pair of cache lines");

void fail(const char *what)
{
    fprintf(stderr, "plan_probe: %s: %s\n", what, strerror(errno));
    exit(1);
}

void *allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count ? count : 1, bytes);
    if (!memory)
        fail("memory");
    return memory;
}

/* ------------------------------------------------------------------ the clocks */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

uint64_t cpu_ns(void)
{
    return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* Takes what a real one takes, and answers the virtual time. */
static uint64_t virtual_clock(void *arg)
{
    (void)arg;
    clock_ns(CLOCK_MONOTONIC);
    return world.now_ns;
}

long switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nivcsw;
}

/* -------------------------------------------------------------- random numbers */

uint64_t random64(struct random *random)
{
    uint64_t x = random->state += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ x >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return x ^ x >> 32;
}

uint64_t below(struct random *random, uint64_t bound)
{
    return (uint64_t)((unsigned __int128)random64(random) * bound >> 64);
}

double uniform(struct random *random)
{
    return (double)(random64(random) >> 11) * 0x1p-53;
}

/* --------------------------------------------------------------------- records */

struct record *records_make(size_t count)
{
    size_t bytes = (count ? count : 1) * sizeof(struct record);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        fail("memory for the records");
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

void records_free(struct record *records, size_t count)
{
    munmap(records, (count ? count : 1) * sizeof(struct record));
}

void record_init(struct record *record, uint32_t class, uint32_t id)
{
    *record = (struct record){.class = class, .id = id};
    if (world.interface == STOP || world.interface == PARK)
        tw_timer_init(&record->timer, world.callback, record);
}

/* ---------------------------------------------------------------------- timers */

void record_start(struct record *record, uint64_t delay_ns)
{
    uint64_t when_ns = world.now_ns + delay_ns;
    if (world.interface == HANDLES && world.clock_each)
        record->handle = tw_call_later_ns(world.loop, delay_ns, world.callback, record);
    else if (world.interface == HANDLES)
        record->handle = tw_call_at_ns(world.loop, when_ns, world.callback, record);
    else if (world.interface != NONE && world.clock_each)
        tw_timer_start_later_ns(world.loop, &record->timer, delay_ns);
    else if (world.interface != NONE)
        tw_timer_start_at_ns(world.loop, &record->timer, when_ns);
}

void record_push(struct record *record, uint64_t delay_ns)
{
    if (world.interface != HANDLES)
        record_start(record, delay_ns);
    else if (world.clock_each)
        tw_reschedule_later_ns(world.loop, record->handle, delay_ns);
    else
        tw_reschedule_at_ns(world.loop, record->handle, world.now_ns + delay_ns);
}

void record_end(struct record *record)
{
    if (world.interface == HANDLES)
        tw_cancel(world.loop, record->handle);
    else if (world.interface == PARK)
        tw_timer_park(world.loop, &record->timer);
    else if (world.interface == STOP)
        tw_timer_stop(world.loop, &record->timer);
}

/* -------------------------------------------------------------------- the loop */

void world_open(enum interface interface, uint64_t tick_ns, size_t timers, tw_callback *callback)
{
    bool clock_each = world.clock_each;
    world = (struct world){.interface = interface, .now_ns = SECOND, .clock_each = clock_each,
                           .callback = callback};
    if (interface == NONE)
        return;
    world.loop = tw_loop_new(&(tw_options){.size = sizeof(tw_options), .tick_ns = tick_ns,
                                           .clock = virtual_clock});
    if (!world.loop)
        fail("tw_loop_new");
    int reserved = interface == HANDLES ? tw_reserve_calls(world.loop, timers)
                                        : tw_reserve_embedded(world.loop, timers);
    if (reserved != 0)
        fail("tw_reserve");
}

void world_close(void)
{
    tw_loop_free(world.loop);
    world.loop = NULL;
}

/* They are taken in the order in which they were given back. */
void world_shuffle_nodes(size_t count, struct random *random)
{
    if (world.interface != HANDLES)
        return;
    tw_handle *handles = allocate(count, sizeof *handles);
    uint64_t when_ns = world.now_ns + SHUFFLED_NS / 2;
    for (size_t i = 0; i < count; i++)
        handles[i] = tw_call_at_ns(world.loop, when_ns, world.callback, NULL);
    for (size_t left = count; left > 0; left--) {
        size_t i = below(random, left);
        tw_cancel(world.loop, handles[i]);
        handles[i] = handles[left - 1];
    }
    free(handles);
    world_run(SHUFFLED_NS); /* which drops their cells */
}

void world_run(uint64_t step_ns)
{
    world.now_ns += step_ns;
    if (world.interface != NONE)
        tw_run(world.loop);
}

tw_stats world_stats(void)
{
    tw_stats now = {.size = sizeof now};
    if (world.loop)
        tw_stats_get(world.loop, &now);
    return now;
}

/* ----------------------------------------------------------------- the answers */

static const char *separator;

void answer_begin(void)
{
    separator = "{";
}

void answer(const char *name, double value)
{
    printf("%s\"%s\": %.9g", separator, name, value);
    separator = ", ";
}

void answer_end(void)
{
    puts("}");
}
