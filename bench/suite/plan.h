/* SPDX-License-Identifier: MIT */
/*
 * What a workload lays out before a contender begins: the callers' records and,
 * for the limit, what will fire and when.
 */
#ifndef TICKWHEEL_BENCH_PLAN_H
#define TICKWHEEL_BENCH_PLAN_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench
{

constexpr uint64_t MS = 1000000;
constexpr uint64_t SECOND = 1000 * MS;
constexpr uint64_t START_NS = SECOND; /* where the virtual clock begins */
constexpr uint64_t NEVER = UINT64_MAX;

/* The connection of the caller's record, the same for every contender: one
 * cache line, which every operation and every callback touches. */
struct alignas(64) Connection {
    static constexpr unsigned MAX_TIMERS = 4;

    void *world;                 /* whose it is: the workload under way */
    uint64_t due_ns[MAX_TIMERS]; /* what its timers were told, to judge when they fire */
    uint32_t id;
    uint32_t starts;           /* restarts so far: the counter of its random draws */
    uint64_t bytes;            /* what the server would count */
    uint8_t active;            /* which timers are started: a bit each */
    uint8_t zero;              /* always 0; in latency mode the next choice waits for it */
    uint8_t timer[MAX_TIMERS]; /* their addresses are the callbacks' arguments */

    static Connection &of(void *arg)
    {
        return *reinterpret_cast<Connection *>(reinterpret_cast<uintptr_t>(arg) & ~uintptr_t{63});
    }
    static unsigned timer_of(void *arg)
    {
        return static_cast<unsigned>(reinterpret_cast<uintptr_t>(arg) & 63) -
               static_cast<unsigned>(offsetof(Connection, timer));
    }
};
static_assert(sizeof(Connection) == 64, "a connection is one cache line");

/* Everything that fires in one run of a workload, in order. */
struct Schedule {
    struct Step {
        uint64_t now_ns; /* of the advance in which they fire */
        size_t end;      /* into ids: one past its last */
    };
    std::vector<Step> steps;   /* those in which something fires */
    std::vector<uint32_t> ids; /* nodes, counted in the order of init */
    uint64_t operations = 0;   /* that the measured time is divided by */
    uint64_t fired = 0, checksum = 0;
    size_t due_max = 0;    /* the most that fire in one step */
    double even_share = 0; /* see oracle.h */
};

struct Plan {
    size_t timers;            /* that will be live at once */
    const Schedule *schedule; /* for the limit */
    Schedule *recording;      /* while the schedule is being worked out, else NULL */
    char *records;            /* the first record, and so the first connection */
    size_t record_bytes;
    unsigned timers_shift; /* timers per record, as a power of two */
    size_t node_offset;    /* of the first node in its record */
    size_t node_bytes;

    char *record(uint32_t id) const
    {
        return records + (id >> timers_shift) * record_bytes;
    }
    char *node(uint32_t id) const
    {
        return record(id) + node_offset + (id & ((1u << timers_shift) - 1)) * node_bytes;
    }
};

} // namespace bench

#endif
