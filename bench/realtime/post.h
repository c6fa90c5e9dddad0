/* SPDX-License-Identifier: MIT */
/*
 * Calls that come to a loop from another thread:
 *
 *     wakeup   the loop sleeps. One post at a time
 *     post     the loop is awake and turning. One post at a time: each has been
 *              answered before the next is sent, so none can be merged
 *     burst    the loop is awake and turning. As many posts as the thread can make
 *
 * call_ns is what the poster pays for one post; p50_ns and p99_ns the time from
 * the clock reading before it to the one at the start of the callback; loop_ns what
 * the loop's thread pays for one wake-up in processor time, falling asleep again
 * included.
 *
 * uv_async_send, event_active and tw_post_send merge: what is sent while it is on
 * its way anyway comes as one call, and costs the sender next to nothing.
 * tw_call_soon_threadsafe makes one call for each, with its own argument. So in
 * burst the figures are of different work; `calls` says how much of it was done.
 */
#ifndef TICKWHEEL_BENCH_POST_H
#define TICKWHEEL_BENCH_POST_H

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "realtime.h"

namespace realtime
{

/* Whether another thread of this process sleeps, as the kernel sees it. */
class SleepWatch
{
  public:
    explicit SleepWatch(pid_t thread)
    {
        std::string path = "/proc/self/task/" + std::to_string(thread) + "/stat";
        fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    }
    ~SleepWatch()
    {
        close(fd_);
    }
    bool is_asleep() const
    {
        char line[128]; /* "pid (name of the program) state ..." */
        ssize_t length = pread(fd_, line, sizeof line - 1, 0);
        if (length <= 0)
            return false;
        line[length] = '\0';
        const char *state = strrchr(line, ')');
        return state != nullptr && state[1] == ' ' && state[2] == 'S';
    }

  private:
    int fd_;
};

/* Keeps the calling thread on one processor of those it may use, until the end of
 * the scope: the first of them or the last. Where the scheduler puts the two
 * threads decides more than any library does. */
class Pinned
{
  public:
    enum Where { FIRST, LAST };

    explicit Pinned(Where where)
    {
        int chosen = -1;
        for (int processor = 0; processor < CPU_SETSIZE; processor++) {
            if (CPU_ISSET(processor, &allowed()) && (chosen < 0 || where == LAST))
                chosen = processor;
        }
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(chosen, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    Pinned(const Pinned &) = delete;
    ~Pinned()
    {
        sched_setaffinity(0, sizeof allowed(), &allowed());
    }

  private:
    /* Asked for once, by a thread that is not pinned: others inherit its place. */
    static const cpu_set_t &allowed()
    {
        static const cpu_set_t all = [] {
            cpu_set_t now;
            sched_getaffinity(0, sizeof now, &now);
            return now;
        }();
        return all;
    }
};

/* What a pair of clock readings takes by itself; it is in every figure of a
 * single call, and taken off again. */
inline double clock_pair_ns()
{
    Samples pairs(10000);
    for (int i = 0; i < 10000; i++) {
        uint64_t before_ns = clock_ns();
        pairs.add(clock_ns() - before_ns);
    }
    return pairs.quantile(0.5);
}

template <class Loop> class PostRun
{
  public:
    explicit PostRun(bool busy) : busy_(busy)
    {
        loop_.init_post(arrived, this);
        if (busy_)
            loop_.keep_busy();
        thread_ = std::thread([this] { live(); });
        await([this] { return thread_id_.load() != 0; });
    }

    /* One at a time, to a loop that sleeps, or that is busy. */
    Outcome one_by_one(size_t posts)
    {
        SleepWatch watch(thread_id_);
        Samples calls(posts), latencies(posts);
        for (size_t i = 0; i < posts; i++) {
            if (!busy_)
                await_sleep(watch);
            uint64_t before_ns = clock_ns();
            loop_.post();
            calls.add(clock_ns() - before_ns);
            await([this, i] { return calls_.load(std::memory_order_acquire) > i; });
            latencies.add(arrived_ns_ - before_ns);
        }
        size_t made = finish(posts);
        Outcome outcome;
        outcome.add("call_ns", std::max(0.0, calls.quantile(0.5) - clock_pair_ns()));
        outcome.add("p50_ns", latencies.quantile(0.5));
        outcome.add("p99_ns", latencies.quantile(0.99));
        if (!busy_)
            outcome.add("loop_ns", static_cast<double>(cpu_ns_) / static_cast<double>(made));
        judge(posts, made, outcome);
        if (made != posts + 1)
            outcome.wrong = "a post came as more than one call, or not at all";
        /* Some it may have missed: marked as asleep, it was preempted before it was. */
        if (!busy_ && sleeps_ < posts / 10 * 9)
            outcome.wrong = "the loop was awake when it had to sleep";
        return outcome;
    }

    /* All at once; measured by the poster's processor time, which a loaded machine
     * disturbs least. */
    Outcome burst(size_t posts)
    {
        uint64_t cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
        for (size_t i = 0; i < posts; i++)
            loop_.post();
        cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
        size_t made = finish(posts);
        Outcome outcome;
        outcome.add("call_ns", static_cast<double>(cpu_ns) / static_cast<double>(posts));
        judge(posts, made, outcome);
        return outcome;
    }

  private:
    /* When a post that has not come counts as lost. */
    static constexpr uint64_t PATIENCE_NS = 20 * SECOND;

    /* The loop's thread. */
    void live()
    {
        Pinned pinned(Pinned::LAST);
        thread_id_ = static_cast<pid_t>(syscall(SYS_gettid));
        uint64_t sleeps = sleeps_of_thread(), cpu_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
        loop_.run();
        cpu_ns_ = read_clock(CLOCK_THREAD_CPUTIME_ID) - cpu_ns;
        sleeps_ = sleeps_of_thread() - sleeps;
        ended_ = true;
    }

    static void arrived(void *arg)
    {
        PostRun &run = *static_cast<PostRun *>(arg);
        run.arrived_ns_ = clock_ns();
        size_t calls = run.calls_.load(std::memory_order_relaxed) + 1;
        run.calls_.store(calls, std::memory_order_release);
        /* A loop that merges is done when it hears of the last post; one that does
         * not when it has made every call. */
        if (calls >= run.calls_to_end_.load(std::memory_order_acquire))
            run.loop_.stop();
    }

    /* Yields at times: with one processor for both threads, the loop needs it. */
    template <class Condition> static void await(Condition condition)
    {
        uint64_t give_up_ns = clock_ns() + PATIENCE_NS;
        for (unsigned turns = 1; !condition(); turns++) {
            if (turns % 2048 == 0)
                sched_yield();
            if (turns % 65536 == 0 && clock_ns() > give_up_ns) {
                fprintf(stderr, "WRONG: a post was lost: its call has not come in 20 s\n");
                _Exit(1); /* the loop's thread cannot be ended */
            }
        }
    }

    /* The poster does not sleep meanwhile, and the loop not for long: how deep their
     * processors sleep, and how long these then take to wake, is the machine's
     * affair, and ten times what is measured here. */
    static void await_sleep(const SleepWatch &watch)
    {
        await([&watch] { return watch.is_asleep(); });
        uint64_t settled_ns = clock_ns() + 20000;
        await([settled_ns] { return clock_ns() >= settled_ns; });
    }

    /* Sends one more, the last, and waits for the loop to end. Answers the calls made. */
    size_t finish(size_t posts)
    {
        calls_to_end_.store(Loop::POSTS_MERGE ? 1 : posts + 1, std::memory_order_release);
        loop_.post();
        await([this] { return ended_.load(); });
        thread_.join();
        return calls_.load();
    }

    void judge(size_t posts, size_t made, Outcome &outcome)
    {
        outcome.add("posts", static_cast<double>(posts));
        outcome.add("calls", static_cast<double>(made - 1));
        if (!Loop::POSTS_MERGE && made != posts + 1)
            outcome.wrong =
                std::to_string(posts + 1) + " posts came as " + std::to_string(made) + " calls";
    }

    Loop loop_;
    bool busy_;
    Pinned pinned_{Pinned::FIRST}; /* the poster */
    std::thread thread_;
    std::atomic<pid_t> thread_id_{0};
    std::atomic<size_t> calls_to_end_{SIZE_MAX};
    std::atomic<bool> ended_{false};
    uint64_t sleeps_ = 0, cpu_ns_ = 0; /* of the loop's thread, once it has ended */
    /* Written by the loop's thread in each call; apart from what the poster reads. */
    alignas(64) std::atomic<size_t> calls_{0};
    uint64_t arrived_ns_ = 0;
};

/* Many short repetitions: what else runs on the two processors changes within
 * seconds, and moves these figures by half. So it falls on all libraries alike. */
constexpr int POST_REPETITIONS = 15;

template <class Loop> bool register_posts(const std::string &contender)
{
    auto wakeup = [] { return PostRun<Loop>(false).one_by_one(500); };
    auto post = [] { return PostRun<Loop>(true).one_by_one(5000); };
    auto burst = [] { return PostRun<Loop>(true).burst(50000); };
    register_benchmark("wakeup/" + contender + "/500", wakeup, POST_REPETITIONS);
    register_benchmark("post/" + contender + "/5000", post, POST_REPETITIONS);
    register_benchmark("burst/" + contender + "/50000", burst, POST_REPETITIONS);
    return true;
}

} // namespace realtime

#endif
