/* SPDX-License-Identifier: MIT */
/*
 * The oracle: a contender that is run once, untimed, to work out what fires at
 * which step. Every other contender's checksum is held against it, and the
 * limit replays its schedule. It is kept as simple as it can be: a map from
 * step to the timers that were put there, and for each timer the step it is
 * due at. A timer that has moved on meanwhile is put into its new step when
 * its old one comes.
 *
 * It also works out the even share: what a perfectly smooth cascade of
 * tickwheel's geometry (steps of 256^k ticks of 2^20 ns, 512 slots a level)
 * would move in one tick. For each level that is the number of timers in the
 * fullest slot, divided by the ticks there are to empty it in.
 */
#ifndef TICKWHEEL_BENCH_ORACLE_H
#define TICKWHEEL_BENCH_ORACLE_H

#include <algorithm>
#include <map>
#include <vector>

#include "contender.h"

namespace bench
{

class EvenShare
{
  public:
    /* A timer has fired that was started at start_ns for due_ns. */
    void fired(uint64_t start_ns, uint64_t due_ns)
    {
        uint64_t start = start_ns >> TICK_BITS, due = due_ns >> TICK_BITS;
        if (due >= HORIZON_TICKS)
            return;
        for (unsigned level = 1; level < LEVELS; level++) {
            /* It was in this level, or came through it, unless the level below reached it. */
            unsigned below = SLOT_BITS * (level - 1);
            if ((due >> below) - (start >> below) < WINDOW)
                break;
            uint64_t slot = due >> (SLOT_BITS * level);
            auto &timers = slots_[level];
            if (slot >= timers.size())
                timers.resize(slot + 1);
            timers[slot]++;
        }
    }

    double per_tick() const
    {
        double share = 0;
        for (unsigned level = 1; level < LEVELS; level++)
            if (!slots_[level].empty())
                share += static_cast<double>(
                             *std::max_element(slots_[level].begin(), slots_[level].end())) /
                         static_cast<double>(uint64_t{1} << (SLOT_BITS * level));
        return share;
    }

  private:
    static constexpr unsigned TICK_BITS = 20, SLOT_BITS = 8, LEVELS = 3, WINDOW = 512;
    static constexpr uint64_t HORIZON_TICKS = 1 << 22; /* an hour: no workload counts beyond */

    std::vector<size_t> slots_[LEVELS];
};

template <Fire *fire> struct Oracle : Defaults {
    static constexpr size_t MALLOC_PER_TIMER = 0; /* it is not measured */
    struct Node {
        uint32_t id;
        void *arg;
        uint64_t due_step;    /* NEVER: stopped */
        uint64_t placed_step; /* of the one entry that counts; NEVER: none */
        uint64_t start_ns, due_ns;
    };

    explicit Oracle(const Plan &plan) : plan_(plan)
    {
    }
    ~Oracle()
    {
        plan_.recording->even_share = share_.per_tick();
    }

    void init(Node &node, void *arg)
    {
        node = Node{count_++, arg, NEVER, NEVER, 0, 0};
    }

    void start(Node &node, uint64_t due_ns)
    {
        node.start_ns = virtual_ns;
        node.due_ns = due_ns;
        node.due_step = (due_ns + MS - 1) / MS;
        if (node.placed_step > node.due_step)
            place(node);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        start(node, due_ns);
    }
    void stop(Node &node)
    {
        node.due_step = NEVER;
    }

    void advance(uint64_t now_ns)
    {
        Schedule &schedule = *plan_.recording;
        size_t before = schedule.ids.size();
        while (!steps_.empty() && steps_.begin()->first <= now_ns / MS) {
            uint64_t step = steps_.begin()->first;
            std::vector<uint32_t> ids = std::move(steps_.begin()->second);
            steps_.erase(steps_.begin());
            for (uint32_t id : ids)
                visit(*reinterpret_cast<Node *>(plan_.node(id)), step, schedule);
        }
        size_t due = schedule.ids.size() - before;
        schedule.due_max = std::max(schedule.due_max, due);
        if (due > 0)
            schedule.steps.push_back({now_ns, schedule.ids.size()});
    }

    uint64_t next_ns() const
    {
        return steps_.begin()->first * MS;
    }

  private:
    void place(Node &node)
    {
        node.placed_step = node.due_step;
        steps_[node.due_step].push_back(node.id);
    }

    void visit(Node &node, uint64_t step, Schedule &schedule)
    {
        if (node.placed_step != step)
            return; /* it was moved to an earlier step, which has come */
        node.placed_step = NEVER;
        if (node.due_step == NEVER)
            return;
        if (node.due_step > step) {
            place(node);
            return;
        }
        node.due_step = NEVER;
        schedule.ids.push_back(node.id);
        share_.fired(node.start_ns, node.due_ns);
        fire(node.arg);
    }

    const Plan plan_;
    std::map<uint64_t, std::vector<uint32_t>> steps_;
    EvenShare share_;
    uint32_t count_ = 0;
};

} // namespace bench

#endif
