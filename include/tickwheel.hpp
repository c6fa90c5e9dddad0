/* SPDX-License-Identifier: MIT */
/*
 * tickwheel: what C++ wants beside tickwheel.h: loops that free themselves, timers
 * that stop themselves, and calls of lambdas.
 *
 *     tickwheel::loop loop;
 *     auto name = std::make_shared<std::string>("world");
 *     loop.call_later(std::chrono::milliseconds(100), [name] { greet(*name); });
 *     while (tw_pending_count(loop) > 0) {         // all of tickwheel.h takes it as a loop
 *         poll(nullptr, 0, tw_timeout_ms(loop));
 *         tw_run(loop);
 *     }
 *
 * Header only, C++11. What C reports by 0 or -1 is thrown here: std::bad_alloc for
 * ENOMEM, std::system_error for the rest, and then nothing has changed.
 *
 * A lambda is kept until its call has run, is cancelled (by tw_cancel, tw_cancel_all)
 * or is dropped with its loop, and destroyed at once then, on the loop's thread.
 *
 * An exception that a lambda throws leaves tw_run, or whatever runs the loop; what is
 * due besides stays due, for the next run. In a program that includes tickwheel.c or
 * compiles it itself, that file is compiled with -fexceptions.
 *
 * Durations of whole numbers are exact, rounded up to a nanosecond; they saturate, and
 * negative ones are 0. Those of floating point are as seconds in tickwheel.h.
 */
#ifndef TICKWHEEL_HPP
#define TICKWHEEL_HPP

#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <ratio>
#include <system_error>
#include <tickwheel.h>
#include <type_traits>
#include <utility>

namespace tickwheel
{

/* A duration in nanoseconds, rounded up. */
template <class Number, class Period>
typename std::enable_if<std::is_integral<Number>::value, uint64_t>::type
to_ns(std::chrono::duration<Number, Period> duration) noexcept
{
    using ns = std::ratio_multiply<Period, std::giga>;
    constexpr uint64_t times = static_cast<uint64_t>(ns::num);
    constexpr uint64_t parts = static_cast<uint64_t>(ns::den);
    if (duration.count() <= 0)
        return 0;
    uint64_t count = static_cast<uint64_t>(duration.count());
    if (count > UINT64_MAX / times)
        return UINT64_MAX;
    return count * times / parts + (count * times % parts != 0);
}

namespace detail
{

[[noreturn]] inline void fail(int error)
{
    if (error == ENOMEM)
        throw std::bad_alloc();
    throw std::system_error(error, std::generic_category(), "tickwheel");
}

/* What a call holds: a lambda, as the call's context, since a loop gives that back
 * whenever the call is over. While the lambda runs, and for what it starts, the
 * context is the one that was current when it was scheduled. */
struct closure : tw_context {
    tw_loop *loop;
    tw_context *outer;    /* one reference; nullptr: there was none */
    unsigned references;  /* the loop's */

    explicit closure(tw_loop *of)
        : tw_context(), loop(of), outer(tw_context_current(of)), references(0)
    {
        static const tw_context_ops hooks = {retain, release, enter, leave};
        ops = &hooks;
        if (outer && outer->ops && outer->ops->retain)
            outer->ops->retain(outer);
    }
    closure(const closure &) = delete;
    closure &operator=(const closure &) = delete;
    virtual ~closure()
    {
        if (outer && outer->ops && outer->ops->release)
            outer->ops->release(outer);
    }
    virtual void run() = 0;

    static void call(void *arg)
    {
        closure *self = static_cast<closure *>(arg);
        tw_context_set(self->loop, self->outer);
        self->run();
    }
    static void retain(tw_context *context)
    {
        static_cast<closure *>(context)->references++;
    }
    static void release(tw_context *context)
    {
        closure *self = static_cast<closure *>(context);
        if (--self->references == 0)
            delete self;
    }
    static void enter(tw_context *context)
    {
        tw_context *outer = static_cast<closure *>(context)->outer;
        if (outer && outer->ops && outer->ops->enter)
            outer->ops->enter(outer);
    }
    static void leave(tw_context *context)
    {
        tw_context *outer = static_cast<closure *>(context)->outer;
        if (outer && outer->ops && outer->ops->leave)
            outer->ops->leave(outer);
    }
};

template <class Function> struct closure_of final : closure {
    Function function;

    template <class Given>
    closure_of(tw_loop *of, Given &&given) : closure(of), function(std::forward<Given>(given))
    {
    }
    void run() override
    {
        function();
    }
};

/* Calls from other threads carry no context; these are listed until they have run, so
 * that they can be destroyed with their loop. */
struct posted {
    struct list {
        std::mutex mutex;
        posted *first = nullptr;
    };

    list &of;
    posted *before = nullptr, *after = nullptr;
    std::function<void()> function;

    template <class Given>
    posted(list &in, Given &&given) : of(in), function(std::forward<Given>(given))
    {
        std::lock_guard<std::mutex> lock(of.mutex);
        after = of.first;
        if (after)
            after->before = this;
        of.first = this;
    }
    posted(const posted &) = delete;
    posted &operator=(const posted &) = delete;
    ~posted()
    {
        std::lock_guard<std::mutex> lock(of.mutex);
        (before ? before->after : of.first) = after;
        if (after)
            after->before = before;
    }
    static void call(void *arg)
    {
        std::unique_ptr<posted> self(static_cast<posted *>(arg));
        self->function();
    }
};

} // namespace detail

/* A tw_loop that is freed with this. Moved, not copied. It must not be destroyed from
 * one of its callbacks. */
class loop
{
  public:
    loop() : loop(tw_loop_new(nullptr))
    {
    }
    explicit loop(const tw_options &options) : loop(tw_loop_new(&options))
    {
    }
    /* Takes over a loop that was made otherwise; NULL throws what errno says. */
    explicit loop(tw_loop *made) : loop_(made), posts_(made ? new detail::posted::list : nullptr)
    {
        if (!made)
            detail::fail(errno);
    }
    loop(loop &&other) noexcept : loop_(other.loop_), posts_(std::move(other.posts_))
    {
        other.loop_ = nullptr;
    }
    loop &operator=(loop &&other) noexcept
    {
        std::swap(loop_, other.loop_);
        std::swap(posts_, other.posts_);
        return *this;
    }
    ~loop()
    {
        tw_loop_free(loop_);
        while (posts_ && posts_->first)
            delete posts_->first;
    }

    /* The loop for tickwheel.h. nullptr after it was moved away. */
    tw_loop *get() const noexcept
    {
        return loop_;
    }
    operator tw_loop *() const noexcept
    {
        return loop_;
    }

    /* Calls function() as the call of tickwheel.h by that name calls its callback.
     * Returns its handle, for tw_cancel, tw_reschedule_later and the like. The lambda is
     * made by one allocation, and destroyed when the call is over. */
    template <class Function> tw_handle call_soon(Function &&function)
    {
        return start(std::forward<Function>(function), [this](detail::closure *closure) {
            return tw_call_soon(loop_, detail::closure::call, closure);
        });
    }
    template <class Number, class Period, class Function>
    tw_handle call_later(std::chrono::duration<Number, Period> delay, Function &&function)
    {
        return start(std::forward<Function>(function), [this, delay](detail::closure *closure) {
            return later(delay, closure, std::is_floating_point<Number>());
        });
    }
    template <class Function> tw_handle call_at_ns(uint64_t when_ns, Function &&function)
    {
        return start(std::forward<Function>(function), [this, when_ns](detail::closure *closure) {
            return tw_call_at_ns(loop_, when_ns, detail::closure::call, closure);
        });
    }
    template <class Number, class Period, class Function>
    tw_handle call_every(std::chrono::duration<Number, Period> interval, Function &&function)
    {
        return start(std::forward<Function>(function), [this, interval](detail::closure *closure) {
            return every(interval, closure, std::is_floating_point<Number>());
        });
    }

#ifndef TICKWHEEL_NO_RUNNER
    /* From any thread. It locks a mutex of the loop's, shortly, and allocates. One that
     * has not run when the loop is freed is destroyed with it. */
    template <class Function> void call_soon_threadsafe(Function &&function)
    {
        std::unique_ptr<detail::posted> post(
            new detail::posted(*posts_, std::forward<Function>(function)));
        if (tw_call_soon_threadsafe(loop_, detail::posted::call, post.get()) != 0)
            detail::fail(errno);
        post.release();
    }
#endif

  private:
    template <class Function, class Start> tw_handle start(Function &&function, Start &&how)
    {
        using kept = detail::closure_of<typename std::decay<Function>::type>;
        detail::closure *closure = new kept(loop_, std::forward<Function>(function));
        tw_context *before = tw_context_set(loop_, closure);
        tw_handle handle = how(closure);
        int error = errno;
        tw_context_set(loop_, before);
        if (!handle) {
            delete closure;
            detail::fail(error);
        }
        return handle;
    }
    template <class Duration>
    tw_handle later(Duration delay, detail::closure *closure, std::false_type)
    {
        return tw_call_later_ns(loop_, to_ns(delay), detail::closure::call, closure);
    }
    template <class Duration>
    tw_handle later(Duration delay, detail::closure *closure, std::true_type)
    {
        std::chrono::duration<double> seconds(delay);
        return tw_call_later(loop_, seconds.count(), detail::closure::call, closure);
    }
    template <class Duration>
    tw_handle every(Duration interval, detail::closure *closure, std::false_type)
    {
        return tw_call_every_ns(loop_, to_ns(interval), detail::closure::call, closure);
    }
    template <class Duration>
    tw_handle every(Duration interval, detail::closure *closure, std::true_type)
    {
        std::chrono::duration<double> seconds(interval);
        return tw_call_every(loop_, seconds.count(), detail::closure::call, closure);
    }

    tw_loop *loop_;
    std::unique_ptr<detail::posted::list> posts_;
};

/* A timer that lives in an object of yours and stops with it: an idle timeout in its
 * connection. Neither copied nor moved. Its function may destroy the object that it is
 * in, or start it again. */
class timer
{
  public:
    template <class Function>
    timer(tw_loop *loop, Function &&function)
        : loop_(loop), function_(std::make_shared<std::function<void()>>(
                           std::forward<Function>(function)))
    {
        tw_timer_init(&timer_, call, this);
    }
    timer(const timer &) = delete;
    timer &operator=(const timer &) = delete;
    /* The loop may have been freed: that has stopped it. */
    ~timer()
    {
        stop();
    }

    /* Starts it, or moves it if it is active. Throws as described above; an active one
     * is moved without fail. */
    template <class Number, class Period>
    void start_later(std::chrono::duration<Number, Period> delay)
    {
        static_assert(std::is_integral<Number>::value, "a duration of whole numbers");
        if (tw_timer_start_later_ns(loop_, &timer_, to_ns(delay)) != 0)
            detail::fail(errno);
    }
    void start_at_ns(uint64_t when_ns)
    {
        if (tw_timer_start_at_ns(loop_, &timer_, when_ns) != 0)
            detail::fail(errno);
    }
    void stop() noexcept
    {
        if (active())
            tw_timer_stop(loop_, &timer_);
    }
    bool active() const noexcept
    {
        return tw_timer_active(&timer_);
    }
    uint64_t when_ns() const noexcept
    {
        return tw_timer_when_ns(&timer_);
    }

  private:
    static void call(void *arg)
    {
        std::shared_ptr<std::function<void()>> function = static_cast<timer *>(arg)->function_;
        (*function)();
    }

    tw_loop *loop_;
    tw_timer timer_;
    std::shared_ptr<std::function<void()>> function_; /* outlives the timer while it runs */
};

} // namespace tickwheel

#endif
