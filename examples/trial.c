/* SPDX-License-Identifier: MIT */
/* trial: the trial itself, as trial.h says. */
#include "trial.h"

#include "support.h"

#include <inttypes.h>
#include <stdlib.h>

#define NS_PER_MS 1000000u
#define EVENT_LONGEST_MS 1900u   /* of the timers started by the event, */
#define CALLBACK_LONGEST_MS 100u /* and from callbacks */
#define FAR_NS (3600u * 1000u * (uint64_t)NS_PER_MS)
#define FROM_EVENT (TRIAL_TIMERS / 5 * 4) /* the rest is started from callbacks */

struct entry {
    tw_timer timer;
    uint64_t earliest_ns; /* by a clock reading of ours before the start */
    uint64_t deadline_ns; /* what the wheel made of it */
    uint64_t order;       /* of its start */
    bool called;
};

static struct {
    tw_loop *wheel;
    uint64_t seed;
    uint64_t random; /* state of the generator */
    tw_timer far;
    struct entry entries[TRIAL_TIMERS];
    size_t started, called;
    uint64_t last_deadline_ns, last_order; /* of the latest call */
    uint64_t last_run_ns;                  /* the run it was made in */
    size_t runs;                           /* that made a call */
    size_t early, disordered, repeated, unstarted;
} trial;

/* splitmix64 (Steele, Lea and Flood, 2014) */
static uint64_t next_random(void)
{
    uint64_t mixed = trial.random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

/* Starts a timer after a random delay. Half of the deadlines are put on whole
 * milliseconds, so that many are equal. */
static void start_one(unsigned longest_ms)
{
    struct entry *entry = &trial.entries[trial.started];
    uint64_t delay_ns = next_random() % ((uint64_t)longest_ms * NS_PER_MS);
    bool whole_ms = next_random() % 2 == 0;
    int result;
    entry->earliest_ns = monotonic_ns() + delay_ns;
    if (whole_ms) {
        entry->earliest_ns += NS_PER_MS - 1;
        entry->earliest_ns -= entry->earliest_ns % NS_PER_MS;
        result = tw_timer_start_at_ns(trial.wheel, &entry->timer, entry->earliest_ns);
    } else {
        result = tw_timer_start_later_ns(trial.wheel, &entry->timer, delay_ns);
    }
    if (result != 0)
        trial.unstarted++;
    entry->deadline_ns = tw_timer_when_ns(&entry->timer);
    entry->order = trial.started++;
}

static void check(struct entry *entry)
{
    if (monotonic_ns() < entry->earliest_ns || entry->deadline_ns < entry->earliest_ns)
        trial.early++;
    if (trial.called > 0 &&
        (entry->deadline_ns < trial.last_deadline_ns ||
         (entry->deadline_ns == trial.last_deadline_ns && entry->order < trial.last_order)))
        trial.disordered++;
    if (entry->called)
        trial.repeated++;
    if (trial.called == 0 || tw_now_ns(trial.wheel) != trial.last_run_ns)
        trial.runs++;
    entry->called = true;
    trial.called++;
    trial.last_deadline_ns = entry->deadline_ns;
    trial.last_order = entry->order;
    trial.last_run_ns = tw_now_ns(trial.wheel);
}

static void on_timer(void *arg)
{
    check(arg);
    if (trial.started < TRIAL_TIMERS && trial.called % 4 == 0)
        start_one(CALLBACK_LONGEST_MS);
    if (trial_over())
        tw_timer_stop(trial.wheel, &trial.far);
}

static void on_far(void *arg)
{
    (void)arg;
    fprintf(stderr, "the timer an hour away was called\n");
    exit(1);
}

tw_loop *trial_new(int argc, char **argv)
{
    trial.seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20260101;
    trial.random = trial.seed;
    trial.wheel = tw_loop_new(NULL);
    tw_timer_init(&trial.far, on_far, NULL);
    if (trial.wheel == NULL || tw_timer_start_later_ns(trial.wheel, &trial.far, FAR_NS) != 0)
        die("trial");
    for (size_t i = 0; i < TRIAL_TIMERS; i++)
        tw_timer_init(&trial.entries[i].timer, on_timer, &trial.entries[i]);
    return trial.wheel;
}

void trial_event(void)
{
    while (trial.started < FROM_EVENT)
        start_one(EVENT_LONGEST_MS);
}

bool trial_over(void)
{
    return trial.called >= TRIAL_TIMERS;
}

int trial_end(const char *name, size_t turns)
{
    size_t left = tw_pending_count(trial.wheel);
    tw_loop_free(trial.wheel);
    printf("%s: %zu timers called (seed %" PRIu64 "), %zu early, %zu out of order, %zu twice, "
           "%zu not started, %zu left\n",
           name, trial.called, trial.seed, trial.early, trial.disordered, trial.repeated,
           trial.unstarted, left);
    printf("%s: %zu turns of the loop, %zu of them with nothing due\n", name, turns,
           turns > trial.runs ? turns - trial.runs : 0);
    bool spinning = turns > 2 * TRIAL_TIMERS;
    if (spinning)
        printf("%s: that is more turns than the timers can have asked for\n", name);
    bool good = trial.called == TRIAL_TIMERS &&
                trial.early + trial.disordered + trial.repeated == 0 &&
                trial.unstarted + left == 0 && !spinning;
    return good ? 0 : 1;
}
