/* SPDX-License-Identifier: MIT */
/*
 * A trace, made ready for contenders of any grain.
 *
 * What fires in a replay, and in which advance, is what fired in the recorded
 * program. But contenders differ in grain, most of them count milliseconds, and
 * a recorded loop may run many times in one. So the virtual clock moves in whole
 * milliseconds:
 *
 *     a run that fired something becomes an advance, to its time rounded up to a
 *     millisecond, or to the next one if the clock is there already;
 *     a run that fired nothing becomes one only if the clock has not got so far;
 *     a deadline that came true lies within the millisecond before that advance;
 *     a deadline that did not, since the timer was stopped or moved, stays as it
 *     is, unless the clock has passed it before that: then it lies just after.
 *
 * What the recorded program parked, contenders stop. To stop what is parked is an
 * operation for those alone that park, and is not counted.
 *
 * Callbacks only count: what they did in the recorded program comes after the
 * advance, in the recorded order.
 */
#ifndef TICKWHEEL_BENCH_REPLAY_SCRIPT_H
#define TICKWHEEL_BENCH_REPLAY_SCRIPT_H

#include "contender.h"

namespace bench
{

struct Script {
    enum Op : uint32_t { ADVANCE, START, REARM, STOP };
    enum How : uint64_t { PARK, FOR_GOOD, DISCARD }; /* DISCARD: what is parked is stopped */
    struct Step {
        uint64_t ns; /* the deadline, or the clock to advance to; of a stop: how */
        uint32_t id;
        Op op;
    };
    std::vector<Step> steps;
    Schedule schedule; /* what fires; operations: of one pass */
    size_t timers = 0; /* ids are below */
    size_t advances = 0;
    size_t passes = 1; /* a short trace is replayed so often, for a time worth measuring */
};

/* The trace that the environment's TICKWHEEL_BENCH_TRACE names; loaded at first use.
 * A trace that cannot be read, or in which something fires that is not pending,
 * ends the program with a message. */
const Script &script();

} // namespace bench

#endif
