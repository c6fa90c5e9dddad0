/* SPDX-License-Identifier: MIT */
/*
 * world: what plan_probe measures on. A server's memory, a loop on a virtual
 * clock, and the three ways to keep a timer; one loop at a time.
 *
 * A record is what the server has of one connection, request or job: a cache line
 * with a timer in it, which is touched at each event, with or without timers.
 * Where a second timer belongs to it, that is a record more, elsewhere.
 *
 * After each event the processor waits for its loads (wait_for_loads), as in a
 * server that does other work in between: no two events' cache misses overlap,
 * and so their costs add up.
 */
#ifndef TICKWHEEL_PLANNER_WORLD_H
#define TICKWHEEL_PLANNER_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tickwheel.h>

#include "../suite/wait_for_loads.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

/* NONE: the same events without any timer. */
enum interface { NONE, STOP, PARK, HANDLES };
extern const char *const interface_names[4];

struct record {
    uint64_t bytes;           /* what the server counts: touched at each event */
    uint32_t class;           /* of the timer */
    uint32_t id;
    union {
        tw_timer timer;
        tw_handle handle;
    };
    char rest[128 - 16 - sizeof(tw_timer)]; /* processors fetch lines in pairs */
};

struct world {
    enum interface interface;
    tw_loop *loop;
    uint64_t now_ns;          /* the virtual clock */
    bool clock_each;          /* each start and push reads the clock, as in tw_call_later; else
                                 only each run */
    tw_callback *callback;    /* of every timer; its argument is the record */
};
extern struct world world;

/* Opens a loop with room for so many timers, unless there are to be none.
 * tick_ns 0: the default. */
void world_open(enum interface interface, uint64_t tick_ns, size_t timers, tw_callback *callback);
void world_close(void);

struct record *records_make(size_t count);
void records_free(struct record *records, size_t count);
void record_init(struct record *record, uint32_t class, uint32_t id);

/* What happens to a record's timer; for NONE, nothing. */
void record_start(struct record *record, uint64_t delay_ns);
void record_push(struct record *record, uint64_t delay_ns);
void record_end(struct record *record);

/* Time goes on, and what is due is called. */
void world_run(uint64_t step_ns);
tw_stats world_stats(void);

/* Of the process: the machine may do other work meanwhile. */
uint64_t cpu_ns(void);
/* How often the system took the processor away. */
long switches(void);

/* Random numbers, the same in every run. */
struct random {
    uint64_t state;
};
uint64_t random64(struct random *random);
uint64_t below(struct random *random, uint64_t bound);
double uniform(struct random *random); /* in [0, 1) */

/* So many nodes of calls are from now on taken at random, as after a long time, and not one
 * behind the other. Takes SHUFFLED_NS of the loop's time. */
#define SHUFFLED_NS (120 * SECOND)
void world_shuffle_nodes(size_t count, struct random *random);

/* A JSON object, name by name. */
void answer_begin(void);
void answer(const char *name, double value);
void answer_end(void);

void *allocate(size_t count, size_t bytes);
_Noreturn void fail(const char *what);

#endif
