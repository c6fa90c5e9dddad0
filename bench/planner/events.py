# SPDX-License-Identifier: MIT
"""How often a class's timers are started, moved on, dropped and called: counts alone.

One place in the wheel is followed through the lives of the timers that have it
one after the other: a record's, or, for calls by handle, a node's. Timers do not
depend on each other, so this one tells for all. Dice are thrown, the same in
every run; where the library moves lazily, so does this: a push that leaves a
timer's cell where it is is not followed at all, but the last one is drawn when
the cell is looked at. docs/DESIGN.md describes the wheel.
"""

import collections
import dataclasses
import functools
import math
import random

import plan as plans

# Of each level: by how many bits a tick is shifted to give its slot, and its slots.
LEVELS = ((0, 512), (8, 512), (16, 512), *((shift, 32) for shift in range(24, 60, 4)))
BATCH = 31                # a slot of no more cells is emptied at its last tick
EVENTS = 20000            # followed
SAMPLES = 2048


@dataclasses.dataclass
class Counts:
    """Of one class, for each life, unless it says otherwise."""
    starts: float = 0     # took a new cell
    restarts: float = 0   # found a parked one that could stay
    restarts_moved: float = 0  # or had to be left
    closer: float = 0     # pushes that had to leave their cell
    ends: float = 0
    fires: float = 0
    visits: float = 0     # cells that were read and moved on
    drops: float = 0      # or let go
    life: float = 0       # seconds
    parked: float = 0     # seconds that a parked cell waited
    # What they are like at any moment: (left, left when it came to its place, how long
    # ago that was, cancelled in or -1).
    live_samples: list = dataclasses.field(default_factory=list)
    parked_samples: list = dataclasses.field(default_factory=list)


class Place:
    """Where a cell is: since `placed` was its timer's deadline."""

    def __init__(self, wheel, now, deadline):
        self.placed, self.since = deadline, now
        tick, cursor = (int(time / wheel.tick + 1e-3) for time in (deadline, now))
        self.level, (shift, _) = next(
            (level, each) for level, each in enumerate(LEVELS)
            if (tick >> each[0]) - (cursor >> each[0]) < each[1])
        # The deadline must not come before `limit`: then its slot is to be empty.
        self.limit = self.visit = (tick >> shift << shift) * wheel.tick
        if self.level > 0:
            early = wheel.tick
            if not wheel.at_once[self.level]:
                early = wheel.dice.random() * wheel.tick * (1 << shift)
            self.visit = max(now, self.limit - early)


class Wheel:
    def __init__(self, tick, at_once):
        self.tick, self.at_once, self.dice = tick, at_once, random.Random(1)
        self.shares = collections.defaultdict(float)

    def happens(self, what, share):
        """Whether this time, too: so often that the share is exact."""
        self.shares[what] += share
        if self.shares[what] < 1:
            return False
        self.shares[what] -= 1
        return True

    def draw(self, often):
        return self.dice.expovariate(often) if often > 0 else math.inf


class Timer:
    """One life: since its last push, as far as that has been drawn."""

    def __init__(self, each, wheel, now):
        self.each, self.wheel, self.born = each, wheel, now
        often = 1 / each.pushed if each.pushed else 0
        if each.pushes:
            often = each.pushes / each.within
        self.often, self.closer_often = (1 - each.closer) * often, each.closer * often
        self.pushed_until = now + each.within if each.pushes else math.inf
        self.set(now, self.delay())
        cancelled = wheel.happens(each.name, each.cancelled)
        self.cancel = now + each.after if cancelled else math.inf
        self.next_closer = self.closer_after(now)

    def closer_after(self, now):
        then = now + self.wheel.draw(self.closer_often)
        return then if then < self.pushed_until else math.inf

    def delay(self):
        each = self.each
        if each.least == each.most:
            return each.least
        return self.wheel.dice.uniform(each.least, each.most)

    def set(self, now, delay):
        self.since, self.deadline, self.seen = now, now + delay, now

    def look(self, now):
        """Draws the last push before now, if there was one."""
        end = min(now, self.pushed_until)
        span = (end - self.seen) * self.often
        self.seen = now
        if span > 0:
            quiet = math.exp(-span)
            u = self.wheel.dice.random()
            if u >= quiet:
                age = -math.log(u) / self.often
                self.set(end - age, self.delay())
                self.deadline = max(self.deadline, now)
                self.seen = now
        return self.deadline


def follow(mix, parks, gap, tick, at_once):
    """mix: ((weight, class), ...): whose lives follow each other in one place, and
    how long it stands empty between two. Returns {name: Counts}."""
    wheel = Wheel(tick, at_once)
    dice = wheel.dice
    classes, weights = [each for _, each in mix], [weight for weight, _ in mix]
    counts = {each.name: Counts() for each in classes}
    lives, segments = collections.Counter(), {each.name: [] for each in classes}
    now, place, events, each = 0.0, None, 0, classes[0]

    def note(timer, until, parked_name=None):
        nonlocal now
        name = parked_name or timer.each.name
        span = until - now
        if span > 0:
            state = (timer.since, timer.deadline, timer.cancel, timer.often,
                     timer.each.most) if timer else None
            segments[name].append((now, span, state, 
                                   (place.placed, place.since) if place else None))
        now = until

    while events < EVENTS:
        pause = dice.expovariate(1 / gap) if gap > 0 else 0
        begin = now + pause
        if place and place.visit <= begin:
            counts[each.name].drops += 1
            counts[each.name].parked += place.visit - now
            note(None, place.visit, each.name)
            place = None
        elif place:
            counts[each.name].parked += begin - now
        note(None, begin, each.name)
        each = dice.choices(classes, weights)[0] if len(classes) > 1 else classes[0]
        count = counts[each.name]
        lives[each.name] += 1
        events += 1
        timer = Timer(each, wheel, now)
        if place and place.limit <= timer.deadline:
            count.restarts += 1
        else:
            count.restarts_moved += place is not None
            count.starts += place is None
            place = Place(wheel, now, timer.deadline)
        while events < EVENTS:
            events += 1
            until = min(place.visit, timer.cancel, timer.next_closer)
            if until == timer.cancel and until < place.visit:
                timer.look(until)
                note(timer, until)
                count.ends += 1
                if not parks:
                    place = None
                break
            if until == timer.next_closer and until < place.visit:
                note(timer, until)
                timer.next_closer = timer.closer_after(until)
                timer.set(until, each.to)
                if place.limit > timer.deadline:
                    count.closer += 1
                    place = Place(wheel, until, timer.deadline)
                continue
            deadline = timer.look(until)
            if place.level == 0 and int(deadline / tick) <= int(place.limit / tick + 0.5):
                note(timer, max(until, min(deadline, timer.cancel)))
                if timer.cancel < deadline:
                    count.ends += 1
                else:
                    count.fires += 1
                place = None
                break
            note(timer, until)
            count.visits += 1
            place = Place(wheel, until, deadline)
        count.life += now - timer.born
    for name, count in counts.items():
        per_life(count, lives[name])
        count.live_samples, count.parked_samples = sample(segments[name], dice)
    return counts


def per_life(count, lives):
    for field in dataclasses.fields(count):
        if field.type is float:
            setattr(count, field.name, getattr(count, field.name) / max(1, lives))


def sample(segments, dice):
    """Moments, each as likely as another: what a timer, or a parked cell, is like
    then. The live ones first."""
    live, parked = ([each for each in segments if (each[2] is not None) == state and each[3]
                     and each[1] > 0] for state in (True, False))
    return [looked_at(each, dice) for each in drawn(live, dice)], \
           [looked_at(each, dice) for each in drawn(parked, dice)]


def drawn(segments, dice):
    if not segments:
        return []
    return dice.choices(segments, [span for _, span, _, _ in segments], k=SAMPLES)


def looked_at(segment, dice):
    begin, span, state, (placed, since_placed) = segment
    at = begin + dice.random() * span
    ahead, age = max(0, placed - at), at - since_placed
    if state is None:
        return 0, ahead, age, -1
    since, deadline, cancel, often, most = state
    left = deadline - at
    if since > at: # pushed afterwards; before, it was so long ago
        left = most - min(at - begin, dice.expovariate(often) if often else 0)
    return max(left, ahead), ahead, age, cancel - at if cancel < math.inf else -1


def at_once(plan):
    """For each level whether its slots hold so few cells that they are emptied at
    once, rather than in shares."""
    places = sum(plans.live(each) / max(plan.tick, (each.least + each.most) / 2)
                 for each in plan.classes)
    return tuple(places * plan.tick * 2**shift <= BATCH for shift, _ in LEVELS)


@functools.lru_cache(maxsize=4096)
def followed(mix, parks, gap, tick, at_once_):
    return follow(mix, parks, gap, tick, at_once_)


def plain(each):
    """What of a class says how its timers fare, whatever their number."""
    return dataclasses.replace(each, count=0, rate=0, on="", live=0, among=0)


def counts_of(plan, interface):
    """{name: Counts}, for each life, of a plan of one loop."""
    flat, parks = at_once(plan), interface != "stop"
    found = {}
    pooled = [each for each in plan.classes if each.rate]
    if interface == "handles" and pooled:
        total = sum(each.rate for each in pooled)
        mix = tuple((round(each.rate / total, 6), plain(each)) for each in pooled)
        found |= followed(mix, True, 0, plan.tick, flat)
    for each in plan.classes:
        if each.name in found:
            continue
        gap = 0
        if each.on or each.among:
            gap = float(f"{max(0, plans.records(plan, each) / each.rate - plans.life(each)):.6g}")
        found |= followed(((1, plain(each)),), parks, gap, plan.tick, flat)
    return found
