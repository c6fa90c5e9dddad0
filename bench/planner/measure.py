# SPDX-License-Identifier: MIT
"""Runs plan_probe: for the calibration, and for plans and traces played through."""

import gzip
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

import calibration
import model
import plan as plans
from model import INTERFACES
from plan import Class, Plan, read_class, short_form

TRACES = pathlib.Path(__file__).resolve().parent.parent / "replaying" / "traces"


def classes(*texts):
    return tuple(read_class(text) for text in texts)


# Unlike the calibration, which knows one kind of event at a time, timeouts of 60
# and 30 s, and other numbers of records.
PLANS = {
    "web server": Plan(short_form(20000, 8000, 16000, 15, 10, 0.02, 0.995)),
    "API gateway": Plan(short_form(60000, 60000, 90000, 75, 5, 0.08, 0.98), clock="turn"),
    "chat server": Plan(classes("idle: count=200000 timeout=300s pushed=5s",
                                "typing: rate=4000 on=idle timeout=20s cancelled=0.999 after=100ms"),
                        clock="turn"),
    "idle mobile": Plan(short_form(600000, 6000, 12000, 120, 10, 0.25, 0.95)),
    "proxy at scale": Plan(short_form(1500000, 100000, 150000, 90, 15, 0.05, 0.99), clock="turn"),
    "flaky backend": Plan(short_form(150000, 20000, 40000, 45, 3, 0.3, 0.6)),
    "short timeouts": Plan(short_form(5000, 20000, 20000, 5, 2, 0.01, 0.99), clock="turn"),
    "websockets": Plan(classes("ping: count=500000 every=30s")),
    "three timeouts": Plan(classes(
        "connect: rate=20000 timeout=2s cancelled=0.999 after=3ms",
        "answer: rate=20000 timeout=10s cancelled=0.99 after=80ms",
        "total: rate=20000 timeout=60s cancelled=0.995 after=120ms")),
    "far jobs": Plan(classes("job: count=2000000 timeout=0..30d"), wakeups=100),
    "sessions": Plan(classes("session: count=300000 timeout=24h pushed=60s",
                             "lease: rate=3000 timeout=12h..36h cancelled=0.999 after=4s")),
    "moving closer": Plan(classes(
        "conn: count=100000 timeout=75s pushed=2s closer=0.4 to=10s"), clock="turn"),
    "fine tick": Plan(classes("pace: count=20000 every=40ms",
                              "idle: count=20000 timeout=30s pushed=1s"),
                      tick=2**16 / 1e9, wakeups=10000),
    "coarse tick": Plan(classes("idle: count=400000 timeout=600s pushed=20s"),
                        tick=2**24 / 1e9, wakeups=200),
}
TRACED = ("wrk_keepalive", "ab_come_and_go", "http_clients")


def probe(program, *arguments, given=None):
    """Its answers: JSON objects, a line each."""
    done = subprocess.run([program, *arguments], check=True, capture_output=True,
                          input=given if given is not None else b"")
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def progress(done, total, what):
    print(f"\r{done:3d}/{total} {what:40.40}", end="" if done < total else "\n",
          file=sys.stderr, flush=True)


# ---------------------------------------------------------------- the calibration

def calibrate(program, machine, quick=False):
    """All sizes in turns, so that a slow while falls on all alike."""
    records = calibration.RECORDS[:4] if quick else calibration.RECORDS
    rounds = 1 if quick else 3
    todo = [(interface, size) for i in range(rounds) for size in records
            for interface in INTERFACES if i == 0 or size < 1000000]
    touched, runs = [], {}
    for i, (interface, size) in enumerate(todo):
        if i % (len(INTERFACES) if quick else 2) == 0:
            sizes = calibration.TOUCHED[:-2] if quick else calibration.TOUCHED
            touched += probe(program, "touch", "1", *map(str, sizes))
        runs.setdefault((interface, size), []).extend(
            probe(program, "events", interface, str(size)))
        progress(i + 1, len(todo), f"{interface}, {size} records")
    return calibration.fit(touched, runs, loop_memory(program), machine, calibration.UNVERIFIED)


def loop_memory(program):
    """What a loop holds beside its cells, as calibration.fit_memory tells."""
    told = []
    for count in (500, 20000):
        asked = Plan(classes(f"idle: count={count} timeout=60s pushed=30s"))
        found = play(program, "stop", asked, seconds=0.01, pairs=1, turns=0, rounds=1)
        told += [count, found["bytes"]]
    return calibration.fit_memory(*told)


# ------------------------------------------------------------- plans played through

def text_of(asked, interface, seconds, warm, pairs, turns, rounds, nothing):
    """The plan of one loop as plan_probe reads it."""
    one = asked.one_loop()
    rates = model.rates_of(one, interface)
    cells = model.cells_of(rates, one, interface)
    names = [each.name for each in one.classes]
    lines = [f"plan {one.wakeups:g} {one.tick * 1e9:.0f} {int(one.clock == 'start')} {cells} "
             f"{warm:g} {seconds:.9g} {pairs} {turns} {rounds}"]
    for each in one.classes:
        rate = rates[each.name]
        live, parked = rate.counts.live_samples, rate.counts.parked_samples
        if nothing:
            live = parked = []
        on = names.index(each.on) if each.on else -1
        lines.append(f"class {each.count:.0f} {each.rate:.9g} {on} {each.least:.9g} "
                     f"{each.most:.9g} {each.pushed:.9g} {each.closer:.9g} {each.to:.9g} "
                     f"{each.cancelled:.9g} {each.after:.9g} {rate.rate('ends'):.9g} "
                     f"{rate.live:.9g} {rate.parked:.9g} {len(live)} {len(live) + len(parked)}")
        lines += [f"sample {left:.9g} {ahead:.9g} {age:.9g} {cancel:.9g}"
                  for left, ahead, age, cancel in live + parked]
    return "\n".join(lines) + "\n"


def play(program, interface, asked, seconds=1.0, warm=1.0, pairs=5, turns=1000, rounds=3,
         nothing=False, trace=None, least_ns=0):
    """Plays one loop of a plan; nothing: from an empty loop on. Shares are of all loops."""
    text = text_of(asked, interface, seconds, warm, pairs, turns, rounds, nothing)
    found, = probe(program, "play", interface, *([trace] if trace else []), given=text.encode())
    without_choosing(found, least_ns)
    for name in ("cpu_share", "records_share", "timers_share", "timers_low", "timers_high",
                 "bytes"):
        found[name] *= asked.loops
    return found


def without_choosing(found, least_ns):
    """What it takes to choose the records, or to read them from a trace, is no server's: it
    is what the same events take on one record, but for their touches."""
    choosing = max(0.0, found["choosing_share"] - found["touches"] * least_ns / 1e9)
    for name in ("cpu_share", "records_share"):
        if name in found:
            found[name] -= choosing


def window_of(asked, interface, fitted):
    """Virtual seconds that take some twenty milliseconds, and so many to warm up that each
    line that is touched much has been touched three times: as in a server that has run for
    long, the caches then hold what is touched again. At most some half a second's worth."""
    taken = model.core_share(asked, interface, fitted) / asked.loops
    seconds = 0.02 / taken
    longest = max(1.0, 2e6 / asked.wakeups)
    seconds = max(10 / asked.wakeups, min(seconds, longest))
    one = asked.one_loop()
    families, _ = model.families_of(model.rates_of(one, interface), interface)
    touches = sum(lines * often for lines, often, _ in families.values())
    slowest = max(3 / often for lines, often, _ in families.values()
                  if lines * often > 0.1 * touches)
    return seconds, max(2 * seconds, 0.6, min(slowest, 0.5 / taken))


def verify(program, fitted, quick=False, chosen=None):
    """Answers [(what, interface, predicted, measured)]."""
    todo = [(name, interface) for name in (chosen or PLANS) for interface in INTERFACES]
    rows = []
    for i, (name, interface) in enumerate(todo, 1):
        asked = PLANS[name]
        seconds, warm = window_of(asked, interface, fitted)
        measured = play(program, interface, asked, seconds, warm, pairs=3 if quick else 7,
                        turns=int(min(5000, max(500, 3 * asked.wakeups))),
                        rounds=2 if quick else 3, least_ns=fitted["touch"][0])
        rows.append((name, interface, model.answer(asked, interface, fitted), measured))
        progress(i, len(todo), f"{name}, {interface}")
    return rows


# ------------------------------------------------------------------------- traces

class BadTrace(Exception):
    """A file that is no trace; the message says why."""


def trace_bytes(path):
    path = pathlib.Path(path)
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except OSError as problem:
        raise BadTrace(f"{path}: {problem.strerror or problem}") from problem
    except (EOFError, ValueError) as problem:
        raise BadTrace(f"{path}: it is cut short or damaged: {problem}") from problem


def read_trace(program, path, scale=1.0):
    """The plan that a trace shows: its classes, and how often the loop ran."""
    try:
        told, *found = probe(program, "classes", "-", given=trace_bytes(path))
    except subprocess.CalledProcessError as problem:
        why = problem.stderr.decode().strip().removeprefix("standard input: ")
        raise BadTrace(f"{path}: {why}") from problem
    made = [made_class(i, each) for i, each in enumerate(found, 1)
            if each["live"] * told["seconds"] > 0.01]
    if not made:
        raise BadTrace(f"{path}: no timer was pending in its later part")
    asked = Plan(tuple(made), wakeups=max(1, round(told["runs"])), clock="turn")
    return plans.check(asked.scaled(scale))


def made_class(number, found):
    """Begun as often and live as many as in the trace; what follows from that is when
    the others end."""
    timeout, spread = found["timeout"], math.sqrt(3) * found["spread"]
    if spread < 0.02 * timeout:
        spread = 0
    fields = {"least": max(1e-6, timeout - spread), "most": timeout + spread}
    begun = max(found["starts"], found["fires"])
    if found["pushes"] > 0:
        fields["pushed"] = found["live"] / found["pushes"]
    if found["closer"] > 0.01 and found["to"] < fields["most"]:
        fields |= {"closer": found["closer"], "to": max(1e-6, found["to"])}
    ends = found["ends"] + found["fires"]
    name = f"t{number}-{timeout:.3g}s"
    if begun * timeout < 0.01 * found["live"] or ends == 0:
        return Class(name, count=max(1, found["live"]), **fields)
    if found["pushes"] > 0:
        fields |= {"pushes": found["pushes"] / begun, "within": max(1e-6, 2 * found["push_age"])}
    if found["held"] > 1.5 * found["live"] + 10:   # parked timers keep their records
        fields["among"] = found["held"]
    return Class(name, rate=begun, cancelled=found["ends"] / ends, after=found["after"],
                 live=max(found["live"], 1e-9), **fields)


def replay(program, interface, path, rounds=5, least_ns=0):
    found, = probe(program, "replay", interface, "-", str(rounds), given=trace_bytes(path))
    without_choosing(found, least_ns)
    return found


def synthetic(program, times):
    """A trace of a server of so many times 20,000 connections."""
    asked = Plan(short_form(20000 * times, 4000 * times, 8000 * times, 6, 3, 0.05, 0.97),
                 clock="turn")
    folder = tempfile.TemporaryDirectory()
    path = pathlib.Path(folder.name) / f"synthetic_{times}.twt"
    play(program, "park", asked, seconds=2, warm=4, pairs=1, turns=0, rounds=1, trace=str(path))
    return folder, path


def verify_traces(program, fitted, quick=False):
    """The suite's traces at scale 1, and a synthetic one at 1 and 10, each held against
    its replay: [(what, interface, predicted, measured)]."""
    rows = []
    kept = {times: synthetic(program, times) for times in (1, 10)}
    small = kept[1][1]
    todo = [(name, TRACES / f"{name}.twt.gz", TRACES / f"{name}.twt.gz", 1) for name in TRACED]
    todo += [("synthetic trace", small, small, 1),
             ("synthetic trace, x 10", small, kept[10][1], 10)]
    for i, (name, seen, played, scale) in enumerate(todo, 1):
        asked = read_trace(program, seen, scale)
        for interface in INTERFACES:
            measured = replay(program, interface, played, 3 if quick else 5, fitted["touch"][0])
            rows.append((name, interface, model.answer(asked, interface, fitted), measured))
        progress(i, len(todo), name)
    for folder, _ in kept.values():
        folder.cleanup()
    return rows


# -------------------------------------------------------------------------- errors

def off(predicted, measured):
    return predicted / measured - 1


def outside(row):
    """How far the measured share lies outside of what the caches leave open."""
    _, _, predicted, measured = row
    low, high, taken = predicted["cache_low"], predicted["cache_high"], measured["cpu_share"]
    return max(0.0, low / taken - 1, taken / high - 1)


def outside_own(row):
    _, _, predicted, measured = row
    low, high = predicted["timers_cache_low"], predicted["timers_cache_high"]
    taken = max(1e-12, measured["timers_share"])
    return max(0.0, low / taken - 1, taken / max(1e-12, high) - 1)


def quantile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, math.ceil(share * len(values)) - 1)]


def errors(rows):
    """The shares that the predictions are off by; nine in ten are within the bars."""
    cpu = [off(p["core_share"], m["cpu_share"]) for _, _, p, m in rows]
    own = [off(p["timers_share"], m["timers_share"]) for _, _, p, m in rows
           if m["timers_share"] > 0]
    held = [abs(off(p["loop_bytes"], m["bytes"])) for _, _, p, m in rows if "cells" in m]
    found = {"plans": len({name for name, *_ in rows}),
             "cpu_median": statistics.median(map(abs, cpu)), "cpu_worst": max(map(abs, cpu)),
             "cpu_bar": max(0.02, quantile(map(outside, rows), 0.9)),
             "cpu_bias": statistics.median(cpu),
             "timers_median": statistics.median(map(abs, own)),
             "timers_bar": max(0.05, quantile(map(outside_own, rows), 0.9)),
             "memory_worst": max(held, default=0)}
    return {name: round(value, 4) for name, value in found.items()}
