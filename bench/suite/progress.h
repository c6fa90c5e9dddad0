/* SPDX-License-Identifier: MIT */
/*
 * How far a session of the suite has come, for whoever waits for it, and which
 * benchmarks it can afford to repeat.
 *
 * Environment, set by bench/run:
 *     TICKWHEEL_BENCH_TOTAL=n    print "[i/n] name: ns, about x min left" to stderr
 *                                after each run, and no table to stdout
 *     TICKWHEEL_BENCH_DONE=i     begin to count there
 *     TICKWHEEL_BENCH_ROUNDS="a b c d"  measure in rounds (rounds.h): so many at 10^4, 10^5,
 *                                10^6, and 10^7 timers and more
 *     TICKWHEEL_BENCH_AWAY=x     in rounds: what share of its time a window may be without
 *                                the processor, before it is measured again (0.02)
 *     TICKWHEEL_BENCH_AND=RE     in rounds: only those that match this and the filter
 *     TICKWHEEL_BENCH_AHEAD=FILE the names of the benchmarks to be run by this program
 *                                and those after it, one a line: what the estimate goes by
 *     TICKWHEEL_BENCH_COUNT=1    bench/count runs it: short windows, no clock
 *     TICKWHEEL_BENCH_SLOW=x     do not repeat a benchmark whose first run took more
 *                                than x seconds, its set-up included
 */
#ifndef TICKWHEEL_BENCH_PROGRESS_H
#define TICKWHEEL_BENCH_PROGRESS_H

#include <cstddef>
#include <string>

namespace bench
{

/* Answers an environment variable, or NULL where it is not set or empty. */
const char *environment(const char *name);

/* Whether there is someone to tell about each run. */
bool shows_progress();

/* How many rounds a benchmark of this size has; 0: it is not measured in rounds. */
int rounds_of(size_t timers);

/* So many of the runs told of are measured again. */
void once_more(size_t runs);

/* Whether `name` has been found too slow to be run once more. */
bool was_slow(const std::string &name);

/* Takes note of a run, and tells of it. */
void finished(const std::string &name, double seconds, double operation_ns);

/* The same for a run that was_slow has made needless. */
void left_out(const std::string &name);

} // namespace bench

#endif
