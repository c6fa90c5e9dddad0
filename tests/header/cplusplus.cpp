/* SPDX-License-Identifier: MIT */
// The header as C++ sees it: it compiles first in a file, may be included
// twice, its structs are as large as the library thinks they are, and its
// functions have C's names.
#include <tickwheel.h>
#include <tickwheel.h>

#include <cstdio>
#include <cstring>

static_assert(sizeof(tw_timer) <= 40, "a timer is at most 40 bytes");

namespace {

struct connection {
    int closed = 0;
    tw_timer idle = TW_TIMER_INIT(nullptr, nullptr);
};

uint64_t now_ns = 1000;

uint64_t read_clock(void *) { return now_ns; }

extern "C" void close_connection(void *arg) { static_cast<connection *>(arg)->closed++; }

bool check(bool holds, const char *what) {
    if (!holds)
        std::fprintf(stderr, "not so: %s\n", what);
    return holds;
}

bool fires_both_kinds_of_timer() {
    tw_options options = TW_OPTIONS_INIT;
    options.clock = read_clock;
    tw_loop *loop = tw_loop_new(&options);
    if (!check(loop != nullptr, "a loop is made"))
        return false;

    connection by_handle, embedded;
    tw_timer_init(&embedded.idle, close_connection, &embedded);
    bool ok = check(tw_timer_start_later_ns(loop, &embedded.idle, 500) == 0, "a timer starts");
    ok &= check(tw_call_later_ns(loop, 500, close_connection, &by_handle) != 0, "a call starts");
    ok &= check(tw_advance(loop, now_ns + 499) == 0, "nothing is early");
    ok &= check(tw_advance(loop, now_ns + 500) == 2, "both are made");
    ok &= check(embedded.closed == 1 && by_handle.closed == 1, "once each");

    tw_stats stats = TW_STATS_INIT;
    tw_stats_get(loop, &stats);
    ok &= check(stats.fired == 2 && stats.pending == 0, "the statistics say so");
    tw_loop_free(loop);
    return ok;
}

} // namespace

int main() {
    bool ok = check(std::strcmp(tw_version(), TW_VERSION_STRING) == 0, "version of the header");
    ok &= fires_both_kinds_of_timer();
    return ok ? 0 : 1;
}
