/* SPDX-License-Identifier: MIT */
/* tickwheel's calls by handle. */
#include "tickwheel.h"

using bench::TickwheelHandles;

BENCH_CONTENDER_WITH_THREADS("tickwheel-handles", TickwheelHandles)
