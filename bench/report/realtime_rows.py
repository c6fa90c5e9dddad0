# SPDX-License-Identifier: MIT
"""The real-time rows of bench/run's table: posts from other threads, and lateness.

They are kept apart from the rest: there is no limit to compare with, and their
sizes are posts and timers a second. A figure of tickwheel's is marked where it
is worse than the best of the others: ~ if some repetitions were not, ! if all
were.
"""

import os
import statistics
import textwrap

KINDS = {
    "wakeup": "a post to a loop that sleeps",
    "post": "a post to a loop that is awake, one at a time",
    "burst": "posts as fast as one thread can send them, to a loop that is awake",
    "pair": "a timer that another thread starts and cancels, one at a time; the loop sleeps",
    "pairs": "timers that another thread starts and cancels, a thousand at once",
    "lateness": "lateness of timers in a loop that drives itself",
}
POSTS = ("wakeup", "post", "burst", "pair", "pairs")  # those of other threads
# (upper edge of the column, the last bin in it); bin k is below 2^k ns
COLUMNS = (("4us", 12), ("8us", 13), ("16us", 14), ("33us", 15), ("66us", 16), ("131us", 17),
           ("262us", 18), ("524us", 19), ("1.0ms", 20), ("2.1ms", 21), ("4.2ms", 22),
           ("8.4ms", 23), ("more", 64))


class Rows:
    """The runs of all repetitions, by kind, contender and size."""

    def __init__(self):
        self.runs = {}
        self.wrong = set()

    def take(self, run):
        """Whether the run is one of these; if so it is kept."""
        kind, contender, size = run["run_name"].split("/")[:3]
        if kind not in KINDS:
            return False
        if "WRONG" in run.get("label", ""):
            self.wrong.add(f"{run['run_name']}: {run['label']}")
        else:
            self.runs.setdefault((kind, contender, int(size)), []).append(run)
        return True

    def sizes(self, kind):
        return sorted({key[2] for key in self.runs if key[0] == kind})

    def contenders(self, kind, size):
        names = {key[1] for key in self.runs if key[0] == kind and key[2] == size}
        return sorted(names, key=lambda name: (not is_ours(name), name))

    def values(self, kind, contender, size, counter):
        return [run[counter] for run in self.runs.get((kind, contender, size), [])
                if counter in run]

    def mean(self, kind, contender, size, counter):
        values = self.values(kind, contender, size, counter)
        return statistics.fmean(values) if values else 0

    def calls_per_post(self, kind, contender, size):
        posts = self.mean(kind, contender, size, "posts")
        return self.mean(kind, contender, size, "calls") / posts if posts else 0

    def early_percent(self, contender, rate):
        fired = self.mean("lateness", contender, rate, "fired")
        return 100 * self.mean("lateness", contender, rate, "early") / fired if fired else 0

    def best_peer(self, kind, size, counter):
        """The values of the peer with the lowest median; None if there is no peer."""
        peers = [self.values(kind, name, size, counter)
                 for name in self.contenders(kind, size) if not is_ours(name)]
        return min(filter(None, peers), key=statistics.median, default=None)


def is_ours(contender):
    return contender.startswith("tickwheel")


def mark(ours, peer):
    """How the values of tickwheel's repetitions stand beside those of the best peer."""
    if peer is None or statistics.median(ours) <= statistics.median(peer):
        return " "
    return "!" if min(ours) > max(peer) else "~"


def microseconds(ns):
    us = ns / 1000
    return f"{us:.3f}" if us < 9.995 else f"{us:.1f}" if us < 999.5 else f"{us:,.0f}"


def cell(rows, kind, contender, size, counter):
    values = rows.values(kind, contender, size, counter)
    if not values:
        return f"{'-':>11} "
    verdict = mark(values, rows.best_peer(kind, size, counter)) if is_ours(contender) else " "
    return f"{microseconds(statistics.median(values)):>11}{verdict}"


def print_posts(rows, kind):
    for size in rows.sizes(kind):
        print(f"\n{kind}: {KINDS[kind]}; microseconds, {size:,} of them")
        heads = ("sender pays", "median", "99 %", "loop pays")
        print(f"{'':20}" + "".join(f"{head:>11} " for head in heads) + f"{'calls a post':>14}")
        for name in rows.contenders(kind, size):
            cells = [cell(rows, kind, name, size, counter)
                     for counter in ("call_ns", "p50_ns", "p99_ns", "loop_ns")]
            print(f"{name:20}" + "".join(cells)
                  + f"{rows.calls_per_post(kind, name, size):>14.3g}")


def print_lateness(rows):
    for rate in rows.sizes("lateness"):
        print(f"\nlateness: {rate:,} timers a second in a loop that drives itself; microseconds "
              "from the deadline")
        heads = ("median", "99 %", "99.9 %", "max")
        print(f"{'':20}" + "".join(f"{head:>11} " for head in heads)
              + f"{'early':>9}{'sleeps/s':>10}{'CPU':>6}")
        for name in rows.contenders("lateness", rate):
            cells = [cell(rows, "lateness", name, rate, counter)
                     for counter in ("p50_ns", "p99_ns", "p999_ns", "max_ns")]
            sleeps, cpu = (rows.mean("lateness", name, rate, counter)
                           for counter in ("sleeps_per_s", "cpu_percent"))
            print(f"{name:20}" + "".join(cells)
                  + f"{rows.early_percent(name, rate):>8.3g}%{sleeps:>10,.0f}{cpu:>5.0f}%")
        print_histogram(rows, rate)


def print_histogram(rows, rate):
    """What share of the calls came how late: by powers of two, the upper edge on top."""
    print("  in percent, later than the column before and earlier than")
    print(f"{'':20}{'early':>6}" + "".join(f"{edge:>6}" for edge, _ in COLUMNS))
    for name in rows.contenders("lateness", rate):
        print(f"{name:20}" + "".join(f"{share(percent):>6}"
                                     for percent in histogram(rows, name, rate)))


def histogram(rows, contender, rate):
    """In percent of all calls: those that were early, then those of each column."""
    runs = rows.runs["lateness", contender, rate]
    counts, first = [sum(run["early"] for run in runs)], 0
    for _, last in COLUMNS:
        counts.append(sum(run.get(f"late_bin_{bin:02}", 0) for run in runs
                          for bin in range(first, last + 1)))
        first = last + 1
    return [100 * count / sum(counts) if count else 0 for count in counts]


def share(percent):
    if percent == 0:
        return "."
    if percent < 0.01:
        return "<.01"
    return f"{percent:.0f}" if percent >= 9.5 else f"{percent:.2g}"


def load_range(rows):
    loads = [run["load"] for runs in rows.runs.values() for run in runs]
    return (f"The load average was {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} "
            "processors; these rows themselves bring about 1, and where it is more the figures "
            "are noise.")


def print_rows(rows):
    if not rows.runs:
        return
    for kind in POSTS:
        print_posts(rows, kind)
    print_lateness(rows)
    print("\nOn the real clock, medians of the repetitions. ~ worse than the best of the others, "
          "but not\nin all repetitions; ! in all. uv_async_send, event_active and tw_post_send "
          "merge what is on\nits way already into one call; tw_call_soon_threadsafe makes each.")
    print(textwrap.fill(load_range(rows), 96))
