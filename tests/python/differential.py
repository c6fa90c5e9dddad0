# SPDX-License-Identifier: MIT
"""Random programs on asyncio's loop and on tickwheel.EventLoop, line by line.

    differential.py PROGRAMS [--first SEED] [--count N]

PROGRAMS is the folder tests/asyncio, whose asyncio_program.py says what a program
is. The same program runs on both loops, with the same virtual clock; what each of
them does, and when, must be the same.
"""

import argparse
import sys


def make_program(programs):
    sys.path.insert(0, programs)
    import asyncio_program
    import tickwheel

    class WheelLoop(tickwheel.EventLoop):
        """tickwheel's loop with the virtual clock of asyncio_program."""

        def __init__(self):
            self.virtual = asyncio_program.VirtualSelector()
            super().__init__(self.virtual)
            self.virtual.loop = self

        def time(self):
            return self.virtual.now_s

    class WheelProgram(asyncio_program.Program):
        def __init__(self, seed):
            super().__init__(seed)
            self.loop.close()
            self.loop = WheelLoop()

    return asyncio_program.Program, WheelProgram


def difference(seed, one, other):
    """Where two programs part, or None."""
    for number, (line, wheel_line) in enumerate(zip(one, other)):
        if line != wheel_line:
            return f"seed {seed}, line {number}: asyncio {line!r}, tickwheel {wheel_line!r}"
    if len(one) != len(other):
        return f"seed {seed}: {len(one)} lines of asyncio, {len(other)} of tickwheel"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=400)
    options = parser.parse_args()
    on_asyncio, on_wheel = make_program(options.programs)
    lines = runs = 0
    for seed in range(options.first, options.first + options.count):
        one, other = (program(seed).run() for program in (on_asyncio, on_wheel))
        found = difference(seed, one, other)
        if found:
            print(found)
            return 1
        lines += len(one)
        runs += sum(line.startswith("run ") for line in one)
    print(f"{options.count} programs, {lines} lines, {runs} callbacks: all the same")
    return 0 if runs >= options.count else 1


if __name__ == "__main__":
    sys.exit(main())
