# SPDX-License-Identifier: MIT
"""What the suite measured, as the report needs it.

Reading and medians are table.py's; here are the multiples, the spread, the
verdicts on who fires early or late, and the comparisons that tickwheel loses.
"""

import dataclasses
import statistics

import intervals
from result_file import BadInput, load
from table import AWAY, FIGURES, ORIENTATION, Results, is_ours, is_peer

ADVANCE_COUNTERS = ("p50_ns", "p99_ns", "p999_ns", "max_ns")
# herd is left out: all its timers fire in one advance, which the figure is about.
ADVANCE_WORKLOADS = ("fill", "steady", "sleeper")
# (workload, counter): how the bytes were counted
MEMORY = {
    ("fill", "bytes_per_timer"): "by the allocator's own count",
    ("memory", "resident_per_timer"): "by resident memory",
}

WORKLOADS = {
    "fill": "N starts with deadlines uniform over 60 s; then time moves on, 1 ms at a time, "
            "until all have fired.",
    "steady": "Every timer that fires starts again, uniform over 60 s.",
    "churn": "A random timer is stopped and started with a new random deadline, "
             "1,000 times per ms.",
    "idle": "A random connection's 60 s idle timeout is pushed out, each about every 30 s.",
    "request": "A 30 s timeout is started, and stopped when it is the oldest; 1,000 per ms.",
    "proxy": "A simulated proxy: each connection has an idle, a pacing, a request and a total "
             "deadline, with realistic shares of stop, re-arm and fire.",
    "herd": "N timers with one deadline.",
    "far": "Deadlines from a minute to ten years, half of them beyond the wheel's span.",
    "sleeper": "Nothing is due for a minute, then all N within four seconds; time moves only to "
               "where the contender asks to be woken.",
}
LATENCY = ("Latency mode: which timer comes next depends on what the last operation read, so no "
           "two cache misses overlap.")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One contender's figure at one size; multiples are None without a base."""

    median: float
    minimum: float
    maximum: float
    of_limit: float | None
    of_peer: intervals.Ratio | None


@dataclasses.dataclass(frozen=True)
class Loss:
    """A comparison in which a tickwheel contender is behind the best peer."""

    what: str
    timers: int
    ours: str
    peer: str
    multiple: float  # of the peer's figure, as everywhere within rounds
    is_best_of_ours: bool
    is_clear: bool   # the interval of their ratio lies above 1


def worst_first(losses):
    """What is beyond noise first, and the worst of that."""
    return sorted(losses, key=lambda loss: (not loss.is_clear, -loss.multiple))


def read(paths):
    """Answers the results of all files together; raises BadInput."""
    if not paths:
        raise BadInput("no result file was named")
    measured = Measured()
    for path in paths:
        measured.read(path)
    if not measured.results.runs and not measured.results.realtime.runs:
        if measured.results.wrong:
            raise BadInput("every run is void: " + "; ".join(sorted(measured.results.wrong)))
        raise BadInput(f"no benchmark was run: {', '.join(map(str, paths))}")
    return measured


class Measured:
    def __init__(self):
        self.results = Results()
        self.contexts = []

    def read(self, path):
        self.take(load(path), path)

    def take(self, data, path):
        if trace := data["context"].get("trace"):
            data = {"context": {**data["context"]}, "benchmarks": [
                of_trace(run, trace) for run in data["benchmarks"]]}
            del data["context"]["trace"]
        self.results.take(data, path)
        if data["benchmarks"]:
            self.contexts.append(data["context"])

    # ------------------------------------------------------------- figures

    def contenders(self):
        return self.results.contenders()

    def figures(self):
        """(workload, counter, title) of what was measured, in the order of reading."""
        return [(*key, title) for key, title in FIGURES.items()
                if any(self.values(*key, name, size)
                       for name in self.contenders() for size in self.results.sizes(key[0]))]

    def values(self, workload, counter, contender, timers):
        return self.results.values(workload, contender, timers, counter)

    def median(self, workload, counter, contender, timers):
        return self.results.median(workload, contender, timers, counter)

    def best(self, workload, counter, timers, eligible):
        """(name, median) of the cheapest eligible contender, or None."""
        medians = [(self.median(workload, counter, name, timers), name)
                   for name in self.contenders() if eligible(name)]
        medians = [pair for pair in medians if pair[0] is not None]
        return min(medians)[::-1] if medians else None

    def cell(self, workload, counter, contender, timers):
        values = self.values(workload, counter, contender, timers)
        if not values:
            return None
        median = statistics.median(values)
        peer = self.best(workload, counter, timers, is_peer)
        limit = self.median(workload, counter, "limit", timers)
        return Cell(median, min(values), max(values),
                    median / limit if limit else None,
                    self.results.ratio(workload, counter, timers, contender, peer[0])
                    if peer and peer[1] else None)

    def compared(self, workload, counter, timers):
        """(our best contender, the best peer, their Ratio), or None without both."""
        ours = self.best(workload, counter, timers, is_ours)
        peer = self.best(workload, counter, timers, is_peer)
        if not ours or not peer or not peer[1]:
            return None
        return ours[0], peer[0], self.results.ratio(workload, counter, timers, ours[0], peer[0])

    def comparisons(self):
        """[(workload, counter, title, timers, ours, peer, Ratio)], costs only."""
        return [(workload, counter, title, timers, *found)
                for workload, counter, title in self.figures()
                for timers in self.results.sizes(workload)
                if (found := self.compared(workload, counter, timers))]

    def advances(self, workload):
        """(timers, {contender: quantiles in ns}) at the largest size measured."""
        for timers in reversed(self.results.sizes(workload)):
            found = {}
            for name in self.contenders():
                took = [self.median(workload, counter, name, timers)
                        for counter in ADVANCE_COUNTERS]
                if None not in took:
                    found[name] = took
            if found:
                return timers, found
        return None, {}

    def memory(self, workload, counter):
        """(timers, {contender: bytes a timer}) at the largest size measured."""
        for timers in reversed(self.results.sizes(workload)):
            held = {name: self.median(workload, counter, name, timers)
                    for name in self.contenders()}
            held = {name: value for name, value in held.items() if value}
            if held:
                return timers, held
        return None, {}

    # ------------------------------------------------------------- verdicts

    def marks(self, contender, workload=None):
        """What a contender did wrong: ["early", "late"], in one workload or in any."""
        found = set()
        for (of_workload, name, timers, _), runs in self.results.runs.items():
            if name != contender or name == "limit" or workload not in (None, of_workload):
                continue
            if any(run.get("early", 0) > 0 for run in runs):
                found.add("early")
            if self.lateness_ns(of_workload, name, timers) > 0:
                found.add("late")
        return sorted(found)

    def lateness_ns(self, workload, contender, timers):
        """How late a contender fired by its own fault. Where the suite moves time in steps,
        the step is not its fault: what the limit has there is taken off."""
        late = max(self.values(workload, "late_max_ns", contender, timers), default=0)
        if workload == "sleeper":
            return late
        allowed = max(self.values(workload, "late_max_ns", "limit", timers), default=late)
        return max(late - allowed, 0)

    def losses(self):
        """Every comparison that a tickwheel contender loses: what is beyond noise first, and
        the worst of that."""
        found = []
        for workload, counter, title in self.figures():
            found += self._losses_in(workload, counter, title)
        for workload in ADVANCE_WORKLOADS:
            for counter, name in (("p999_ns", "99.9 %"), ("max_ns", "the longest")):
                found += self._losses_in(workload, counter, f"{workload}: one advance, {name}")
        for (workload, counter), how in MEMORY.items():
            found += self._losses_in(workload, counter, f"memory a timer, {how}")
        return worst_first(found)

    def _losses_in(self, workload, counter, title):
        found = []
        for timers in self.results.sizes(workload):
            peer = self.best(workload, counter, timers, is_peer)
            best_of_ours = self.best(workload, counter, timers, is_ours)
            if not peer or not best_of_ours or not peer[1]:
                continue
            least = self.results.ratio(workload, counter, timers, best_of_ours[0], peer[0])
            for name in filter(is_ours, self.contenders()):
                if not self.values(workload, counter, name, timers):
                    continue
                ratio = self.results.ratio(workload, counter, timers, name, peer[0])
                if ratio.value > 1:
                    found.append(Loss(title, timers, name, peer[0], ratio.value, least.value > 1,
                                      (ratio.low or 0) > 1))
        return found

    def won_and_lost(self):
        """By the best tickwheel contender against the best peer, costs only."""
        lost = sum(ratio.value > 1 for *_, ratio in self.comparisons())
        return len(self.comparisons()) - lost, lost

    # ---------------------------------------------------------------- noise

    def widths(self):
        """Half of each interval, in percent of its ratio, of the best of ours against the best
        peer, with what was compared; those without an interval are left out."""
        return sorted((100 * ratio.half_width, title, ours, peer, timers)
                      for _, _, title, timers, ours, peer, ratio in self.comparisons()
                      if ratio.half_width is not None)

    def disturbed(self):
        """(windows in which the system had the processor for other work, all windows)"""
        runs = [run for runs in self.results.runs.values() for run in runs if "away" in run]
        return sum(run["away"] > AWAY for run in runs), len(runs)

    def repetitions(self):
        """The fewest and the most behind a figure; rows for orientation do not count."""
        counts = [len(runs) for key, runs in self.results.runs.items()
                  if key[1] not in ORIENTATION] or [1]
        return min(counts), max(counts)

    def fewest_repeated(self):
        """The same, without the benchmarks that were found too slow to be repeated."""
        counts = [len(runs) for runs in self.results.runs.values()
                  if runs[0]["run_name"] not in self.results.once
                  and runs[0]["run_name"].split("/")[1] not in ORIENTATION]
        return min(counts, default=1)

    def busy(self):
        """(load, cores) if the machine had other work when a run began, or None.

        The build that comes before a run keeps the load near its own jobs, so
        only a load beyond the number of cores says that others were at work."""
        for context in self.contexts:
            load = (context.get("load_avg") or [0])[0]
            if load > 1.2 * context.get("num_cpus", 1):
                return load, context["num_cpus"]
        return None


def of_trace(run, trace):
    """A replay's run, by the trace that was replayed: "replay of ab/libuv/600"."""
    name = str(run.get("run_name", "")).replace("replay/", f"replay of {trace}/", 1)
    return {**run, "run_name": name}


def description(workload):
    base = workload.removesuffix("-latency")
    text = WORKLOADS.get(base, "")
    return f"{text} {LATENCY}" if base != workload else text


def is_orientation(contender):
    return contender in ORIENTATION
