# SPDX-License-Identifier: MIT
"""Tests of bench/planner: python3 test_planner.py BENCH [PLAN_PROBE] [unittest's options]

The calibration is fixed, and such that costs can be worked out by hand: a touch
of one among 1,000 lines is 10 ns, among 100,000 lines 110, halfway 60.
"""

import contextlib
import copy
import dataclasses
import gzip
import html.parser
import importlib.util
import io
import itertools
import json
import math
import pathlib
import runpy
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

BENCH = pathlib.Path(sys.argv.pop(1)).resolve()
PROBE = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
PLANNER = BENCH / "planner"
sys.path.insert(0, str(PLANNER))

import caches  # noqa: E402
import calibration  # noqa: E402
import fragment  # noqa: E402
import measure  # noqa: E402
import model  # noqa: E402
import plan as plans  # noqa: E402
import tables  # noqa: E402
import events  # noqa: E402

FIXED_PATH = pathlib.Path(__file__).resolve().parent / "calibration.json"
FIXED = calibration.read(FIXED_PATH)
RECORD = caches.RECORD_BYTES
SLOT_S = 2**28 / 1e9     # of the wheel's second level


def plan(*texts, **others):
    return plans.check(plans.Plan(tuple(map(plans.read_class, texts)), **others))


def some_plans():
    """Some of every kind, the far corners among them."""
    for connections, per_connection, idle, request, share, response in itertools.product(
            (10, 2e6), (0, 0.1), (0.3, 3600), (0.2, 300), (0.5, 1), (0.1, 5)):
        requests = connections * per_connection
        with contextlib.suppress(plans.BadPlan):
            yield plans.check(plans.Plan(plans.short_form(
                connections, requests, 2 * requests, idle, request, response, share)))
    for texts in (("ping: count=500000 every=30s",), ("job: count=5e6 timeout=0..30d",),
                  ("a: rate=100 timeout=1ms",), ("c: count=1 timeout=100d",),
                  ("a: rate=20000 timeout=2s cancelled=0.999 after=3ms",
                   "b: rate=20000 timeout=60s cancelled=1 after=120ms"),
                  ("c: count=1000 timeout=75s pushed=2s closer=0.4 to=10s",),
                  ("c: count=1000 timeout=75s pushed=2s cancelled=0.9 after=5m",)):
        yield plan(*texts)
        yield plan(*texts, loops=3, clock="turn", tick=2**24 / 1e9, wakeups=50)


SOME = list(some_plans())


def command(*arguments):
    """The command line's status, output and errors."""
    module = runpy.run_path(str(PLANNER / "__main__.py"))
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors), \
            unittest.mock.patch.object(calibration, "version", lambda: FIXED["tickwheel"]):
        try:
            status = module["main"](list(arguments))
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), errors.getvalue()


class Classes(unittest.TestCase):
    def test_a_class_is_read_with_its_units(self):
        self.assertEqual(
            plans.read_class("idle: count=2e5, timeout=75s pushed=1m closer=0.1 to=500ms"),
            plans.Class("idle", count=200000, least=75, most=75, pushed=60, closer=0.1, to=0.5))
        self.assertEqual(plans.read_class("job: count=5 timeout=1h..30d"),
                         plans.Class("job", count=5, least=3600, most=30 * 86400))
        self.assertEqual(plans.read_class("ping: count=7 every=250us"),
                         plans.Class("ping", count=7, least=0.00025, most=0.00025, periodic=True))
        self.assertEqual(
            plans.read_class("r: rate=1e3 on=idle timeout=2 cancelled=1 after=0.5"),
            plans.Class("r", rate=1000, on="idle", least=2, most=2, cancelled=1, after=0.5))

    def test_the_short_form_is_two_classes(self):
        idle, request = plans.short_form(1000, 10, 50, 60, 30, 0.1, 0.9)
        self.assertEqual((idle.count, idle.pushed), (1000, 20))
        self.assertEqual((request.rate, request.on, request.after), (10, "idle", 0.1))
        self.assertEqual(len(plans.short_form(1000, 0)), 1)

    def test_a_class_that_cannot_be_is_refused_with_the_reason(self):
        for text, why in (
                ("no colon", "NAME: key=value"), ("x y: count=1 timeout=1", "NAME: key=value"),
                ("c: count=1", "neither timeout= nor every="),
                ("c: timeout=1", "either count= or rate="),
                ("c: count=1 rate=1 timeout=1", "either count= or rate="),
                ("c: count=many timeout=1", "'many' is no number"),
                ("c: count=-1 timeout=1", "'-1' is no number"),
                ("c: count=nan timeout=1", "'nan' is no number"),
                ("c: count=1 timeout=1 weeks=2", "'weeks=2' is none of"),
                ("c: count=1 count=2 timeout=1", "one too many"),
                ("c: count=1 timeout=1 every=1", "one too many"),
                ("c: count=1 timeout=5w", "'5w' is no time"),
                ("c: count=1 timeout=5..2", "the shorter first"),
                ("c: count=1 timeout=1..2..3", "the shorter first"),
                ("c: count=1 timeout=200000d", "more than a century"),
                ("c: count=1 timeout=0", "must be above 0"),
                ("c: count=1e9 timeout=1", "out of range"),
                ("c: rate=1 every=1", "every= goes with count= alone"),
                ("c: count=1 timeout=9 closer=0.5", "closer= needs pushed= and to="),
                ("c: count=1 timeout=9 pushed=1 closer=0.5 to=10", "it is no closer"),
                ("c: count=1 timeout=9 cancelled=0.5", "cancelled= needs after="),
                ("c: count=1 timeout=9 after=5", "after= needs cancelled="),
                ("c: count=1 timeout=9 cancelled=2 after=1", "no share from 0 to 1"),
                ("c: rate=1 timeout=9 cancelled=1 after=10", "its timeout of 9 s comes first"),
                ("c: rate=1 timeout=9000 pushed=1", "it would never end"),
                ("c: rate=1 timeout=9 on=d", "no class of that name"),
                ("c: count=1 timeout=9 on=c", "no class of that name")):
            with self.assertRaises(plans.BadPlan, msg=text) as caught:
                plan(text)
            self.assertIn(why, str(caught.exception), text)
            self.assertNotIn("\n", str(caught.exception))

    def test_classes_that_do_not_go_together_are_refused(self):
        idle = "idle: count=1000 timeout=60"
        for texts, why in (((idle, idle), "twice"),
                           ((idle, "r: rate=1000 timeout=30 on=idle"), "nine tenths"),
                           ((idle, "r: rate=1 timeout=30 on=idle", "s: rate=1 timeout=30 on=idle"),
                            "host to one other")):
            with self.assertRaises(plans.BadPlan) as caught:
                plan(*texts)
            self.assertIn(why, str(caught.exception))

    def test_a_tick_is_rounded_up_as_the_library_does(self):
        self.assertEqual(plans.rounded_tick(0.001), 2**20 / 1e9)
        self.assertEqual(plans.rounded_tick(2**20 / 1e9), 2**20 / 1e9)
        self.assertEqual(plans.rounded_tick(1), 2**30 / 1e9)


class Caches(unittest.TestCase):
    MACHINE = caches.Machine(FIXED)

    def test_the_curve_is_interpolated_in_the_logarithm_and_ends_with_the_last_slope(self):
        for lines, cost in ((1, 10), (1000, 10), (10000, 60), (100000, 110), (1e6, 160)):
            self.assertAlmostEqual(self.MACHINE.curve(lines), cost)

    def test_lines_met_at_random_cost_what_the_curve_says(self):
        for lines in (2000, 10000, 100000):
            found = caches.Footprint(self.MACHINE, [(lines, 5, RECORD)])
            self.assertAlmostEqual(found.again(5), self.MACHINE.curve(lines) - 10, 6)

    def test_what_else_is_touched_pushes_lines_out(self):
        alone = caches.Footprint(self.MACHINE, [(5000, 1, RECORD)]).again(1)
        beside = caches.Footprint(self.MACHINE, [(5000, 1, RECORD), (50000, 1, RECORD)]).again(1)
        seldom = caches.Footprint(self.MACHINE, [(5000, 1, RECORD), (50000, 0.001, RECORD)]).again(1)
        self.assertLess(alone, seldom)
        self.assertLess(seldom, beside)

    def test_a_line_touched_a_moment_ago_is_still_there(self):
        found = caches.Footprint(self.MACHINE, [(100000, 1, RECORD)])
        self.assertAlmostEqual(found.again(1, 1e-4), 0)      # 10 lines ago
        self.assertGreater(found.again(1, 0.5), 40)          # 39,000 lines ago
        self.assertAlmostEqual(found.again(1, 1e9), found.again(1), 6)

    def test_a_line_that_was_in_no_cache_may_not_be_kept(self):
        data = FIXED | {"sizes": [1000, 10000, 1000000], "touch": [10, 10, 110],
                        "touch_low": [10, 10, 110], "touch_high": [10, 10, 110],
                        "again": [10, 80, 110]}
        machine = caches.Machine(data)
        # 10,000 lines ago: of those that were found in no cache, as the second curve says.
        found = caches.Footprint(machine, [])
        self.assertEqual(found.back(10000, 100), 80)
        self.assertAlmostEqual(found.back(10000, 50), (80 + found.back(10000, 0)) / 2)
        self.assertLess(found.back(10000, 0), 25)
        # Its records all fit a cache, or do not.
        few, many = (caches.Footprint(machine, [(lines, 1, RECORD)]) for lines in (9000, 1e6))
        self.assertAlmostEqual(few.again(1, 0.5), 0, delta=1)
        self.assertGreater(many.again(1, 0.01), 60)

    def test_loops_share_what_is_beyond_their_own_caches(self):
        two = caches.Machine(FIXED, loops=2)
        self.assertAlmostEqual(two.curve(4000), self.MACHINE.curve(4000))   # 8,000 in all: private
        self.assertAlmostEqual(two.curve(50000), self.MACHINE.curve(100000))

    def test_lines_of_half_the_size_take_half_the_room(self):
        records = caches.Footprint(self.MACHINE, [(5000, 1, RECORD)])
        nodes = caches.Footprint(self.MACHINE, [(10000, 1, RECORD // 2)])
        self.assertAlmostEqual(records.again(1), nodes.again(1))

    def test_there_is_a_curve_for_less_of_the_caches_and_one_for_more(self):
        low, high = (caches.Machine(FIXED, curve=name).curve(100000)
                     for name in ("touch_low", "touch_high"))
        self.assertEqual((low, self.MACHINE.curve(100000), high), (90, 110, 140))


class Counts(unittest.TestCase):
    def rates(self, asked, interface="stop"):
        return model.rates_of(asked, interface)

    def test_what_nobody_pushes_fires_once_a_timeout(self):
        rate = self.rates(plan("c: count=600 timeout=60s"))["c"]
        self.assertAlmostEqual(rate.rate("fires"), 10, 1)
        self.assertAlmostEqual(rate.rate("visits"), 10, 1)   # one level on the way

    def test_a_timer_that_is_pushed_without_end_is_visited_once_a_timeout(self):
        rate = self.rates(plan("c: count=1 timeout=60s pushed=10ms"))["c"]
        # Pushed a moment ago, placed so far ahead, and visited at its slot's last tick.
        self.assertAlmostEqual(1 / rate.rate("visits"), 60 - SLOT_S / 2, delta=0.15)
        self.assertEqual(rate.rate("fires"), 0)

    def test_as_many_fire_as_have_no_push_for_a_whole_timeout(self):
        rate = self.rates(plan("c: count=1000 timeout=10s pushed=5s"))["c"]
        self.assertAlmostEqual(rate.rate("fires") / (1000 * 0.2 / math.expm1(2)), 1, delta=0.05)

    def test_what_is_brought_closer_leaves_its_place_or_waits_there(self):
        rate = self.rates(plan("c: count=1000 timeout=75s pushed=2s closer=0.4 to=10s"))["c"]
        often = 0.4 * 1000 / 2
        self.assertGreater(rate.rate("closer"), 0.05 * often)
        self.assertLess(rate.rate("closer"), often)
        # A fire: brought closer, and then nothing for ten seconds.
        self.assertAlmostEqual(rate.rate("fires") / (often * math.exp(-5)), 1, delta=0.35)

    def test_the_further_the_deadline_the_more_levels_a_timer_comes_through(self):
        rate = self.rates(plan("job: count=1000 timeout=0..30d"))["job"]
        self.assertAlmostEqual(rate.rate("fires") * 15 * 86400 / 1000, 1, delta=0.05)
        for timeout, levels in (("500ms", 0), ("60s", 1), ("1h", 2), ("3d", 3), ("60d", 4)):
            rate = self.rates(plan(f"c: count=50 timeout={timeout}"))["c"]
            self.assertAlmostEqual(rate.rate("visits") / rate.rate("fires"), levels, delta=0.2)

    def test_a_coarser_tick_reaches_further(self):
        rate = self.rates(plan("c: count=50 timeout=3d", tick=2**24 / 1e9))["c"]
        self.assertAlmostEqual(rate.rate("visits") / rate.rate("fires"), 2, 1)

    def test_parked_timers_keep_their_cells_and_stopped_ones_do_not(self):
        asked = plan("idle: count=10000 timeout=60s",
                     "r: rate=1000 on=idle timeout=30s cancelled=1 after=10ms")
        parked, stopped = (self.rates(asked, name)["r"] for name in ("park", "stop"))
        self.assertAlmostEqual(stopped.live, 10, 3)
        self.assertEqual((stopped.parked, stopped.rate("drops")), (0, 0))
        self.assertAlmostEqual(parked.parked / 7490, 1, delta=0.03)   # 3 starts a stay of 30 s
        self.assertAlmostEqual(parked.rate("starts") / 250, 1, delta=0.05)
        self.assertAlmostEqual(parked.rate("starts"), parked.rate("drops"), delta=10)

    def test_nodes_are_shared_by_classes_and_left_when_the_next_is_sooner(self):
        asked = plan("soon: rate=1000 timeout=1s cancelled=1 after=5ms",
                     "late: rate=1000 timeout=60s cancelled=1 after=5ms")
        self.assertGreater(self.rates(asked, "handles")["soon"].rate("restarts_moved"), 2)
        self.assertEqual(self.rates(asked, "park")["soon"].rate("restarts_moved"), 0)

    def test_a_larger_server_of_the_same_kind_has_so_many_times_the_events(self):
        asked = plan("c: count=100000 timeout=60s pushed=20s")
        small, large = (self.rates(asked.scaled(k))["c"].rate("visits") for k in (1, 7))
        self.assertAlmostEqual(large / small, 7, 6)

    def test_the_dice_fall_alike_in_every_run(self):
        asked = plan("c: count=100000 timeout=60s pushed=20s")
        found = []
        for _ in range(2):
            events.followed.cache_clear()
            found.append(events.counts_of(asked, "stop")["c"])
        self.assertEqual(*found)


class Costs(unittest.TestCase):
    def test_pushes_cost_their_rate_times_the_event_and_the_touch(self):
        asked = plan("c: count=1000 timeout=60s pushed=1s", clock="turn")
        parts = model.cost(asked, "stop", FIXED)
        self.assertAlmostEqual(parts["push"], 1000 * 2)
        self.assertAlmostEqual(parts["records"], 1000 * 10, delta=1)
        self.assertEqual(parts["clock"], 0)
        self.assertAlmostEqual(parts["run"], 1000 * 8, delta=100)

    def test_the_clock_is_paid_at_each_start_and_push(self):
        asked = plan("c: count=1000 timeout=60s pushed=1s")
        self.assertAlmostEqual(model.cost(asked, "stop", FIXED)["clock"], 1000 * 30, delta=30)

    def test_a_node_is_a_miss_of_its_own(self):
        asked = plan("c: count=100000 timeout=60s pushed=10s", clock="turn")
        embedded, handles = (model.cost(asked, name, FIXED)["push"] for name in ("stop", "handles"))
        self.assertAlmostEqual(embedded, 10000 * 2)
        self.assertGreater(handles, 10000 * (8 + 100))

    def test_what_is_told_of_the_timers_is_the_rest(self):
        for asked, name in itertools.product(SOME, model.INTERFACES):
            parts = model.cost(asked, name, FIXED)
            self.assertAlmostEqual(model.own(parts) + parts["records"], model.total(parts), 3)

    def test_every_answer_is_finite_and_within_its_bars(self):
        def numbers(found):
            for field, value in found.items():
                if isinstance(value, dict):
                    yield from numbers(value)
                elif value is not None and not isinstance(value, str):
                    yield field, value
        seen = 0
        for asked, name in itertools.product(SOME[::2], model.INTERFACES):
            seen += 1
            answer = model.answer(asked, name, FIXED)
            for field, value in numbers(answer):
                self.assertTrue(math.isfinite(value) and value >= 0, (asked, name, field, value))
            self.assertLess(answer["core_low"], answer["core_share"])
            self.assertGreater(answer["core_high"], answer["core_share"])
            self.assertLessEqual(answer["timers_low"], answer["timers_share"] * (1 + 1e-9))
            self.assertGreater(answer["longest_ns"], answer["expected_ns"])
        self.assertGreater(seen, 40)

    def test_memory_is_cells_and_for_handles_nodes_in_whole_slabs(self):
        asked = plan("c: count=1000 timeout=60s")
        held = model.memory(asked, "stop", FIXED)
        self.assertEqual(held["cells"], 1000)
        self.assertEqual(held["loop_bytes"], 41000 + 1000 * 256)   # each may be alone in a chunk
        many = model.memory(plan("c: count=100000 timeout=60s"), "stop", FIXED)
        self.assertAlmostEqual(many["loop_bytes"], 41000 + 256 * (1570 + 98430 / 31))
        self.assertEqual(held["caller_bytes"], 40000)
        self.assertEqual(model.memory(asked, "handles", FIXED)["caller_bytes"], 8000)
        self.assertEqual([model.slab_nodes(n) for n in (1, 65, 32705)], [64, 192, 32704 + 32768])

    def test_several_loops_hold_and_cost_as_many_times_a_part(self):
        one = plan("c: count=1000 timeout=60s pushed=1s")
        four = dataclasses.replace(one.scaled(4), loops=4)
        for quantity in (lambda p: model.memory(p, "stop", FIXED)["loop_bytes"],
                         lambda p: model.total(model.cost(p, "stop", FIXED))):
            self.assertAlmostEqual(quantity(four) / quantity(one), 4, 1)

    def test_the_bars_are_wider_where_the_records_straddle_a_cache(self):
        data = copy.deepcopy(FIXED)
        data |= {"sizes": [1000, 20000, 40000, 1000000], "touch": [10, 10, 110, 110],
                 "touch_low": [10, 10, 15, 110], "touch_high": [10, 40, 110, 110]}

        def width(count):
            found = model.answer(plan(f"c: count={count} timeout=60s pushed=10s"), "stop", data)
            return found["core_high"] / found["core_low"]
        self.assertGreater(width(28000), 1.3 * width(5000))
        self.assertGreater(width(28000), 1.2 * width(900000))

    def test_a_burst_is_all_timers_of_a_count_at_once(self):
        found = model.burst(plan("c: count=1000 timeout=60s", clock="turn"), "stop", FIXED)
        self.assertEqual(found["timers"], 1000)
        self.assertGreater(found["due_ns"], 1000 * 30)
        self.assertGreater(found["starts_ns"], 1000 * (10 + 12))
        self.assertIsNone(model.burst(plan("r: rate=5 timeout=1s"), "stop", FIXED))


class Monotonicity(unittest.TestCase):
    def rises(self, asked, name, grown):
        for quantity in (lambda p: model.core_share(p, name, FIXED),
                         lambda p: model.memory(p, name, FIXED)["bytes"]):
            self.assertGreaterEqual(quantity(grown) * (1 + 1e-6), quantity(asked), (asked, name))

    def test_a_larger_server_never_costs_less(self):
        for asked, name in itertools.product(SOME, model.INTERFACES):
            for factor in (1.01, 30):
                self.rises(asked, name, asked.scaled(factor))

    def test_what_one_core_carries_is_just_what_it_carries(self):
        asked = plans.Plan(plans.short_form())
        answer = model.answer(asked, "stop", FIXED, core=0.01)
        self.assertFalse(answer["per_core_more"])
        factor = answer["per_core"] / model.population(asked)
        share = model.core_share(asked.scaled(factor), "stop", FIXED)
        self.assertTrue(0.0099 < share <= 0.01, share)

    def test_far_beyond_what_was_measured_it_says_more_than(self):
        answer = model.answer(plan("c: count=1000 timeout=60s pushed=50s"), "stop", FIXED, core=64)
        self.assertTrue(answer["per_core_more"])
        self.assertAlmostEqual(answer["per_core"], 4 * FIXED["sizes"][-1], delta=1)
        self.assertEqual(tables.count(123456, True), "more than 120,000")

    def test_noise_in_a_table_is_pooled_until_it_rises(self):
        self.assertEqual(calibration.rising([1, 2, 3]), [1, 2, 3])
        self.assertEqual(calibration.rising([1, 5, 3, 7]), [1, 4, 4, 7])
        self.assertEqual(calibration.rising([3, 2, 1]), [2, 2, 2])


class Files(unittest.TestCase):
    def test_a_calibration_comes_back_as_it_was_written(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "new" / "calibration.json"
            calibration.write(path, FIXED)
            self.assertEqual(calibration.read(path), FIXED)

    def test_the_shipped_calibration_is_one_and_names_its_machine(self):
        shipped = calibration.read(calibration.SHIPPED)
        self.assertTrue({"Processor", "Compiler", "Date"} <= set(shipped["machine"]))

    def test_what_is_no_calibration_is_refused(self):
        for spoil in (lambda data: data.pop("tick"), lambda data: data.update(format=1),
                      lambda data: data["costs"]["park"].update(refresh=[2, -1]),
                      lambda data: data["costs"]["park"].update(refresh=[1]),
                      lambda data: data["costs"]["park"].pop("both"),
                      lambda data: data.update(sizes=[1000, 1000]),
                      lambda data: data.update(touch=[1, math.nan]),
                      lambda data: data.update(touch=[2, 1]),
                      lambda data: data.update(again=[1]), lambda data: data.pop("again"),
                      lambda data: data["costs"]["stop"].pop("pass"),
                      lambda data: data["error"].pop("cpu_worst")):
            data = copy.deepcopy(FIXED)
            spoil(data)
            with self.assertRaises(calibration.BadCalibration):
                calibration.checked(data)

    def test_one_of_another_version_is_named_as_such(self):
        with self.assertRaisesRegex(calibration.BadCalibration, "of tickwheel 0.0.0, but this is"):
            calibration.of_this_version(FIXED, "some.json")

    def test_the_nearest_line_is_found_and_is_not_negative(self):
        self.assertEqual(calibration.line([0, 100], [20, 45]), [20, 0.25])
        found = calibration.line([0, 100], [30, 20])
        self.assertTrue(20 < found[0] < 30 and found[1] == 0, found)

    def test_calls_are_told_apart_from_the_runs_they_are_in(self):
        def run(miss, fixed=30, each=0.1, turn=80, first=1):
            many, fire, alone = ((fixed + each * miss) + runs * (turn + first * miss)
                                 for runs in (0.02, 0.2, 0.9))
            return {"many_ns": 100 * many, "many_fired": 100, "many_visited": 100, "many_runs": 2,
                    "fire_ns": 100 * fire, "fire_fired": 100, "fire_visited": 100, "fire_runs": 20,
                    "alone_ns": 100 * alone, "alone_fired": 100, "alone_visited": 100,
                    "alone_runs": 90, "again_ns": 100 * fire + 700, "again_fired": 100,
                    "many_steps": 2, "fire_steps": 20, "alone_steps": 100}
        found = calibration.fit_calls([run(0), run(50), run(100)], [0, 50, 100],
                                      {"visit": (10, 0), "pass": (6, 0)})
        for name, expected in (("fire", (30, 0.1)), ("turn", (80, 1)), ("again", (7, 0))):
            for value, wanted in zip(found[name], expected, strict=True):
                self.assertAlmostEqual(value, wanted, delta=0.05 * wanted + 0.01, msg=name)

    def test_what_is_moved_is_told_apart_from_the_runs_that_move_it(self):
        def run(miss, visit=4, each=0.05, more=6, first=0.3):
            visits, few = ((visit + each * miss) * moved + (more + first * miss) * min(moved, 100)
                           for moved in (5000, 50))
            return {"visits_ns": visits, "visits_visited": 5000, "visits_steps": 100,
                    "visit_ns": few, "visit_visited": 50, "visit_steps": 100,
                    "drop_ns": 150, "drop_visited": 50, "drop_steps": 100}
        found = calibration.fit_visits([run(0), run(50), run(100)], [0, 50, 100])
        for name, expected in (("visit", (4, 0.05)), ("pass", (6, 0.3)), ("drop", (3, 0))):
            for value, wanted in zip(found[name], expected, strict=True):
                self.assertAlmostEqual(value, wanted, delta=0.05 * wanted + 0.01, msg=name)
        # A call is told without what its run moved beside.
        taken = {"fire_ns": 1000 + 50 * 10 + 50 * 6, "fire_fired": 50, "fire_visited": 100,
                 "fire_steps": 100}
        self.assertAlmostEqual(calibration.called(taken, "fire", 0, {"visit": (10, 0),
                                                                     "pass": (6, 0)}), 20)

    def test_curves_rise_and_a_line_that_was_lost_costs_no_less_than_one_that_was_kept(self):
        readings = [{"touch_10": 5, "touch_200": 20, "touch_3000": 100,
                     "again_10": -3, "again_200": 60, "again_3000": 140}] * 3
        found = calibration.curves(readings)
        self.assertEqual(found["sizes"], [10, 200, 3000])
        self.assertEqual(found["touch"], [5, 20, 100])
        self.assertEqual(found["again"], [5, 60, 100])

    def test_memory_is_told_from_a_loop_of_few_cells_and_one_of_many(self):
        few, many = (41000 + model.chunk_bytes(cells, 1570) for cells in (500, 20000))
        self.assertEqual(calibration.fit_memory(500, few, 20000, many), (41000, 1570))

    def test_errors_are_those_of_the_rows(self):
        asked = plans.Plan(plans.short_form())
        predicted = model.answer(asked, "stop", FIXED)
        rows = [("example", "stop", predicted,
                 {"cpu_share": predicted["core_share"] / 1.25, "bytes": predicted["loop_bytes"],
                  "timers_share": predicted["timers_share"] / 1.5, "cells": 1, "longest_ns": 1})]
        found = measure.errors(rows)
        self.assertEqual((found["cpu_median"], found["cpu_bias"]), (0.25, 0.25))
        self.assertEqual((found["timers_median"], found["memory_worst"]), (0.5, 0))
        far = {"cpu_share": predicted["cache_high"] * 1.3, "timers_share": 0}
        self.assertAlmostEqual(measure.outside(("", "", predicted, far)), 0.3)

    def test_the_table_of_errors_is_put_between_its_marks(self):
        asked = plans.Plan(plans.short_form())
        predicted = model.answer(asked, "stop", FIXED)
        rows = [("example", "stop", predicted,
                 {"cpu_share": predicted["core_share"] / 1.25, "timers_share": 0.001,
                  "bytes": predicted["loop_bytes"], "longest_ns": 1e9, "moved_max": 3,
                  "due_max": 1})]
        text = tables.accuracy(rows, FIXED)
        self.assertRegex(text, r"\| example \| embedded \|.*\| \+25 % \|")
        self.assertIn("above its bound in 1: example stop", text.replace("\n", " "))
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.md"
            path.write_text("a\n<!-- it -->\nold\n<!-- end of it -->\nb\n", encoding="utf-8")
            tables.fill(path, "it", text)
            filled = path.read_text(encoding="utf-8")
            self.assertNotIn("old", filled)
            tables.fill(path, "it", text)
            self.assertEqual(path.read_text(encoding="utf-8"), filled)
            with self.assertRaises(tables.BadPage):
                tables.fill(path, "that", text)

    def test_the_examples_of_the_page_can_be_answered(self):
        module = runpy.run_path(str(PLANNER / "__main__.py"))
        page = module["CAPACITY"].read_text(encoding="utf-8")
        found = module["example_commands"](page)
        self.assertGreaterEqual(len(found), 3)
        self.assertEqual(page.count("<!-- capacity: errors -->"), 1)
        answered = module["answer_examples"](page, FIXED)
        self.assertEqual(module["example_commands"](answered), found)
        self.assertIn("none: worked out by hand", answered)
        self.assertEqual(module["answer_examples"](answered, FIXED), answered)
        shipped = calibration.read(calibration.SHIPPED)
        self.assertEqual(module["answer_examples"](page, shipped), page, "the page's are of now")


class Command(unittest.TestCase):
    FILE = ("--calibration", str(FIXED_PATH))

    def test_it_echoes_the_question_and_answers_in_units(self):
        status, out, errors = command(*self.FILE, "--connections", "20000", "--clock", "turn")
        self.assertEqual((status, errors), (0, ""))
        for words in ("20,000 idle: timeout 1 m", "the clock read once a turn", "tickwheel 0.0.0",
                      "worked out by hand", "tw_reserve_embedded", "tw_reserve_calls"):
            self.assertIn(words, out)
        self.assertRegex(out, r"share of a core +[\d.]+ %")
        self.assertRegex(out, r"memory held by the loop +\d+ KiB")
        self.assertRegex(out, r"longest turn, at most +[\d.]+ µs")
        self.assertLess(max(map(len, out.splitlines())), 120)

    def test_json_holds_the_same_answers(self):
        status, out, _ = command(*self.FILE, "--json", "--connections", "5e4", "--memory", "2",
                                 "--requests-per-second", "100", "--cancelled-share", "1")
        self.assertEqual(status, 0)
        told = json.loads(out)
        asked = plans.Plan(plans.short_form(50000, 100, cancelled_share=1))
        self.assertEqual(told["plan"]["classes"][0]["count"], 50000)
        self.assertEqual(told["answers"]["park"], model.answer(asked, "park", FIXED, 2 * 2**30))

    def test_the_three_questions_of_other_servers_are_answered(self):
        for classes in (["ping: count=500000 every=30s"],
                        ["connect: rate=20000 timeout=2s cancelled=0.999 after=3ms",
                         "answer: rate=20000 timeout=10s cancelled=0.99 after=80ms",
                         "total: rate=20000 timeout=60s cancelled=0.995 after=120ms"],
                        ["job: count=5e6 timeout=0..30d"]):
            asked = [word for each in classes for word in ("--class", each)]
            status, out, _ = command(*self.FILE, "--burst", *asked)
            self.assertEqual(status, 0)
            self.assertEqual("all at once" in out, "count" in classes[0])

    def test_classes_come_beside_the_short_form_or_alone(self):
        _, out, _ = command(*self.FILE, "--class", "ping: count=5 every=30s")
        self.assertNotIn("idle", out)
        _, out, _ = command(*self.FILE, "--connections", "1000", "--requests-per-second", "10",
                            "--class", "ping: count=5 every=30s")
        self.assertIn("1,000 idle", out)
        self.assertIn("5 ping: every 30 s", out)

    def test_costs_that_were_not_verified_are_said_to_be_so(self):
        self.assertIn("Of 12 plans", tables.trust(FIXED["error"]))
        self.assertIn("have not been held against", tables.trust(calibration.UNVERIFIED))

    def test_what_cannot_be_told_of_the_timers_is_not(self):
        known = {"timers_low": 0.1, "timers_high": 0.3, "timers_share": 0.2}
        self.assertEqual(tables.own_share(known), ("20.0 %", "10.0 % to 30.0 %"))
        self.assertEqual(tables.own_share(known | {"timers_low": 0}), ("< 30.0 %", ""))

    def test_bad_options_are_refused_in_one_line_with_the_reason(self):
        for reason, *arguments in (
                ("from 1 to 1e\\+08", "--connections", "0"),
                ("from 0 to 1", "--cancelled-share", "1.5"),
                ("no time", "--idle-timeout", "nan"),
                ("no number", "--connections", "many"),
                ("comes first", "--response-time", "40"),
                ("under way at once", "--requests-per-second", "1e7"),
                ("not above 0", "--memory", "0"),
                ("unrecognized", "--conections", "5"),
                ("invalid choice", "--clock", "never"),
                ("from 1e-06 to 1e\\+06", "--scale", "0"),
                ("from 1 to 4096", "--loops", "0"),
                ("--trace goes without", "--trace", "x", "--class", "c: count=1 timeout=1"),
                ("needs bench/plan", "--trace", "x"),
                ("neither timeout= nor every=", "--class", "c: count=1")):
            status, out, errors = command(*self.FILE, *arguments)
            self.assertEqual((status, out), (2, ""), arguments)
            self.assertRegex(errors, reason)
            self.assertEqual(len(errors.splitlines()), 1, errors)

    def test_a_calibration_that_cannot_be_used_is_named_in_one_line(self):
        with tempfile.TemporaryDirectory() as folder:
            other = pathlib.Path(folder) / "other.json"
            other.write_text(json.dumps(FIXED | {"tickwheel": "9.9.9"}), encoding="utf-8")
            old = pathlib.Path(folder) / "old.json"
            old.write_text('{"version": 1}', encoding="utf-8")
            broken = pathlib.Path(folder) / "broken.json"
            broken.write_text("{", encoding="utf-8")
            for path, why in (("/nowhere/calibration.json", "No such file"),
                              (other, "of tickwheel 9.9.9"), (old, "of format 1"),
                              (broken, "Expecting")):
                status, out, errors = command("--calibration", str(path))
                self.assertEqual((status, out), (1, ""))
                self.assertIn(f"{path}: ", errors)
                self.assertIn(why, errors)
                self.assertEqual(len(errors.splitlines()), 1, errors)

    def test_numbers_are_shown_in_the_unit_that_fits(self):
        self.assertEqual(tables.size(3 * 2**20), "3 MiB")
        self.assertEqual(tables.time(1500), "1.5 µs")
        self.assertEqual(tables.share(0.01234), "1.23 %")
        self.assertEqual(tables.share(0.0000001234), "0.0000123 %")
        self.assertEqual(tables.span(5400), "1.5 h")
        self.assertEqual(tables.count(123456), "120,000")
        self.assertEqual(tables.count(7), "7")


@unittest.skipIf(importlib.util.find_spec("jinja2") is None, "python3-jinja2 is not installed")
class Page(unittest.TestCase):
    def test_the_fragment_is_closed_and_needs_nothing_but_itself(self):
        seen, stack = [], []

        class Parser(html.parser.HTMLParser):
            def handle_starttag(self, tag, attributes):
                seen.append((tag, dict(attributes)))
                if tag not in ("input", "br"):
                    stack.append(tag)

            def handle_endtag(self, tag):
                assert stack.pop() == tag, tag

        written = fragment.write(FIXED)
        Parser().feed(written)
        self.assertEqual(stack, [])
        for tag, attributes in seen:
            self.assertFalse({"src", "href"} & set(attributes), tag)
        self.assertNotIn("script", [tag for tag, _ in seen])
        self.assertNotRegex(written, r"https?:|@import")

    def test_it_shows_what_the_model_answers(self):
        name, (asked, _) = next(iter(fragment.SERVERS.items()))
        answer = model.answer(asked, "handles", FIXED)
        written = fragment.write(FIXED)
        for shown in (name, tables.share(answer["core_share"]), tables.size(answer["loop_bytes"]),
                      tables.time(answer["longest_ns"])):
            self.assertIn(shown, written)

    def test_a_machine_is_escaped(self):
        data = copy.deepcopy(FIXED)
        data["machine"]["Processor"] = "</table><b>"
        self.assertNotIn("</table><b>", fragment.write(data))


@unittest.skipUnless(PROBE, "no plan_probe was given")
class Played(unittest.TestCase):
    """Counts alone: they are the same on every machine. Played from an empty loop on,
    or from the state that the plan is said to settle into."""

    PLANS = {
        "requests": plan("idle: count=3000 timeout=10s pushed=1500ms",
                         "request: rate=2000 on=idle timeout=2s cancelled=0.9 after=20ms"),
        "pools": plan("soon: rate=2000 timeout=1s cancelled=0.9 after=20ms",
                      "late: rate=1000 timeout=6s cancelled=0.95 after=50ms"),
        "closer": plan("c: count=3000 timeout=8s pushed=500ms closer=0.4 to=2s"),
        "periodic": plan("ping: count=4000 every=3s", "slow: count=500 timeout=1s..5s"),
        "cancelled": plan("c: count=2000 timeout=3s pushed=1s cancelled=0.8 after=2s"),
        "coarse": plan("c: count=3000 timeout=20s pushed=5s", tick=2**24 / 1e9, wakeups=100),
    }

    def rates(self, name, interface):
        rates = model.rates_of(self.PLANS[name], interface).values()
        return {what: sum(rate.rate(what) for rate in rates)
                for what in ("visits", "drops", "fires", "ends", "closer", "restarts_moved")}

    def test_as_many_fire_and_are_visited_as_are_reckoned(self):
        for (name, asked), interface in itertools.product(self.PLANS.items(), model.INTERFACES):
            played = measure.play(PROBE, interface, asked, seconds=20, warm=20, pairs=1, turns=0,
                                  rounds=1, nothing=name != "closer" and not any(
                                      each.count for each in asked.classes))
            rate = self.rates(name, interface)
            where = (name, interface, rate, played)
            visited = rate["visits"] + rate["drops"] + rate["fires"]
            self.assertLess(abs(played["visited"] / visited - 1), 0.08, where)
            few = 0.25 if name == "closer" else 0.08   # of those, few fire, also in the reckoning
            self.assertLess(abs(played["fires"] / rate["fires"] - 1), few, where)
            if rate["ends"]:
                self.assertLess(abs(played["ends"] / rate["ends"] - 1), 0.05, where)
            moved = rate["closer"] + rate["restarts_moved"]
            self.assertLess(abs(played["relocated"] - moved), 0.25 * moved + 40, where)

    def test_what_was_reserved_is_enough_and_as_large_as_told(self):
        base, containers = measure.loop_memory(PROBE)
        data = FIXED | {"base_bytes": base, "containers": containers}
        for (name, asked), interface in itertools.product(self.PLANS.items(), model.INTERFACES):
            played = measure.play(PROBE, interface, asked, seconds=2, warm=2, pairs=1, turns=3000,
                                  rounds=1)
            told = model.memory(asked, interface, data)
            self.assertLessEqual(played["cells"], told["cells"], (name, interface))
            chance = 12 * math.sqrt(told["cells"]) + 12
            self.assertGreater(played["cells"], told["cells"] - chance, (name, interface))
            self.assertLess(abs(played["bytes"] / told["loop_bytes"] - 1), 0.03, (name, interface))

    def test_no_run_does_more_than_the_most_that_is_told(self):
        for (name, asked), interface in itertools.product(self.PLANS.items(), model.INTERFACES):
            played = measure.play(PROBE, interface, asked, seconds=5, warm=1, pairs=1, turns=0,
                                  rounds=1)
            bound = model.longest(asked, interface, FIXED)
            self.assertLessEqual(played["moved_max"], bound["cells_max"], (name, interface))
            self.assertLessEqual(played["due_max"], bound["due_max"], (name, interface))

    def test_bad_arguments_are_refused(self):
        for arguments, given in (
                ((), ""), (("play", "best"), ""), (("events", "stop", "0"), ""),
                (("touch", "1", "x"), ""), (("play", "stop"), ""), (("play", "stop"), "plan 1\n"),
                (("play", "stop"), "sample 1 2 3 4\n"), (("replay", "stop", "-"), "")):
            done = subprocess.run([PROBE, *arguments], capture_output=True, text=True, input=given)
            self.assertEqual((done.returncode, done.stdout), (2, ""), (arguments, given))


TEXT = """twtrace 1
0 run
{}"""


@unittest.skipUnless(PROBE, "no plan_probe was given")
class Traces(unittest.TestCase):
    def write(self, content, name="trace.twt"):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name) / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def pulse(self):
        """Each 10 ms a timer of 1 s, cancelled after 100 ms; one of 60 s, pushed; one of
        250 ms that fires."""
        lines, ends, fires = ["0 start 0 +60s"], [], []
        for step in range(1, 2001):
            now = 10 * step
            if fires and fires[0] <= now:
                lines += [f"{now}ms run", f"{now}ms fire 1"]
                fires.pop()
            if not fires:
                lines.append(f"{now}ms start 1 +250ms")
                fires.append(now + 250)
            while ends and ends[0][0] <= now:
                lines.append(f"{now}ms park {ends.pop(0)[1]}")
            lines.append(f"{now}ms start {2 + step % 20} +1s")
            ends.append((now + 100, 2 + step % 20))
            lines.append(f"{now}ms move 0 +60s")
        return TEXT.format("\n".join(lines) + "\n")

    def test_classes_are_found_with_their_rates(self):
        asked = measure.read_trace(PROBE, self.write(self.pulse()))
        quarter, second, minute = sorted(asked.classes, key=lambda each: each.least)
        self.assertAlmostEqual(quarter.least, 0.25, 6)
        self.assertAlmostEqual(quarter.rate, 4, delta=0.2)
        self.assertEqual(quarter.cancelled, 0)
        self.assertAlmostEqual(second.rate, 100, delta=1)
        self.assertAlmostEqual(second.after, 0.1, delta=0.002)
        self.assertEqual(second.cancelled, 1)
        self.assertEqual((minute.count, minute.rate), (1, 0))
        self.assertAlmostEqual(minute.pushed, 0.01, delta=0.0002)

    def test_a_scale_has_so_many_times_the_timers(self):
        path = self.write(self.pulse())
        one, ten = (measure.read_trace(PROBE, path, scale) for scale in (1, 10))
        self.assertEqual([each.rate * 10 for each in one.classes],
                         [each.rate for each in ten.classes])
        self.assertEqual(ten.wakeups, one.wakeups)

    def test_the_suites_traces_are_plans_that_can_be_answered(self):
        for name in measure.TRACED:
            asked = measure.read_trace(PROBE, measure.TRACES / f"{name}.twt.gz")
            for interface in model.INTERFACES:
                self.assertGreater(model.answer(asked, interface, FIXED)["core_share"], 0)

    def test_a_replay_fires_what_was_recorded(self):
        found = measure.replay(PROBE, "stop", measure.TRACES / "idle_timeouts.twt.gz", 1)
        self.assertEqual(found["fired"], found["recorded"])

    def test_a_plan_is_found_again_in_its_own_trace(self):
        played = plan("idle: count=2000 timeout=3s pushed=1s",
                      "request: rate=1000 on=idle timeout=1s cancelled=0.9 after=50ms")
        path = self.write(b"")
        measure.play(PROBE, "park", played, seconds=6, warm=6, pairs=1, turns=0, rounds=1,
                     trace=str(path))
        asked = measure.read_trace(PROBE, path)
        self.assertEqual([round(each.least, 3) for each in asked.classes], [1, 3])
        request, idle = asked.classes
        self.assertAlmostEqual(request.rate / 1000, 1, delta=0.03)
        self.assertAlmostEqual(request.cancelled, 0.9, delta=0.02)
        self.assertAlmostEqual(plans.live(idle) / 2000, 1, delta=0.03)
        self.assertAlmostEqual(idle.pushed, 1, delta=0.05)

    def test_what_is_no_trace_is_refused_in_one_line(self):
        good = gzip.decompress((measure.TRACES / "idle_timeouts.twt.gz").read_bytes())
        for content, why in ((b"", "empty"), (good[:5000], "cut short"), (b"GIF89a....", "not a trace"),
                             (good[:7] + b"\x09" + good[8:], "version"),
                             (good[:300] + bytes([good[300] ^ 64]) + good[301:], "")):
            path = self.write(content)
            with self.assertRaises(measure.BadTrace) as caught:
                measure.read_trace(PROBE, path)
            self.assertIn(str(path), str(caught.exception))
            self.assertIn(why, str(caught.exception))
            self.assertNotIn("\n", str(caught.exception))
        with self.assertRaisesRegex(measure.BadTrace, "cut short or damaged"):
            measure.read_trace(PROBE, self.write(gzip.compress(good)[:500], "cut.twt.gz"))
        with self.assertRaisesRegex(measure.BadTrace, "No such file"):
            measure.read_trace(PROBE, pathlib.Path("/nowhere/trace.twt"))
        with self.assertRaisesRegex(measure.BadTrace, "no timer is started"):
            measure.read_trace(PROBE, self.write("twtrace 1\n0 run\n5s run\n"))


if __name__ == "__main__":
    unittest.main()
