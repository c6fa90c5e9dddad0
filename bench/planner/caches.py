# SPDX-License-Identifier: MIT
"""What of a cache miss an access pays, from when its line was last touched.

The machine is a curve: what a touch costs when lines are chosen at random among
so many (plan_probe touch). A line that is found again after others, so many
different ones, were touched costs by the caches those others fit. When lines are
chosen at random among N, that number is uniform between 0 and N; so the cost
between two such numbers, a and b, is (b g(b) - a g(a)) / (b - a), g being the
curve: nothing is fitted to it.

A plan is families of lines, each of so many that are touched so often. How many
different lines are touched in a time is the sum over the families; what is known
as the footprint.
"""

import bisect
import math

SLICES = 12
RECORD_BYTES = 128    # of a record of plan_probe, of which the curve says how many


class Machine:
    """The curve: "touch", or, where others left so much more or less of the caches, as was
    seen in one of ten readings, "touch_low" or "touch_high". Several loops have caches of
    their own up to `private` lines, and share what is beyond."""

    def __init__(self, calibration, loops=1, curve="touch"):
        self.sizes = calibration["sizes"]
        self.costs = calibration[curve]
        self.private = calibration["private_lines"]
        self.loops = loops

    @property
    def least(self):
        return self.costs[0]

    def table(self, lines):
        sizes, costs = self.sizes, self.costs
        if lines <= sizes[0]:
            return costs[0]
        i = min(bisect.bisect_left(sizes, lines), len(sizes) - 1)
        share = math.log(lines / sizes[i - 1]) / math.log(sizes[i] / sizes[i - 1])
        return costs[i - 1] + (costs[i] - costs[i - 1]) * share

    def curve(self, lines):
        if self.loops == 1:
            return self.table(lines)
        edge = self.table(self.private)
        return (self.table(min(lines, self.private))
                + self.table(max(self.loops * lines, self.private)) - edge)

    def between(self, fewer, more):
        """Of an access whose line was last touched so many different lines ago."""
        if more - fewer < 1e-6 * more:
            more = fewer * 1.01 + 1
            fewer = fewer / 1.01
        return (more * self.curve(more) - fewer * self.curve(fewer)) / (more - fewer)


class Footprint:
    """families: [(lines, touches of each a second, bytes of each)]"""

    def __init__(self, machine, families):
        self.machine = machine
        self.families = [(lines * size / RECORD_BYTES, often) for lines, often, size in families
                         if lines > 0 and often > 0]

    def lines_in(self, seconds):
        return sum(-lines * math.expm1(-often * seconds) for lines, often in self.families)

    def again(self, often, within=math.inf):
        """What more than a touch that misses nothing is paid by a touch of a line that
        is touched so often, at random, and was touched at least so long ago."""
        if often <= 0 and within == math.inf:
            within = 1e12
        reached = 1 if within == math.inf else -math.expm1(-often * within)
        total, before = 0.0, 0.0
        for i in range(1, SLICES + 1):
            share = i / SLICES * reached
            if share >= 1:
                lines = sum(lines for lines, _ in self.families)
            elif often > 0:
                lines = self.lines_in(-math.log1p(-share) / often)
            else:
                lines = before
            total += self.machine.between(before, lines) * reached / SLICES if lines > 0 else 0
            before = lines
        if reached < 1: # not touched since: it lies just so far back
            lines = self.lines_in(within)
            total += self.machine.between(lines / 1.1, lines * 1.1 + 1) * (1 - reached)
        return max(0.0, total - self.machine.least)
