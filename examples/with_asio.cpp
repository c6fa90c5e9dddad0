/* SPDX-License-Identifier: MIT */
/*
 * with_asio: a Boost.Asio io_context carries a wheel, by tickwheel_asio.hpp.
 *
 *     c++ with_asio.cpp trial.c support.c -ltickwheel
 *     with_asio [SEED]      checks ten thousand timers, and counts the turns of the loop
 */
#include "trial.h"

#include <tickwheel_asio.hpp>

int main(int argc, char **argv)
{
    boost::asio::io_context context;
    tw_loop *wheel = trial_new(argc, argv);
    std::size_t turns = 0;
    {
        tickwheel::asio_wheel on(context, wheel);
        boost::asio::steady_timer event(context); // stands for a socket
        event.expires_after(std::chrono::milliseconds(TRIAL_EVENT_MS));
        event.async_wait([](const boost::system::error_code &) {
            trial_event(); // starts timers: Asio need not be told
        });
        for (; !trial_over(); turns++) // a server has context.run() here
            context.run_one();
    }
    return trial_end("Boost.Asio", turns);
}
