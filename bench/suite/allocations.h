/* SPDX-License-Identifier: MIT */
/*
 * How often memory is asked for. The benchmark programs define malloc and its
 * relatives themselves (allocations.cpp), as they do clock_gettime; the dynamic
 * linker prefers them, so the calls of every library are counted, and operator
 * new's too, which is libstdc++'s and calls malloc.
 */
#ifndef TICKWHEEL_BENCH_ALLOCATIONS_H
#define TICKWHEEL_BENCH_ALLOCATIONS_H

#include <cstdint>

namespace bench
{

extern thread_local uint64_t allocations; /* calls by this thread so far */

} // namespace bench

#endif
