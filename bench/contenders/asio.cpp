/* SPDX-License-Identifier: MIT */
/*
 * Boost.Asio's steady_timer: a binary heap of the io_context's. Cancelling
 * completes the wait with an error, which the handler ignores, as they all do.
 * std::chrono::steady_clock reads the virtual clock through clock_gettime. The
 * context is told that one thread uses it.
 */
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "register.h"

namespace
{

namespace asio = boost::asio;

template <bench::Fire *fire> struct Asio : bench::Defaults {
    struct Node {
        std::optional<asio::steady_timer> timer; /* it has no state without a context */
    };

    explicit Asio(const bench::Plan &) : context_(1)
    {
    }
    void init(Node &node, void *)
    {
        node.timer.emplace(context_);
    }
    void finish(Node &node)
    {
        node.timer.reset();
    }
    /* Setting the expiry cancels a wait that is pending. */
    void start(Node &node, uint64_t due_ns, void *arg)
    {
        node.timer->expires_at(asio::steady_timer::time_point(std::chrono::nanoseconds(due_ns)));
        node.timer->async_wait([arg](const boost::system::error_code &error) {
            if (!error)
                fire(arg);
        });
    }
    void rearm(Node &node, uint64_t due_ns, void *arg)
    {
        start(node, due_ns, arg);
    }
    void stop(Node &node)
    {
        node.timer->cancel();
    }
    void advance(uint64_t)
    {
        context_.restart();
        context_.poll();
    }
    /* Sleeps until it wakes by itself; the virtual epoll_wait moves the clock. */
    void sleep()
    {
        context_.restart();
        context_.run_one();
    }

  private:
    asio::io_context context_;
};

} // namespace

BENCH_CONTENDER("asio", Asio)
