/* SPDX-License-Identifier: MIT */
/* splitmix64: a seed gives the same numbers on every machine. */
#ifndef TICKWHEEL_TESTS_MODEL_RANDOM_H
#define TICKWHEEL_TESTS_MODEL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

static inline uint64_t chance_word(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint64_t chance_below(struct chance *chance, uint64_t limit)
{
    return chance_word(chance) % limit;
}

static inline bool chance_one_in(struct chance *chance, uint64_t n)
{
    return chance_below(chance, n) == 0;
}

/* A number of random magnitude: 0 to `bits` bits, each width alike. */
static inline uint64_t chance_magnitude(struct chance *chance, unsigned bits)
{
    unsigned width = (unsigned)chance_below(chance, bits + 1);
    return width == 0 ? 0 : chance_word(chance) >> (64 - width);
}

#endif
