/* SPDX-License-Identifier: MIT */
/*
 * A clock that the benchmark moves, and a kernel in which nothing is ever
 * ready, for libraries that ask for them by themselves. While a thread's
 * virtual clock is on,
 *
 *     clock_gettime, gettimeofday   read it, for every clock
 *     epoll_wait and its like       return at once with nothing, and move it by
 *                                   the timeout: a sleep, on the virtual clock
 *     epoll_ctl                     does nothing
 *     timerfd_create                fails, so that timeouts go through epoll_wait; or,
 *                                   for who cannot do without (lends_timerfd), answers
 *                                   a descriptor that is never ready
 *     timerfd_settime               of that: epoll_wait without a timeout sleeps until
 *                                   then
 *
 * so a library pays for its timers here and not for system calls, which in a
 * server it would share with its input and output. The calls are counted, and
 * reported as polls, since a reader may want to add their cost.
 */
#include "virtual_time.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

namespace bench
{

thread_local uint64_t virtual_ns;
thread_local uint64_t virtual_polls;
thread_local bool lends_timerfd;

namespace
{

/* The definition that ours hides. */
template <class Function> Function *hidden(const char *name)
{
    void *address = dlsym(RTLD_NEXT, name);
    if (address == nullptr) {
        fprintf(stderr, "bench: the system has no %s\n", name);
        abort();
    }
    return reinterpret_cast<Function *>(address);
}

thread_local uint64_t alarm_ns; /* what the lent timerfd is set to */

int poll_nothing(int timeout_ms)
{
    virtual_polls++;
    if (timeout_ms < 0)
        virtual_ns = std::max(virtual_ns, alarm_ns);
    if (timeout_ms > 0)
        virtual_ns += static_cast<uint64_t>(timeout_ms) * 1000000;
    return 0;
}

} // namespace

static uint64_t read_system_clock(clockid_t clock)
{
    static auto *const system_clock = hidden<int(clockid_t, timespec *)>("clock_gettime");
    timespec now;
    system_clock(clock, &now);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

uint64_t real_ns()
{
    return read_system_clock(CLOCK_MONOTONIC);
}

uint64_t cpu_ns()
{
    return read_system_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t stolen_ns()
{
    /* cpu user nice system idle iowait irq softirq steal, in hundredths of a second */
    static FILE *const file = fopen("/proc/stat", "r");
    unsigned long long stolen = 0;
    if (file == nullptr)
        return 0;
    rewind(file);
    fflush(file);
    if (fscanf(file, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &stolen) != 1)
        return 0;
    return stolen * 10000000;
}

} // namespace bench

using bench::hidden;
using bench::virtual_ns;
using bench::virtual_polls;

extern "C" {

int clock_gettime(clockid_t clock, timespec *now) noexcept
{
    static auto *const real = hidden<int(clockid_t, timespec *)>("clock_gettime");
    if (virtual_ns == 0)
        return real(clock, now);
    now->tv_sec = static_cast<time_t>(virtual_ns / 1000000000);
    now->tv_nsec = static_cast<long>(virtual_ns % 1000000000);
    return 0;
}

int gettimeofday(timeval *__restrict now, void *__restrict zone) noexcept
{
    static auto *const real = hidden<int(timeval *, void *)>("gettimeofday");
    if (virtual_ns == 0)
        return real(now, zone);
    now->tv_sec = static_cast<time_t>(virtual_ns / 1000000000);
    now->tv_usec = static_cast<suseconds_t>(virtual_ns % 1000000000 / 1000);
    return 0;
}

int epoll_wait(int epoll, epoll_event *events, int max_events, int timeout_ms)
{
    static auto *const real = hidden<int(int, epoll_event *, int, int)>("epoll_wait");
    return virtual_ns == 0 ? real(epoll, events, max_events, timeout_ms)
                           : bench::poll_nothing(timeout_ms);
}

int epoll_pwait(int epoll, epoll_event *events, int max_events, int timeout_ms,
                const sigset_t *signals)
{
    static auto *const real =
        hidden<int(int, epoll_event *, int, int, const sigset_t *)>("epoll_pwait");
    return virtual_ns == 0 ? real(epoll, events, max_events, timeout_ms, signals)
                           : bench::poll_nothing(timeout_ms);
}

int epoll_pwait2(int epoll, epoll_event *events, int max_events, const timespec *timeout,
                 const sigset_t *signals)
{
    static auto *const real =
        hidden<int(int, epoll_event *, int, const timespec *, const sigset_t *)>("epoll_pwait2");
    if (virtual_ns == 0)
        return real(epoll, events, max_events, timeout, signals);
    /* Rounded up, as the kernel would do it with nanoseconds. */
    return bench::poll_nothing(timeout == nullptr ? -1
                                                  : static_cast<int>(timeout->tv_sec * 1000 +
                                                                     (timeout->tv_nsec + 999999) /
                                                                         1000000));
}

int epoll_ctl(int epoll, int operation, int descriptor, epoll_event *event) noexcept
{
    static auto *const real = hidden<int(int, int, int, epoll_event *)>("epoll_ctl");
    if (virtual_ns == 0)
        return real(epoll, operation, descriptor, event);
    virtual_polls++;
    return 0;
}

int timerfd_create(int clock, int flags) noexcept
{
    static auto *const real = hidden<int(int, int)>("timerfd_create");
    if (virtual_ns == 0)
        return real(clock, flags);
    if (bench::lends_timerfd)
        return eventfd(0, EFD_CLOEXEC);
    errno = ENOSYS;
    return -1;
}

int timerfd_settime(int descriptor, int flags, const itimerspec *set, itimerspec *before) noexcept
{
    static auto *const real =
        hidden<int(int, int, const itimerspec *, itimerspec *)>("timerfd_settime");
    if (virtual_ns == 0 || !bench::lends_timerfd)
        return real(descriptor, flags, set, before);
    virtual_polls++;
    bench::alarm_ns = static_cast<uint64_t>(set->it_value.tv_sec) * 1000000000 +
                      static_cast<uint64_t>(set->it_value.tv_nsec);
    return 0;
}

} // extern "C"
