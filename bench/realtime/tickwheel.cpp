/* SPDX-License-Identifier: MIT */
/* tickwheel: embedded timers in tw_run_forever; posts in both of its ways. */
#include <tickwheel.h>

#include "lateness.h"
#include "post.h"
#include "remote.h"

namespace
{

using realtime::Callback;

struct TickwheelLoop {
    struct Timer {
        tw_timer timer;
    };
    static constexpr bool NEVER_EARLY = true;

    TickwheelLoop() = default;
    TickwheelLoop(const TickwheelLoop &) = delete;
    ~TickwheelLoop()
    {
        tw_loop_free(loop);
    }

    void init(Timer &node, Callback *callback, void *arg)
    {
        tw_timer_init(&node.timer, callback, arg);
    }
    void start(Timer &node, uint64_t delay_ms)
    {
        tw_timer_start_later_ns(loop, &node.timer, delay_ms * realtime::MS);
    }
    void close(Timer &node)
    {
        tw_timer_stop(loop, &node.timer);
    }

    void keep_busy()
    {
        tw_call_soon(loop, turn, this);
    }
    static void turn(void *arg)
    {
        static_cast<TickwheelLoop *>(arg)->keep_busy();
    }
    void run()
    {
        tw_run_forever(loop);
    }
    void stop()
    {
        tw_stop(loop);
    }

    tw_loop *loop = tw_loop_new(nullptr);
};

/* One call for each post, with its own argument. */
struct TickwheelCalls : TickwheelLoop {
    static constexpr bool POSTS_MERGE = false;

    void init_post(Callback *callback, void *arg)
    {
        callback_ = callback;
        arg_ = arg;
    }
    void post()
    {
        tw_call_soon_threadsafe(loop, callback_, arg_);
    }

    using Remote = tw_handle;
    void init_remote()
    {
    }
    void start_remote(Remote &handle)
    {
        handle = tw_call_later_threadsafe_ns(loop, 60 * realtime::SECOND, callback_, arg_);
    }
    void cancel_remote(Remote &handle)
    {
        tw_cancel_threadsafe(loop, handle);
    }
    size_t remotes_left()
    {
        return tw_pending_count(loop);
    }

  private:
    Callback *callback_;
    void *arg_;
};

/* A post that lives in the caller's struct, as uv_async_t and struct event do. */
struct TickwheelPosts : TickwheelLoop {
    static constexpr bool POSTS_MERGE = true;

    void init_post(Callback *callback, void *arg)
    {
        tw_post_init(&post_, callback, arg);
    }
    void post()
    {
        tw_post_send(loop, &post_);
    }

  private:
    tw_post post_;
};

const bool registered = realtime::register_lateness<TickwheelLoop>("tickwheel") &&
                     realtime::register_posts<TickwheelCalls>("tickwheel-call") &&
                     realtime::register_posts<TickwheelPosts>("tickwheel-post") &&
                     realtime::register_remote<TickwheelCalls>("tickwheel");

} // namespace
