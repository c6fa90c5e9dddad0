/* SPDX-License-Identifier: MIT */
/*
 * Timers of a loop that another thread starts and cancels, while the loop sleeps:
 *
 *     pair    one timer started, then cancelled, again and again
 *     pairs   a thousand started, then all of them cancelled, again and again
 *
 * None is ever due: the timeouts of requests that are answered. call_ns is what the
 * thread pays for a start and a cancel in processor time, loop_ns what the loop's
 * thread pays for them, wake-ups included.
 *
 * tickwheel does it by tw_call_later_threadsafe and tw_cancel_threadsafe, libevent by
 * event_add and event_del under its lock. libuv has timers for the loop's thread only:
 * a request goes into a queue under a mutex, and a post (uv_async_send) has the loop
 * look at it, each way.
 *
 * What takes part has, beside the Loop of realtime.h:
 *
 *     struct Remote;                      // a timer of this kind
 *     void init_remote();                 // once, before run
 *     void start_remote(Remote &);        // from another thread: a minute from now
 *     void cancel_remote(Remote &);       // from the same
 *     size_t remotes_left();              // once run has returned: started, not cancelled
 */
#ifndef TICKWHEEL_BENCH_REMOTE_H
#define TICKWHEEL_BENCH_REMOTE_H

#include "post.h"

namespace realtime
{

template <class Loop> Outcome run_pairs(size_t pairs, size_t at_once)
{
    Loop loop;
    loop.init_post([](void *self) { static_cast<Loop *>(self)->stop(); }, &loop);
    loop.init_remote();
    Pinned pinned(Pinned::FIRST);
    uint64_t loop_cpu_ns = 0;
    std::thread thread([&] {
        Pinned own(Pinned::LAST);
        uint64_t before_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
        loop.run();
        loop_cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - before_ns;
    });
    std::vector<typename Loop::Remote> timers(at_once);
    uint64_t cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
    for (size_t done = 0; done < pairs; done += at_once) {
        for (auto &timer : timers)
            loop.start_remote(timer);
        for (auto &timer : timers)
            loop.cancel_remote(timer);
    }
    cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
    loop.post();
    thread.join();
    Outcome outcome;
    outcome.add("call_ns", static_cast<double>(cpu_ns) / static_cast<double>(pairs));
    outcome.add("loop_ns", static_cast<double>(loop_cpu_ns) / static_cast<double>(pairs));
    if (loop.remotes_left() != 0)
        outcome.wrong = "timers that were cancelled are still there";
    return outcome;
}

template <class Loop> bool register_remote(const std::string &contender)
{
    auto one = [] { return run_pairs<Loop>(50000, 1); };
    auto many = [] { return run_pairs<Loop>(50000, 1000); };
    register_benchmark("pair/" + contender + "/50000", one, POST_REPETITIONS);
    register_benchmark("pairs/" + contender + "/50000", many, POST_REPETITIONS);
    return true;
}

} // namespace realtime

#endif
