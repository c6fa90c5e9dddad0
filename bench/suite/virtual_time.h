/* SPDX-License-Identifier: MIT */
/*
 * The virtual clock. Every thread has its own; 0 means that it is off and that
 * the system's clocks are passed through, as the harness needs for its own
 * measurements.
 *
 * Contenders that read the clock or poll the kernel by themselves get this
 * clock because virtual_time.cpp defines clock_gettime, epoll_wait and a few
 * more in the benchmark program, which the dynamic linker prefers to libc's.
 */
#ifndef TICKWHEEL_BENCH_VIRTUAL_TIME_H
#define TICKWHEEL_BENCH_VIRTUAL_TIME_H

#include <cstdint>

namespace bench
{

extern thread_local uint64_t virtual_ns;    /* the clock; 0: off */
extern thread_local uint64_t virtual_polls; /* calls that would have been system calls */
extern thread_local bool lends_timerfd;     /* the contender can sleep by nothing else */

/* The system's monotonic clock, whatever the virtual one does. */
uint64_t real_ns();

/* What this thread has had of a processor. */
uint64_t cpu_ns();

/* What the hypervisor has taken from all processors so far, in steps of 10 ms; 0 where
 * the system does not tell. */
uint64_t stolen_ns();

inline uint64_t read_virtual_clock(void *)
{
    return virtual_ns;
}

} // namespace bench

#endif
