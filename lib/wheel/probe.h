/* SPDX-License-Identifier: MIT */
/*
 * probe: static tracepoints, where the system has <sys/sdt.h> (SystemTap's and
 * bpftrace's USDT). A probe that nobody watches is a no-op instruction with its
 * arguments described in a note of the file. docs/OBSERVING.md shows their use.
 *
 *     start    timer, deadline in ns          started, or moved
 *     cancel   timer                          cancelled, stopped or parked
 *     fire     timer, callback, ns late       about to be called
 *     cascade  level, cells, tick             a share of a slot is moved closer
 */
#ifndef TW_PROBE_H
#define TW_PROBE_H

#ifdef TW_HAVE_SDT
#include <sys/sdt.h>
#ifdef __clang__ /* its own macros */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#define TW_PROBE_START(timer, deadline_ns) DTRACE_PROBE2(tickwheel, start, timer, deadline_ns)
#define TW_PROBE_CANCEL(timer) DTRACE_PROBE1(tickwheel, cancel, timer)
#define TW_PROBE_FIRE(timer, callback, late_ns)                                                    \
    DTRACE_PROBE3(tickwheel, fire, timer, callback, late_ns)
#define TW_PROBE_CASCADE(level, cells, tick) DTRACE_PROBE3(tickwheel, cascade, level, cells, tick)
#else
#define TW_PROBE_START(timer, deadline_ns) ((void)(timer), (void)(deadline_ns))
#define TW_PROBE_CANCEL(timer) ((void)(timer))
#define TW_PROBE_FIRE(timer, callback, late_ns) ((void)(timer), (void)(callback), (void)(late_ns))
#define TW_PROBE_CASCADE(level, cells, tick) ((void)(level), (void)(cells), (void)(tick))
#endif

#endif
