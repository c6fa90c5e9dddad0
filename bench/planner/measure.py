"""Runs plan_probe: for the calibration, and for plans played through."""

import json
import statistics
import subprocess
import sys

import calibration
import model
from model import INTERFACES, Plan

REPETITIONS = 3
# What fits a cache or just does not depends on the moment, and is cheap to repeat.
MORE_REPETITIONS, MORE_UP_TO = 5, 250000
EVENTS_PER_RUN = 1.5e6

# Unlike the calibration, which has timeouts of 60 and 30 s, one kind of event at
# a time, and other numbers of connections.
PLANS = {
    "web server": Plan(20000, 8000, 16000, 15, 10, 0.02, 0.995),
    "API gateway": Plan(60000, 60000, 90000, 75, 5, 0.08, 0.98),
    "chat": Plan(200000, 4000, 40000, 300, 20, 0.1, 0.999),
    "idle mobile": Plan(600000, 6000, 12000, 120, 10, 0.25, 0.95),
    "proxy at scale": Plan(1500000, 100000, 150000, 90, 15, 0.05, 0.99),
    "flaky backend": Plan(150000, 20000, 40000, 45, 3, 0.3, 0.6),
    "short timeouts": Plan(5000, 20000, 20000, 5, 2, 0.01, 0.99),
}


def probe(program, *arguments):
    done = subprocess.run([program, *arguments], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def progress(done, total, what):
    print(f"\r{done:3d}/{total} {what:40.40}", end="" if done < total else "\n",
          file=sys.stderr, flush=True)


def calibrate(program, machine, error):
    """Repetitions of all sizes in turns, so that a slow while falls on all alike."""
    todo = [(interface, size) for repetition in range(MORE_REPETITIONS)
            for size in calibration.SIZES if repetition < REPETITIONS or size <= MORE_UP_TO
            for interface in ("none", *INTERFACES)]
    runs = {}
    for i, (interface, size) in enumerate(todo, 1):
        found = probe(program, "calibrate", interface, str(size))
        runs.setdefault((interface, size), []).append(found)
        progress(i, len(todo), f"{interface}, {size} connections")
    return calibration.fit(runs, machine, base_bytes(program), error)


def base_bytes(program):
    """What a loop takes beside its cells, once it holds more than a few."""
    plan, nothing = Plan(10000, 0, 0), {"base_bytes": 0}
    cells = model.memory(plan, "stop", nothing)["loop_bytes"]
    return round(simulate(program, "stop", plan, nothing, 0.01)["bytes"] - cells)


def simulate(program, interface, plan, fitted, seconds):
    """Plays a plan; none: the same without any timer."""
    reckoned = "stop" if interface == "none" else interface
    cells = model.memory(plan, reckoned, fitted)["cells"]
    parked = model.rates(plan, "park")["request_cells"] / plan.connections
    values = {"connections": plan.connections, "requests": plan.requests,
              "refreshes": plan.refreshes, "idle_timeout": plan.idle_timeout,
              "request_timeout": plan.request_timeout, "response_time": plan.response_time,
              "answered_share": plan.cancelled_share, "wakeups": plan.wakeups,
              "seconds": seconds, "reserve": int(cells), "parked_share": parked}
    return probe(program, "simulate", interface,
                 *(f"{name}={value:.12g}" for name, value in values.items()))


def seconds_of(plan):
    """Long enough for a few turns of the wheel's second level, and to be measured."""
    events = plan.refreshes + 2 * plan.requests
    return min(60, max(5, EVENTS_PER_RUN / events))


def median_of(runs):
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def verify(program, fitted):
    """Answers [(plan's name, interface, predicted, measured)]."""
    todo = [(name, interface) for _ in range(REPETITIONS)
            for name in PLANS for interface in ("none", *INTERFACES)]
    runs = {}
    for i, (name, interface) in enumerate(todo, 1):
        plan = PLANS[name]
        found = simulate(program, interface, plan, fitted, seconds_of(plan))
        runs.setdefault((name, interface), []).append(found)
        progress(i, len(todo), f"{name}, {interface}")
    rows = []
    for name, plan in PLANS.items():
        records = median_of(runs[name, "none"])["cpu_share"]
        for interface in INTERFACES:
            measured = median_of(runs[name, interface])
            measured["timers_share"] = measured["cpu_share"] - records
            rows.append((name, interface, model.answer(plan, interface, fitted), measured))
    return rows


def errors(rows):
    """The shares that the predictions are off by; the bar: four in five are within."""
    cpu = sorted(abs(predicted["core_share"] / measured["cpu_share"] - 1)
                 for _, _, predicted, measured in rows)
    held = [abs(predicted["loop_bytes"] / measured["bytes"] - 1)
            for _, _, predicted, measured in rows]
    return {"cpu_median": round(statistics.median(cpu), 4),
            "cpu_bar": round(cpu[(4 * len(cpu) - 1) // 5], 4), "cpu_worst": round(cpu[-1], 4),
            "memory_worst": round(max(held), 4)}
