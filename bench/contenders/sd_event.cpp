/* SPDX-License-Identifier: MIT */
/*
 * systemd's event loop: its sources in two heaps, by the earliest and by the latest
 * time of each. A source is made once for each record and then switched on and off,
 * as its manual advises for a timer that is used again; accurate to a microsecond,
 * where its own choice would be a quarter of a second. One call of sd_event_run
 * dispatches one source, so an advance is as many as are due. It sleeps by a
 * timerfd, which the virtual clock lends it.
 */
#include <systemd/sd-event.h>

#include "register.h"

namespace
{

template <bench::Fire *fire> struct SdEvent : bench::Defaults {
    struct Node {
        sd_event_source *source;
    };
    static constexpr size_t MALLOC_PER_TIMER = 512;
    static constexpr size_t MOST_TIMERS = 100000;
    static constexpr const char *WHY_NO_MORE = "a million sources take a minute to make and free";

    explicit SdEvent(const bench::Plan &)
    {
        bench::lends_timerfd = true;
        sd_event_new(&event_);
    }
    void finish(Node &node)
    {
        sd_event_source_unref(node.source);
    }
    ~SdEvent()
    {
        sd_event_unref(event_);
        bench::lends_timerfd = false;
    }
    void init(Node &node, void *arg)
    {
        sd_event_add_time(event_, &node.source, CLOCK_MONOTONIC, UINT64_MAX, 1, on_timer, arg);
    }
    void start(Node &node, uint64_t due_ns)
    {
        sd_event_source_set_time(node.source, bench::delay_in(1000, due_ns, 0));
        sd_event_source_set_enabled(node.source, SD_EVENT_ONESHOT);
    }
    void rearm(Node &node, uint64_t due_ns)
    {
        sd_event_source_set_time(node.source, bench::delay_in(1000, due_ns, 0));
    }
    void stop(Node &node)
    {
        sd_event_source_set_enabled(node.source, SD_EVENT_OFF);
    }
    void advance(uint64_t)
    {
        while (sd_event_run(event_, 0) > 0)
            continue;
    }
    /* Sleeps until it wakes by itself; the virtual timerfd moves the clock. */
    void sleep()
    {
        sd_event_run(event_, UINT64_MAX);
    }

  private:
    static int on_timer(sd_event_source *, uint64_t, void *arg)
    {
        fire(arg);
        return 0;
    }

    sd_event *event_ = nullptr;
};

} // namespace

BENCH_CONTENDER("sd-event", SdEvent)
