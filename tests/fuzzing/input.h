/* SPDX-License-Identifier: MIT */
/*
 * input: the bytes a fuzzer gives, read as small numbers and as times.
 *
 * A time is a byte that says how, and one or two more. So a change of one byte
 * moves one deadline, by little or by much, and the places where the wheel's
 * arithmetic changes (powers of two of ticks, the ends of the clock) are a byte
 * away. Behind the end every byte is 0.
 */
#ifndef TICKWHEEL_TESTS_FUZZING_INPUT_H
#define TICKWHEEL_TESTS_FUZZING_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *at, *end;
};

static inline bool input_over(const struct input *input)
{
    return input->at == input->end;
}

static inline unsigned input_byte(struct input *input)
{
    return input_over(input) ? 0 : *input->at++;
}

static inline unsigned input_word(struct input *input)
{
    unsigned high = input_byte(input);
    return high << 8 | input_byte(input);
}

static inline uint64_t input_add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t input_shift(uint64_t a, unsigned by)
{
    return by > 63 || (a << by) >> by != a ? UINT64_MAX : a << by;
}

/* What times are relative to. */
struct input_base {
    uint64_t now;            /* ns */
    unsigned tick_shift;
    uint64_t other;          /* a deadline that something pending has; 0: none */
};

/* A length of time in ns. */
static inline uint64_t input_delay(struct input *input, const struct input_base *base)
{
    unsigned how = input_byte(input), by = how & 31;
    switch (how >> 5) {
    case 0:
        return input_shift(input_byte(input), by);
    case 1:
        return input_shift(input_byte(input), by + 32);
    case 2: /* whole ticks */
        return input_shift(input_byte(input), base->tick_shift + by);
    case 3:
        return input_shift(input_word(input), by);
    case 4: /* to the next multiple of a power of two of ticks, or about there */
    case 5: {
        unsigned shift = base->tick_shift + by;
        uint64_t into = shift > 63 ? 0 : base->now & (((uint64_t)1 << shift) - 1);
        uint64_t left = input_shift(1, shift) - into;
        return left + input_byte(input) % 3 - 1;
    }
    case 6: /* whole ticks, and a nanosecond more or less */
        return input_shift(input_byte(input), base->tick_shift + by) + by % 3 - 1;
    default:
        return by == 0 ? UINT64_MAX : by < 24 ? 0 : (uint64_t)1 << 63 >> (by - 24);
    }
}

/* A deadline in ns. */
static inline uint64_t input_when(struct input *input, const struct input_base *base)
{
    unsigned how = input_byte(input);
    switch (how & 7) {
    case 0: { /* in the past */
        uint64_t back = input_delay(input, base);
        return back > base->now ? 0 : base->now - back;
    }
    case 1: /* a tie, or nearly */
        return base->other + how / 64 - (how / 128);
    case 2: { /* absolute: around the ends of what 64 bits hold */
        static const uint64_t around[] = {0, UINT64_MAX, (uint64_t)1 << 63, (uint64_t)1 << 48};
        return around[how >> 3 & 3] + (how >> 5) - 4;
    }
    default:
        return input_add(base->now, input_delay(input, base));
    }
}

#endif
