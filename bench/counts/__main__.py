"""The command behind bench/count: see there.

    python3 bench/counts BUILD [--filter RE] [--record FILE | --check FILE] [--jobs N]

BUILD is the folder of a release build with the benchmarks in it.
"""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import table
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


def built_with(build):
    lines = (build / "bench" / "counts" / "built_with.txt").read_text().splitlines()
    known = dict(line.split(": ", 1) for line in lines)
    valgrind = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    known["valgrind"] = valgrind.stdout.strip()
    known["libc"] = " ".join(platform.libc_ver())
    return known


def count_all(build, pattern, jobs):
    wanted = [job for job in Operations(build).jobs() if re.search(pattern, job[0])]
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
    with_, before = table.read(path)
    if with_ != now_with:
        differs = [f"{name} {now_with.get(name)} instead of {value}"
                   for name, value in with_.items() if now_with.get(name) != value]
        print("Not compared: it was counted with " + ", ".join(differs))
        return 77
    grown = list(table.grown(before, counts))
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
        before = table.read(options.record)[1] if pathlib.Path(options.record).exists() else {}
        table.write(options.record, built_with(options.build), {**before, **counts})
    if options.check:
        sys.exit(check(options.check, built_with(options.build), counts))


if __name__ == "__main__":
    try:
        main()
    except (CountError, table.BadFile) as error:
        sys.exit(f"bench/count: {error}")
