/* SPDX-License-Identifier: MIT */
/*
 * seconds: between asyncio's times and the wheel's.
 *
 * loop.time() is time.monotonic(): whole nanoseconds t, as the double seconds(t).
 * Two functions, each exact, make "when <= loop.time()" and "deadline <= now" the
 * same question, whatever doubles round to:
 *
 *     deadline_ns(when) is a t with seconds(t) >= when: never early
 *     clock_ns(now)     is the last t with seconds(t) <= now: late by nothing
 */
#ifndef TICKWHEEL_PYTHON_SECONDS_H
#define TICKWHEEL_PYTHON_SECONDS_H

#include <math.h>
#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)
#define NEVER_NS UINT64_MAX
#define FURTHEST_S 9.2e9        /* 292 years; times beyond it saturate */

/* As CPython makes a float of a clock reading. */
static inline double seconds(uint64_t ns)
{
    if (ns % NS_PER_S == 0) {
        return (double)(ns / NS_PER_S);
    }
    return (double)ns / 1e9;
}

/* NaN is due at once, as it is to asyncio: it does not come after any time. */
static inline uint64_t deadline_ns(double when)
{
    if (!(when > 0)) {
        return 0;
    }
    if (when > FURTHEST_S) {
        return NEVER_NS;
    }
    uint64_t ns = (uint64_t)ceil(when * 1e9);
    while (seconds(ns) < when) {
        ns++;
    }
    return ns;
}

static inline uint64_t clock_ns(double now)
{
    if (!(now > 0)) {
        return 0;
    }
    if (now > FURTHEST_S) {
        now = FURTHEST_S;
    }
    uint64_t ns = (uint64_t)(now * 1e9);
    while (ns > 0 && seconds(ns) > now) {
        ns--;
    }
    while (seconds(ns + 1) <= now) {
        ns++;
    }
    return ns;
}

#endif
