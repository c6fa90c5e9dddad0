/* SPDX-License-Identifier: MIT */
/* How contenders are compared: in rounds. */
#ifndef TICKWHEEL_BENCH_ROUNDS_H
#define TICKWHEEL_BENCH_ROUNDS_H

#include <cstddef>
#include <string>

namespace bench
{

/* Takes note of a benchmark that there is; those of one group and size are compared. */
void note_benchmark(const std::string &group, const std::string &name, size_t timers);

/* Runs those that the filter matches, round by round, into a file of Google
 * Benchmark's format. false: it could not be written, or none matches. */
bool run_rounds(const std::string &filter, const std::string &out);

} // namespace bench

#endif
