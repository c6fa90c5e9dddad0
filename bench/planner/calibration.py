# SPDX-License-Identifier: MIT
"""The calibration: a machine's costs, measured and kept as JSON.

    {"format": 4, "tickwheel": "0.2.0", "machine": {"Processor": ..., "Date": ...},
     "sizes": [lines...], "touch": [ns...], "touch_low": [...], "touch_high": [...],
     "again": [ns...], "private_lines": lines,
     "tick": ns, "clock": ns, "base_bytes": bytes, "containers": count,
     "costs": {interface: {event: [ns, misses]}, ...},      "error": {"cpu_bar": share, ...}}

`touch` is an event without any timer: the caller's own line, chosen at random
among so many; low and high is what one reading in ten lay beyond, since others use the
last cache, too. `again` is a second touch of a line, so many others after the first
one, which found it in no cache. What an event takes beside is ns, and so many times
what a touch takes more than one that misses nothing. `error` is what `bench/plan
--verify` found last, of so many `plans`; none: it did not, and the others are what is
to be expected.
"""

import json
import math
import os
import pathlib
import re
import statistics

import model
from model import INTERFACES

FORMAT = 4
HERE = pathlib.Path(__file__).resolve().parent
SHIPPED = HERE / "default_calibration.json"
HEADER = HERE.parent.parent / "include" / "tickwheel.h"

TOUCHED = (256, 500, 1000, 2000, 4000, 6000, 8000, 10000, 14000, 20000, 40000, 80000, 160000,
           320000, 640000, 1280000, 2560000, 5120000)
# In the nearest cache, which only tells what a touch takes that misses nothing; in a core's
# own; and beyond those, on each side of what several share.
RECORDS = (200, 1000, 20000, 100000, 500000, 1500000)
EVENTS = ("refresh", "moved", "both", "start", "end", "restart", "guest_start", "guest_end",
          "guest_restart", "visit", "pass", "drop", "fire", "turn", "again")
PASSING = ("visit", "pass", "drop", "fire", "turn", "again")   # as time goes on
ERRORS = ("plans", "cpu_median", "cpu_worst", "cpu_bar", "cpu_bias", "timers_median", "timers_bar",
          "memory_worst")
UNVERIFIED = {"plans": 0, "cpu_median": 0.1, "cpu_worst": 0.25, "cpu_bar": 0.25, "cpu_bias": 0,
              "timers_median": 0.15, "timers_bar": 0.4, "memory_worst": 0.03}


class BadCalibration(Exception):
    """A file that is no calibration; the message says what is wrong."""


def version():
    """Of the library beside it."""
    return re.search(r'TW_VERSION_STRING "([^"]+)"', HEADER.read_text(encoding="utf-8"))[1]


def rising(values):
    """The nearest table in least squares that never falls: pools adjacent violators.
    More lines never cost less; where they seem to, it is noise."""
    pools = []
    for value in values:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (value_b, count_b), (value_a, count_a) = pools.pop(), pools.pop()
            pools.append([(value_a * count_a + value_b * count_b) / (count_a + count_b),
                          count_a + count_b])
    return [value for value, count in pools for _ in range(count)]


def nearest(rows, costs):
    """The factors, none of them negative, with which the rows come nearest to the
    costs: least squares, each cost counting by its relative error."""
    weights = [1 / (abs(cost) + 5) ** 2 for cost in costs]
    found = [0.0] * len(rows[0])
    for _ in range(2000):
        for i in range(len(found)):
            scale = sum(w * row[i] ** 2 for w, row in zip(weights, rows))
            wrong = sum(w * row[i] * (cost - sum(f * v for f, v in zip(found, row)))
                        for w, row, cost in zip(weights, rows, costs))
            if scale > 0:
                found[i] = max(0.0, found[i] + wrong / scale)
    return [round(value, 4) for value in found]


def line(misses, costs):
    """[ns, misses]: what an event takes, and how many misses."""
    return nearest([(1, miss) for miss in misses], costs)


def private_lines():
    """Twice what a core's own caches hold: beyond it they are of no more use."""
    folder = pathlib.Path("/sys/devices/system/cpu/cpu0/cache")
    for index in sorted(folder.glob("index*")):
        try:
            level, size = ((index / name).read_text().strip() for name in ("level", "size"))
            if level == "2":
                return 2 * int(size.removesuffix("K")) * 1024 // 64
        except (OSError, ValueError):
            pass
    return 65536


def passes(run, name, moved):
    """In how many steps cells were moved: they come evenly, a share in each."""
    return min(run[f"{name}_steps"], moved)


def fit_visits(found, misses):
    """What each cell takes that is moved on, and what a run takes more in which there is
    one: from runs with few of them, and with as many as fifty. And each that is let go."""
    rows, costs = [], []
    for run, miss in zip(found, misses):
        for name in ("visits", "visit"):
            moved = run[f"{name}_visited"]
            share = passes(run, name, moved) / moved
            rows.append((1, miss, share, share * miss))
            costs.append(run[f"{name}_ns"] / moved)
    factors = nearest(rows, costs)
    drops = [run["drop_ns"] / run["drop_visited"] if run["drop_visited"] else 0 for run in found]
    return {"visit": factors[:2], "pass": factors[2:], "drop": line(misses, drops)}


def moving(run, name, moved, miss, visits):
    """What it took to move so many."""
    each, more = (fixed + misses * miss for fixed, misses in (visits["visit"], visits["pass"]))
    return moved * each + passes(run, name, moved) * more


def called(run, name, miss, visits):
    """What one timer takes that was called: in a run with others, or alone. Each was
    read once in its tick; what was read beside was moved on."""
    moved = max(0, run[f"{name}_visited"] - run[f"{name}_fired"])
    return (run[f"{name}_ns"] - moving(run, name, moved, miss, visits)) / run[f"{name}_fired"]


def fit_calls(found, misses, visits):
    """What each call takes, and what a run takes more in which there is one: from
    runs with fifty of them, with five, and with one."""
    rows, costs = [], []
    for run, miss in zip(found, misses):
        for name in ("many", "fire", "alone"):
            runs = run[f"{name}_runs"] / run[f"{name}_fired"]
            rows.append((1, miss, runs, runs * miss))
            costs.append(called(run, name, miss, visits))
    factors = nearest(rows, costs)
    again = [run["again_ns"] / run["again_fired"] - run["fire_ns"] / run["fire_fired"]
             for run in found]
    return {"fire": factors[:2], "turn": factors[2:], "again": line(misses, again)}


def fit_interface(runs, sizes):
    """runs: {records: [one answer of `plan_probe events`...]}"""
    found = []
    for size in sizes:
        found.append({name: statistics.median(run[name] for run in runs[size])
                      for name in runs[size][0]})
    # Of the fewest, nothing else: each start takes a chunk of its own, as in no larger server.
    least, found = found[0]["touch"], found[1:]
    misses = [max(0.0, run["touch"] - least) for run in found]
    costs = {name: line(misses, [run[name] for run in found])
             for name in EVENTS if name not in PASSING}
    visits = fit_visits(found, misses)
    return costs | visits | fit_calls(found, misses, visits)


def fit_memory(few, few_bytes, many, many_bytes):
    """(base_bytes, containers): of two loops with room for so many cells. Of a few,
    each may take a chunk; of many, only as many as there are containers."""
    base = few_bytes - model.CHUNK_BYTES * few
    chunks = (many_bytes - base) / model.CHUNK_BYTES
    containers = (chunks - many / model.CHUNK_CELLS) / (1 - 1 / model.CHUNK_CELLS)
    return round(base), round(containers)


def curves(readings):
    """Of many answers of `plan_probe touch`: the median, and what lies below and above nine
    in ten of them. Never falling, and none below the one before."""
    sizes = sorted(int(name.removeprefix("touch_")) for name in readings[0]
                   if name.startswith("touch_"))

    def reading(prefix, share):
        values = [sorted(each[f"{prefix}_{size}"] for each in readings) for size in sizes]
        return rising([each[round(share * (len(each) - 1))] for each in values])

    found, least = {}, [0] * len(sizes)
    for name, share in (("touch_low", 0.1), ("touch", 0.5), ("touch_high", 0.9)):
        least = [max(pair) for pair in zip(reading("touch", share), least)]
        found[name] = rounded(least)
    # No dearer than a touch of what is in no cache, no cheaper than of what was touched often.
    again = [min(value, found["touch"][-1]) for value in reading("again", 0.5)]
    found["again"] = rounded(map(max, again, found["touch"]))
    return {"sizes": sizes} | found


def fit(touched, runs, memory, machine, error):
    """touched: the answers of `plan_probe touch`; runs: {(interface, records): [...]};
    memory: what fit_memory found."""
    records = sorted({size for _, size in runs})
    every = [run for found in runs.values() for run in found]
    return {"format": FORMAT, "tickwheel": version(), "machine": machine,
            **curves(touched), "private_lines": private_lines(),
            "tick": round(statistics.median(run["tick"] for run in every), 2),
            "clock": round(statistics.median(run["clock"] for run in every), 2),
            "base_bytes": memory[0], "containers": memory[1],
            "costs": {name: fit_interface({size: runs[name, size] for size in records}, records)
                      for name in INTERFACES},
            "error": error}


def rounded(values):
    return [round(value, 2) for value in values]


def is_table(values, length, rising_=False):
    return (isinstance(values, list) and len(values) == length
            and all(isinstance(value, (int, float)) and math.isfinite(value) and value >= 0
                    for value in values)
            and (not rising_ or all(a <= b for a, b in zip(values, values[1:]))))


def checked(data):
    """The calibration itself, if it is one."""
    try:
        if data.get("format") != FORMAT:
            raise BadCalibration(f"it is of format {data.get('format', data.get('version'))}, but "
                                 f"this planner reads {FORMAT}: bench/plan --calibrate makes one")
        sizes = data["sizes"]
        if len(sizes) < 2 or len(set(sizes)) < len(sizes) or sizes[0] < 1:
            raise BadCalibration("it needs two sizes or more, each larger than the last")
        for name in ("sizes", "touch", "touch_low", "touch_high", "again"):
            if not is_table(data[name], len(sizes), True):
                raise BadCalibration(f"{name} is no table of {len(sizes)} rising numbers")
        for interface in INTERFACES:
            for name in EVENTS:
                if not is_table(data["costs"][interface][name], 2):
                    raise BadCalibration(f"{interface}/{name} must be two numbers of 0 or more")
        single = [data["tick"], data["clock"], data["base_bytes"], data["containers"],
                  data["private_lines"]]
        if not is_table(single, len(single)):
            raise BadCalibration("tick, clock, base_bytes, containers and private_lines must be "
                                 "numbers")
        if not all(math.isfinite(data["error"][name]) for name in ERRORS):
            raise BadCalibration("error must hold numbers")
        if not isinstance(data["machine"], dict) or not isinstance(data["tickwheel"], str):
            raise BadCalibration("machine must name the machine, and tickwheel the version")
    except (KeyError, TypeError, AttributeError) as problem:
        raise BadCalibration(f"it lacks or mistakes {problem}") from problem
    return data


def read(path):
    try:
        return checked(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
    except OSError as problem:
        raise BadCalibration(f"{path}: {problem.strerror}") from problem
    except (ValueError, BadCalibration) as problem:
        raise BadCalibration(f"{path}: {problem}") from problem


def of_this_version(data, path):
    """The same, unless it is of another version of the library."""
    if data["tickwheel"] != version():
        raise BadCalibration(f"{path}: it is of tickwheel {data['tickwheel']}, but this is "
                             f"{version()}: bench/plan --calibrate measures this one")
    return data


def write(path, data):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(checked(data), indent=1)
    text = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)
    path.write_text(text + "\n", encoding="utf-8")
