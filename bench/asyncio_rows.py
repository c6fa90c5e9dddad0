"""Rows for orientation: asyncio_rows.py OUT.json [--filter RE] [--and RE] [--repetitions N]

The same workloads on CPython's asyncio, in a process of its own, for readers who
know what its timers cost. asyncio runs on a virtual clock, as the contenders do:
its time() is replaced, and its selector never has anything. uvloop's clock is
libuv's and cannot be replaced from here: so no time passes for it, and only
starting, stopping and moving are measured.
"""

import argparse
import asyncio
import gc
import json
import random
import re
import selectors
import time

try:
    import uvloop
except ImportError:
    uvloop = None

SIZES = (10_000, 100_000, 1_000_000)
STEP = 0.001
SPAN = 60.0


class NothingReady(selectors.DefaultSelector):
    """A selector that polls nothing, since nothing is ever ready."""

    def select(self, timeout=None):
        return []


class Asyncio:
    """asyncio's own loop on a virtual clock."""

    name = "asyncio"
    has_virtual_time = True

    def __init__(self):
        self.now = 1.0
        self.loop = asyncio.SelectorEventLoop(NothingReady())
        self.loop.time = lambda: self.now

    def step(self):
        self.now += STEP
        self.loop._run_once()  # collects what is due, and calls it

    def close(self):
        self.loop.close()


class Uvloop:
    """uvloop in real time, of which next to none passes."""

    name = "uvloop"
    has_virtual_time = False

    def __init__(self):
        self.loop = uvloop.new_event_loop()
        self.now = self.loop.time()

    def step(self):
        pass

    def close(self):
        self.loop.close()


class Run:
    """One workload on one loop. Each method answers counters and operations."""

    def __init__(self, contender, timers):
        self.contender = contender()
        self.loop = self.contender.loop
        self.timers = timers
        self.random = random.Random(timers)
        self.handles = [None] * timers
        self.fired = 0

    def on_timer(self, index):
        self.fired += 1
        self.handles[index] = None

    def start(self, index, delay, callback=None):
        self.handles[index] = self.loop.call_at(self.contender.now + delay,
                                                callback or self.on_timer, index)

    def start_all(self, callback=None):
        for index in range(self.timers):
            self.start(index, self.random.uniform(0, SPAN), callback)

    def fill(self):
        delays = [self.random.uniform(0, SPAN) for _ in range(self.timers)]
        begin = time.process_time_ns()
        for index, delay in enumerate(delays):
            self.start(index, delay)
        started = time.process_time_ns()
        counters = {"start_ns": (started - begin) / self.timers}
        if self.contender.has_virtual_time:
            while self.fired < self.timers:
                self.contender.step()
            counters["expire_ns"] = (time.process_time_ns() - started) / self.timers
        return time.process_time_ns() - begin, self.timers, counters

    def steady(self):
        def restart(index):
            self.fired += 1
            self.start(index, self.random.uniform(0, SPAN), restart)

        self.start_all(restart)
        begin = time.process_time_ns()
        for _ in range(16_384):
            self.contender.step()
        return time.process_time_ns() - begin, self.fired, {}

    def replace(self, indices, delays, per_step):
        """Stops and starts again, moving time on every so many times."""
        begin = time.process_time_ns()
        for count, (index, delay) in enumerate(zip(indices, delays)):
            if count % per_step == 0:
                self.contender.step()
            if self.handles[index] is not None:
                self.handles[index].cancel()
            self.start(index, delay)
        return time.process_time_ns() - begin, len(indices), {}

    def churn(self):
        self.start_all()
        count = 200_000
        indices = [self.random.randrange(self.timers) for _ in range(count)]
        return self.replace(indices, [self.random.uniform(0, SPAN) for _ in indices], 1000)

    def idle(self):
        """asyncio cannot move a call: an idle timeout is cancelled and made anew."""
        self.start_all()
        indices = [*range(self.timers)] * max(1, 100_000 // self.timers)
        self.random.shuffle(indices)
        return self.replace(indices, [60.0] * len(indices), max(1, self.timers // 30_000))

    def request(self):
        for index in range(self.timers):
            self.start(index, 30.0)
        indices = [*range(self.timers)] * max(1, 200_000 // self.timers)
        return self.replace(indices, [30.0] * len(indices), 1000)


def measure(workload, contender, timers):
    run = Run(contender, timers)
    gc.collect()
    total_ns, operations, counters = getattr(run, workload)()
    run.contender.close()
    name = f"{workload}/{contender.name}/{timers}"
    return {"name": name, "run_name": name, "run_type": "iteration", "threads": 1,
            "iterations": operations, "real_time": total_ns / operations,
            "cpu_time": total_ns / operations, "time_unit": "ns", **counters}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--filter", default="")
    parser.add_argument("--and", dest="also", default="")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    contenders = [Asyncio] + ([Uvloop] if uvloop else [])
    wanted = [(workload, contender, timers)
              for workload in ("fill", "steady", "churn", "idle", "request")
              for contender in contenders for timers in SIZES
              if contender.has_virtual_time or workload != "steady"
              if all(re.search(pattern, f"{workload}/{contender.name}/{timers}")
                     for pattern in (options.filter, options.also))]
    rows = []
    for number, key in enumerate(wanted * options.repetitions, 1):
        rows.append(measure(*key))
        print(f"[{number}/{len(wanted) * options.repetitions}] {rows[-1]['name']}: "
              f"{rows[-1]['cpu_time']:.3g} ns", flush=True)
    context = {"missing": "" if uvloop else "uvloop"}
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump({"context": context, "benchmarks": rows}, file)


if __name__ == "__main__":
    main()
