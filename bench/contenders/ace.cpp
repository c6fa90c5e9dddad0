/* SPDX-License-Identifier: MIT */
/*
 * ACE's timer queues: its wheel and its heap. They are driven as ACE's own templates
 * allow: without a lock, by a functor, and told the time instead of reading it. The
 * queue owns its nodes; the caller's record keeps the timer's id, by which it is
 * cancelled. There is no call that moves a timer, so a re-arm is a cancel and a
 * schedule. Time is in whole microseconds.
 *
 * ACE's hash (7.0.8) is left out: its expire() reads a timer's token after it has
 * given it back, which is freed memory once 25,000 have fired.
 */
#include <ace/Event_Handler.h>
#include <ace/Null_Mutex.h>
#include <ace/Timer_Heap_T.h>
#include <ace/Timer_Wheel_T.h>

#include "register.h"

namespace
{

/* What its reactor keeps in it; here it is only a name. */
using Type = ACE_Event_Handler *;

template <bench::Fire *fire> struct Upcall {
    template <class Queue> int registration(Queue &, Type, const void *)
    {
        return 0;
    }
    template <class Queue>
    int preinvoke(Queue &, Type, const void *, int, const ACE_Time_Value &, const void *&)
    {
        return 0;
    }
    template <class Queue>
    int timeout(Queue &, Type, const void *arg, int, const ACE_Time_Value &)
    {
        fire(const_cast<void *>(arg));
        return 0;
    }
    template <class Queue>
    int postinvoke(Queue &, Type, const void *, int, const ACE_Time_Value &, const void *)
    {
        return 0;
    }
    template <class Queue> int cancel_type(Queue &, Type, int, int &)
    {
        return 0;
    }
    template <class Queue> int cancel_timer(Queue &, Type, int, int)
    {
        return 0;
    }
    template <class Queue> int deletion(Queue &, Type, const void *)
    {
        return 0;
    }
};

ACE_Time_Value time_of(uint64_t ns)
{
    uint64_t us = bench::delay_in(1000, ns, 0);
    return ACE_Time_Value(static_cast<time_t>(us / 1000000),
                          static_cast<suseconds_t>(us % 1000000));
}

template <class Queue> struct Ace : bench::Defaults {
    struct Node {
        long id;
    };

    template <class... Arguments> explicit Ace(Arguments... arguments) : queue_(arguments...)
    {
    }
    void init(Node &node, void *)
    {
        node = Node{0};
    }
    void start(Node &node, uint64_t due_ns, void *arg)
    {
        node.id = queue_.schedule(nullptr, arg, time_of(due_ns));
    }
    void rearm(Node &node, uint64_t due_ns, void *arg)
    {
        stop(node);
        start(node, due_ns, arg);
    }
    void stop(Node &node)
    {
        queue_.cancel(node.id);
    }
    void advance(uint64_t now_ns)
    {
        queue_.expire(time_of(now_ns));
    }
    uint64_t next_ns()
    {
        if (queue_.is_empty())
            return bench::NEVER;
        const ACE_Time_Value &next = queue_.earliest_time();
        return static_cast<uint64_t>(next.sec()) * bench::SECOND +
               static_cast<uint64_t>(next.usec()) * 1000;
    }

  private:
    Queue queue_;
};

template <bench::Fire *fire>
using Heap = ACE_Timer_Heap_T<Type, Upcall<fire>, ACE_Null_Mutex>;

template <bench::Fire *fire> struct AceHeap : Ace<Heap<fire>> {
    explicit AceHeap(const bench::Plan &)
    {
    }
};

/* A turn of 67 s, so that the usual timeouts come round once: 65,536 spokes of
 * 1,024 microseconds. Its own choice, 4,096 of 100, is for far fewer timers. */
template <bench::Fire *fire>
struct AceWheel : Ace<ACE_Timer_Wheel_T<Type, Upcall<fire>, ACE_Null_Mutex>> {
    static constexpr size_t MOST_TIMERS = 10000;
    static constexpr const char *WHY_NO_MORE =
        "a start and a cancel walk along a spoke, and on to the next in use: 25 us at 100,000";

    explicit AceWheel(const bench::Plan &)
        : Ace<ACE_Timer_Wheel_T<Type, Upcall<fire>, ACE_Null_Mutex>>(65536u, 1024u)
    {
    }
};

} // namespace

BENCH_CONTENDER("ace-wheel", AceWheel)
BENCH_CONTENDER("ace-heap", AceHeap)
