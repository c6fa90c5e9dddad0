/* SPDX-License-Identifier: MIT */
/*
 * model: random programs of timer operations, run by a loop and by a ledger at
 * once; the two must agree after every step.
 */
#ifndef TICKWHEEL_TESTS_MODEL_MODEL_H
#define TICKWHEEL_TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct model_plan {
    uint64_t seed;
    unsigned steps;        /* of the clock; each has a number of operations before it */
    bool trace;            /* tell every operation on stderr */
    long fail_from;        /* -1: as the seed says; else every allocation from this one fails */
};

/* What a program has done, so that a run of many can say what it covered. */
struct model_counts {
    uint64_t operations, callbacks, runs, nested, refused, cascaded, overflowed;
};

/* Runs one program. Prints what is wrong, and how to see it again, and ends the
 * process if the loop and the ledger differ. Adds to *counts. Answers how many
 * allocations were asked for. */
uint64_t model_run(const struct model_plan *plan, struct model_counts *counts);

#endif
