/* SPDX-License-Identifier: MIT */
/* libuv: uv_timer, whose unit is the millisecond, and uv_async. */
#include <mutex>
#include <uv.h>
#include <vector>

#include "lateness.h"
#include "post.h"
#include "remote.h"

namespace
{

using realtime::Callback;

struct UvLoop {
    struct Timer {
        uv_timer_t timer;
        Callback *callback;
        void *arg;
    };
    static constexpr bool NEVER_EARLY = false, POSTS_MERGE = true;

    UvLoop()
    {
        uv_loop_init(&loop_);
        uv_async_init(&loop_, &async_, on_async);
        uv_idle_init(&loop_, &idle_);
        async_.data = this;
    }
    UvLoop(const UvLoop &) = delete;
    ~UvLoop()
    {
        uv_close(reinterpret_cast<uv_handle_t *>(&async_), nullptr);
        uv_close(reinterpret_cast<uv_handle_t *>(&idle_), nullptr);
        uv_run(&loop_, UV_RUN_DEFAULT); /* lets go of them, and of the timers */
        uv_loop_close(&loop_);
    }

    void init(Timer &node, Callback *callback, void *arg)
    {
        uv_timer_init(&loop_, &node.timer);
        node.timer.data = &node;
        node.callback = callback;
        node.arg = arg;
    }
    void start(Timer &node, uint64_t delay_ms)
    {
        uv_timer_start(&node.timer, on_timer, delay_ms, 0);
    }
    void close(Timer &node)
    {
        uv_close(reinterpret_cast<uv_handle_t *>(&node.timer), nullptr);
    }

    void init_post(Callback *callback, void *arg)
    {
        posted_ = callback;
        posted_arg_ = arg;
    }
    void post()
    {
        uv_async_send(&async_);
    }
    struct Remote {
        uv_timer_t timer;
        bool initialised = false; /* these are the loop's */
        bool wanted = false;      /* under the mutex, with its being in the queue */
        bool queued = false;
    };
    void init_remote()
    {
        uv_async_init(&loop_, &requests_, on_requests);
        requests_.data = this;
    }
    void start_remote(Remote &remote)
    {
        request(remote, true);
    }
    void cancel_remote(Remote &remote)
    {
        request(remote, false);
    }
    size_t remotes_left()
    {
        serve_requests();
        size_t left = 0;
        for (Remote *remote : served_) {
            left += uv_is_active(reinterpret_cast<uv_handle_t *>(&remote->timer)) != 0;
            uv_close(reinterpret_cast<uv_handle_t *>(&remote->timer), nullptr);
        }
        uv_close(reinterpret_cast<uv_handle_t *>(&requests_), nullptr);
        uv_run(&loop_, UV_RUN_NOWAIT); /* they are freed before the loop */
        return left;
    }

    void keep_busy()
    {
        uv_idle_start(&idle_, [](uv_idle_t *) {});
    }
    void run()
    {
        uv_update_time(&loop_); /* timers were started after it was last read */
        uv_run(&loop_, UV_RUN_DEFAULT);
    }
    void stop()
    {
        uv_stop(&loop_);
    }

  private:
    /* What is wanted of a timer that is in the queue already is changed in place. */
    void request(Remote &remote, bool wanted)
    {
        {
            std::lock_guard<std::mutex> lock(mutex_);
            remote.wanted = wanted;
            if (!remote.queued)
                queue_.push_back(&remote);
            remote.queued = true;
        }
        uv_async_send(&requests_);
    }
    static void on_requests(uv_async_t *async)
    {
        static_cast<UvLoop *>(async->data)->serve_requests();
    }
    void serve_requests()
    {
        std::lock_guard<std::mutex> lock(mutex_);
        for (Remote *remote : queue_) {
            if (!remote->initialised) {
                uv_timer_init(&loop_, &remote->timer);
                served_.push_back(remote);
            }
            remote->initialised = true;
            remote->queued = false;
            if (remote->wanted)
                uv_timer_start(&remote->timer, [](uv_timer_t *) {}, 60000, 0);
            else
                uv_timer_stop(&remote->timer);
        }
        queue_.clear();
    }

    static void on_timer(uv_timer_t *timer)
    {
        auto *node = static_cast<Timer *>(timer->data);
        node->callback(node->arg);
    }
    static void on_async(uv_async_t *async)
    {
        auto *self = static_cast<UvLoop *>(async->data);
        self->posted_(self->posted_arg_);
    }

    uv_loop_t loop_;
    uv_async_t async_;
    uv_idle_t idle_;
    uv_async_t requests_;
    std::mutex mutex_;
    std::vector<Remote *> queue_, served_;
    Callback *posted_ = nullptr;
    void *posted_arg_ = nullptr;
};

const bool registered =
    realtime::register_lateness<UvLoop>("libuv") && realtime::register_posts<UvLoop>("libuv") &&
    realtime::register_remote<UvLoop>("libuv");

} // namespace
