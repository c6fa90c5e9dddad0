/* SPDX-License-Identifier: MIT */
/*
 * stats_text: a loop's tw_stats as text.
 */
#ifndef STATS_TEXT_H
#define STATS_TEXT_H

#include <stdio.h>
#include <tickwheel.h>

/* For people: a line for each figure, and the lateness by power of two. */
void stats_text(FILE *out, const tw_stats *stats);

/* For Prometheus, in its text exposition format: one family of series for each
 * figure, the loops told apart by the label loop="0", "1" and so on. */
void stats_prometheus(FILE *out, const tw_stats *loops, size_t count);

#endif
