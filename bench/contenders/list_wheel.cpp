/* SPDX-License-Identifier: MIT */
/*
 * The textbook hierarchical timing wheel: doubly linked lists in slots, as in
 * Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 7.
 * Also the commented example for joining: bench/CONTRIBUTING.md points here.
 *
 * Five levels of a millisecond's grain: 256 slots, then 64 in each level above.
 * When the hand of a level comes round, the next slot of the level above is
 * emptied into it, all at once.
 */
#include "register.h"

namespace
{

template <bench::Fire *fire> struct ListWheel : bench::Defaults {
    static constexpr size_t MALLOC_PER_TIMER = 0; /* it allocates nothing */

    /* The contender's part of the caller's record. */
    struct Node {
        Node *next;
        Node **link; /* what points here: the slot or the node before; NULL: idle */
        uint64_t due_tick;
        bench::Fire *callback;
        void *arg;
    };

    explicit ListWheel(const bench::Plan &) : tick_(bench::START_NS / bench::MS)
    {
    }

    /* A contender that cannot do something says so, and the table repeats it. */
    static constexpr const char *cannot_run(bench::Workload workload)
    {
        return workload == bench::Workload::far ? "it turns tick by tick: ten years take hours"
                                                : nullptr;
    }

    void init(Node &node, void *arg)
    {
        node = Node{nullptr, nullptr, 0, fire, arg};
    }
    void start(Node &node, uint64_t due_ns)
    {
        node.due_tick = (due_ns + bench::MS - 1) / bench::MS;
        insert(node);
    }
    void stop(Node &node)
    {
        *node.link = node.next;
        if (node.next != nullptr)
            node.next->link = node.link;
        node.link = nullptr;
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        stop(node);
        start(node, due_ns);
    }
    void advance(uint64_t now_ns)
    {
        while (tick_ < now_ns / bench::MS) {
            tick_++;
            for (unsigned level = 1; level < LEVELS && (tick_ & mask(shift(level))) == 0; level++)
                cascade(level);
            expire(slots_[0][tick_ & mask(BITS0)]);
        }
    }
    /* For workload sleeper alone: when it asks to be woken. It has to be every tick. */
    uint64_t next_ns()
    {
        return (tick_ + 1) * bench::MS;
    }

  private:
    static constexpr unsigned LEVELS = 5, BITS0 = 8, BITS = 6;

    static constexpr unsigned shift(unsigned level)
    {
        return level == 0 ? 0 : BITS0 + (level - 1) * BITS;
    }
    static constexpr uint64_t mask(unsigned bits)
    {
        return (uint64_t{1} << bits) - 1;
    }

    void insert(Node &node)
    {
        uint64_t due = node.due_tick > tick_ ? node.due_tick : tick_ + 1;
        uint64_t ahead = due - tick_;
        unsigned level = 0;
        while (level < LEVELS - 1 && ahead >> shift(level + 1) != 0)
            level++;
        Node **slot = &slots_[level][due >> shift(level) & mask(level == 0 ? BITS0 : BITS)];
        node.next = *slot;
        node.link = slot;
        if (node.next != nullptr)
            node.next->link = &node.next;
        *slot = &node;
    }
    void cascade(unsigned level)
    {
        Node *node = slots_[level][tick_ >> shift(level) & mask(BITS)];
        slots_[level][tick_ >> shift(level) & mask(BITS)] = nullptr;
        while (node != nullptr) {
            Node *next = node->next;
            /* Due in this very tick, it goes where expire looks at once. */
            if (node->due_tick <= tick_)
                push(slots_[0][tick_ & mask(BITS0)], *node);
            else
                insert(*node);
            node = next;
        }
    }
    static void push(Node *&slot, Node &node)
    {
        node.next = slot;
        node.link = &slot;
        if (node.next != nullptr)
            node.next->link = &node.next;
        slot = &node;
    }
    void expire(Node *&slot)
    {
        while (slot != nullptr) {
            Node &node = *slot;
            stop(node);
            node.callback(node.arg);
        }
    }

    Node *slots_[LEVELS][1 << BITS0] = {}; /* levels above 0 use the first 64 */
    uint64_t tick_;
};

} // namespace

BENCH_CONTENDER_WITH_THREADS("list-wheel", ListWheel)
