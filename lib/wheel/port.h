/* SPDX-License-Identifier: MIT */
/*
 * port: what differs between compilers and systems, and nothing else.
 *
 * Together with port.c and the runner's back ends this is the only place with
 * platform conditionals.
 */
#ifndef TW_PORT_H
#define TW_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TW_LOW_BYTE_FIRST (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

#define TW_LIKELY(x) __builtin_expect(!!(x), 1)
#define TW_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Asks for the cache line at p, soon to be written. A hint: p may be anything. */
#define TW_PREFETCH(p) __builtin_prefetch((p), 1, 3)

/* In a function that does nothing else: gcc takes that for one without effect, and leaves out its
 * calls where it sees both, as it does in the single file. */
#define TW_KEEP_CALLS() __asm__ volatile("")

/* Inlined where the compiler's own estimate says no, but the caller is hot. Where branches
 * are counted (tests/coverage) one function is to be one, not as many as its callers. */
#ifdef TW_COVERAGE
#define TW_INLINE static inline __attribute__((unused))
#else
#define TW_INLINE static inline __attribute__((always_inline))
#endif

/* A path that would cost its neighbour, which is shorter, saved registers. */
#define TW_NOINLINE __attribute__((noinline))

/* A path so rare that it should not share a cache line with the others. */
#define TW_COLD __attribute__((noinline, cold))

/* A variable that is handed to a function when its block ends, however it does: also
 * by an exception that passes through, since the library is compiled with
 * -fexceptions. Not by longjmp. */
#define TW_AT_END(function) __attribute__((cleanup(function)))

/* Where the calling function's frame is. Stacks grow downwards. */
#define TW_FRAME() ((const char *)__builtin_frame_address(0))

/*
 * Assertions come in three tiers.
 *   1  Misuse by the caller: answered with an errno by the public functions,
 *      or, where memory of ours was overwritten, by tw_misuse in every build.
 *   2  TW_ASSERT: O(1), internal, in builds with TW_CHECKED >= 1.
 *   3  TW_ASSERT_SOUND in check.h: the full walk, in builds with TW_CHECKED >= 3.
 */
#ifndef TW_CHECKED
#define TW_CHECKED 0
#endif

#if TW_CHECKED >= 1
#define TW_ASSERT(x) ((x) ? (void)0 : tw_broken(#x, __FILE__, __LINE__))
#else
#define TW_ASSERT(x) ((void)0)
#endif

/* In hardened builds, a timer that is stopped or moved is compared with its cell
 * before anything is written through it. */
#ifndef TW_HARDENED
#define TW_HARDENED 0
#endif

/* Says on stderr which invariant is broken, and where, and aborts. */
_Noreturn void tw_broken(const char *what, const char *file, int line);

/* Says on stderr what the program did wrong, and aborts: the state of the loop
 * can no longer be trusted. */
_Noreturn void tw_misuse(const char *what);

/* Memory aligned to `alignment`, a power of two that divides bytes. Blocks of
 * whole huge pages ask the system for them. NULL if there is none. */
void *port_alloc(size_t bytes, size_t alignment);
void port_free(void *memory);

/* Gives the whole pages in it back to the system: what is read there afterwards is
 * zeroes, or what was there. How many bytes; 0 where the system cannot. */
size_t port_discard(void *memory, size_t bytes);

#define PORT_HUGE_PAGE ((size_t)2 << 20)

/* CLOCK_MONOTONIC in ns. */
uint64_t port_clock_ns(void);

/* A number that differs between the first eight loops of a process, and on. */
unsigned port_next_tag(void);

/* One that differs between all loops of a process, up to 2^32. */
unsigned port_next_number(void);

#endif
