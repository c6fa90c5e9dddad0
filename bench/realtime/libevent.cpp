/* SPDX-License-Identifier: MIT */
/* libevent: events with a timeout, plain and with a timer as precise as it has;
 * posts by event_active, with its locks. */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>

#include "lateness.h"
#include "post.h"
#include "remote.h"

namespace
{

using realtime::Callback;

struct EventCall {
    Callback *callback;
    void *arg;

    static void make(evutil_socket_t, short, void *self)
    {
        auto *call = static_cast<EventCall *>(self);
        call->callback(call->arg);
    }
};

/* FLAGS: of event_config_set_flag. THREADS: whether other threads may call, which
 * costs a lock in each start, so that the timers go without. */
template <int FLAGS, bool THREADS> struct EventLoop {
    struct Timer {
        event timer;
        EventCall call;
    };
    static constexpr bool NEVER_EARLY = false, POSTS_MERGE = true;

    EventLoop()
    {
        static const int able = evthread_use_pthreads();
        (void)able;
        event_config *config = event_config_new();
        event_config_set_flag(config, FLAGS | (THREADS ? 0 : EVENT_BASE_FLAG_NOLOCK));
        base_ = event_base_new_with_config(config);
        event_config_free(config);
    }
    EventLoop(const EventLoop &) = delete;
    ~EventLoop()
    {
        event_base_free(base_);
    }

    void init(Timer &node, Callback *callback, void *arg)
    {
        node.call = {callback, arg};
        event_assign(&node.timer, base_, -1, 0, EventCall::make, &node.call);
    }
    void start(Timer &node, uint64_t delay_ms)
    {
        timeval delay = {static_cast<time_t>(delay_ms / 1000),
                         static_cast<suseconds_t>(delay_ms % 1000 * 1000)};
        event_add(&node.timer, &delay);
    }
    void close(Timer &node)
    {
        event_del(&node.timer);
    }

    void init_post(Callback *callback, void *arg)
    {
        posted_ = {callback, arg};
        event_assign(&post_, base_, -1, EV_PERSIST, EventCall::make, &posted_);
    }
    void post()
    {
        event_active(&post_, 0, 0);
    }
    struct Remote {
        event timer;
        bool initialised = false;
    };
    void init_remote()
    {
    }
    void start_remote(Remote &remote)
    {
        timeval delay = {60, 0};
        if (!remote.initialised)
            event_assign(&remote.timer, base_, -1, 0, [](evutil_socket_t, short, void *) {}, nullptr);
        remote.initialised = true;
        event_add(&remote.timer, &delay);
    }
    void cancel_remote(Remote &remote)
    {
        event_del(&remote.timer);
    }
    size_t remotes_left()
    {
        return static_cast<size_t>(event_base_get_num_events(base_, EVENT_BASE_COUNT_ADDED));
    }

    void keep_busy()
    {
        event_assign(&turn_, base_, -1, EV_PERSIST, turn, this);
        event_active(&turn_, 0, 0);
    }
    static void turn(evutil_socket_t, short, void *self)
    {
        event_active(&static_cast<EventLoop *>(self)->turn_, 0, 0);
    }
    void run()
    {
        event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY);
    }
    void stop()
    {
        event_base_loopbreak(base_);
    }

  private:
    event_base *base_;
    event post_, turn_;
    EventCall posted_ = {};
};

const bool registered =
    realtime::register_lateness<EventLoop<0, false>>("libevent") &&
    realtime::register_lateness<EventLoop<EVENT_BASE_FLAG_PRECISE_TIMER, false>>("libevent-precise") &&
    realtime::register_posts<EventLoop<0, true>>("libevent") &&
    realtime::register_remote<EventLoop<0, true>>("libevent");

} // namespace
