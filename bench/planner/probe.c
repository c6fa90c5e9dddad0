/* SPDX-License-Identifier: MIT */
/*
 * What the planner measures with:
 *
 *     plan_probe touch ROUNDS LINES...          what a touch of a line costs, of so many
 *     plan_probe events INTERFACE RECORDS       what each event of a timer costs
 *     plan_probe play INTERFACE [TRACE]         plays the plan on standard input, and
 *                                               records it
 *     plan_probe classes TRACE                  the classes of timers in a trace
 *     plan_probe replay INTERFACE TRACE ROUNDS  what it costs to play it again
 *
 * INTERFACE is stop or park (embedded timers, ended by tw_timer_stop or
 * tw_timer_park), or handles. TRACE may be - for standard input. Answers JSON on
 * stdout. Time is virtual; costs are processor time, since the machine may do
 * other work meanwhile.
 */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fputs("usage: plan_probe touch ROUNDS LINES... | events INTERFACE RECORDS |\n"
          "                  play INTERFACE [TRACE] | classes TRACE |\n"
          "                  replay INTERFACE TRACE ROUNDS   (bench/plan gives them)\n"
          "INTERFACE: stop, park or handles\n",
          stderr);
    return 2;
}

/* A whole number from 1 to 1e8, or 0. */
static size_t number_of(const char *text)
{
    char *rest;
    double value = strtod(text, &rest);
    return rest != text && *rest == '\0' && value >= 1 && value <= 1e8 ? (size_t)value : 0;
}

static enum interface interface_of(const char *name)
{
    for (int i = STOP; i <= HANDLES; i++)
        if (strcmp(name, interface_names[i]) == 0)
            return (enum interface)i;
    return NONE;
}

static int touch(int count, char **texts)
{
    size_t rounds = number_of(texts[0]), sizes[64], used = 0;
    for (int i = 1; i < count && used < 64; i++) {
        sizes[used] = number_of(texts[i]);
        if (sizes[used++] == 0)
            return usage();
    }
    if (rounds == 0)
        return usage();
    calibrate_touch(sizes, used, rounds);
    return 0;
}

static const char *path_of(const char *text)
{
    return strcmp(text, "-") == 0 ? NULL : text;
}

int main(int argc, char **argv)
{
    const char *command = argc > 2 ? argv[1] : "";
    enum interface interface = argc > 2 ? interface_of(argv[2]) : NONE;
    if (strcmp(command, "touch") == 0 && argc > 3)
        return touch(argc - 2, argv + 2);
    if (strcmp(command, "classes") == 0 && argc == 3)
        return trace_classes(path_of(argv[2]));
    if (interface == NONE)
        return usage();
    if (strcmp(command, "events") == 0 && argc == 4 && number_of(argv[3]) >= 20) {
        calibrate_events(interface, number_of(argv[3]));
        return 0;
    }
    if (strcmp(command, "play") == 0 && argc <= 4)
        return play(interface, argc == 4 ? argv[3] : NULL) == 0 ? 0 : usage();
    if (strcmp(command, "replay") == 0 && argc == 5 && number_of(argv[4]) > 0)
        return trace_replay(interface, path_of(argv[3]), number_of(argv[4]));
    return usage();
}
