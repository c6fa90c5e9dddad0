/* SPDX-License-Identifier: MIT */
/* Every workload: what register.h registers a contender for. */
#ifndef TICKWHEEL_BENCH_WORKLOADS_ALL_H
#define TICKWHEEL_BENCH_WORKLOADS_ALL_H

#include "fill.h"
#include "steady.h"
#include "churn.h"
#include "idle.h"
#include "request.h"
#include "proxy.h"
#include "herd.h"
#include "far.h"
#include "sleeper.h"
#include "memory.h"

#endif
