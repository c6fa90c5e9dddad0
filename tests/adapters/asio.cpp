/* SPDX-License-Identifier: MIT */
// The cases on a Boost.Asio io_context.
#include "outer.h"

#include <cstdlib>
#include <memory>
#include <tickwheel_asio.hpp>

namespace {

std::unique_ptr<boost::asio::io_context> context;
std::unique_ptr<tickwheel::asio_wheel> on;

void open_context() { context.reset(new boost::asio::io_context); }

void close_context() { context.reset(); }

int attach(tw_loop *wheel) {
    try {
        on.reset(new tickwheel::asio_wheel(*context, wheel));
        return 0;
    } catch (const std::system_error &error) {
        errno = error.code().value();
        return -1;
    } catch (const boost::system::system_error &error) {
        errno = error.code().value();
        return -1;
    }
}

void detach() { on.reset(); }

void update() {
    if (on)
        on->update();
}

void turn() {
    context->restart();
    context->run_one();
}

void run() {
    context->restart();
    context->run();
}

void in_a_while(void (*event)(void)) {
    auto timer = std::make_shared<boost::asio::steady_timer>(*context);
    timer->expires_after(std::chrono::milliseconds(5));
    timer->async_wait([timer, event](const boost::system::error_code &) { event(); });
}

void child() {
    context->notify_fork(boost::asio::io_context::fork_child);
    on->notify_fork();
}

} // namespace

extern "C" const struct outer outer = {"Boost.Asio", false, true,   true, open_context, close_context,
                                       attach,       detach, update, turn, run,          in_a_while,
                                       child,        nullptr};
