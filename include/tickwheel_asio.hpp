/* SPDX-License-Identifier: MIT */
/*
 * tickwheel_asio: a Boost.Asio io_context carries a wheel.
 *
 *     boost::asio::io_context context;
 *     tw_loop *wheel = tw_loop_new(nullptr);
 *     {
 *         tickwheel::asio_wheel on(context, wheel);
 *         tw_call_later(wheel, 0.5, hello, world);
 *         context.run();                  // until context.stop(), or on.detach()
 *     }
 *     tw_loop_free(wheel);
 *
 * Header only, C++11: link tickwheel, and what Asio needs. With
 * TICKWHEEL_ASIO_STANDALONE defined before, it is Asio without Boost.
 *
 * One wait stands for all timers:
 *     for tw_fd, where there is one: timers are to the nanosecond, and calls from
 *         other threads (tw_call_soon_threadsafe, tw_post_send and the like) wake the
 *         context;
 *     of a steady_timer where not: a wheel with options.clock, or a system other than
 *         Linux. Calls from other threads then wait for the next time that the wheel
 *         is due.
 * It keeps run() from returning as long as it is attached.
 *
 * A wheel belongs to one thread at a time. Where several run the context, give a
 * strand in place of it, and use the wheel from handlers of that strand only; with a
 * tickwheel built with TICKWHEEL_CHECKED each begins with tw_loop_adopt.
 */
#ifndef TICKWHEEL_ASIO_HPP
#define TICKWHEEL_ASIO_HPP

#include <cerrno>
#include <chrono>
#include <memory>
#include <system_error>
#include <tickwheel.h>
#include <utility>

#ifdef TICKWHEEL_ASIO_STANDALONE
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#else
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#endif

namespace tickwheel
{

namespace detail
{
#ifdef TICKWHEEL_ASIO_STANDALONE
namespace asio = ::asio;
using asio_error = std::error_code;
#else
namespace asio = ::boost::asio;
using asio_error = ::boost::system::error_code;
#endif
} // namespace detail

/* Carries a wheel from its construction to detach() or its destruction. Not copied,
 * not moved. To be destroyed before the context, and before the wheel is freed; a
 * callback of the wheel may do it. */
class asio_wheel
{
  public:
    /*   where  an io_context, or an executor of one (a strand)
     *   wheel  carried by this one alone
     * Throws std::system_error: EINVAL for NULL, EMFILE, ENFILE, ENOMEM, EBUSY (the
     * wheel is being freed); and what Asio throws if it cannot make its own objects. */
    template <class Where> asio_wheel(Where &&where, tw_loop *wheel)
        : state_(std::make_shared<state>(std::forward<Where>(where), wheel))
    {
        int fd = wheel ? tw_fd(wheel) : -1;
        if (fd < 0 && (!wheel || errno != ENOTSUP))
            throw std::system_error(wheel ? errno : EINVAL, std::generic_category(), "asio_wheel");
        if (fd >= 0)
            state_->descriptor.assign(fd);
        state_->wait(state_);
    }
    asio_wheel(const asio_wheel &) = delete;
    asio_wheel &operator=(const asio_wheel &) = delete;
    ~asio_wheel()
    {
        detach();
    }

    /* The wheel stays as it is and may be freed (not from one of its callbacks).
     * Nothing happens if it is detached already. */
    void detach()
    {
        state_->detach();
    }

    /* Tells the context that something has been started, which may be due earlier
     * than what it knows of. Only for a wheel without tw_fd (see above; with one it
     * does nothing), and not from the wheel's own callbacks. Cost: O(1). */
    void update()
    {
        if (state_->wheel && !state_->descriptor.is_open() &&
            tw_next_ns(state_->wheel) < state_->armed_ns)
            state_->wait(state_);
    }

    /* In the child after a fork, right after context.notify_fork(fork_child), if it
     * is to go on with the wheel: parent and child then each have a copy of what is
     * pending. Throws std::system_error as the constructor; it is then detached. */
    void notify_fork()
    {
        if (!state_->wheel || !state_->descriptor.is_open())
            return;
        (void)state_->descriptor.release();
        int fd = tw_fd(state_->wheel);
        if (fd < 0) {
            detach();
            throw std::system_error(errno, std::generic_category(), "asio_wheel");
        }
        state_->descriptor.assign(fd);
        state_->wait(state_);
    }

  private:
    /* Shared with the handler that waits, which outlives a destruction in a callback. */
    struct state {
        tw_loop *wheel; /* nullptr: detached */
        detail::asio::posix::stream_descriptor descriptor; /* of tw_fd, which is not its own */
        detail::asio::steady_timer timer;
        uint64_t armed_ns = UINT64_MAX; /* what the timer is set for */
        unsigned waits = 0;             /* handlers of earlier ones are void */

        template <class Where> state(Where &&where, tw_loop *carried)
            : wheel(carried), descriptor(where), timer(where)
        {
        }
        ~state()
        {
            detach();
        }

        void detach()
        {
            wheel = nullptr;
            waits++;
            if (descriptor.is_open())
                (void)descriptor.release(); /* cancels the wait, leaves tw_fd open */
            timer.cancel();
        }

        void wait(const std::shared_ptr<state> &self)
        {
            unsigned which = ++waits;
            auto handler = [self, which](const detail::asio_error &) { self->run(self, which); };
            if (descriptor.is_open()) {
                descriptor.async_wait(detail::asio::posix::stream_descriptor::wait_read, handler);
                return;
            }
            /* An hour at most, so that no sum of times overflows. */
            const uint64_t longest_ns = 3600u * (uint64_t)1000000000u;
            uint64_t now_ns = tw_time_ns(wheel), next_ns = tw_next_ns(wheel);
            uint64_t wait_ns = next_ns > now_ns ? next_ns - now_ns : 0;
            armed_ns = wait_ns > longest_ns ? now_ns + longest_ns : next_ns;
            timer.expires_after(
                std::chrono::nanoseconds(wait_ns > longest_ns ? longest_ns : wait_ns));
            timer.async_wait(handler);
        }

        void run(const std::shared_ptr<state> &self, unsigned which)
        {
            if (which != waits || !wheel)
                return;
            /* Waits again, also if a callback throws, but not if it has detached. */
            struct again {
                const std::shared_ptr<state> &self;
                ~again()
                {
                    if (self->wheel)
                        self->wait(self);
                }
            } at_end = {self};
            (void)at_end;
            armed_ns = UINT64_MAX;
            (void)tw_run(wheel);
        }
    };

    std::shared_ptr<state> state_;
};

} // namespace tickwheel

#endif
