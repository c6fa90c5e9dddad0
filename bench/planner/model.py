# SPDX-License-Identifier: MIT
"""What a plan's timers cost: events a second, times what each costs.

How many events there are is counted (events.py), what of a cache miss each pays
follows from what else is touched (caches.py), and what an event costs beside is
measured once (calibration.py): a + b times the miss. docs/CAPACITY.md derives it.

Units: seconds and events a second in a plan, ns in costs, bytes in memory.
"""

import dataclasses
import math

import caches
import plan as plans
import events

INTERFACES = ("stop", "park", "handles")
INTERFACE_NAMES = {"stop": "embedded", "park": "embedded, park", "handles": "handles"}
RESERVES = {"stop": "tw_reserve_embedded", "park": "tw_reserve_embedded",
            "handles": "tw_reserve_calls"}

CHUNK_CELLS, CHUNK_BYTES = 31, 256
EMBEDDED_TIMER_BYTES, HANDLE_BYTES, NODE_BYTES = 40, 8, 64
NODES_FIRST, NODES_LARGEST = 64, 32768     # slabs double up to the largest
CELLS_IN_LINE, CELLS_BYTES = 8, 64
PARKED_MARGIN = 1.03    # their number is counted on a sample
MOST_TIMERS = 1e9       # nothing is told of more
LOOP_LINES = 24         # of the loop's own, which a run may find in no cache


@dataclasses.dataclass
class Rates:
    """Of one class in one loop: events a second, and what there is at once."""
    each: plans.Class
    counts: events.Counts
    begun: float      # lives a second
    live: float
    pushes: float
    parked: float     # cells

    def rate(self, name):
        return self.begun * getattr(self.counts, name)


def rates_of(plan, interface):
    """{name: Rates} of one loop's plan."""
    found = {}
    for each in plan.classes:
        counts = events.counts_of(plan, interface)[each.name]
        begun = each.rate or each.count / counts.life
        live = each.count or each.live or begun * counts.life
        pushes = live / each.pushed if each.pushed else 0
        parked = begun * counts.parked
        if (each.on or each.among) and interface == "handles":
            parked = 0
        found[each.name] = Rates(each, counts, begun, live, pushes, parked)
    return found


def most(mean):
    """What a count of random events with this mean practically never exceeds."""
    return mean + 6 * math.sqrt(mean) + 6


# ---------------------------------------------------------------------- memory

def slab_nodes(calls):
    """Nodes in whole slabs."""
    small = NODES_LARGEST - NODES_FIRST   # in all slabs before the first largest
    if calls > small:
        return small + math.ceil((calls - small) / NODES_LARGEST) * NODES_LARGEST
    nodes, slab = 0, NODES_FIRST
    while nodes < calls:
        nodes += slab
        slab *= 2
    return nodes


def chunk_bytes(cells, containers):
    """Of the chunks that so many cells can take at most, however they are spread."""
    return CHUNK_BYTES * (cells if cells <= containers
                          else containers + (cells - containers) / CHUNK_CELLS)


def cells_of(rates, plan, interface):
    """At most, at once: to reserve. A record's timer has one at most."""
    fixed = sum(rate.live for rate in rates.values() if rate.each.count)
    moving = sum(rate.live + PARKED_MARGIN * rate.parked for rate in rates.values()
                 if rate.each.rate)
    total = fixed + (most(moving) if moving else 0)
    if interface != "handles" and all(plans.records(plan, each) for each in plan.classes):
        total = min(total, sum(plans.records(plan, each) for each in plan.classes))
    return math.ceil(total)


def memory(plan, interface, calibration):
    """Of all loops: cells to reserve in each, bytes that the loops hold, and in the
    caller's own structs."""
    one = plan.one_loop()
    rates = rates_of(one, interface)
    cells = cells_of(rates, one, interface)
    loop = calibration["base_bytes"] + chunk_bytes(cells, calibration["containers"])
    places = sum(plans.records(one, each) or most(rates[each.name].live) for each in one.classes)
    caller = places * EMBEDDED_TIMER_BYTES
    if interface == "handles":
        loop += NODE_BYTES * slab_nodes(cells)
        caller = places * HANDLE_BYTES
    return {"cells": cells, "loop_bytes": plan.loops * loop,
            "caller_bytes": plan.loops * caller, "bytes": plan.loops * (loop + caller)}


# ------------------------------------------------------------------ what is touched

def hot(rate):
    """Of a class with a rate: the lives that are going to be cancelled. Their records and
    nodes are taken again at once, so that it is always the same ones."""
    if rate.pushes or rate.each.pushes:
        return rate.live   # each of them is touched
    return min(rate.live, rate.begun * rate.each.cancelled * rate.each.after)


def families_of(rates, interface):
    """What the timers' world touches, and what the same without timers would:
    {name of a family: (lines, touches of each a second, bytes of each)}. What of a pool is
    held until it is due is a family of its own, `.../late`."""
    timers, without = {}, {}
    for name, rate in rates.items():
        each = rate.each
        acts = rate.pushes + rate.begun + rate.rate("ends")
        seen = rate.rate("visits") + rate.rate("drops") + rate.rate("fires")
        touched = acts + rate.rate("fires") + (seen if interface != "handles" else 0)
        if each.count:
            add(timers, name, rate.live, touched)
            add(without, name, rate.live, rate.pushes + 2 * rate.rate("ends"))
            if interface == "handles":
                add(timers, name + "/node", rate.live, acts + rate.rate("fires") + seen, NODE_BYTES)
            continue
        late = rate.live - hot(rate)
        if each.on or each.among:
            host = each.on or name
            lines = rates[host].live if each.on else each.among
            add(timers, host, lines, touched if not each.on else acts + rate.rate("fires"))
            add(without, host, lines, acts)
            if each.on:
                add(timers, name, lines, touched)
        else:
            add(timers, name, hot(rate), acts)
            add(timers, name + "/late", late, touched - acts)
            add(without, name, hot(rate), acts)
        if interface == "handles":
            add(timers, "/node", hot(rate), acts, NODE_BYTES)
            add(timers, "/node/late", late, rate.rate("fires") + seen, NODE_BYTES)
    cells = sum(rate.live + rate.parked for rate in rates.values())
    moves = sum(rate.rate("starts") + rate.rate("visits") + rate.rate("ends")
                for rate in rates.values())
    add(timers, "/cells", cells / CELLS_IN_LINE, moves, CELLS_BYTES)
    return timers, without


def add(families, name, lines, touches, size=caches.RECORD_BYTES):
    """touches: of all its lines, a second."""
    lines_before, often_before, _ = families.get(name, (0, 0, size))
    touches += lines_before * often_before
    if name in ("/node", "/node/late"):       # one pool of them for all classes
        lines += lines_before
    lines = max(1, lines, lines_before)
    families[name] = (lines, touches / lines, size)


# ------------------------------------------------------------------------- the cost

class Costs:
    """What each event pays in a plan of one loop."""

    def __init__(self, rates, interface, calibration, machine):
        self.rates, self.interface, self.calibration = rates, interface, calibration
        self.table = calibration["costs"][interface]
        self.least = machine.least
        self.families, self.bare = families_of(rates, interface)
        self.timers = caches.Footprint(machine, self.families.values())
        self.without = caches.Footprint(machine, self.bare.values())

    def event(self, name, miss):
        fixed, misses = self.table[name]
        return fixed + misses * miss

    def miss(self, family, within=math.inf):
        return self.timers.again(self.families[family][1], within)

    def latest(self, what):
        """The dearest miss of those to whom this happens."""
        return max((self.miss(late_family(self, rate)) for rate in self.rates.values()
                    if rate.rate(what) > 0), default=0)

    def beside(self, host, guest, within):
        """A guest's line that is touched with its host's record: the two misses overlap.
        A handle is only written there when it begins, which nobody waits for."""
        if self.interface == "handles" and within == math.inf:
            return 0
        ours, theirs = self.miss(guest, within), self.miss(host, within)
        return self.event("both", min(ours, theirs)) + max(0, ours - theirs)


def family_of(costs, rate):
    """Of the lines that its timers are in."""
    if costs.interface != "handles":
        return rate.each.name
    return rate.each.name + "/node" if rate.each.count else "/node"


def late_family(costs, rate):
    """Of those that live to be due."""
    family = family_of(costs, rate)
    return family + "/late" if family + "/late" in costs.families else family


def touched(rate, costs, footprint, family_often):
    """The server's own touches of its records, ns a second."""
    each, least = rate.each, costs.least
    miss = footprint.again(family_often)
    pushes = rate.pushes * (least + miss)
    if each.count:   # one that is cancelled is followed by another, at once
        return pushes + rate.rate("ends") * (2 * least + footprint.again(family_often, each.after))
    begun = miss if each.on or each.among else 0   # a pool's next record is the one given back last
    ends = rate.rate("ends") * (least + footprint.again(family_often, each.after))
    return pushes + rate.begun * (least + begun) + ends


def cost(plan, interface, calibration, curve="touch"):
    """Processor time a second in ns, of all loops, by kind. `records` is what of all
    that the same events would take without any timer."""
    one = plan.one_loop()
    rates = rates_of(one, interface)
    machine = caches.Machine(calibration, plan.loops, curve)
    costs = Costs(rates, interface, calibration, machine)
    parts = dict.fromkeys(("push", "start", "end", "fire", "visit", "clock", "run"), 0.0)
    records = pollution = 0.0
    due = moved = 0.0
    for name, rate in rates.items():
        each = rate.each
        host = each.on or name
        without = touched(rate, costs, costs.without, costs.bare[host][1])
        records += without
        pollution += touched(rate, costs, costs.timers, costs.families[host][1]) - without
        family, late = family_of(costs, rate), late_family(costs, rate)
        # Embedded in the record, the timer comes with it: no miss of its own.
        own_line = interface != "handles" and not each.on
        often_miss, late_miss = costs.miss(family), costs.miss(late)
        end_miss = costs.miss(family, each.after) if each.after else 0
        apart = 0 if own_line else often_miss
        # A node taken again is the one given back last; a guest's line is not.
        guest = "guest_" if each.on else ""
        parts["push"] += (rate.pushes - rate.rate("closer")) * costs.event("refresh", apart)
        parts["push"] += rate.rate("closer") * costs.event("moved", often_miss)
        first = rate.rate("starts")
        if each.count:   # what fired is followed by another, from within its callback
            parts["start"] += rate.rate("fires") * costs.event("again", often_miss)
            first -= rate.rate("fires")
        parts["start"] += max(0, first) * costs.event(guest + "start", 0)
        parts["start"] += rate.rate("restarts") * costs.event(guest + "restart", 0)
        parts["start"] += rate.rate("restarts_moved") * costs.event("moved", often_miss)
        parts["end"] += rate.rate("ends") * costs.event(guest + "end", end_miss)
        if each.on:
            parts["start"] += rate.begun * costs.beside(host, name, math.inf)
            parts["end"] += rate.rate("ends") * costs.beside(host, name, each.after)
        parts["visit"] += rate.rate("visits") * costs.event("visit", late_miss)
        parts["visit"] += rate.rate("drops") * costs.event("drop", late_miss)
        parts["fire"] += rate.rate("fires") * costs.event("fire", late_miss)
        due += rate.rate("fires")
        moved += rate.rate("visits")
        relative = rate.begun + rate.pushes
        if plan.clock == "start":
            parts["clock"] += relative * calibration["clock"]
    parts["visit"] += min(one.wakeups, moved) * costs.event("pass", costs.latest("visits"))
    turns = one.wakeups * -math.expm1(-due / one.wakeups)
    parts["run"] = one.wakeups * calibration["tick"]
    parts["run"] += turns * costs.event("turn", costs.latest("fires"))
    parts["records"] = records
    parts["pollution"] = pollution
    return {name: plan.loops * ns for name, ns in parts.items()}


def total(parts):
    return sum(parts.values())


def own(parts):
    return total(parts) - parts["records"]


# --------------------------------------------------------------------- the longest run

def longest(plan, interface, calibration):
    """Of one run of one loop: what practically never is exceeded, if deadlines do not
    depend on each other; and half of an average one, which a timer waits."""
    one = plan.one_loop()
    rates = rates_of(one, interface)
    table, machine = calibration["costs"][interface], caches.Machine(calibration)
    worst_miss = machine.costs[-1]   # each waits for memory, and none is asked for ahead
    due = sum(rate.rate("fires") for rate in rates.values()) / one.wakeups
    moved = sum(rate.rate("visits") + rate.rate("drops") for rate in rates.values()) / one.wakeups
    # Ticks that a run passes; in each a slot of no more than a batch goes at once,
    # on each upper level, and shares are rounded up.
    ticks = max(1, 1 / one.wakeups / one.tick)
    batches = 2 * events.BATCH * min(ticks, 2)
    due_max, cells_max = most(due), most(moved + due) + batches
    fire = table["fire"][0] + (1 + table["fire"][1]) * worst_miss
    visit = table["visit"][0] + (1 + table["visit"][1]) * worst_miss
    parts = cost(plan, interface, calibration)
    passing = (parts["fire"] + parts["visit"]) / plan.loops / one.wakeups
    turn = sum(table[name][0] + table[name][1] * worst_miss for name in ("turn", "pass"))
    turn += calibration["tick"] + LOOP_LINES * worst_miss
    return {"expected_ns": calibration["tick"] + passing / 2,
            "longest_ns": turn + cells_max * visit + due_max * fire,
            "cells_max": cells_max, "due_max": due_max}


def burst(plan, interface, calibration):
    """All timers of the classes with a count at once: they begin in one turn, and
    later all are due in one turn."""
    one = plan.one_loop()
    rates = rates_of(one, interface)
    costs = Costs(rates, interface, calibration, caches.Machine(calibration, loops=plan.loops))
    timers = sum(rate.live for rate in rates.values() if rate.each.count)
    if not timers:
        return None
    miss = caches.Machine(calibration).curve(2 * timers) - costs.least
    starts = timers * (costs.least + miss + costs.event("start", miss)
                       + (calibration["clock"] if plan.clock == "start" else 0))
    due = timers * costs.event("fire", miss)
    return {"timers": timers, "starts_ns": starts, "due_ns": due}


# -------------------------------------------------------------------------- the answer

def core_share(plan, interface, calibration):
    return total(cost(plan, interface, calibration)) / 1e9


def largest(fits, measured):
    """The most times the plan for which fits(factor) holds, and whether it may be more:
    far beyond what was measured nothing is told."""
    low, high = 1e-9, measured
    if not fits(low):
        return 0, False
    if fits(high):
        return high, True
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low, False


def largest_class(plan):
    """What a plan is counted in."""
    return max(plan.classes, key=lambda each: (each.count, each.rate))


def population(plan):
    return largest_class(plan).count or largest_class(plan).rate


def farthest(plan, calibration):
    """How many times the plan is still near what was measured."""
    lines = sum(plans.live(each) for each in plan.classes) / plan.loops
    return 4 * calibration["sizes"][-1] / lines


def with_bars(found, error):
    """The answer with what it lies between: what the caches leave open, and by how much
    nine in ten of the plans that were played through lay outside of that."""
    cpu, timers = 1 + error["cpu_bar"], 1 + error["timers_bar"]
    return found | {"core_low": found["cache_low"] / cpu, "core_high": found["cache_high"] * cpu,
                    "timers_low": found["timers_cache_low"] / timers,
                    "timers_high": found["timers_cache_high"] * timers}


def answer(plan, interface, calibration, memory_bytes=2**30, core=1.0):
    """Everything that is told of a plan."""
    plans.check(plan)
    parts = cost(plan, interface, calibration)
    bars = [cost(plan, interface, calibration, curve) for curve in ("touch_low", "touch_high")]
    cores = [total(each) / 1e9 for each in (*bars, parts)]
    owns = [own(each) / 1e9 for each in (*bars, parts)]
    at_most = MOST_TIMERS / sum(plans.live(each) for each in plan.classes)
    far = min(at_most, farthest(plan, calibration))
    per_core, over_core = largest(
        lambda k: core_share(plan.scaled(k), interface, calibration) <= core, far)
    per_memory, over_memory = largest(
        lambda k: memory(plan.scaled(k), interface, calibration)["bytes"] <= memory_bytes,
        at_most)
    return with_bars({
        **memory(plan, interface, calibration),
        "reserve": RESERVES[interface],
        "core_share": total(parts) / 1e9,
        "cache_low": min(cores), "cache_high": max(cores),
        "timers_cache_low": max(0, min(owns)), "timers_cache_high": max(owns),
        "timers_share": own(parts) / 1e9,
        **longest(plan, interface, calibration),
        "burst": burst(plan, interface, calibration),
        "per_core": per_core * population(plan), "per_core_more": over_core,
        "per_memory": per_memory * population(plan), "per_memory_more": over_memory,
    }, calibration["error"])
