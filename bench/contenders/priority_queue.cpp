/* SPDX-License-Identifier: MIT */
/* A binary heap from the standard library with lazy deletion: what is stopped
 * or moved stays in the heap until it comes to the top, and is told from what
 * is live by its generation. When more than half of the heap is dead, it is
 * built anew, as a program that runs for long must do. */
#include <algorithm>
#include <queue>
#include <vector>

#include "register.h"

namespace
{

template <bench::Fire *fire> struct PriorityQueue : bench::Defaults {
    struct Node {
        uint64_t generation; /* odd: live */
        void *arg;
    };
    struct Entry {
        uint64_t due_ns;
        uint64_t generation;
        Node *node;

        bool operator<(const Entry &other) const
        {
            return due_ns > other.due_ns; /* the earliest on top */
        }
        bool is_live() const
        {
            return node->generation == generation;
        }
    };

    explicit PriorityQueue(const bench::Plan &plan)
    {
        heap_.entries().reserve(2 * plan.timers + 1024);
    }
    void init(Node &node, void *arg)
    {
        node = Node{0, arg};
    }
    void start(Node &node, uint64_t due_ns)
    {
        if (heap_.size() > 2 * live_ + 1000)
            sweep();
        live_++;
        heap_.push(Entry{due_ns, ++node.generation, &node});
    }
    void stop(Node &node)
    {
        live_--;
        node.generation++;
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        stop(node);
        start(node, due_ns);
    }
    void advance(uint64_t now_ns)
    {
        while (!heap_.empty() && heap_.top().due_ns <= now_ns) {
            Entry due = heap_.top();
            heap_.pop();
            if (!due.is_live())
                continue;
            stop(*due.node);
            fire(due.node->arg);
        }
    }
    uint64_t next_ns()
    {
        while (!heap_.empty() && !heap_.top().is_live())
            heap_.pop();
        return heap_.empty() ? bench::NEVER : heap_.top().due_ns;
    }

  private:
    /* The standard adaptor, with its vector in reach. */
    struct Heap : std::priority_queue<Entry> {
        std::vector<Entry> &entries()
        {
            return this->c;
        }
    };

    void sweep()
    {
        auto &entries = heap_.entries();
        auto dead = [](const Entry &entry) { return !entry.is_live(); };
        entries.erase(std::remove_if(entries.begin(), entries.end(), dead), entries.end());
        std::make_heap(entries.begin(), entries.end());
    }

    Heap heap_;
    size_t live_ = 0;
};

} // namespace

BENCH_CONTENDER("priority-queue", PriorityQueue)
