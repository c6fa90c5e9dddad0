/* SPDX-License-Identifier: MIT */
/* Where counting begins and ends, in a program that bench/count runs under
 * callgrind. Elsewhere, and without valgrind's headers, it does nothing. */
#ifndef TICKWHEEL_BENCH_COUNTING_H
#define TICKWHEEL_BENCH_COUNTING_H

#if defined(__has_include)
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define BENCH_CAN_COUNT 1
#endif
#endif

#ifndef BENCH_CAN_COUNT
#define BENCH_CAN_COUNT 0
#define CALLGRIND_START_INSTRUMENTATION ((void)0)
#define CALLGRIND_TOGGLE_COLLECT ((void)0)
#define CALLGRIND_DUMP_STATS_AT(name) ((void)(name))
#endif

/* From here on the model cache sees what the program does; nothing is counted yet. */
#define COUNTING_WARM() CALLGRIND_START_INSTRUMENTATION

/* What runs between them is counted, and added to what was counted before. */
#define COUNTING_BEGIN() CALLGRIND_TOGGLE_COLLECT
#define COUNTING_END() CALLGRIND_TOGGLE_COLLECT

/* Writes what was counted since the last of these, under a name. */
#define COUNTING_REPORT(name) CALLGRIND_DUMP_STATS_AT(name)

#endif
