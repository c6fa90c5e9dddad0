# SPDX-License-Identifier: MIT
"""The command behind bench/count: see there.

    python3 bench/counts BUILD [--filter RE] [--record FILE | --check FILE] [--jobs N]

BUILD is the folder of a release build with the benchmarks in it. What is counted
is called operation/NAME, or as in the suite, workload/contender/timers, with
workload.part where a workload has several figures: fill.start/libuv/10000.
"""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import kept
from callgrind import CountError, run


class Operations:
    """tickwheel's single operations."""

    def __init__(self, build):
        self.program = build / "bench" / "counts" / "bench_operations"

    def jobs(self):
        listed = subprocess.run([self.program], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            name, _, what = line.partition("\t")
            yield f"operation/{name}", lambda name=name: self.count(name)

    def count(self, name):
        return {f"operation/{name}": run(self.program, [name])[name]}


class Suite:
    """Every contender in the suite's workloads, in windows of a length to count."""

    WORKLOADS = "fill|steady|churn|idle|request|proxy|herd|far|sleeper"
    SIZES = "10000|100000"

    def __init__(self, build, folder):
        self.program = build / "bench" / "bench_suite"
        self.folder = folder

    def environment(self, workload="none", timers=0):
        """A file of schedules for each case: what is read of it lies in the same memory that is
        counted, and must be the same whatever else is counted."""
        return {"TICKWHEEL_BENCH_COUNT": "1",
                "TICKWHEEL_BENCH_SCHEDULES": f"{self.folder}/{workload}-{timers}"}

    def jobs(self):
        listed = self.run_plainly("--benchmark_list_tests",
                                  f"^({self.WORKLOADS})/.*/({self.SIZES})$", self.environment())
        for name in sorted(line for line in listed.splitlines() if line.count("/") == 2):
            yield name, lambda name=name: self.count(name)

    def prepare(self, names):
        """Works out what must fire: under valgrind that would take minutes."""
        cases = {(name.split("/")[0], name.split("/")[2]) for name in names}
        for workload, timers in sorted(cases):
            self.run_plainly("--benchmark_repetitions=1", f"^{workload}/multimap/{timers}$",
                             self.environment(workload, timers))

    def run_plainly(self, option, pattern, environment):
        return subprocess.run([self.program, option, f"--benchmark_filter={pattern}"],
                              capture_output=True, text=True, check=True,
                              env={**os.environ, **environment}).stdout

    def count(self, name):
        workload, contender, timers = name.split("/")
        counts = run(self.program, [f"--benchmark_filter=^{name}$", "--benchmark_repetitions=1",
                                    "--benchmark_out_format=json"],
                     self.environment(workload, timers))
        return {f"{workload}{part_of(figure)}/{contender}/{timers}": count
                for figure, count in counts.items()}


def part_of(figure):
    return "" if figure == "operation_ns" else "." + figure.removesuffix("_ns")


def built_with(build):
    lines = (build / "bench" / "counts" / "built_with.txt").read_text().splitlines()
    known = dict(line.split(": ", 1) for line in lines)
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    known["valgrind"] = valgrind.stdout.strip()
    known["libc"] = " ".join(platform.libc_ver())
    return known


def count_all(build, pattern, jobs):
    with tempfile.TemporaryDirectory() as folder:
        suite = Suite(build, folder)
        operations = list(Operations(build).jobs())
        contenders = [job for job in suite.jobs() if re.search(pattern, job[0])]
        suite.prepare([name for name, _ in contenders])
        wanted = [job for job in operations if re.search(pattern, job[0])] + contenders
        counts = {}
        with ThreadPoolExecutor(jobs) as pool:
            for counted in pool.map(lambda job: job[1](), wanted):
                counts.update(counted)
        return counts


def show(counts):
    print(f"{'an operation:':44}{'instructions':>14}{'cache lines':>14}")
    for name, count in counts.items():
        instructions, lines = count.per_operation()
        print(f"{name:44}{instructions:14.1f}{lines:14.2f}")


def check(path, now_with, counts):
    """0: nothing has grown. 1: something has. 77: it cannot be compared."""
    with_, before = kept.read(path)
    if with_ != now_with:
        differs = [f"{name} {now_with.get(name)} instead of {value}"
                   for name, value in with_.items() if now_with.get(name) != value]
        print("Not compared: it was counted with " + ", ".join(differs))
        return 77
    grown = list(kept.grown(before, counts))
    for sentence in grown:
        print("GROWN: " + sentence)
    new = sorted(set(counts) - set(before))
    if new:
        print("Not recorded yet, by bench/count --record: " + ", ".join(new))
    return 1 if grown else 0


def main():
    parser = argparse.ArgumentParser(prog="bench/count")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--filter", default=".")
    parser.add_argument("--record")
    parser.add_argument("--check")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    counts = count_all(options.build, options.filter, options.jobs)
    if not counts:
        sys.exit(f"bench/count: nothing to count matches {options.filter}")
    show(counts)
    if options.record:
        # With a filter, the rest stays as it was.
        before = kept.read(options.record)[1] if pathlib.Path(options.record).exists() else {}
        kept.write(options.record, built_with(options.build), {**before, **counts})
    if options.check:
        sys.exit(check(options.check, built_with(options.build), counts))


if __name__ == "__main__":
    try:
        main()
    except (CountError, kept.BadFile) as error:
        sys.exit(f"bench/count: {error}")
