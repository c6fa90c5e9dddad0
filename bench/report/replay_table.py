# SPDX-License-Identifier: MIT
"""The table at the end of bench/replay: replay_table.py NAME SUMMARY RESULT.json...

NAME is the trace's, SUMMARY a file with what bench/trace says about it. Reads
Google Benchmark's JSON files as table.py does, and prints what an operation of the
trace costs each contender, what single advances took, and whether what fired was
what fired in the recorded program.
"""

import argparse
import json
import sys

import table


def print_advances(results):
    quantiles = ("p50_ns", "p99_ns", "p999_ns", "max_ns")
    for size in results.sizes("replay"):
        print("\none advance, microseconds")
        print(f"{'':22}" + "".join(f"{head:>10}" for head in ("median", "99 %", "99.9 %", "max")))
        for contender in results.contenders():
            took = [results.median("replay", contender, size, counter) for counter in quantiles]
            if None not in took:
                print(f"{contender:22}" + "".join(f"{table.number(ns / 1000):>10}" for ns in took))


def print_verdict(results):
    names = sorted({key[1] for key in results.runs})
    fired = {results.median(*key[:3], counter="fired") for key in results.runs}
    if names and not results.wrong:
        print(f"\nChecksums are equal: all {len(names)} contenders fired the {fired.pop():,.0f} "
              "timers that fired in the\nrecorded program, in the same advances.")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="where to write all results together")
    parser.add_argument("name")
    parser.add_argument("summary")
    parser.add_argument("results", nargs="+")
    options = parser.parse_args()
    results = table.Results()
    unread = table.read_all(results, options.results)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(results.all, file, indent=1)
    with open(options.summary, encoding="utf-8") as file:
        lines = file.read().splitlines()
    print(f"\n{options.name}: {lines[0]}")
    print("  " + ", ".join(" ".join(reversed(line.split())) for line in lines[1:]))
    table.print_figure(results, "replay", None, "ns per operation (start, move, stop, park, fire)")
    print_advances(results)
    print_verdict(results)
    table.print_notes(results)
    return 1 if unread or results.wrong or not results.runs else 0


if __name__ == "__main__":
    sys.exit(main())
