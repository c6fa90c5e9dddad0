# SPDX-License-Identifier: MIT
"""Rows for orientation: asyncio_rows.py OUT.json [--filter RE] [--and RE] [--repetitions N]
                                     [--package FOLDER]
                            asyncio_rows.py --list [--filter RE] [--and RE]

The same workloads on CPython's asyncio, in a process of its own, for readers who
know what its timers cost: on asyncio's own loop, on uvloop's, and on tickwheel's
(the package of python/, found in FOLDER or installed). --list prints the names of the
rows and measures none; tickwheel's are among them, built or not. asyncio's and tickwheel's run
on a virtual clock, as the contenders do: their time() is replaced, and their
selector never has anything. uvloop's clock is libuv's and cannot be replaced from
here: so no time passes for it, and only starting, stopping and moving are measured.

Two workloads are of these loops only: restart, a cancel and a start of random timers in
turns of a thousand, without a Python frame of ours around them; and turn, in which
all are cancelled, and then the longest turn of the loop is timed.
"""

import argparse
import asyncio
import gc
import json
import os
import random
import re
import selectors
import sys
import time

try:
    import uvloop
except ImportError:
    uvloop = None
tickwheel = None  # see find_tickwheel

TURNS = 1000
WORKLOADS = ("memory", "fill", "steady", "churn", "restart", "idle", "request", "turn")
SIZES = (10_000, 100_000, 1_000_000)
STEP = 0.001
SPAN = 60.0
NOT_YET = 600.0  # nothing is due before, where time passes by itself


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
        self.loop = self.new_loop()
        self.loop.time = lambda: self.now

    def new_loop(self):
        return asyncio.SelectorEventLoop(NothingReady())

    def step(self):
        self.now += STEP
        self.loop._run_once()  # collects what is due, and calls it

    def close(self):
        self.loop.close()


class Tickwheel(Asyncio):
    """tickwheel's loop, on the same clock."""

    name = "asyncio-on-tickwheel"

    def new_loop(self):
        return tickwheel.EventLoop(NothingReady())


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

    def start_all(self, callback=None, after=0.0):
        for index in range(self.timers):
            self.start(index, after + self.random.uniform(0, SPAN), callback)

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

    def restart(self):
        """So many that what asyncio does about its cancelled timers is in it."""
        self.start_all(after=NOT_YET)
        indices = [self.random.randrange(self.timers)
                   for _ in range(max(200_000, 2 * self.timers))]
        whens = [self.contender.now + NOT_YET + self.random.uniform(0, SPAN) for _ in indices]
        handles, call_at, on_timer = self.handles, self.loop.call_at, self.on_timer

        def turn(first):
            for i in range(first, first + 1000):
                index = indices[i]
                handles[index].cancel()
                handles[index] = call_at(whens[i], on_timer, index)
            if first + 1000 < len(indices):
                self.loop.call_soon(turn, first + 1000)
            else:
                self.loop.stop()

        self.loop.call_soon(turn, 0)
        begin = time.process_time_ns()
        self.loop.run_forever()
        return time.process_time_ns() - begin, len(indices), {}

    def turn(self):
        self.start_all(after=NOT_YET)
        gaps = []

        def next_turn(last):
            gaps.append(time.process_time_ns() - last)
            if len(gaps) < TURNS:
                self.loop.call_soon(next_turn, time.process_time_ns())
            else:
                self.loop.stop()

        def cancel_all():
            for handle in self.handles:
                handle.cancel()
            self.loop.call_soon(next_turn, time.process_time_ns())

        self.loop.call_soon(cancel_all)
        self.loop.run_forever()
        return sum(gaps), len(gaps), {"max_turn_ns": max(gaps)}

    def memory(self):
        """Of a process that has held nothing else."""
        delays = [self.random.uniform(0, SPAN) for _ in range(self.timers)]
        gc.collect()
        before = resident()
        begin = time.process_time_ns()
        for index, delay in enumerate(delays):
            self.start(index, delay)
        took = time.process_time_ns() - begin
        return took, self.timers, {"resident_per_timer": (resident() - before) / self.timers}

    def request(self):
        for index in range(self.timers):
            self.start(index, 30.0)
        indices = [*range(self.timers)] * max(1, 200_000 // self.timers)
        return self.replace(indices, [30.0] * len(indices), 1000)


def resident():
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure_alone(*key):
    """In a child, whose memory is its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as file:
            json.dump(measure(*key), file)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        row = json.load(file)
    os.waitpid(child, 0)
    return row


def measure(workload, contender, timers):
    run = Run(contender, timers)
    gc.collect()
    total_ns, operations, counters = getattr(run, workload)()
    run.contender.close()
    name = f"{workload}/{contender.name}/{timers}"
    return {"name": name, "run_name": name, "run_type": "iteration", "threads": 1,
            "iterations": operations, "real_time": total_ns / operations,
            "cpu_time": total_ns / operations, "time_unit": "ns", **counters}


def find_tickwheel(folder):
    global tickwheel
    if folder:
        sys.path.insert(0, folder)
    try:
        import tickwheel
    except ImportError:
        tickwheel = None


def rows_of(contenders, patterns):
    """(workload, contender, timers) of each row whose name all patterns match."""
    return [(workload, contender, timers)
            for workload in WORKLOADS for contender in contenders for timers in SIZES
            if contender.has_virtual_time or workload != "steady"
            if all(re.search(pattern, f"{workload}/{contender.name}/{timers}")
                   for pattern in patterns)]


def measure_all(options):
    find_tickwheel(options.package)
    contenders = [Asyncio] + ([Tickwheel] if tickwheel else []) + ([Uvloop] if uvloop else [])
    wanted = rows_of(contenders, (options.filter, options.also)) * options.repetitions
    rows = []
    for number, key in enumerate(wanted, 1):
        rows.append((measure_alone if key[0] == "memory" else measure)(*key))
        print(f"[{number}/{len(wanted)}] {rows[-1]['name']}: {rows[-1]['cpu_time']:.3g} ns",
              flush=True)
    missing = [name for name, module in (("uvloop", uvloop), (Tickwheel.name, tickwheel))
               if module is None]
    context = {"missing": ", ".join(missing)}
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump({"context": context, "benchmarks": rows}, file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--filter", default="")
    parser.add_argument("--and", dest="also", default="")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--package", help="the folder in which the package tickwheel is")
    options = parser.parse_args()
    if options.list:
        contenders = [Asyncio, Tickwheel] + ([Uvloop] if uvloop else [])
        for workload, contender, timers in rows_of(contenders, (options.filter, options.also)):
            print(f"{workload}/{contender.name}/{timers}")
    elif options.out:
        measure_all(options)
    else:
        parser.error("where are the rows to go?")


if __name__ == "__main__":
    main()
