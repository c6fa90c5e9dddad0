# SPDX-License-Identifier: MIT
"""Runs one program under callgrind and answers what it counted.

What is counted is exact: instructions, and the cache lines that a model cache
had to fetch. It holds 512 lines of 64 bytes (32 KiB, a usual first-level data
cache), any line in any place, and gives up the one that was not used for
longest. So a line counts when an operation comes to it first or comes back to
it after it has seen 512 others; where the linker put things in memory makes no
difference, and prefetching none either.

To be the same on every machine, the program runs with an empty environment but
for what is given, in its own folder, and with libc's plain string functions
instead of those that it chooses by the processor.
"""

import os
import pathlib
import re
import subprocess
import tempfile
from collections import defaultdict

MODEL_CACHE = "32768,512,64"  # bytes, lines in a set (all), bytes a line
PLAIN_LIBC = "glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM,-SSE4_2"


class CountError(Exception):
    """The program failed, or did not count."""


class Count:
    """What some operations took in all."""

    def __init__(self, operations, instructions, lines):
        self.operations, self.instructions, self.lines = operations, instructions, lines

    def per_operation(self):
        return self.instructions / self.operations, self.lines / self.operations


def read_dump(path):
    """(the name it was written under, instructions, lines) of one of callgrind's files."""
    name, events, totals = None, [], []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if match := re.match(r"desc: Trigger: Client Request: (.*)", line):
                name = match[1]
            elif line.startswith("events:"):
                events = line.split()[1:]
            elif line.startswith("totals:"):
                totals = [int(word) for word in line.split()[1:]]
    counted = defaultdict(int, zip(events, totals))
    return name, counted["Ir"], counted["D1mr"] + counted["D1mw"]


def run(program, arguments, environment=None):
    """{name: Count}. The program prints a line of a name, a tab and the number of
    operations for each name that it reported under."""
    program = pathlib.Path(program).resolve()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no",
             "--cache-sim=yes", "--I1=32768,8,64", f"--D1={MODEL_CACHE}", "--LL=1048576,16,64",
             f"--callgrind-out-file={folder}/counts", f"./{program.name}", *arguments],
            cwd=program.parent, capture_output=True, text=True, check=False,
            env={"PATH": os.defpath, "GLIBC_TUNABLES": PLAIN_LIBC, **(environment or {})})
        if done.returncode != 0:
            raise CountError(f"{program.name} {' '.join(arguments)} failed under valgrind:\n"
                             + "\n".join(done.stderr.splitlines()[-20:]))
        sums = defaultdict(lambda: [0, 0])
        for path in pathlib.Path(folder).iterdir():
            name, instructions, lines = read_dump(path)
            sums[name][0] += instructions
            sums[name][1] += lines
    counts = {}
    for line in done.stdout.splitlines():
        name, tab, operations = line.rpartition("\t")
        if not tab:
            continue
        if name not in sums or sums[name][0] == 0:
            raise CountError(f"{program.name} {' '.join(arguments)} counted nothing as {name}: "
                             "it was compiled without valgrind's headers")
        counts[name] = Count(int(operations), *sums[name])
    return counts
