# SPDX-License-Identifier: MIT
"""What a server's timers are: classes of them, and how the loop is driven.

A class is a number of timers (count=N: connections, jobs, players; when one ends
another begins) or a rate (rate=R: so many begin a second, as requests do). Its
timers live in the server's records: each in one of its own, or, on=CLASS, in the
records of another class, at most one in each.

    NAME: count=N | rate=R  timeout=T | timeout=T..T | every=T  [on=CLASS]
          [pushed=T] [closer=SHARE to=T] [cancelled=SHARE after=T]

Units: seconds, and events per second, in a plan; a time may be written with
us, ms, s, m, h or d.
"""

import dataclasses
import math
import re

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
LONGEST = 100 * 365.25 * 86400
MOST_CLASSES = 24


class BadPlan(Exception):
    """A plan that cannot be; the message says what, and why."""


@dataclasses.dataclass(frozen=True)
class Class:
    name: str
    count: float = 0          # live at once, or
    rate: float = 0           # begun a second
    least: float = 60         # the delay of a start or push: uniform from here
    most: float = 60          # to here
    periodic: bool = False    # it fires, and starts again
    on: str = ""              # the class in whose records it lives
    pushed: float = 0         # seconds between pushes of a live timer, at random; 0: none
    closer: float = 0         # share of the pushes that bring the deadline closer
    to: float = 0             # and how far from then it is afterwards
    cancelled: float = 0      # share of the lives that end so
    after: float = 0          # seconds from their start
    # Of a rate that was found in a trace:
    live: float = 0           # how many were live; 0: reckoned
    among: float = 0          # records of its own, of which each start takes any; 0: a pool
    pushes: float = 0         # of a life, all within so long after its start:
    within: float = 0

    def scaled(self, factor):
        return dataclasses.replace(self, count=self.count * factor, rate=self.rate * factor,
                                   live=self.live * factor, among=self.among * factor)


@dataclasses.dataclass(frozen=True)
class Plan:
    classes: tuple
    wakeups: float = 1000     # runs of the loop a second, of each loop
    tick: float = 2**20 / 1e9
    loops: int = 1            # each on a core of its own, with an even share of the timers
    clock: str = "start"      # read at each start and push, or once a turn

    def scaled(self, factor):
        return dataclasses.replace(self, classes=tuple(c.scaled(factor) for c in self.classes))

    def one_loop(self):
        return dataclasses.replace(self.scaled(1 / self.loops), loops=1)


# What the options say, for a Plan and for the short form. name: (least, most, unit)
RANGES = {
    "connections": (1, 1e8, ""),
    "requests_per_second": (0, 1e8, "per second"),
    "refreshes_per_second": (0, 1e8, "per second"),
    "idle_timeout": (1e-3, LONGEST, "s"),
    "request_timeout": (1e-3, LONGEST, "s"),
    "response_time": (0, LONGEST, "s"),
    "cancelled_share": (0, 1, ""),
    "wakeups_per_second": (1, 1e6, "per second"),
    "tick": (1e-6, 3600, "s"),
    "loops": (1, 4096, ""),
    "scale": (1e-6, 1e6, ""),
}


def within(name, value):
    least, most, unit = RANGES[name]
    if not least <= value <= most:
        raise BadPlan(f"{name.replace('_', ' ')} is {value:g}, but must be "
                      f"from {least:g} to {most:g} {unit}".rstrip())
    return value


def rounded_tick(seconds):
    """The library rounds a tick up to a power of two of nanoseconds."""
    return 2 ** math.ceil(math.log2(max(1, round(seconds * 1e9)))) / 1e9


# ------------------------------------------------------------------ the classes

def number(text, what):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise BadPlan(f"{what}: '{text}' is no number of 0 or more")
    return value


def seconds(text, what):
    found = re.fullmatch(r"([0-9.eE+-]*?[0-9.])(us|ms|s|m|min|h|d)?", text)
    if not found:
        raise BadPlan(f"{what}: '{text}' is no time, such as 30s, 250ms, 5m or 30d")
    value = number(found[1], what) * UNITS[found[2] or "s"]
    if value > LONGEST:
        raise BadPlan(f"{what}: '{text}' is more than a century")
    return value


def share(text, what):
    value = number(text, what)
    if value > 1:
        raise BadPlan(f"{what}: '{text}' is no share from 0 to 1")
    return value


READERS = {"count": number, "rate": number, "pushed": seconds, "closer": share, "to": seconds,
           "cancelled": share, "after": seconds}


def read_class(text):
    """NAME: key=value ..."""
    name, colon, rest = text.partition(":")
    name = name.strip()
    if not colon or not re.fullmatch(r"[A-Za-z][\w-]*", name):
        raise BadPlan(f"class '{text}': it must be NAME: key=value ..., such as "
                      "'ping: count=500000 every=30s'")
    fields = {}
    for word in rest.replace(",", " ").split():
        key, equals, value = word.partition("=")
        what = f"class {name}, {key}"
        if not equals or (key not in READERS and key not in ("timeout", "every", "on")):
            raise BadPlan(f"class {name}: '{word}' is none of count=, rate=, timeout=, every=, "
                          "on=, pushed=, closer=, to=, cancelled=, after=")
        if key in fields or (key in ("timeout", "every") and "least" in fields):
            raise BadPlan(f"class {name}: {key}= is one too many")
        if key in ("timeout", "every"):
            ends = value.split("..")
            times = [seconds(end, what) for end in ends]
            if len(times) > 2 or (key == "every" and len(times) > 1) or times[0] > times[-1]:
                raise BadPlan(f"{what}: '{value}' must be a time, or for a timeout T..T, "
                              "the shorter first")
            fields |= {"least": times[0], "most": times[-1], "periodic": key == "every"}
        elif key == "on":
            fields["on"] = value
        else:
            fields[key] = READERS[key](value, what)
    if "least" not in fields:
        raise BadPlan(f"class {name}: it has neither timeout= nor every=")
    return Class(name, **fields)


def short_form(connections=100000, requests=10000, refreshes=None, idle_timeout=60,
               request_timeout=30, response_time=0.05, cancelled_share=0.99):
    """Connections with an idle timeout that packets push out, and requests on them,
    each with a timeout that the answer cancels."""
    refreshes = 2 * requests if refreshes is None else refreshes
    if refreshes > 0 and connections / refreshes > LONGEST:
        refreshes = 0
    idle = Class("idle", count=connections, least=idle_timeout, most=idle_timeout,
                 pushed=connections / refreshes if refreshes else 0)
    if requests == 0:
        return (idle,)
    return (idle, Class("request", rate=requests, on="idle", least=request_timeout,
                        most=request_timeout, cancelled=cancelled_share,
                        after=response_time if cancelled_share else 0))


# --------------------------------------------------------------- what can be, or not

def fire_hazard(each):
    """Of a timer that is pushed, once it is older than its timeout: fires a second."""
    timeout, often = (each.least + each.most) / 2, pushes_out(each)
    if each.pushes:
        return math.inf
    if often * timeout < 1e-9:
        return math.inf
    if often * timeout > 500:
        return 0
    return often / math.expm1(often * timeout)


def pushes_out(each):
    return (1 - each.closer) / each.pushed if each.pushed else 0


def life(each):
    """How long a timer lives, in the mean."""
    if each.live:
        return each.live / each.rate
    timeout, hazard = (each.least + each.most) / 2, fire_hazard(each)
    if each.closer:
        # Brought closer at some moment, it has to be pushed out again in time.
        often = each.closer / each.pushed
        hazard = max(hazard if hazard < math.inf else 0,
                     often * math.exp(-pushes_out(each) * each.to))
        timeout = min(timeout, 1 / often + each.to)
    if hazard == math.inf:
        fired = timeout
        cut = min(timeout, each.after)
    else:
        fired = math.inf if hazard == 0 else timeout + max(0, 1 / hazard - timeout)
        cut = each.after
        if hazard > 0 and each.after > timeout:
            cut = timeout - math.expm1(-hazard * (each.after - timeout)) / hazard
    if each.cancelled == 1:
        return cut
    return each.cancelled * cut + (1 - each.cancelled) * fired


def check_class(each, classes):
    def bad(why):
        raise BadPlan(f"class {each.name}: {why}")
    if (each.count > 0) == (each.rate > 0):
        bad("it must have either count= or rate=, above 0")
    if each.count > 1e8 or each.rate > 1e8:
        bad("more than 100,000,000 is out of range")
    if 0 < each.count < 1:
        bad("count= must be 1 or more")
    if each.most <= 0:
        bad("its timeout must be above 0")
    if each.periodic and (each.rate or each.pushed or each.cancelled):
        bad("every= goes with count= alone")
    if each.closer > 0 and not (each.pushed and 0 < each.to):
        bad("closer= needs pushed= and to=")
    if each.to > 0 and not each.closer:
        bad("to= needs closer=")
    if each.to >= each.most:
        bad("to= must be less than the timeout, or it is no closer")
    if each.cancelled > 0 and each.after == 0 and each.rate == 0:
        bad("cancelled= needs after=")
    if each.after > 0 and not each.cancelled:
        bad("after= needs cancelled=")
    if each.cancelled and each.after >= each.least and not each.pushed and not each.live:
        bad(f"it is cancelled after {each.after:g} s, but its timeout of {each.least:g} s "
            "comes first")
    if each.rate and not math.isfinite(life(each)):
        bad("it is pushed out for ever, and never cancelled: it would never end")
    if each.on:
        host = {other.name: other for other in classes}.get(each.on)
        if host is None or not host.count or host.on:
            bad(f"on={each.on}, but there is no class of that name with a count= before it")
        if each.count:
            bad("on= goes with rate= alone")
        if live(each) > 0.9 * host.count:
            bad(f"{live(each):,.0f} are under way at once, more than nine tenths of the "
                f"{host.count:,.0f} records of {each.on}, of which each carries one")


def live(each):
    """How many are live at once, in the mean."""
    return each.count or each.live or each.rate * life(each)


def records(plan, each):
    """In how many its timers are, of their own or another's; 0: a pool."""
    if each.on:
        return next(other.count for other in plan.classes if other.name == each.on)
    return each.count or each.among


def check(plan):
    if not plan.classes:
        raise BadPlan("it has no timers")
    if len(plan.classes) > MOST_CLASSES:
        raise BadPlan(f"it has {len(plan.classes)} classes, more than {MOST_CLASSES}")
    names = [each.name for each in plan.classes]
    for i, each in enumerate(plan.classes):
        if names.count(each.name) > 1:
            raise BadPlan(f"class {each.name} is there twice")
        check_class(each, plan.classes[:i])
    total = sum(live(each) for each in plan.classes)
    if total > 1e9:
        raise BadPlan(f"{total:,.0f} timers at once are more than 1,000,000,000")
    guests = [each.on for each in plan.classes if each.on]
    if len(set(guests)) < len(guests):
        raise BadPlan("each class can be host to one other at most")
    return plan
