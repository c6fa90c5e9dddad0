# SPDX-License-Identifier: MIT
"""One random program on CPython's own asyncio, whose clock is virtual.

A program is not a list of calls: each callback decides, when it runs, what to
schedule and what to cancel, by a generator that is seeded with the program's
seed and the callback's number. tickwheel_program.c makes the same decisions
from the same numbers. So as long as callbacks run in the same order both
programs are the same, and what they print is the same, line by line; the first
different line shows where the orders part.

    soon N            call N was scheduled with call_soon
    later N T         with call_later, to be due at T
    at N T            with call_at
    cancel N yes/no   call N was cancelled; yes: it would have run
    run N T           callback N began when the clock read T

Times are in units of 2^-9 s, about 2 ms: the finest in which a time is exact
both as asyncio's float seconds and in whole nanoseconds. No two calls have the
same deadline, since asyncio leaves their order undefined.
"""
import argparse
import asyncio
import selectors

UNIT_S = 2.0 ** -9
START = 1000 * 512          # where the clock begins, in units
MOST_CALLS = 400            # a program schedules no more, so that it ends
MASK = 2 ** 64 - 1


class Random:
    """splitmix64."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, limit):
        return self.next() % limit


class VirtualSelector(selectors.DefaultSelector):
    """Sleeping moves the clock. With nothing to wait for, the program is over."""

    def __init__(self):
        super().__init__()
        self.now_s = START * UNIT_S
        self.loop = None

    def select(self, timeout=None):
        if timeout is None:
            self.loop.stop()
        else:
            self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's event loop, but for the clock.

    It runs the timers with when < time() + resolution. All times here are
    multiples of the unit, so that half a unit makes this when <= time().
    """

    def __init__(self):
        self.virtual = VirtualSelector()
        super().__init__(self.virtual)
        self.virtual.loop = self
        self._clock_resolution = UNIT_S / 2

    def time(self):
        return self.virtual.now_s


class Program:
    def __init__(self, seed):
        self.seed = seed
        self.loop = VirtualLoop()
        self.handles = []
        self.over = []          # has run or was cancelled
        self.deadlines = set()
        self.lines = []

    def now(self):
        return int(self.loop.time() / UNIT_S)

    def free_deadline(self, deadline):
        while deadline in self.deadlines:
            deadline += 1
        self.deadlines.add(deadline)
        return deadline

    def add(self, handle):
        self.handles.append(handle)
        self.over.append(False)

    def soon(self):
        number = len(self.handles)
        self.lines.append(f"soon {number}")
        self.add(self.loop.call_soon(self.callback, number))

    def later(self, random):
        number = len(self.handles)
        now = self.now()
        deadline = self.free_deadline(now + random.below(1 << random.below(30)))
        self.lines.append(f"later {number} {deadline}")
        self.add(self.loop.call_later((deadline - now) * UNIT_S, self.callback, number))

    def at(self, random):
        number = len(self.handles)
        deadline = self.free_deadline(self.now() + random.below(2000) - 200)
        self.lines.append(f"at {number} {deadline}")
        self.add(self.loop.call_at(deadline * UNIT_S, self.callback, number))

    def cancel(self, random):
        number = random.below(len(self.handles))
        answer = "no" if self.over[number] else "yes"
        self.over[number] = True
        self.handles[number].cancel()
        self.lines.append(f"cancel {number} {answer}")

    def act(self, random):
        choice = random.below(8)
        if choice < 2:
            self.cancel(random)
        elif len(self.handles) >= MOST_CALLS:
            pass
        elif choice < 4:
            self.soon()
        elif choice < 7:
            self.later(random)
        else:
            self.at(random)

    def callback(self, number):
        random = Random(self.seed * 1000003 + number)
        self.over[number] = True
        self.lines.append(f"run {number} {self.now()}")
        for _ in range(12 if number == 0 else random.below(5)):
            if random.below(4) == 0:       # the callback takes time
                self.loop.virtual.now_s += random.below(64) * UNIT_S
            self.act(random)

    def run(self):
        self.soon()
        self.loop.run_forever()
        self.loop.close()
        return self.lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=int, help="the first seed")
    parser.add_argument("count", type=int, nargs="?", default=1, help="how many seeds")
    arguments = parser.parse_args()
    for seed in range(arguments.first, arguments.first + arguments.count):
        print(f"seed {seed}")
        print("\n".join(Program(seed).run()))


if __name__ == "__main__":
    main()
