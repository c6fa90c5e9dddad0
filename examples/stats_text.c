/* SPDX-License-Identifier: MIT */
/* stats_text: the table's lines, one a counter, as stats_text.h says. */
#include "stats_text.h"

#include <inttypes.h>

/* Every figure but the lateness: where it is, and what it is called. */
static const struct figure {
    const char *name; /* in tw_stats */
    const char *help;
    size_t offset;                        /* in tw_stats */
    enum { SIZE, COUNTER, MAXIMUM } type; /* SIZE is a size_t, the others are uint64_t */
} figures[] = {
#define FIGURE(type, name, help)                    \
    {                                               \
#name, help, offsetof(tw_stats, name), type \
    }
    FIGURE(SIZE, pending, "Timers still to run."),
    FIGURE(SIZE, parked, "Places held for parked timers and cancelled calls."),
    FIGURE(SIZE, overflow, "Timers beyond the span of the wheel."),
    FIGURE(SIZE, bytes, "Memory held from the allocator."),
    FIGURE(COUNTER, started, "Timers started."),
    FIGURE(COUNTER, fired, "Callbacks made."),
    FIGURE(COUNTER, cancelled, "Timers cancelled, stopped or parked."),
    FIGURE(COUNTER, rearmed, "Timers moved while pending."),
    FIGURE(COUNTER, moved, "Timers moved closer by cascades."),
    FIGURE(MAXIMUM, moved_max, "The most timers moved closer in one tick."),
    FIGURE(COUNTER, relocated, "Starts and moves that had to leave their place."),
    FIGURE(COUNTER, visited, "Cells read by cascades and opened ticks."),
    FIGURE(COUNTER, wakeups, "Times tw_run_forever woke from its sleep."),
    FIGURE(COUNTER, alarms, "Times the system was told when to wake the loop."),
#undef FIGURE
};
#define FIGURES (sizeof figures / sizeof figures[0])

static uint64_t value(const tw_stats *stats, const struct figure *figure)
{
    const char *field = (const char *)stats + figure->offset;
    return figure->type == SIZE ? *(const size_t *)(const void *)field
                                : *(const uint64_t *)(const void *)field;
}

/* The longest lateness counted in late[power], in seconds. */
static double late_bound(unsigned power)
{
    return power == 0 ? 0 : (double)((UINT64_C(1) << power) - 1) * 1e-9;
}

void stats_text(FILE *out, const tw_stats *stats)
{
    for (size_t i = 0; i < FIGURES; i++)
        fprintf(out, "%-10s %20" PRIu64 "  %s\n", figures[i].name, value(stats, &figures[i]),
                figures[i].help);
    for (unsigned power = 0; power < 64; power++) {
        if (stats->late[power] > 0)
            fprintf(out, "late       %20" PRIu64 "  by up to %.9f s\n", stats->late[power],
                    late_bound(power));
    }
}

static void family(FILE *out, const struct figure *figure, const tw_stats *loops, size_t count)
{
    const char *suffix = figure->type == COUNTER ? "_total" : "";
    const char *type = figure->type == COUNTER ? "counter" : "gauge";
    fprintf(out, "# HELP tickwheel_%s%s %s\n", figure->name, suffix, figure->help);
    fprintf(out, "# TYPE tickwheel_%s%s %s\n", figure->name, suffix, type);
    for (size_t loop = 0; loop < count; loop++)
        fprintf(out, "tickwheel_%s%s{loop=\"%zu\"} %" PRIu64 "\n", figure->name, suffix, loop,
                value(&loops[loop], figure));
}

/* The buckets from 1 us to 69 s, every other power of two: Prometheus stores each
 * as a series of its own. There is no _sum: the wheel keeps none. */
static void lateness(FILE *out, const tw_stats *stats, size_t loop)
{
    enum { FIRST = 10, LAST = 36 };
    uint64_t calls = 0;
    for (unsigned power = 0; power < 64; power++) {
        calls += stats->late[power];
        if (power >= FIRST && power <= LAST && power % 2 == 0)
            fprintf(out,
                    "tickwheel_lateness_seconds_bucket{loop=\"%zu\",le=\"%.9g\"} %" PRIu64 "\n",
                    loop, late_bound(power), calls);
    }
    fprintf(out, "tickwheel_lateness_seconds_bucket{loop=\"%zu\",le=\"+Inf\"} %" PRIu64 "\n", loop,
            calls);
    fprintf(out, "tickwheel_lateness_seconds_count{loop=\"%zu\"} %" PRIu64 "\n", loop, calls);
}

void stats_prometheus(FILE *out, const tw_stats *loops, size_t count)
{
    for (size_t i = 0; i < FIGURES; i++)
        family(out, &figures[i], loops, count);
    fprintf(out, "# HELP tickwheel_lateness_seconds Time from deadline to callback.\n");
    fprintf(out, "# TYPE tickwheel_lateness_seconds histogram\n");
    for (size_t loop = 0; loop < count; loop++)
        lateness(out, &loops[loop], loop);
}
