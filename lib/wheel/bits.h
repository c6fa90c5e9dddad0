/* SPDX-License-Identifier: MIT */
/*
 * bits: single words of bits, and the arithmetic on deadlines.
 *
 * Every sum of times saturates, and every conversion to nanoseconds rounds up,
 * through the helpers here and nowhere else. So a deadline is never too early
 * and never wraps into the past.
 */
#ifndef TW_BITS_H
#define TW_BITS_H

#include <stdint.h>

/* The deadline of what is never due. No clock reading reaches it: see
 * bits_clamp_now. */
#define BITS_NEVER UINT64_MAX

/* Index of the lowest set bit; word is not 0. */
static inline unsigned bits_lowest(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

/* Index of the highest set bit; word is not 0. 63 minus the leading zeros, but written so that
 * gcc sees that the instruction for it says just that. */
static inline unsigned bits_highest(uint64_t word)
{
    return (unsigned)__builtin_clzll(word) ^ 63u;
}

/* Number of bits needed to write the word: 0 for 0, 64 for the largest. */
static inline unsigned bits_width(uint64_t word)
{
    return word ? bits_highest(word) + 1 : 0;
}

/* The same, but 63 for the largest words, too: in fewer steps. */
static inline unsigned bits_width_of_63(uint64_t word)
{
    return bits_highest(word << 1 | word | 1);
}

static inline uint64_t bits_add_saturated(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b;
    return sum < a ? UINT64_MAX : sum;
}

/* a << shift, or UINT64_MAX if that does not fit. */
static inline uint64_t bits_shift_saturated(uint64_t a, unsigned shift)
{
    return a > (UINT64_MAX >> shift) ? UINT64_MAX : a << shift;
}

static inline uint64_t bits_round_up(double ns)
{
    uint64_t whole = (uint64_t)ns;
    return whole + ((double)whole < ns);
}

/* Seconds to ns, rounded up; negative is 0, too large is UINT64_MAX. Not NaN.
 *
 * The product is a double's, so that 0.1 and 1.1, which are a little more than
 * they look, are the 100,000,000 and 1,100,000,000 ns they are meant to be: the
 * difference is far below what a double of that size can tell. From 2^53 ns on
 * (104 days) doubles are coarser than a ns, and whole seconds are taken apart. */
static inline uint64_t bits_ns_from_seconds(double seconds)
{
    double ns = seconds * 1e9;
    if (!(ns > 0))
        return 0;
    if (ns < 9007199254740992.0) /* 2^53 */
        return bits_round_up(ns);
    if (seconds >= 18446744073.0) /* the last whole second of 2^64 ns */
        return UINT64_MAX;
    uint64_t whole = (uint64_t)seconds;
    return whole * 1000000000u + bits_round_up((seconds - (double)whole) * 1e9);
}

/* The multiple of the largest power of two among low to high, which is not below low;
 * 0 counts as the largest of all. */
static inline uint64_t bits_roundest(uint64_t low, uint64_t high)
{
    if (low == 0)
        return 0;
    unsigned width = bits_width((low - 1) ^ high);
    return width > 63 ? (uint64_t)1 << 63 : high >> (width - 1) << (width - 1);
}

/* A clock reading is kept below BITS_NEVER. */
static inline uint64_t bits_clamp_now(uint64_t now_ns)
{
    return now_ns == UINT64_MAX ? UINT64_MAX - 1 : now_ns;
}

#endif
