/* SPDX-License-Identifier: MIT */
/*
 * with_epoll: a wheel in an epoll loop written by hand. The wheel says how long
 * epoll_wait may sleep, and is run after each wake-up: there is nothing to arm.
 *
 * epoll_wait sleeps in whole milliseconds, so timers run up to one late; never
 * early, as tw_timeout_ms rounds up. (For nanoseconds: tw_fd, or epoll_pwait2
 * with tw_next_ns.)
 *
 *     with_epoll [SEED]      checks ten thousand timers, and counts the turns of the loop
 */
#include "support.h"
#include "trial.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* Stands for a socket: a descriptor that becomes readable once, in a while. */
static int some_socket(int epoll)
{
    struct itimerspec in_a_while = {.it_value.tv_nsec = TRIAL_EVENT_MS * 1000000};
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (fd < 0 || timerfd_settime(fd, 0, &in_a_while, NULL) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("timerfd");
    return fd;
}

int main(int argc, char **argv)
{
    tw_loop *wheel = trial_new(argc, argv);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int socket = some_socket(epoll);
    size_t turns = 0;

    while (!trial_over()) {
        struct epoll_event events[64];
        int count = epoll_wait(epoll, events, 64, tw_timeout_ms(wheel));
        turns++;
        for (int i = 0; i < count; i++)
            trial_event(); /* the sockets first, */
        tw_run(wheel);     /* then what is due */
    }
    close(socket);
    close(epoll);
    return trial_end("epoll", turns);
}
