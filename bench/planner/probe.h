/* SPDX-License-Identifier: MIT */
/* probe: the commands of plan_probe, one file each. */
#ifndef TICKWHEEL_PLANNER_PROBE_H
#define TICKWHEEL_PLANNER_PROBE_H

#include <stddef.h>

#include "world.h"

/* calibrate.c */
void calibrate_touch(const size_t *sizes, size_t count, size_t rounds);
void calibrate_events(enum interface interface, size_t records);

/* play.c: plays the plan on standard input, and records it to a file unless that
 * is NULL. 0, or 2 if it is no plan. */
int play(enum interface interface, const char *trace);

/* traces.c: 0, or 1 if the file is no trace; NULL: standard input. */
int trace_classes(const char *path);
int trace_replay(enum interface interface, const char *path, size_t rounds);

#endif
