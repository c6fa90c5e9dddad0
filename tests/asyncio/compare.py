# SPDX-License-Identifier: MIT
"""Runs the same random programs on asyncio and on tickwheel, and compares.

    compare.py TICKWHEEL_PROGRAM [--first SEED] [--count SEEDS]

Exits with 1 at the first program whose lines differ, and says how to play it
again. asyncio_program.py describes the programs.
"""
import argparse
import subprocess
import sys
import time

from asyncio_program import Program

CONTEXT = 12        # lines shown before the first that differs


def tickwheel_programs(program, first, count):
    """The lines of each program, by seed."""
    done = subprocess.run([program, str(first), str(count)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} {first} {count} failed with {done.returncode}:\n{done.stderr}")
    lines_of = {}
    for line in done.stdout.splitlines():
        if line.startswith("seed "):
            lines = lines_of[int(line[5:])] = []
        else:
            lines.append(line)
    return lines_of


def show_difference(seed, theirs, ours):
    longest = max(len(theirs), len(ours))
    theirs = theirs + ["(the end)"] * (longest - len(theirs))
    ours = ours + ["(the end)"] * (longest - len(ours))
    first = next(i for i in range(longest) if theirs[i] != ours[i])
    print(f"seed {seed}: line {first + 1} differs")
    for i in range(max(0, first - CONTEXT), first):
        print(f"    {theirs[i]}")
    print(f"    {theirs[first]:<30} asyncio\n    {ours[first]:<30} tickwheel")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="the tickwheel_program that was built")
    parser.add_argument("--first", type=int, default=1, metavar="SEED")
    parser.add_argument("--count", type=int, default=400, metavar="SEEDS")
    arguments = parser.parse_args()

    began = time.monotonic()
    runs = cancels = 0
    lines_of = tickwheel_programs(arguments.program, arguments.first, arguments.count)
    for seed in range(arguments.first, arguments.first + arguments.count):
        theirs = Program(seed).run()
        ours = lines_of[seed]
        if theirs != ours:
            show_difference(seed, theirs, ours)
            print(f"again: {sys.executable} {sys.argv[0]} {arguments.program} "
                  f"--first {seed} --count 1")
            return 1
        runs += sum(line.startswith("run") for line in theirs)
        cancels += sum(line.endswith("yes") for line in theirs)
    print(f"seeds {arguments.first} to {seed}: {runs} callbacks ran in the same order, "
          f"{cancels} were cancelled ({time.monotonic() - began:.1f} s)")
    # Programs that do nothing would agree as well.
    return 0 if runs > 20 * arguments.count and cancels > arguments.count else 1


if __name__ == "__main__":
    sys.exit(main())
