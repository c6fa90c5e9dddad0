/* SPDX-License-Identifier: MIT */
/* tickwheel's calls by handle in a jemalloc arena of the loop's own. It is a
 * program by itself, since jemalloc replaces malloc for all that it is linked
 * with. */
#include <tickwheel_jemalloc.h>

#include "tickwheel.h"

namespace
{

template <bench::Fire *fire> struct OnJemalloc : bench::TickwheelHandles<fire> {
    explicit OnJemalloc(const bench::Plan &plan) : bench::TickwheelHandles<fire>(plan, make)
    {
    }

  private:
    static tw_loop *make(const tw_options *options)
    {
        return tw_jemalloc_loop_new(options, nullptr);
    }
};

} // namespace

BENCH_CONTENDER("tickwheel-jemalloc", OnJemalloc)
