# SPDX-License-Identifier: MIT
"""Ratios of what was measured in rounds, with the interval that holds 95 in 100.

What is compared was measured in the same round, within seconds: so the ratio is
taken within each round, and what slowed the machine down cancels. The figure is
the median of these ratios; the interval is the bootstrap's: the middle 95 % of the
medians of rounds drawn again and again, with replacement.
"""

import dataclasses
import random
import statistics

DRAWS = 1000
FEWEST = 3  # rounds without which there is no interval
WIDE = 0.05  # half of an interval, as a share of the ratio: beyond it, a ratio is marked


@dataclasses.dataclass(frozen=True)
class Ratio:
    """low and high are None where there are too few rounds in common."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def half_width(self):
        """As a share of the ratio; None without an interval."""
        return None if self.low is None else (self.high - self.low) / 2 / self.value

    @property
    def is_wide(self):
        return self.half_width is None or self.half_width > WIDE


def ratio(ours, theirs, paired=True):
    """Of two {round: value}. Not paired: they come from programs run one after the other."""
    common = sorted(set(ours) & set(theirs)) if paired else []
    if len(common) < FEWEST:
        value = statistics.median(ours.values()) / statistics.median(theirs.values())
        if paired or min(len(ours), len(theirs)) < FEWEST:
            return Ratio(value)
        return bounded(value, lambda draw: draw_median(draw, ours) / draw_median(draw, theirs))
    ratios = {round_: ours[round_] / theirs[round_] for round_ in common}
    return bounded(statistics.median(ratios.values()), lambda draw: draw_median(draw, ratios))


def draw_median(draw, values):
    return statistics.median(draw.choices(list(values.values()), k=len(values)))


def bounded(value, drawn):
    draw = random.Random(1)  # the same intervals from the same figures
    found = sorted(drawn(draw) for _ in range(DRAWS))
    return Ratio(value, found[int(0.025 * DRAWS)], found[int(0.975 * DRAWS) - 1])
