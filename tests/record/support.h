/* SPDX-License-Identifier: MIT */
/*
 * What the tests of traces share: a loop on a clock that the test moves, a place
 * for a trace in memory, and a random program that is recorded into it.
 */
#ifndef TICKWHEEL_TESTS_RECORD_SUPPORT_H
#define TICKWHEEL_TESTS_RECORD_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <tickwheel.h>

#include "trace_file.h"

/* Criterion reports each assertion that holds to its parent process, which is
 * too slow for a loop. */
#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition))                                                                          \
            cr_assert(false, "not so: %s (%s:%d)", #condition, __FILE__, __LINE__);                \
    } while (0)

extern uint64_t test_now_ns; /* the clock of test_loop_new's loops */

tw_loop *test_loop_new(const tw_allocator *allocator);

/* A trace in memory. */
struct tape {
    unsigned char *bytes;
    size_t count;
    size_t room; /* a write that would exceed it fails; 0: no limit */
};

/* For tw_record_start; arg is a tape. */
int tape_write(void *tape, const void *bytes, size_t count);
void tape_free(struct tape *tape);

/* What fired in a program, in order: the loop's clock then. */
struct firings {
    uint64_t *at_ns;
    size_t count;
};

/* A random program on embedded timers, calls by handle, soon and periodic calls,
 * whose callbacks act too; recorded from its beginning to its end. */
void record_random_program(uint64_t seed, size_t steps, struct tape *tape,
                           struct firings *firings);

#endif
