# SPDX-License-Identifier: MIT
"""The table at the end of bench/run: python3 table.py [--json ALL.json] RESULT.json...

Reads Google Benchmark's JSON files, takes the median of the repetitions, and
prints for each workload what an operation costs, also as a multiple of the
limit and of the best peer: the fastest contender but for tickwheel's own, with
half of the 95 % interval of that ratio (intervals.py). Then what single advances
took, the memory a timer takes, and the counters. With --json, it also writes all
results into one file of the same format.

A file that cannot be read is named, and the others are still reported on; the
exit status then says that something is missing.
"""

import argparse
import json
import statistics
import sys
import textwrap

import intervals
from realtime_rows import Rows, print_rows
from result_file import BadInput, load

# Measured elsewhere, most in real time: no peers.
ORIENTATION = {"asyncio", "asyncio-on-tickwheel", "uvloop", "go", "tokio", "netty", "erlang"}
APART = ORIENTATION | {"tickwheel-jemalloc"}  # in programs of their own: in no round with others
NOT_REPEATED = "not repeated: slow"  # suite/main.cpp's words for it
SIZES_A_ROW = 2
AWAY = 0.02  # as in suite/rounds.cpp
ALLOCATIONS_A_ROW = 6

# (workload, counter; None: the benchmark's own processor time): what the figure is
FIGURES = {
    ("fill", "start_ns"): "fill: ns per start",
    ("fill", "expire_ns"): "fill: ns per expiry",
    ("steady", None): "steady: ns per fire and restart",
    ("churn", None): "churn: ns per random stop and start",
    ("restart", None): "restart: ns per random cancel and start, in Python",
    ("idle", None): "idle: ns per refresh",
    ("request", None): "request: ns per start and stop",
    ("proxy", None): "proxy: ns per connection event",
    ("herd", None): "herd: ns per timer, all due at once",
    ("far", "start_ns"): "far: ns per start",
    ("far", "stop_ns"): "far: ns per stop",
    ("far", "expire_ns"): "far: ns per expiry",
    ("sleeper", None): "sleeper: ns per timer",
    ("churn-latency", None): "churn, latency mode",
    ("idle-latency", None): "idle, latency mode",
    ("request-latency", None): "request, latency mode",
    ("proxy-latency", None): "proxy, latency mode",
}


class Results:
    """The runs of all repetitions, by workload, contender, timers and threads."""

    def __init__(self):
        self.runs = {}
        self.missing = set()
        self.absent = set()
        self.wrong = set()
        self.once = set()  # benchmarks too slow to be repeated
        self.realtime = Rows()
        self.all = {"context": {}, "benchmarks": []}
        self._ratios = {}  # those that have been worked out

    def read(self, path):
        """Raises BadInput, and then has taken nothing of the file."""
        self.take(load(path), path)

    def take(self, data, path):
        """The same of what a file says."""
        try:
            self._check(data)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise BadInput(f"{path}: a run that the suite did not write: {error!r}") from error
        context = data["context"]
        self._ratios = {}
        self.all["benchmarks"] += data["benchmarks"]
        for name, value in context.items():
            self.all["context"].setdefault(name, value)
        self.missing.update(name for name in context.get("missing", "").split(", ") if name)
        self.absent.update(line for line in context.get("absent", "").splitlines() if line)
        for run in data["benchmarks"]:
            if run.get("run_type") != "iteration" or self.realtime.take(run):
                continue
            fault = fault_of(run)
            if fault == NOT_REPEATED:
                self.once.add(run["run_name"])
            elif fault:
                self.wrong.add(f"{run['run_name']}: {fault}")
            else:
                if run.get("slow"):
                    self.once.add(run["run_name"])
                self.runs.setdefault(key_of(run), []).append(run)

    @staticmethod
    def _check(data):
        for run in data["benchmarks"]:
            if run.get("run_type") == "iteration":
                key_of(run)
                if not fault_of(run) and not isinstance(run["cpu_time"], (int, float)):
                    raise ValueError(run["cpu_time"])

    def values(self, workload, contender, timers, counter=None, threads=1):
        """One value for each round, in ns or in the counter's own unit."""
        return list(self.by_round(workload, contender, timers, counter, threads).values())

    def by_round(self, workload, contender, timers, counter=None, threads=1):
        """{round: value}"""
        runs = self.runs.get((workload, contender, timers, threads), [])
        counter = counter or "cpu_time"
        return {run.get("round", i): run[counter] for i, run in enumerate(runs) if counter in run}

    def ratio(self, workload, counter, timers, ours, theirs):
        """An intervals.Ratio of two contenders, or None where one is missing."""
        key = (workload, counter, timers, ours, theirs)
        if key not in self._ratios:
            both = [self.by_round(workload, name, timers, counter) for name in (ours, theirs)]
            is_known = all(both) and statistics.median(both[1].values())
            self._ratios[key] = (intervals.ratio(*both, paired=not {ours, theirs} & APART)
                                 if is_known else None)
        return self._ratios[key]

    def median(self, *key, **more):
        values = self.values(*key, **more)
        return statistics.median(values) if values else None

    def contenders(self):
        """In the order in which they are to be read: the limit, ours, the others by name."""
        names = {key[1] for key in self.runs}
        return sorted(names, key=lambda n: (n != "limit", not is_ours(n), n in ORIENTATION, n))

    def allocating(self):
        """The workloads for which allocations were counted, in the order of reading."""
        counted = {key[0] for key, runs in self.runs.items() if "allocations" in runs[0]}
        return [workload for workload in dict.fromkeys(name for name, _ in FIGURES)
                if workload in counted]

    def sizes(self, workload):
        return sorted({timers for name, contender, timers, threads in self.runs
                       if name == workload and threads == 1})


def key_of(run):
    workload, contender, timers = run["run_name"].split("/")[:3]
    return workload, contender, int(timers), run.get("threads", 1)


def fault_of(run):
    """Why a run has no figures, or ""."""
    label = run.get("label", "")
    if label.startswith("WRONG: "):
        return label.removeprefix("WRONG: ")
    return run["error_message"] if run.get("error_occurred") else ""


def is_ours(contender):
    return contender.startswith("tickwheel")


def is_peer(contender):
    return contender != "limit" and not is_ours(contender) and contender not in ORIENTATION


def number(value):
    if value is None:
        return "-"
    if value >= 9999.5:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 99.95 else f"{value:.0f}"


def ratio(value, base):
    return f"{value / base:.2f}" if base else "-"


def print_figure(results, workload, counter, title):
    """One workload: a block for every two sizes."""
    sizes = results.sizes(workload)
    for first in range(0, len(sizes), SIZES_A_ROW):
        block = sizes[first : first + SIZES_A_ROW]
        print(f"\n{title}")
        print(" " * 22 + "".join(f"{f'{size:,} timers':^41}" for size in block))
        heads = "".join(f"{head:>8}" for head in ("median", "min", "x limit", "x peer", "+-"))
        print(f"{'':22}" + " ".join([heads] * len(block)))
        for contender in results.contenders():
            cells = [cells_of(results, workload, contender, size, counter) for size in block]
            if any(cells):
                print(f"{contender:22}" + " ".join(cell or " " * 40 for cell in cells))


def cells_of(results, workload, contender, size, counter):
    values = results.values(workload, contender, size, counter)
    if not values:
        return None
    median = statistics.median(values)
    limit = results.median(workload, "limit", size, counter)
    best = best_of(results, workload, size, counter, is_peer)
    of_peer = results.ratio(workload, counter, size, contender, best) if best else None
    cells = (number(median), number(min(values)), ratio(median, limit),
             f"{of_peer.value:.2f}" if of_peer else "-", half_width(of_peer))
    return "".join(f"{cell:>8}" for cell in cells)


def best_of(results, workload, size, counter, eligible):
    """The name of the cheapest eligible contender, or None."""
    medians = [(results.median(workload, name, size, counter), name)
               for name in results.contenders() if eligible(name)]
    return min((pair for pair in medians if pair[0] is not None), default=(None, None))[1]


def half_width(of_peer):
    if of_peer is None or of_peer.half_width is None:
        return "-"
    return f"{100 * of_peer.half_width:.0f}%{'~' if of_peer.is_wide else ''}"


def print_advances(results, workload):
    """What single advances took, at the largest size there is."""
    for size in results.sizes(workload)[-1:]:
        print(f"\n{workload}: one advance of 1 ms at {size:,} timers, microseconds")
        print(f"{'':22}" + "".join(f"{head:>10}" for head in ("median", "99 %", "99.9 %", "max")))
        for contender in results.contenders():
            took = [results.median(workload, contender, size, counter)
                    for counter in ("p50_ns", "p99_ns", "p999_ns", "max_ns")]
            if None not in took:
                print(f"{contender:22}" + "".join(f"{number(ns / 1000):>10}" for ns in took))


def print_memory(results):
    for workload, counter, title in (
            ("fill", "bytes_per_timer", "by the allocator's own count"),
            ("memory", "resident_per_timer", "by resident memory, in huge pages where there are")):
        sizes = results.sizes(workload)
        if not sizes:
            continue
        print(f"\n{workload}: bytes per timer, what the caller embeds included, {title}")
        print(f"{'':22}" + "".join(f"{size:>14,}" for size in sizes))
        for contender in results.contenders():
            held = [results.median(workload, contender, size, counter) for size in sizes]
            if any(held):
                print(f"{contender:22}" + "".join(f"{number(value):>14}" for value in held))


def print_sleeper(results):
    for size in results.sizes("sleeper")[-1:]:
        print(f"\nsleeper at {size:,} timers: wake-ups, the longest, and the worst lateness on the "
              "virtual clock, microseconds")
        print(f"{'':22}{'wake-ups':>12}{'longest':>12}{'late':>12}")
        for contender in results.contenders():
            wakes, longest, late = (results.median("sleeper", contender, size, counter)
                                    for counter in ("wakes", "max_ns", "late_max_ns"))
            if wakes is not None:
                print(f"{contender:22}{wakes:>12,.0f}{number(longest / 1000):>12}"
                      f"{number(late / 1000):>12}")


def print_turns(results):
    sizes = results.sizes("turn")
    if sizes:
        print("\nthe longest turn of a Python loop after all its timers were cancelled, milliseconds of "
              "processor time")
        print(f"{'':22}" + "".join(f"{size:>14,}" for size in sizes))
        for contender in results.contenders():
            longest = [results.median("turn", contender, size, "max_turn_ns") for size in sizes]
            if any(longest):
                print(f"{contender:22}" + "".join(f"{'-' if ns is None else number(ns / 1e6):>14}"
                                                  for ns in longest))


def print_herd(results):
    for size in results.sizes("herd")[-1:]:
        print(f"\nherd at {size:,} timers: the run that calls them all, and how many of them came in "
              "the order of scheduling")
        print(f"{'':22}{'ms':>12}{'in order':>12}")
        for contender in results.contenders():
            longest, in_order = (results.median("herd", contender, size, counter)
                                 for counter in ("max_ns", "in_order"))
            if longest is not None:
                print(f"{contender:22}{number(longest / 1e6):>12}{100 * in_order:>11.0f}%")


def print_moves(results):
    """The longest advance in timers moved, beside what was due and the even share."""
    rows = []
    for workload in ("fill", "steady"):
        for contender in filter(is_ours, results.contenders()):
            for size in results.sizes(workload):
                counts = [results.median(workload, contender, size, counter)
                          for counter in ("moved_max", "due_max", "even_share")]
                if None not in counts:
                    rows.append((workload, contender, size, *counts))
    if rows:
        print("\nmost timers moved in one tick, beside the most that were due in one step and the "
              "even share")
        print(f"{'':42}" + "".join(f"{head:>12}" for head in ("moved", "due", "even share")))
    for workload, contender, size, moved, due, share in rows:
        print(f"{workload:8}{contender:20}{size:>14,}{moved:>12.0f}{due:>12.0f}{share:>12.1f}")


def print_allocations(results):
    """Calls of malloc and its like for each operation, at each workload's largest size."""
    sizes = {workload: max(results.sizes(workload)) for workload in results.allocating()}
    if not sizes:
        return
    print("\nallocations per operation while it is measured, at the most timers of each workload")
    columns = list(sizes)
    for first in range(0, len(columns), ALLOCATIONS_A_ROW):
        block = columns[first : first + ALLOCATIONS_A_ROW]
        print(f"{'':22}" + "".join(f"{workload.replace('-latency', '-lat'):>12}"
                                   for workload in block))
        print(f"{'':22}" + "".join(f"{sizes[workload]:>12,}" for workload in block))
        for contender in results.contenders():
            counts = [results.median(workload, contender, sizes[workload], "allocations")
                      for workload in block]
            if any(count is not None for count in counts):
                print(f"{contender:22}" + "".join(f"{share(count):>12}" for count in counts))


def share(count):
    """A number per operation, which may be tiny and must not look like none at all."""
    if count is None:
        return "-"
    return "0" if count == 0 else "<0.0001" if count < 0.0001 else f"{count:.2g}"


def print_threads(results):
    """The loss per core: an operation with two loops at work, against one alone."""
    rows = []
    for workload, contender, size, threads in sorted(results.runs):
        together = results.median(workload, contender, size, "operation_ns", threads=threads)
        alone = results.median(workload, contender, size, "operation_ns")
        if threads > 1 and together and alone:
            rows.append((workload, contender, size, threads, alone, together))
    if rows:
        print("\none loop per thread: ns per operation on each core")
        print(f"{'':44}{'alone':>8}{'together':>10}{'loss':>8}")
    for workload, contender, size, threads, alone, together in rows:
        print(f"{workload:9}{contender:20}{size:>11,} x{threads:<2}{alone:>8.3g}{together:>10.3g}"
              f"{100 * (together / alone - 1):>7.0f}%")


def print_notes(results):
    print("\nTimes are processor time. x limit: a multiple of what the limit costs. x peer: of the "
          "best\ncontender that is not tickwheel's, taken round by round; +-: half of its 95 % "
          "interval, ~ over 5 %.")
    disturbed = [run["away"] for runs in results.runs.values() for run in runs
                 if run.get("away", 0) > AWAY]
    if disturbed:
        print(f"In {len(disturbed)} windows, measured three times, the system had the processor "
              f"for other work for over {100 * AWAY:.0f} % of the time.")
    if results.missing:
        print("\nMissing, since not installed:", ", ".join(sorted(results.missing)))
    measured = {key[0] for key in results.runs}
    absent = [line for line in sorted(results.absent) if line.split("/")[0] in measured]
    if absent:
        print("\nCannot be run:")
        workloads = {}
        for line in absent:
            benchmark, reason = line.split(": ", 1)
            workload, contender = benchmark.split("/")
            workloads.setdefault((contender, reason), []).append(workload)
        for (contender, reason), names in workloads.items():
            print(f"    {contender}, since {reason}: {', '.join(names)}")
    if results.once:
        names = f"Measured once, since slow: {', '.join(sorted(results.once))}"
        print("\n" + textwrap.fill(names, 96, subsequent_indent="    ", break_on_hyphens=False))
    for line in sorted(results.wrong):
        print("WRONG:", line)


def read_all(results, paths):
    """Answers how many of them could not be read."""
    unread = 0
    for path in paths:
        try:
            results.read(path)
        except BadInput as error:
            print(f"table: {error}", file=sys.stderr)
            unread += 1
    return unread


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="where to write all results together")
    parser.add_argument("results", nargs="+")
    options = parser.parse_args()
    results = Results()
    unread = read_all(results, options.results)
    if not results.all["benchmarks"]:
        print("table: there is nothing to show", file=sys.stderr)
        return 2
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results.all, file, indent=1)
    for (workload, counter), title in FIGURES.items():
        print_figure(results, workload, counter, title)
    for workload in ("fill", "steady"):
        print_advances(results, workload)
    print_sleeper(results)
    print_herd(results)
    print_turns(results)
    print_memory(results)
    print_moves(results)
    print_allocations(results)
    print_threads(results)
    print_notes(results)
    print_rows(results.realtime)
    for line in sorted(results.realtime.wrong):
        print(line)
    return 1 if unread or results.wrong or results.realtime.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
