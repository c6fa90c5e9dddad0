/*
 * How far a session of the suite has come, for whoever waits for it, and which
 * benchmarks it can afford to repeat.
 *
 * Environment, set by bench/run:
 *     TICKWHEEL_BENCH_TOTAL=n    print "[i/n] name: ns, about x min left" to stderr
 *                                after each run, and no table to stdout
 *     TICKWHEEL_BENCH_DONE=i     begin to count there
 *     TICKWHEEL_BENCH_AHEAD=FILE the names of the benchmarks to be run by this program
 *                                and those after it, one a line, each n times over all:
 *                                what the estimate goes by
 *     TICKWHEEL_BENCH_SLOW=x     do not repeat a benchmark whose first run took more
 *                                than x seconds, its set-up included
 */
#ifndef TICKWHEEL_BENCH_PROGRESS_H
#define TICKWHEEL_BENCH_PROGRESS_H

#include <string>

namespace bench
{

/* Answers an environment variable, or NULL where it is not set or empty. */
const char *environment(const char *name);

/* Whether there is someone to tell about each run. */
bool shows_progress();

/* Whether `name` has been found too slow to be run once more. */
bool was_slow(const std::string &name);

/* Takes note of a run, and tells of it. */
void finished(const std::string &name, double seconds, double operation_ns);

/* The same for a run that was_slow has made needless. */
void left_out(const std::string &name);

} // namespace bench

#endif
