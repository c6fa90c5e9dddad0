"""What a plan's timers cost: arithmetic only. planner.js is the same in JavaScript.

A plan is a server's connections, each with an idle timeout that every packet
pushes out, and the requests on them, each with a timeout that is cancelled by
the answer. Its cost is the sum of events per second times what each costs. What
an event costs depends on how many connections the caches must hold, so each
cost is a table over sizes, interpolated in the logarithm of the size.

Units: seconds and events per second in a plan, ns in costs, bytes in memory.
docs/CAPACITY.md derives the rates.
"""

import dataclasses
import math

INTERFACES = ("stop", "park", "handles")
INTERFACE_NAMES = {"stop": "embedded", "park": "embedded, park", "handles": "handles"}

# The wheel with its default tick: docs/DESIGN.md, "The wheel" and "Costs".
TICK_S = 2**20 / 1e9
LEVEL_SLOT_S = (TICK_S, TICK_S * 2**8, TICK_S * 2**16)
LEVEL_REACH_S = tuple(511 * slot for slot in LEVEL_SLOT_S)
CHUNK_CELLS = 31

EMBEDDED_TIMER_BYTES = 40
CELL_BYTES = 256 / CHUNK_CELLS
HANDLE_BYTES = 8           # the caller's part of a call by handle
NODE_BYTES = 64            # the library's part, in slabs that double up to the largest
NODES_FIRST, NODES_LARGEST = 64, 32768
HEAP_PAGE_ENTRIES, HEAP_ENTRY_BYTES = 256, 16   # tw_reserve: its place beyond the span


class BadPlan(Exception):
    """A plan out of range; the message says which option and why."""


@dataclasses.dataclass(frozen=True)
class Plan:
    connections: float = 100000
    requests: float = 10000          # per second, in all
    refreshes: float = 20000         # packets per second that push an idle timeout out, in all
    idle_timeout: float = 60
    request_timeout: float = 30
    response_time: float = 0.05
    cancelled_share: float = 0.99    # of the requests' timeouts; the others fire
    wakeups: float = 1000            # runs of the loop per second

    def scaled(self, connections):
        """The same plan with so many connections, each as busy as before."""
        factor = connections / self.connections
        return dataclasses.replace(self, connections=connections,
                                   requests=self.requests * factor,
                                   refreshes=self.refreshes * factor)


# name: (least, greatest, unit)
RANGES = {
    "connections": (1, 1e8, ""),
    "requests": (0, 1e8, "per second"),
    "refreshes": (0, 1e8, "per second"),
    "idle_timeout": (0.1, 30000, "s"),
    "request_timeout": (0.1, 30000, "s"),
    "response_time": (0, 30000, "s"),
    "cancelled_share": (0, 1, ""),
    "wakeups": (1, 1e6, "per second"),
}


def check(plan):
    for name, (least, greatest, unit) in RANGES.items():
        value = getattr(plan, name)
        if not least <= value <= greatest:
            raise BadPlan(f"{name.replace('_', ' ')} is {value:g}, but must be "
                          f"from {least:g} to {greatest:g} {unit}".rstrip())
    if plan.response_time >= plan.request_timeout:
        raise BadPlan("the response time must be less than the request timeout: "
                      "lower the cancelled share instead")
    busy = under_way(plan)
    if busy > 0.9 * plan.connections:
        raise BadPlan(f"{busy:.0f} requests are under way at once, more than nine tenths of "
                      f"the {plan.connections:.0f} connections, of which each carries one")


def under_way(plan):
    """Requests neither answered nor timed out."""
    unanswered = (1 - plan.cancelled_share) * plan.request_timeout
    return plan.requests * (plan.cancelled_share * plan.response_time + unanswered)


def interpolate(sizes, values, size):
    """Linear in log size; before the first constant, after the last with the last slope."""
    if size <= sizes[0]:
        return values[0]
    i = 1
    while i < len(sizes) - 1 and size > sizes[i]:
        i += 1
    share = math.log(size / sizes[i - 1]) / math.log(sizes[i] / sizes[i - 1])
    return values[i - 1] + (values[i] - values[i - 1]) * share


def level_of(timeout):
    """The wheel's level that a timer so far ahead waits in."""
    return 0 if timeout < LEVEL_REACH_S[0] else 1 if timeout < LEVEL_REACH_S[1] else 2


def lead_of(timeout):
    """How long before its deadline a cell is visited, on average."""
    level = level_of(timeout)
    return LEVEL_SLOT_S[level] if level > 0 else 0


def idle_rates(refreshes, timeout):
    """Of one connection: its visits that find a later deadline, and its fires, per second.

    Refreshes come at random, at this rate. A cell is placed for the deadline as
    it was then, `ahead` before it is visited; the visit finds it moved unless no
    refresh came, and places it again, for a deadline that lies the age of the
    last refresh short of a whole timeout. The mean age is found by iteration.
    """
    if refreshes * timeout < 1e-9:
        return 0, 1 / timeout
    if refreshes * timeout > 500:
        fires = 0
    else:
        fires = refreshes / math.expm1(refreshes * timeout)
    lead = lead_of(timeout)
    age, ahead, quiet = 0, timeout, 1
    for _ in range(40):
        ahead = max(timeout - age - lead, timeout / 4)
        quiet = math.exp(-refreshes * ahead)
        if quiet < 1:
            age = (1 - quiet) * (1 / refreshes - ahead * quiet / (1 - quiet))
    return (1 - quiet) / ahead, fires


def rates(plan, interface):
    """Events per second, and what the cells and sizes come to."""
    visits, idle_fires = idle_rates(plan.refreshes / plan.connections, plan.idle_timeout)
    answered = plan.requests * plan.cancelled_share
    timed_out = plan.requests - answered
    stays = plan.request_timeout - lead_of(plan.request_timeout)
    active = under_way(plan)
    new = plan.requests
    request_cells = active
    if interface == "park":      # a connection's cell stays until its visit
        new = plan.requests / (1 + plan.requests / plan.connections * stays)
        request_cells = max(active, min(plan.connections, new * stays))
    if interface == "handles":   # the node cancelled last is taken first
        new = min(plan.requests, answered * plan.response_time / stays + timed_out)
    far = (level_of(plan.idle_timeout) == 2) * idle_fires * plan.connections
    far += (level_of(plan.request_timeout) == 2) * timed_out
    return {
        "visits": visits * plan.connections + far,
        "drops": 0 if interface == "stop" else max(0, new - timed_out),
        "idle_fires": idle_fires * plan.connections,
        "request_fires": timed_out,
        "answered": answered,
        "new": new,
        "reused": plan.requests - new,
        "active": active,
        "request_cells": request_cells,
        # Distinct connections met between a request and its answer.
        "met": min(plan.connections,
                   (plan.refreshes + 2 * plan.requests) * plan.response_time),
    }


def most(mean):
    """What a count of random events with this mean practically never exceeds."""
    return mean + 6 * math.sqrt(mean) + 6


def call_bytes(calls):
    """Of so many calls by handle, reserved, beside their cells."""
    small = NODES_LARGEST - NODES_FIRST   # nodes in all slabs before the first largest
    if calls > small:
        nodes = small + math.ceil((calls - small) / NODES_LARGEST) * NODES_LARGEST
    else:
        nodes, slab = 0, NODES_FIRST
        while nodes < calls:
            nodes += slab
            slab *= 2
    pages = math.ceil(calls / HEAP_PAGE_ENTRIES)
    return NODE_BYTES * nodes + HEAP_ENTRY_BYTES * HEAP_PAGE_ENTRIES * pages


def memory(plan, interface, calibration):
    """Peak cells; bytes of the loop when they are reserved; bytes in the caller's structs."""
    cells = plan.connections + most(rates(plan, interface)["request_cells"])
    cells = min(cells, 2 * plan.connections)
    loop = calibration["base_bytes"] + CELL_BYTES * cells
    caller = 2 * EMBEDDED_TIMER_BYTES * plan.connections
    if interface == "handles":
        loop += call_bytes(cells)
        caller = 2 * HANDLE_BYTES * plan.connections
    return {"cells": cells, "loop_bytes": loop, "caller_bytes": caller,
            "bytes": loop + caller}


def fire_ns(tables, sizes, size, due):
    """Of one timer of so many due in a run: the first waits for its cache misses,
    those of the others overlap."""
    together, alone = (interpolate(sizes, tables[name], size) for name in ("fire", "fire_alone"))
    return together + max(0, alone - together) / max(1, due)


def cost(plan, interface, calibration):
    """Processor time per second in ns, by kind. Each of the server's events counts
    with the touch of the connection's own line."""
    sizes, tables = calibration["sizes"], calibration["costs"][interface]
    rate, size = rates(plan, interface), plan.connections
    again = calibration["again"]
    missed = interpolate(again["distances"], again["shares"], rate["met"])

    def of(values):
        return interpolate(sizes, values, size)

    def soon_after(values):
        """An event on a connection that was touched a response time ago."""
        return values[0] + min(1, missed) * (of(values) - values[0])

    due = (rate["idle_fires"] + rate["request_fires"]) / plan.wakeups
    return {
        "refresh": plan.refreshes * of(tables["refresh"]),
        "start": rate["new"] * of(tables["start"]) + rate["reused"] * of(tables["restart"])
                 + rate["idle_fires"] * tables["start"][0],
        "end": rate["answered"] * soon_after(tables["end"]),
        "fire": due * plan.wakeups * fire_ns(tables, sizes, size, due),
        "visit": rate["visits"] * of(tables["visit"]) + rate["drops"] * of(tables["drop"]),
        "tick": plan.wakeups * calibration["tick"],
        # Of all that, what the same events cost without any timer.
        "records": (plan.refreshes + plan.requests) * of(calibration["touch"])
                   + rate["answered"] * soon_after(calibration["touch"]),
    }


def total(parts):
    return sum(ns for name, ns in parts.items() if name != "records")


def lateness(plan, interface, calibration):
    """What timers wait for other timers, in ns: half of an average run, and the
    longest run. Deadlines are taken to be independent of each other."""
    sizes, tables = calibration["sizes"], calibration["costs"][interface]
    rate = rates(plan, interface)
    due = (rate["idle_fires"] + rate["request_fires"]) / plan.wakeups
    cells = (rate["visits"] + rate["drops"]) / plan.wakeups + due
    # A slot of no more than a chunk's cells goes at once, on each upper level.
    cells_max, due_max = most(cells) + 2 * CHUNK_CELLS, most(due)
    parts = cost(plan, interface, calibration)
    passing = (parts["fire"] + parts["visit"]) / plan.wakeups
    return {"expected_ns": calibration["tick"] + passing / 2,
            "worst_ns": calibration["tick"]
                        + cells_max * interpolate(sizes, tables["visit"], plan.connections)
                        + due_max * fire_ns(tables, sizes, plan.connections, due_max),
            "cells_max": cells_max, "due_max": due_max}


def core_share(plan, interface, calibration):
    return total(cost(plan, interface, calibration)) / 1e9


def largest(plan, fits):
    """The most connections, each as busy as in the plan, for which fits(plan) holds."""
    low, high = 1.0, RANGES["connections"][1]
    if not fits(plan.scaled(low)):
        return 0
    if fits(plan.scaled(high)):
        return high
    for _ in range(60):
        middle = math.sqrt(low * high)
        if fits(plan.scaled(middle)):
            low = middle
        else:
            high = middle
    return math.floor(low)


def answer(plan, interface, calibration, memory_bytes=2**30, core=1.0):
    """Everything that is told of a plan, without the error bars."""
    check(plan)
    parts = cost(plan, interface, calibration)
    return {
        **memory(plan, interface, calibration),
        "core_share": total(parts) / 1e9,
        "timers_share": max(0, total(parts) - parts["records"]) / 1e9,
        **lateness(plan, interface, calibration),
        "per_core": largest(plan, lambda bigger:
                            core_share(bigger, interface, calibration) <= core),
        "per_memory": largest(plan, lambda bigger:
                              memory(bigger, interface, calibration)["bytes"] <= memory_bytes),
    }
