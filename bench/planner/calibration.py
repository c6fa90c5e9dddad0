"""The calibration: measured costs, fitted, and kept as JSON.

    {"version": 1, "machine": {"Processor": ..., "Compiler": ..., "Date": ...},
     "sizes": [connections...], "touch": [ns...], "tick": ns, "base_bytes": bytes,
     "again": {"distances": [events...], "shares": [of a miss...]},
     "costs": {interface: {operation: [ns...]}},
     "error": {"cpu_median": share, "cpu_bar": share, "cpu_worst": share, "memory_worst": share}}

`touch` is an event without any timer: the caller's own line. It is part of the
costs of refresh, start, end and restart, too. `again` is what of a cache miss is
paid by an event that touches what was touched so many events ago.
`error` is what `bench/plan --verify` found last.
"""

import json
import math
import pathlib
import statistics

from model import INTERFACES

VERSION = 1
SHIPPED = pathlib.Path(__file__).resolve().parent / "default_calibration.json"
SIZES = (1000, 10000, 30000, 70000, 120000, 250000, 500000, 1000000, 2000000)
OPERATIONS = ("refresh", "start", "end", "restart", "visit", "drop", "fire", "fire_alone")


class BadCalibration(Exception):
    """A file that is no calibration; the message says what is wrong."""


def rising(values):
    """The nearest table in least squares that never falls: pools adjacent violators.
    More connections never cost less; where they seem to, it is noise."""
    pools = []
    for value in values:
        pools.append([value, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (value_b, count_b), (value_a, count_a) = pools.pop(), pools.pop()
            pools.append([(value_a * count_a + value_b * count_b) / (count_a + count_b),
                          count_a + count_b])
    return [value for value, count in pools for _ in range(count)]


def fit(runs, machine, base_bytes, error):
    """runs: {(interface, size): [one probe's answer...]}; none: the touch alone."""
    sizes = sorted({size for _, size in runs})

    def table(interface, name):
        return rounded(rising([max(0.0, statistics.median(run[name]
                                                          for run in runs[interface, size]))
                               for size in sizes]))

    ticks = [run["tick"] for (interface, _), answers in runs.items() if interface != "none"
             for run in answers]
    return {"version": VERSION, "machine": machine, "sizes": sizes,
            "touch": table("none", "touch"), "again": fit_again(runs["none", sizes[-1]]),
            "tick": round(statistics.median(ticks), 2), "base_bytes": base_bytes,
            "costs": {interface: {name: table(interface, name) for name in OPERATIONS}
                      for interface in INTERFACES}, "error": error}


def fit_again(answers):
    """Distances in events, and the shares of a whole miss that are paid there."""
    distances = sorted(int(name.removeprefix("again_")) for name in answers[0]
                       if name.startswith("again_"))
    cost = [statistics.median(run[f"again_{distance}"] for run in answers)
            for distance in distances]
    whole = statistics.median(run["touch"] for run in answers)
    shares = [min(1.0, max(0.0, (ns - cost[0]) / (whole - cost[0]))) for ns in cost]
    return {"distances": distances, "shares": [round(share, 4) for share in rising(shares)]}


def rounded(values):
    return [round(value, 2) for value in values]


def is_table(values, length):
    return (isinstance(values, list) and len(values) == length
            and all(isinstance(value, (int, float)) and math.isfinite(value) and value >= 0
                    for value in values)
            and all(a <= b for a, b in zip(values, values[1:])))


def checked(data):
    """The calibration itself, if it is one."""
    try:
        if data["version"] != VERSION:
            raise BadCalibration(f"version {data['version']}, but this planner reads {VERSION}")
        sizes = data["sizes"]
        again = data["again"]
        if not all(is_table(again[name], len(again["distances"])) for name in again):
            raise BadCalibration("again must hold two tables of one length")
        tables = [("sizes", sizes), ("touch", data["touch"])]
        tables += [(f"{interface}/{name}", data["costs"][interface][name])
                   for interface in INTERFACES for name in OPERATIONS]
        for name, values in tables:
            if not is_table(values, len(sizes)):
                raise BadCalibration(f"{name} is no table of {len(sizes)} rising numbers")
        if len(sizes) < 2 or len(set(sizes)) < len(sizes) or sizes[0] < 1:
            raise BadCalibration("it needs two sizes or more, each larger than the last")
        single = [data["tick"], data["base_bytes"], *(data["error"][name] for name in (
            "cpu_median", "cpu_bar", "cpu_worst", "memory_worst"))]
        if not all(is_table([value], 1) for value in single):
            raise BadCalibration("tick, base_bytes and error must be numbers of 0 or more")
        if not isinstance(data["machine"], dict):
            raise BadCalibration("machine must name the machine")
    except (KeyError, TypeError) as problem:
        raise BadCalibration(f"lacks or mistakes {problem}") from problem
    return data


def read(path):
    try:
        return checked(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
    except OSError as problem:
        raise BadCalibration(f"{path}: {problem.strerror}") from problem
    except (ValueError, BadCalibration) as problem:
        raise BadCalibration(f"{path}: {problem}") from problem


def write(path, data):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(checked(data), indent=1) + "\n", encoding="utf-8")
