"""Tests of bench/planner: python3 test_planner.py BENCH [PLAN_PROBE] [unittest's options]

The calibration is fixed, and such that costs can be worked out by hand: at 1,000
connections its first column, at 100,000 its second, halfway at 10,000.
"""

import contextlib
import copy
import dataclasses
import html.parser
import io
import itertools
import json
import math
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(sys.argv.pop(1)).resolve()
PROBE = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else None
PLANNER = BENCH / "planner"
sys.path.insert(0, str(PLANNER))

import calibration  # noqa: E402
import fragment  # noqa: E402
import measure  # noqa: E402
import model  # noqa: E402
import tables  # noqa: E402

FIXED_PATH = pathlib.Path(__file__).resolve().parent / "calibration.json"
FIXED = calibration.read(FIXED_PATH)
QUIET = model.Plan(connections=1000, requests=0, refreshes=1000, idle_timeout=60)


def plans():
    """Some of every kind, the far corners among them."""
    for connections, per_connection, idle, request, share, response in itertools.product(
            (10, 5000, 2e6), (0, 1e-4, 0.1, 2), (0.3, 60, 3600), (0.2, 30, 300), (0.5, 1),
            (0, 0.1)):
        requests = connections * per_connection
        plan = model.Plan(connections, requests, 2 * requests, idle, request, response, share)
        with contextlib.suppress(model.BadPlan):
            model.check(plan)
            yield plan


def command(*arguments):
    """The command line's status, output and errors."""
    module = runpy.run_path(str(PLANNER / "__main__.py"))
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            status = module["main"](list(arguments))
        except SystemExit as end:
            status = end.code
    return status, out.getvalue(), errors.getvalue()


class Arithmetic(unittest.TestCase):
    def test_costs_are_interpolated_in_the_logarithm_of_the_size(self):
        self.assertEqual(model.interpolate([1000, 100000], [10, 110], 1), 10)
        self.assertEqual(model.interpolate([1000, 100000], [10, 110], 1000), 10)
        self.assertAlmostEqual(model.interpolate([1000, 100000], [10, 110], 10000), 60)
        self.assertAlmostEqual(model.interpolate([1000, 100000], [10, 110], 1e6), 160)

    def test_refreshes_cost_their_rate_times_the_cost_at_the_size(self):
        parts = model.cost(QUIET, "stop", FIXED)
        self.assertAlmostEqual(parts["refresh"], 1000 * 12)
        self.assertAlmostEqual(parts["records"], 1000 * 10)
        self.assertAlmostEqual(parts["tick"], 1000 * 8)
        self.assertEqual(parts["start"] - parts["fire"] * 20 / 50, 0)

    def test_an_answer_soon_after_its_request_finds_the_caches_warm(self):
        busy = model.Plan(100000, 1000, 0, 60, 30, 0.05, 1)   # 100 events in 50 ms
        self.assertAlmostEqual(model.cost(busy, "stop", FIXED)["end"], 1000 * 20)
        late = dataclasses.replace(busy, response_time=5)     # 10,000 events
        self.assertAlmostEqual(model.cost(late, "stop", FIXED)["end"], 1000 * 180)

    def test_the_first_timer_due_in_a_run_waits_for_its_misses(self):
        costs = FIXED["costs"]["stop"]
        self.assertAlmostEqual(model.fire_ns(costs, FIXED["sizes"], 100000, 1), 160)
        self.assertAlmostEqual(model.fire_ns(costs, FIXED["sizes"], 100000, 10), 70)

    def test_idle_connections_that_nobody_refreshes_fire_once_a_timeout(self):
        self.assertEqual(model.idle_rates(0, 60), (0, 1 / 60))
        visits, fires = model.idle_rates(10, 60)
        self.assertEqual(fires, 0)
        # Refreshed a tenth of a second ago, and visited a slot before its deadline.
        self.assertAlmostEqual(1 / visits, 60 - 0.1 - 2**28 / 1e9, 5)

    def test_memory_is_cells_and_for_handles_nodes_in_whole_slabs(self):
        still = dataclasses.replace(QUIET, refreshes=0)
        held = model.memory(still, "stop", FIXED)
        self.assertEqual(held["cells"], 1006)
        self.assertAlmostEqual(held["loop_bytes"], 400000 + 1006 * 256 / 31)
        self.assertEqual(held["caller_bytes"], 80000)
        self.assertEqual(model.call_bytes(1), 64 * 64 + 4096)
        self.assertEqual(model.call_bytes(65), 192 * 64 + 4096)
        self.assertEqual(model.call_bytes(32705), 64 * (32704 + 32768) + 4096 * 128)

    def test_parked_timers_keep_their_cells_and_stopped_ones_do_not(self):
        plan = model.Plan(10000, 1000, 0, 60, 30, 0.01, 1)
        parked, stopped = (model.rates(plan, name) for name in ("park", "stop"))
        self.assertAlmostEqual(stopped["request_cells"], 10)
        self.assertGreater(parked["request_cells"], 7000)
        self.assertLess(parked["new"], stopped["new"])
        self.assertEqual(stopped["drops"], 0)

    def test_the_worst_lateness_is_no_less_than_the_expected(self):
        for plan, name in itertools.product(plans(), model.INTERFACES):
            late = model.lateness(plan, name, FIXED)
            self.assertGreaterEqual(late["worst_ns"], late["expected_ns"])

    def test_every_answer_is_finite_and_not_negative(self):
        seen = 0
        for plan, name in itertools.product(plans(), model.INTERFACES):
            seen += 1
            for field, value in model.answer(plan, name, FIXED).items():
                self.assertTrue(math.isfinite(value) and value >= 0, (plan, name, field, value))
        self.assertGreater(seen, 300)


class Monotonicity(unittest.TestCase):
    def rises(self, plan, name, grown):
        for quantity in (lambda p: model.core_share(p, name, FIXED),
                         lambda p: model.memory(p, name, FIXED)["bytes"]):
            self.assertGreaterEqual(quantity(grown) * (1 + 1e-9), quantity(plan), (plan, name))

    def test_more_connections_as_busy_as_before_never_cost_less(self):
        for plan, name in itertools.product(plans(), model.INTERFACES):
            for factor in (1.01, 3, 30):
                self.rises(plan, name, plan.scaled(plan.connections * factor))

    def test_more_connections_with_the_same_work_in_all_never_cost_less(self):
        for plan, name in itertools.product(plans(), model.INTERFACES):
            self.rises(plan, name, dataclasses.replace(plan, connections=plan.connections * 2))

    def test_what_one_core_carries_is_just_what_it_carries(self):
        plan = model.Plan()
        carried = model.answer(plan, "stop", FIXED, core=0.5)["per_core"]
        self.assertLessEqual(model.core_share(plan.scaled(carried), "stop", FIXED), 0.5)
        self.assertGreater(model.core_share(plan.scaled(carried + 1), "stop", FIXED), 0.5)

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
        for spoil in (lambda data: data.pop("tick"), lambda data: data.update(version=2),
                      lambda data: data["costs"]["park"].update(refresh=[2, 1]),
                      lambda data: data["costs"]["park"].update(refresh=[1]),
                      lambda data: data.update(sizes=[1000, 1000]),
                      lambda data: data.update(touch=[1, math.nan]),
                      lambda data: data["again"].update(shares=[0]),
                      lambda data: data["error"].pop("cpu_worst")):
            data = copy.deepcopy(FIXED)
            spoil(data)
            with self.assertRaises(calibration.BadCalibration):
                calibration.checked(data)

    def test_the_fit_takes_medians_and_what_is_left_of_a_miss(self):
        answers = dict.fromkeys(calibration.OPERATIONS, 30.0) | {"tick": 9.0}
        runs = {(name, size): [answers | {"start": cost} for cost in (50.0, 40.0, 900.0)]
                for name in model.INTERFACES for size in (10, 20)}
        for size in (10, 20):
            runs["none", size] = [{"touch": 110.0, "again_10": 10.0, "again_99": 60.0}]
        fitted = calibration.checked(calibration.fit(runs, {}, 5, FIXED["error"]))
        self.assertEqual(fitted["costs"]["park"]["start"], [50, 50])
        self.assertEqual(fitted["again"], {"distances": [10, 99], "shares": [0, 0.5]})

    def test_the_table_of_errors_is_put_between_its_marks(self):
        plan = model.Plan()
        predicted = model.answer(plan, "stop", FIXED)
        measured = {"cpu_share": predicted["core_share"] / 1.25, "timers_share": 0.001,
                    "bytes": predicted["loop_bytes"], "moved_max": 3, "due_max": 1}
        rows = [("example", "stop", predicted, measured)]
        self.assertEqual(measure.errors(rows),
                         {"cpu_median": 0.25, "cpu_bar": 0.25, "cpu_worst": 0.25,
                          "memory_worst": 0})
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "page.md"
            path.write_text("a\n<!-- capacity: errors -->\nold\n"
                            "<!-- end of capacity: errors -->\nb\n", encoding="utf-8")
            tables.publish(path, rows, FIXED)
            text = path.read_text(encoding="utf-8")
            self.assertRegex(text, r"\| example \| embedded \|.*\| \+25 % \|")
            self.assertNotIn("old", text)
            self.assertLess(max(map(len, text.splitlines())), 101)
            tables.publish(path, rows, FIXED)
            self.assertEqual(path.read_text(encoding="utf-8"), text)
            path.write_text("no marks", encoding="utf-8")
            with self.assertRaises(tables.BadPage):
                tables.publish(path, rows, FIXED)

    def test_the_benchmarks_page_has_the_marks(self):
        page = (BENCH.parent / "BENCHMARKS.md").read_text(encoding="utf-8")
        self.assertEqual(len(tables.MARK.findall(page)), 1)


class Command(unittest.TestCase):
    FILE = ("--calibration", str(FIXED_PATH))

    def test_it_answers_in_units_with_error_bars(self):
        status, out, _ = command(*self.FILE, "--connections", "20000")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"share of a core +[\d.]+ % .*± 25 %")
        self.assertRegex(out, r"memory held by the loop +\d+ KiB .*± 2 %")
        self.assertRegex(out, r"and worst +[\d.]+ µs")
        self.assertIn("Beyond 100,000 connections nothing was measured", out)

    def test_json_holds_the_same_answers(self):
        status, out, _ = command(*self.FILE, "--json", "--connections", "5e4", "--memory", "2",
                                 "--requests-per-second", "100", "--cancelled-share", "1")
        self.assertEqual(status, 0)
        told = json.loads(out)
        plan = model.Plan(50000, 100, 200, cancelled_share=1)
        self.assertEqual(told["plan"], dataclasses.asdict(plan))
        self.assertEqual(told["answers"]["park"], model.answer(plan, "park", FIXED, 2 * 2**30))

    def test_bad_options_are_refused_with_the_reason(self):
        for reason, *arguments in (
                ("from 1 to 1e\\+08", "--connections", "0"),
                ("from 0 to 1", "--cancelled-share", "1.5"),
                ("invalid number", "--idle-timeout", "nan"),
                ("invalid number", "--connections", "many"),
                ("less than the request timeout", "--response-time", "40"),
                ("under way at once", "--requests-per-second", "1e7"),
                ("not above 0", "--memory", "0"),
                ("unrecognized", "--conections", "5")):
            status, out, errors = command(*self.FILE, *arguments)
            self.assertEqual((status, out), (2, ""), arguments)
            self.assertRegex(errors, reason)

    def test_a_calibration_that_is_not_there_is_named(self):
        status, _, errors = command("--calibration", "/nowhere/calibration.json")
        self.assertEqual(status, 1)
        self.assertIn("/nowhere/calibration.json", errors)

    def test_numbers_are_shown_in_the_unit_that_fits(self):
        self.assertEqual(tables.size(3 * 2**20), "3 MiB")
        self.assertEqual(tables.time(1500), "1.5 µs")
        self.assertEqual(tables.share(0.01234), "1.23 %")
        self.assertEqual(tables.count(123456), "120,000")
        self.assertEqual(tables.count(7), "7")


class Page(unittest.TestCase):
    def test_the_fragment_is_closed_and_needs_nothing_but_itself(self):
        seen, stack = [], []

        class Parser(html.parser.HTMLParser):
            def handle_starttag(self, tag, attributes):
                seen.append((tag, dict(attributes)))
                if tag != "input":
                    stack.append(tag)

            def handle_endtag(self, tag):
                assert stack.pop() == tag, tag

        written = fragment.write(FIXED)
        Parser().feed(written)
        self.assertEqual(stack, [])
        for tag, attributes in seen:
            self.assertFalse({"src", "href"} & set(attributes), tag)
        self.assertNotRegex(written, r"https?:|@import|fetch\(|import\(")
        names = {attributes["name"] for tag, attributes in seen if tag == "input"}
        self.assertEqual(names, {*(field.name for field in dataclasses.fields(model.Plan)),
                                 "memory_gib"})

    def test_a_machine_cannot_end_the_script(self):
        data = copy.deepcopy(FIXED)
        data["machine"]["Processor"] = "</script><b>"
        self.assertNotIn("</script><b>", fragment.write(data))

    def test_the_script_carries_the_calibration(self):
        found = re.search(r'id="capacity-calibration">(.*?)</script>', fragment.write(FIXED))
        self.assertEqual(json.loads(found[1]), FIXED)

    @unittest.skipUnless(shutil.which("node"), "node is not installed")
    def test_javascript_gives_the_same_numbers(self):
        asked = list(plans())
        script = ("const planner = require(process.argv[1]);"
                  "const asked = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
                  "console.log(JSON.stringify(asked.plans.map((plan) => asked.names.map((name) =>"
                  " planner.answer(plan, name, asked.calibration, 2 ** 30, 1)))));")
        given = json.dumps({"plans": [dataclasses.asdict(plan) for plan in asked],
                            "names": model.INTERFACES, "calibration": FIXED})
        done = subprocess.run(["node", "-e", script, str(PLANNER / "planner.js")], input=given,
                              capture_output=True, text=True, check=True)
        for plan, answers in zip(asked, json.loads(done.stdout), strict=True):
            for name, answer in zip(model.INTERFACES, answers, strict=True):
                expected = model.answer(plan, name, FIXED)
                self.assertEqual(set(answer), set(expected))
                for field, value in expected.items():
                    self.assertTrue(math.isclose(answer[field], value, rel_tol=1e-9, abs_tol=1),
                                    (plan, name, field, answer[field], value))


@unittest.skipUnless(PROBE, "no plan_probe was given")
class Played(unittest.TestCase):
    """Counts alone: they are the same on every machine."""

    PLAN = model.Plan(3000, 2000, 4000, 10, 2, 0.02, 0.9)

    def test_what_was_reserved_is_enough_and_as_large_as_predicted(self):
        for name in model.INTERFACES:
            played = measure.simulate(PROBE, name, self.PLAN, FIXED, 5)
            predicted = model.memory(self.PLAN, name, FIXED)
            self.assertLessEqual(played["cells"], predicted["cells"], name)
            self.assertLess(abs(played["bytes"] - predicted["loop_bytes"]), 120000, name)

    def test_as_many_fire_and_are_visited_as_predicted(self):
        for name in model.INTERFACES:
            played = measure.simulate(PROBE, name, self.PLAN, FIXED, 20)
            rate = model.rates(self.PLAN, name)
            self.assertLess(abs(played["request_fires"] / 200 - 1), 0.1)
            # Each that fires is visited on its way, and again in its tick.
            fires = rate["idle_fires"] + rate["request_fires"]
            visited = rate["visits"] + rate["drops"] + 2 * fires
            self.assertLess(abs(played["visited"] / visited - 1), 0.15, name)

    def test_no_run_does_more_than_the_worst_predicted(self):
        for name in model.INTERFACES:
            played = measure.simulate(PROBE, name, self.PLAN, FIXED, 10)
            late = model.lateness(self.PLAN, name, FIXED)
            self.assertLessEqual(played["moved_max"], late["cells_max"])
            self.assertLessEqual(played["due_max"], late["due_max"])

    def test_bad_arguments_are_refused(self):
        for arguments in ((), ("simulate", "stop", "connections=-1"), ("calibrate", "stop", "0"),
                          ("simulate", "best", "connections=1"), ("simulate", "stop", "x=1")):
            done = subprocess.run([PROBE, *arguments], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)


if __name__ == "__main__":
    unittest.main()
