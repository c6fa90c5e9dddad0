/* SPDX-License-Identifier: MIT */
/* list_wheel, the peer that http_server is compared with, has to be right as well:
 * random starts, moves and stops over every level and beyond the span, each timer
 * run at its very tick; with the seed given, or a fixed one. */
#include "list_wheel.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMERS 2000

static struct list_wheel wheel;
static struct probe {
    struct list_timer timer;
    uint64_t due_tick; /* UINT64_MAX: is not to run */
} probes[TIMERS];
static uint64_t random_state;
static unsigned wrong, run;

/* splitmix64 (Steele, Lea and Flood, 2014) */
static uint64_t next_random(void)
{
    uint64_t mixed = random_state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

static void on_timer(void *arg)
{
    struct probe *probe = arg;
    wrong += probe->due_tick != wheel.now_tick;
    probe->due_tick = UINT64_MAX;
    run++;
}

/* Delays of every size up to twice the span, 2^26 ticks; 0 is due at once. */
static void start(struct probe *probe)
{
    uint64_t delay = next_random() >> (37 + next_random() % 27);
    probe->due_tick = wheel.now_tick + (delay == 0 ? 1 : delay);
    list_timer_start(&wheel, &probe->timer, wheel.now_tick + delay);
}

static void stop(struct probe *probe)
{
    list_timer_stop(&wheel, &probe->timer);
    probe->due_tick = UINT64_MAX;
}

/* Also checks that the wheel never wants to sleep past a timer. */
static uint64_t earliest(void)
{
    uint64_t tick = UINT64_MAX;
    for (int i = 0; i < TIMERS; i++)
        if (probes[i].due_tick < tick)
            tick = probes[i].due_tick;
    wrong += list_wheel_next_tick(&wheel) > tick;
    return tick;
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1987;
    random_state = seed;
    list_wheel_init(&wheel, 123456789);
    for (int i = 0; i < TIMERS; i++) {
        list_timer_init(&probes[i].timer, on_timer, &probes[i]);
        start(&probes[i]);
    }
    for (int step = 0; step < 20000; step++) {
        struct probe *probe = &probes[next_random() % TIMERS];
        if (next_random() % 4 == 0)
            stop(probe);
        else
            start(probe);
        if (step % 100 == 0)
            list_wheel_advance(&wheel,
                               wheel.now_tick + (next_random() >> (44 + next_random() % 20)));
    }
    for (uint64_t tick; (tick = earliest()) != UINT64_MAX;)
        list_wheel_advance(&wheel, tick);
    printf("seed %" PRIu64 ": %u run, %u wrong, %zu left\n", seed, run, wrong, wheel.active);
    return wrong == 0 && wheel.active == 0 && run > TIMERS ? 0 : 1;
}
