/* SPDX-License-Identifier: MIT */
/* For C and C++: the suite and the planner's probe wait alike. */
#ifndef TICKWHEEL_BENCH_WAIT_FOR_LOADS_H
#define TICKWHEEL_BENCH_WAIT_FOR_LOADS_H

/* The next choice has to wait until everything read so far has arrived. */
static inline void wait_for_loads(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_lfence();
#elif defined(__aarch64__)
    __asm__ volatile("dsb ld\n\tisb" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

#endif
