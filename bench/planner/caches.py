# SPDX-License-Identifier: MIT
"""What of a cache miss an access pays, from when its line was last touched.

The machine is a curve: what a touch costs when lines are chosen at random among
so many (plan_probe touch). A line that is found again after others, so many
different ones, were touched costs by the caches those others fit. When lines are
chosen at random among N, that number is uniform between 0 and N; so the cost
between two such numbers, a and b, is (b g(b) - a g(a)) / (b - a), g being the
curve: nothing is fitted to it.

A last cache may not keep a line that was needed but once: it waits whether it is
needed again. So a second curve tells what a touch costs so many different lines after
one that found its line in no cache. It is what is paid a known time after a touch at
random, where that had to go to memory; the first curve, where it had not.

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
        self.again = [max(pair) for pair in zip(calibration["again"], self.costs)]
        self.private = calibration["private_lines"]
        self.loops = loops

    @property
    def least(self):
        return self.costs[0]

    def table(self, lines, costs):
        sizes = self.sizes
        if lines <= sizes[0]:
            return costs[0]
        i = min(bisect.bisect_left(sizes, lines), len(sizes) - 1)
        share = math.log(lines / sizes[i - 1]) / math.log(sizes[i] / sizes[i - 1])
        return costs[i - 1] + (costs[i] - costs[i - 1]) * share

    def curve(self, lines, costs=None):
        costs = costs or self.costs
        if self.loops == 1:
            return self.table(lines, costs)
        edge = self.table(self.private, costs)
        return (self.table(min(lines, self.private), costs)
                + self.table(max(self.loops * lines, self.private), costs) - edge)

    def lost(self, miss):
        """Of touches that miss so much in the mean, the share that goes to memory."""
        return min(1, miss / max(1e-9, self.costs[-1] - self.least))

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
        first = self.again(often) if often > 0 and within < math.inf else 0
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
            total += self.back(self.lines_in(within), first) * (1 - reached)
        return max(0.0, total - self.machine.least)

    def back(self, lines, first):
        """What a touch costs so many lines after one at random that missed so much."""
        machine = self.machine
        kept, lost = machine.between(lines / 1.1, lines * 1.1 + 1), machine.lost(first)
        return kept + lost * max(0, machine.curve(lines, machine.again) - kept)
