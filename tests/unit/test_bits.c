/* SPDX-License-Identifier: MIT */
/* bits: rounding up, saturation, and the edges of the number types. */
#include <math.h>

#include "support.h"

#define TWO_64 18446744073709551616.0

Test(bits, seconds_are_rounded_up_to_the_next_nanosecond)
{
    cr_assert_eq(bits_ns_from_seconds(1.0), 1000000000u);
    cr_assert_eq(bits_ns_from_seconds(0.25), 250000000u);
    cr_assert_eq(bits_ns_from_seconds(1e-9), 1u);
    cr_assert_eq(bits_ns_from_seconds(1.1e-9), 2u);
    cr_assert_eq(bits_ns_from_seconds(0.5e-9), 1u);
}

Test(bits, smallest_positive_delays_are_not_zero)
{
    cr_assert_eq(bits_ns_from_seconds(1e-30), 1u);
    cr_assert_eq(bits_ns_from_seconds(2.2250738585072014e-308), 1u);
    cr_assert_eq(bits_ns_from_seconds(4.9406564584124654e-324), 1u, "a denormal");
}

Test(bits, negative_seconds_are_zero)
{
    cr_assert_eq(bits_ns_from_seconds(-1.0), 0u);
    cr_assert_eq(bits_ns_from_seconds(-0.0), 0u);
    cr_assert_eq(bits_ns_from_seconds(0.0), 0u);
    cr_assert_eq(bits_ns_from_seconds(-4.9406564584124654e-324), 0u);
    cr_assert_eq(bits_ns_from_seconds(-INFINITY), 0u);
}

Test(bits, seconds_that_do_not_fit_saturate)
{
    cr_assert_eq(bits_ns_from_seconds(INFINITY), UINT64_MAX);
    cr_assert_eq(bits_ns_from_seconds(1e300), UINT64_MAX);
    cr_assert_eq(bits_ns_from_seconds(TWO_64), UINT64_MAX);
    cr_assert_eq(bits_ns_from_seconds(1.9e10), UINT64_MAX);
    /* The last whole second of 2^64 ns, and what follows it. */
    cr_assert_eq(bits_ns_from_seconds(18446744073.0), UINT64_MAX);
    cr_assert_eq(bits_ns_from_seconds(18446744073.8), UINT64_MAX);
}

/* A double has 53 bits: beyond 2^63 ns the product is known to 2048 ns. */
static void expect_about(double seconds, uint64_t exact)
{
    cr_assert_geq(bits_ns_from_seconds(seconds), exact);
    cr_assert_leq(bits_ns_from_seconds(seconds) - exact, 2048u);
}

Test(bits, seconds_around_2_to_63_ns_are_not_early)
{
    expect_about(3155760000.0, UINT64_C(3155760000000000000)); /* a century */
    expect_about(9223372036.0, UINT64_C(9223372036000000000));
    expect_about(9223372037.0, UINT64_C(9223372037000000000));
    expect_about(18446744072.0, UINT64_C(18446744072000000000));
}

Test(bits, roundest_of_a_range_from_0_is_0)
{
    cr_assert_eq(bits_roundest(0, 0), 0u);
    cr_assert_eq(bits_roundest(0, UINT64_MAX), 0u);
    cr_assert_eq(bits_roundest(1, UINT64_MAX), UINT64_C(1) << 63);
    cr_assert_eq(bits_roundest(1, 1), 1u);
    cr_assert_eq(bits_roundest(5, 13), 8u);
    cr_assert_eq(bits_roundest(9, 13), 12u);
}

Test(bits, decimal_fractions_are_what_they_look_like)
{
    cr_assert_eq(bits_ns_from_seconds(0.1), 100000000u);
    cr_assert_eq(bits_ns_from_seconds(1.1), 1100000000u);
    cr_assert_eq(bits_ns_from_seconds(0.3), 300000000u);
}

/* These doubles are whole numbers of 2^-32 seconds, so that the exact product
 * can be worked out in integers: ours differs from it by a double's rounding. */
Test(bits, no_conversion_is_below_the_product_of_doubles_nor_1_ns_off_the_exact_one)
{
    struct chance chance = {1};
    for (int i = 0; i < 200000; i++) {
        uint64_t whole = chance_magnitude(&chance, 20);
        uint64_t part = chance_word(&chance) >> 32;       /* of 2^32 */
        double seconds = (double)whole + (double)part / 4294967296.0;
        uint64_t product = part * 1000000000u;
        uint64_t exact = whole * 1000000000u + (product >> 32) + ((uint32_t)product != 0);
        uint64_t ns = bits_ns_from_seconds(seconds);
        volatile double rounded = seconds * 1e9; /* to a double, also where registers are wider */
        REQUIRE((double)ns >= rounded);
        REQUIRE(ns + 1 >= exact && ns <= exact + 1);
    }
}

Test(bits, sums_and_shifts_saturate)
{
    cr_assert_eq(bits_add_saturated(1, 2), 3u);
    cr_assert_eq(bits_add_saturated(UINT64_MAX, 0), UINT64_MAX);
    cr_assert_eq(bits_add_saturated(UINT64_MAX, 1), UINT64_MAX);
    cr_assert_eq(bits_add_saturated(UINT64_C(1) << 63, UINT64_C(1) << 63), UINT64_MAX);
    cr_assert_eq(bits_shift_saturated(1, 63), UINT64_C(1) << 63);
    cr_assert_eq(bits_shift_saturated(2, 63), UINT64_MAX);
    cr_assert_eq(bits_shift_saturated(UINT64_MAX, 0), UINT64_MAX);
    cr_assert_eq(bits_shift_saturated(UINT64_MAX >> 1, 1), UINT64_MAX - 1);
}

Test(bits, widths_and_lowest_bits_of_powers_of_two)
{
    cr_assert_eq(bits_width(0), 0u);
    cr_assert_eq(bits_width(UINT64_MAX), 64u);
    for (unsigned bit = 0; bit < 64; bit++) {
        cr_assert_eq(bits_width(UINT64_C(1) << bit), bit + 1);
        cr_assert_eq(bits_lowest(UINT64_MAX << bit), bit);
    }
}

Test(bits, no_clock_reading_reaches_never)
{
    cr_assert_eq(bits_clamp_now(UINT64_MAX), UINT64_MAX - 1);
    cr_assert_eq(bits_clamp_now(UINT64_MAX - 1), UINT64_MAX - 1);
    cr_assert_eq(bits_clamp_now(0), 0u);
}
