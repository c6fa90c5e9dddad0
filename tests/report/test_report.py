# SPDX-License-Identifier: MIT
"""Tests of bench/report: python3 test_report.py BENCH_REPORT [unittest's options]

Each makes a small result file, in the format that the suite writes, whose
medians and multiples can be worked out by hand.
"""

import contextlib
import html.parser
import importlib.util
import io
import json
import os
import pathlib
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

REPORT = pathlib.Path(sys.argv.pop(1)).resolve()
sys.path.insert(0, str(REPORT))

sys.path.append(str(REPORT.parent / "counts"))

import archive  # noqa: E402
import content  # noqa: E402
import figures  # noqa: E402
import intervals  # noqa: E402
import kept  # noqa: E402
import machine  # noqa: E402
import machines  # noqa: E402
import markdown  # noqa: E402
import page  # noqa: E402
import pages  # noqa: E402
import plots  # noqa: E402
import publish  # noqa: E402
import realtime_tables  # noqa: E402
import svg  # noqa: E402
import table as table_py  # noqa: E402

needs_jinja = unittest.skipIf(importlib.util.find_spec("jinja2") is None,
                              "python3-jinja2 is not installed")
SVG = "{http://www.w3.org/2000/svg}"
CONTEXT = {"date": "2024-05-06T07:08:09+00:00", "num_cpus": 2, "mhz_per_cpu": 2600,
           "load_avg": [0.2, 0.1, 0.1], "missing": "", "absent": "",
           "machine": {"Processor": "Example 1000", "Compiler": "gcc 12"}}


def run(name, cpu_time, **counters):
    return {"name": name, "run_name": name, "run_type": "iteration", "threads": 1,
            "cpu_time": cpu_time, "real_time": cpu_time, "time_unit": "ns", "early": 0.0,
            "late_max_ns": 0.0, **counters}


def idle_runs(**extra):
    """idle at two sizes: the limit 10, embedded 20, handles 40, and two peers at 25 and 50."""
    runs = []
    for timers, factor in ((10000, 1), (1000000, 4)):
        for name, cost in (("limit", 10), ("tickwheel-embedded", 20), ("tickwheel-handles", 40),
                           ("libev", 25), ("list-wheel", 50)):
            for noise in (-1, 0, 4):  # the median is not the mean
                runs.append(run(f"idle/{name}/{timers}", (cost + noise) * factor, **extra))
    return runs


def fill_runs():
    runs = []
    for name, cost, held in (("limit", 10, 32), ("tickwheel-embedded", 30, 48.5),
                             ("libuv", 90, 152)):
        for _ in range(3):
            runs.append(run(f"fill/{name}/100000", cost, start_ns=cost / 2, expire_ns=cost,
                            bytes_per_timer=held, p50_ns=cost * 10, p99_ns=cost * 20,
                            p999_ns=cost * 100, max_ns=cost * 1e5))
    return runs


def sleeper_runs(late_ns):
    return [run(f"sleeper/{name}/10000", 10, late_max_ns=late, wakes=5, max_ns=100, p50_ns=10,
                p99_ns=20, p999_ns=30)
            for name, late in (("limit", 999999), ("tickwheel-park", 0), ("libuv", late_ns))]


class Folder(unittest.TestCase):
    """A test with a folder of its own for result files."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, runs, name="result.json", **context):
        path = self.folder / name
        path.write_text(json.dumps({"context": {**CONTEXT, **context}, "benchmarks": runs}),
                        encoding="utf-8")
        return path

    def measured(self, runs, **context):
        return figures.read([self.file(runs, **context)])


class Numbers(Folder):
    def test_a_figure_is_the_median_and_keeps_the_minimum(self):
        cell = self.measured(idle_runs()).cell("idle", None, "limit", 10000)
        self.assertEqual((cell.median, cell.minimum, cell.maximum), (10, 9, 14))

    def test_multiples_are_of_the_limit_and_of_the_best_peer(self):
        cell = self.measured(idle_runs()).cell("idle", None, "tickwheel-handles", 1000000)
        self.assertAlmostEqual(cell.of_limit, 4)
        self.assertAlmostEqual(cell.of_peer.value, 40 / 25)

    def test_python_rows_are_no_peers(self):
        runs = idle_runs() + [run("idle/asyncio/10000", 1)]
        self.assertEqual(self.measured(runs).best("idle", None, 10000, figures.is_peer),
                         ("libev", 25))

    def test_without_a_limit_its_multiple_is_left_out(self):
        runs = [r for r in idle_runs() if "/limit/" not in r["run_name"]]
        measured = self.measured(runs)
        self.assertIsNone(measured.cell("idle", None, "libev", 10000).of_limit)
        table = content.cost_table(measured, "idle", None, "idle: ns per refresh")
        self.assertEqual(dict((cells[0], cells[3]) for _, cells in table.rows)["libev"], "–")

    def test_the_table_shows_the_multiples(self):
        table = content.cost_table(self.measured(idle_runs()), "idle", None, "idle")
        rows = {cells[0]: cells[1:] for _, cells in table.rows}
        self.assertEqual(rows["tickwheel-embedded"][:4], ["20", "19", "2.00×", "0.80× ±2 %"])
        self.assertEqual(rows["list-wheel"][4:], ["200", "196", "5.00×", "2.00× ±4 %"])

    def test_several_files_are_one_result(self):
        one = self.file(idle_runs()[:3], "one.json")
        two = self.file(idle_runs()[3:6], "two.json", missing="uvloop")
        measured = figures.read([one, two])
        self.assertEqual(measured.contenders(), ["limit", "tickwheel-embedded"])
        self.assertEqual(measured.results.missing, {"uvloop"})


class Losses(Folder):
    def test_each_lost_comparison_is_named_with_its_multiple(self):
        losses = self.measured(idle_runs()).losses()
        self.assertEqual({(loss.ours, loss.peer, loss.timers, loss.is_best_of_ours)
                          for loss in losses},
                         {("tickwheel-handles", "libev", 10000, False),
                          ("tickwheel-handles", "libev", 1000000, False)})
        self.assertAlmostEqual(losses[0].multiple, 1.6)

    def test_a_figure_lost_by_all_shows_the_least_behind(self):
        runs = idle_runs() + [run("idle/libuv/10000", 5) for _ in range(3)]
        measured = self.measured(runs)
        table = content.losses_table(measured, by_all=True)
        self.assertEqual(table.rows, [("plain", ["idle: ns per refresh", "4.00× libuv"])])
        self.assertIn("In 1 of the 2 comparisons", content.losses_sentence(measured))

    def test_the_worst_comes_first_by_what_is_shown(self):
        costs = {"idle/tickwheel-later": 100, "idle/tickwheel-park": 11, "idle/libev": 10,
                 "churn/tickwheel-park": 15, "churn/libev": 10}
        runs = [run(f"{name}/10000", cost) for name, cost in costs.items() for _ in range(3)]
        table = content.losses_table(self.measured(runs), by_all=True)
        self.assertEqual([cells[1] for _, cells in table.rows], ["1.50× libev", "1.10× libev"])

    def test_an_interval_that_reaches_1_is_marked_as_noise(self):
        runs = [run("idle/tickwheel-park/10000", cost) for cost in (10, 11, 12)]
        runs += [run("idle/libev/10000", cost) for cost in (9, 10, 13)]
        loss, = self.measured(runs).losses()
        self.assertFalse(loss.is_clear)
        self.assertEqual(content.loss_words(loss), "1.10× libev ~")
        slower = [run("idle/tickwheel-park/10000", cost) for cost in (20, 21, 22)] + runs[3:]
        loss, = self.measured(slower).losses()
        self.assertTrue(loss.is_clear)

    def test_without_a_peer_nothing_is_claimed(self):
        runs = [r for r in idle_runs() if "tickwheel" in r["run_name"]]
        self.assertIn("nothing to compare", content.losses_sentence(self.measured(runs)))

    def test_more_memory_and_longer_advances_are_losses_too(self):
        runs = fill_runs()
        for r in runs:
            if "/libuv/" in r["run_name"]:
                r.update(max_ns=1, bytes_per_timer=20)
        lost = {loss.what for loss in self.measured(runs).losses()}
        self.assertEqual(lost, {"fill: one advance, the longest",
                                "memory a timer, by the allocator's own count"})


class Verdicts(Folder):
    def test_firing_early_is_marked_in_the_row_and_warned_of(self):
        runs = idle_runs()
        for r in runs:
            if r["run_name"] == "idle/libev/10000":
                r["early"] = 7.0
        measured = self.measured(runs)
        rows = [cells[0] for _, cells in content.cost_table(measured, "idle", None, "idle").rows]
        self.assertIn("libev (fires early)", rows)
        self.assertIn("Firing early: libev (idle: 7 timers).", content.warnings(measured))

    def test_waking_late_is_marked_but_not_for_the_limit(self):
        measured = self.measured(sleeper_runs(late_ns=999999))
        self.assertEqual(measured.marks("libuv"), ["late"])
        self.assertEqual(measured.marks("limit"), [])
        self.assertEqual(measured.marks("tickwheel-park"), [])

    def test_the_suites_own_step_is_nobodys_lateness(self):
        measured = self.measured(idle_runs(late_max_ns=999987))
        self.assertEqual([measured.marks(name) for name in measured.contenders()], [[]] * 5)

    def test_later_than_the_limit_is_late(self):
        runs = idle_runs(late_max_ns=1000)
        runs += [run("idle/libuv/10000", 9, late_max_ns=3000)]
        self.assertEqual(self.measured(runs).lateness_ns("idle", "libuv", 10000), 2000)

    @needs_jinja
    def test_a_wrong_checksum_voids_the_run(self):
        bad = run("idle/libuv/10000", 0, error_occurred=True, error_message="its checksum is wrong")
        measured = self.measured(idle_runs() + [bad])
        self.assertIn("VOID: idle/libuv/10000: its checksum is wrong", page.write(measured))
        with self.assertRaisesRegex(figures.BadInput, "void run is not published"):
            machines.check(measured)

    @needs_jinja
    def test_missing_contenders_are_named(self):
        text = page.write(self.measured(idle_runs(), missing="uvloop, jemalloc",
                                        absent="far/libuv: no such delays\n"))
        for words in ("uvloop: not installed", "jemalloc: not installed",
                      "libuv, in far: no such delays"):
            self.assertIn(words, text)

    def test_a_busy_machine_is_told_of(self):
        busy = self.measured(idle_runs(), load_avg=[9.5, 1, 1])
        self.assertTrue(any("load was 9.5 on 2 cores" in line for line in content.warnings(busy)))
        self.assertEqual(content.warnings(self.measured(idle_runs())), [])


class Pictures(Folder):
    def all(self, runs, style=None):
        return {name: ElementTree.fromstring(drawing) for _, name, _, drawing in
                plots.all_plots(self.measured(runs), style)}

    def test_every_plot_is_well_formed_and_described(self):
        drawn = self.all(idle_runs() + fill_runs() + sleeper_runs(5)
                         + lateness_runs("tickwheel", [1000]))
        self.assertEqual(set(drawn), {"cost-idle", "cost-fill-start", "cost-fill-expire",
                                      "cost-sleeper", "advance-fill", "advance-sleeper",
                                      "memory-fill", "ratios", "lateness-1000"})
        for picture in drawn.values():
            self.assertEqual(picture.get("role"), "img")
            self.assertTrue(picture.find(f"{SVG}title").text)
            self.assertTrue(picture.find(f"{SVG}desc").text)

    def test_the_text_alternative_has_the_figures(self):
        described = self.all(idle_runs())["cost-idle"].find(f"{SVG}desc").text
        self.assertIn("libev 25 ns at 10,000 to 100 ns at 1,000,000", described)

    def test_there_is_a_line_for_each_contender_through_its_medians(self):
        lines = list(self.all(idle_runs())["cost-idle"].iter(f"{SVG}polyline"))
        self.assertEqual(len(lines), 5)
        for points in (line.get("points").split() for line in lines):
            first, last = ([float(number) for number in point.split(",")] for point in points)
            self.assertLess(first[0], last[0])
            self.assertGreater(first[1], last[1])  # dearer is higher up, where y is less

    def test_contenders_differ_in_colour_and_in_marker(self):
        names = [name for name in plots.LOOKS if name != "limit"] + ["mine", "yours"]
        looks = plots.looks_of(names)
        self.assertEqual(len(set(looks.values())), len(names))

    def test_a_single_size_is_drawn_as_points(self):
        picture = self.all([r for r in idle_runs() if r["run_name"].endswith("/10000")])
        self.assertEqual(list(picture["cost-idle"].iter(f"{SVG}polyline")), [])
        self.assertTrue(list(picture["cost-idle"].iter(f"{SVG}path")))

    def test_labels_keep_apart_and_inside(self):
        placed = svg.spread_labels([50, 50, 51, 99, 100], 10, 0, 100)
        self.assertEqual(sorted(placed), placed)
        self.assertTrue(all(b - a >= 10 for a, b in zip(placed, placed[1:])))
        self.assertTrue(0 <= placed[0] and placed[-1] <= 100)

    def test_a_logarithmic_scale_puts_each_decade_as_far(self):
        scale = svg.Scale(1, 1000, 0, 300)
        self.assertAlmostEqual(scale(10), 100)
        self.assertAlmostEqual(scale(100), 200)

    def test_ticks_are_round_and_few(self):
        self.assertEqual(svg.log_ticks(9, 220), [10, 20, 50, 100, 200])
        self.assertLessEqual(len(svg.log_ticks(1, 1e12)), 7)
        self.assertEqual(svg.linear_ticks(257, 5), [0, 100, 200, 300])

    def test_a_picture_alone_brings_its_style_and_a_dark_one(self):
        css = (REPORT / "plot.css").read_text(encoding="utf-8")
        style = self.all(idle_runs(), css)["cost-idle"].find(f"{SVG}style").text
        self.assertIn("prefers-color-scheme: dark", style)


class References(html.parser.HTMLParser):
    """Collects what a page would load, and its ids and links within."""

    def __init__(self):
        super().__init__()
        self.loads, self.ids, self.links, self.tags = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "srcset", "data", "action", "poster") or (
                    name in ("href", "xlink:href") and not value.startswith("#")):
                self.loads.append((tag, name, value))
            if name == "id":
                self.ids.append(value)
            if name == "href" and value.startswith("#"):
                self.links.append(value[1:])


@needs_jinja
class Page(Folder):
    def page(self, runs=None, command=None, **context):
        return page.write(self.measured(runs or idle_runs() + fill_runs(), **context), command)

    def test_nothing_is_loaded_from_elsewhere(self):
        text = self.page()
        found = References()
        found.feed(text)
        self.assertEqual(found.loads, [])
        self.assertFalse({"script", "link", "iframe", "img", "object"} & set(found.tags))
        self.assertIsNone(re.search(r"url\(|@import", text))
        self.assertEqual(set(re.findall(r"https?://[^\"'<> ]+", text)),
                         {"http://www.w3.org/2000/svg"})  # a name, not an address

    def test_links_lead_somewhere_and_ids_are_unique(self):
        found = References()
        found.feed(self.page())
        self.assertEqual(len(found.ids), len(set(found.ids)))
        self.assertTrue(found.links)
        self.assertLessEqual(set(found.links), set(found.ids))

    def test_names_and_reasons_are_escaped(self):
        runs = idle_runs() + [run("idle/<b>&\"x\"/10000", 3)]
        text = self.page(runs, "bench/run --filter '<i>'", absent="far/<i>x: a & b\n")
        self.assertNotIn("<b>", text)
        self.assertNotIn("<i>", text)
        self.assertIn("&lt;b&gt;&amp;", text)
        for _, _, _, drawing in plots.all_plots(self.measured(runs)):
            ElementTree.fromstring(drawing)

    def test_it_tells_the_machine_the_date_and_the_command(self):
        text = self.page(command="bench/run --full")
        for words in ("Example 1000", "gcc 12", "2024-05-06", "bench/run --full"):
            self.assertIn(words, text)

    def test_tables_scroll_within_themselves_and_have_names(self):
        text = self.page()
        self.assertEqual(text.count("<table>"), text.count('<div class="scroll" role="region" '
                                                           'tabindex="0" aria-label="'))


def lateness_runs(contender, medians_ns, **counters):
    return [run(f"lateness/{contender}/1000", 5, **{
        "p50_ns": median_ns, "p99_ns": 2e6, "p999_ns": 3e6, "max_ns": 4e6, "fired": 100,
        "late_bin_13": 99, "late_bin_22": 1, "sleeps_per_s": 700, "cpu_percent": 2, "load": 0.5,
        **counters}) for median_ns in medians_ns]


class RealTime(Folder):
    """libuv's medians: 20, 30 and 40 us."""

    def tables(self, ours_us, **counters):
        runs = (lateness_runs("tickwheel", [us * 1000 for us in ours_us])
                + lateness_runs("libuv", (20000, 30000, 40000), **counters))
        return realtime_tables.tables(self.measured(idle_runs() + runs))

    def median(self, *ours_us):
        lateness, _ = self.tables(ours_us)
        return lateness.rows[0][1][1]

    def test_better_and_equal_have_no_mark(self):
        self.assertEqual(self.median(10, 30, 50), "30.0")
        self.assertEqual(self.median(10, 12, 50), "12.0")

    def test_worse_is_marked_by_whether_all_repetitions_were(self):
        self.assertEqual(self.median(39, 50, 60), "50.0~")
        self.assertEqual(self.median(41, 50, 60), "50.0!")

    def test_the_histogram_is_in_percent_and_early_is_a_column(self):
        _, histogram = self.tables((10,), early=25, late_bin_13=74)
        ours, libuv = (dict(zip(histogram.head, cells)) for _, cells in histogram.rows)
        self.assertEqual((ours["early"], ours["< 8us"], ours["< 4.2ms"]), (".", "99", "1"))
        self.assertEqual((libuv["early"], libuv["< 8us"], libuv["< 4.2ms"]), ("25", "74", "1"))

    def test_they_stay_out_of_the_suites_own_figures(self):
        with_them = self.measured(idle_runs() + lateness_runs("tickwheel", [1]))
        self.assertEqual(with_them.results.runs, self.measured(idle_runs()).results.runs)

    def test_a_void_one_is_not_published(self):
        runs = idle_runs() + lateness_runs("tickwheel", [1], label="WRONG: 3 calls came early")
        with self.assertRaisesRegex(figures.BadInput, "3 calls came early"):
            machines.check(self.measured(runs))


class Counted(Folder):
    def test_allocations_stand_at_the_most_timers_and_a_few_do_not_look_like_none(self):
        runs = [run(f"churn/{name}/{timers}", 10, allocations=count / timers * 1e6)
                for timers in (10000, 1000000)
                for name, count in (("limit", 0), ("multimap", 1.00002), ("libev", 0.00011), ("libuv", 1e-6))]
        table = content.allocations_table(self.measured(runs + idle_runs(allocations=0)))
        self.assertEqual(table.head, ["contender", "churn", "idle"])
        rows = {cells[0]: cells[1:] for _, cells in table.rows}
        self.assertEqual(rows["limit"], ["0", "0"])
        self.assertEqual(rows["multimap"], ["1", "–"])
        self.assertEqual(rows["libev"], ["0.00011", "0"])
        self.assertEqual(rows["libuv"], ["<0.0001", "–"])

    def test_without_counts_there_is_no_table(self):
        self.assertEqual(content.allocations_table(self.measured(idle_runs())).rows, [])

    def test_a_benchmark_too_slow_to_be_repeated_is_named_so_and_is_not_void(self):
        slow = [run("idle/libuv/10000", 90)] + [
            run("idle/libuv/10000", 0, error_occurred=True, error_message=table_py.NOT_REPEATED)
            for _ in range(2)]
        measured = self.measured(idle_runs() + slow)
        self.assertEqual(measured.results.wrong, set())
        self.assertEqual(measured.median("idle", None, "libuv", 10000), 90)
        self.assertRegex(content.noise_sentences(measured)[1], "^1 benchmark was measured once")
        self.assertEqual([line for line in content.warnings(measured) if "fewer" in line], [])


class Intervals(unittest.TestCase):
    def ratio(self, ours, theirs, **options):
        return intervals.ratio(dict(enumerate(ours)), dict(enumerate(theirs)), **options)

    def test_what_slows_a_round_down_cancels(self):
        ratio = self.ratio((10, 20, 40, 10), (5, 10, 20, 5))
        self.assertEqual((ratio.value, ratio.low, ratio.high), (2, 2, 2))
        self.assertFalse(ratio.is_wide)

    def test_of_programs_run_one_after_the_other_it_does_not(self):
        ratio = self.ratio((10, 20, 40, 10), (5, 10, 20, 5), paired=False)
        self.assertTrue(ratio.low < ratio.value < ratio.high)
        self.assertTrue(ratio.is_wide)

    def test_the_interval_holds_the_median_and_lies_within_the_rounds(self):
        values = (0.9, 1.0, 1.1, 1.0, 1.2, 0.8, 1.0)
        ratio = self.ratio(values, [1] * len(values))
        self.assertEqual(ratio.value, 1.0)
        self.assertTrue(0.8 <= ratio.low <= 1.0 <= ratio.high <= 1.2)
        self.assertEqual(ratio, self.ratio(values, [1] * len(values)))  # always the same

    def test_rounds_that_one_of_them_lacks_do_not_count(self):
        self.assertEqual(intervals.ratio({0: 10, 1: 30, 2: 30, 3: 30}, {1: 10, 2: 10, 3: 10}).low, 3)

    def test_too_few_rounds_have_no_interval(self):
        ratio = self.ratio((10, 12), (5, 5))
        self.assertEqual((ratio.value, ratio.low, ratio.half_width), (2.2, None, None))
        self.assertTrue(ratio.is_wide)


def every_workload():
    """Three rounds of each figure: embedded at 10, libev at 20, the limit at 5."""
    return [run(f"{workload}/{name}/10000", cost, **({counter: cost} if counter else {}))
            for workload, counter in figures.FIGURES for _ in range(3)
            for name, cost in (("limit", 5), ("tickwheel-embedded", 10), ("libev", 20))]


def on(processor, commit="commit abc", version="9.9.9", date="2024-05-06T07:08:09+00:00"):
    return {"date": date, "machine": {"Processor": processor, "tickwheel": commit,
                                      "Version": version}}


class Publishing(Folder):
    def setUp(self):
        super().setUp()
        self.data = self.folder / "docs" / "benchmarks" / "data"
        self.page = self.folder / "BENCHMARKS.md"
        self.page.write_text(self.marked(), encoding="utf-8")
        self.empty = kept.Counts(self.folder / "none")

    def marked(self):
        names = publish.sections([self.one_machine()], kept.Counts(self.folder / "none"), "plots")
        return "By hand.\n" + "".join(
            f"<!-- generated: {name} -->\nwas here\n<!-- end: {name} -->\nkept {name}\n"
            for name in names)

    def one_machine(self):
        measured = self.measured(every_workload())
        return machines.Machine("one", measured, machine.from_context(measured.contexts[0]))

    def publish(self, runs, command="bench/run --full", **context):
        path = self.file(runs, **context)
        done = subprocess.run([sys.executable, "-B", REPORT, path, "--publish", self.folder,
                               "--command", command], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return self.page.read_text(encoding="utf-8")

    def test_only_what_is_between_the_marks_is_replaced(self):
        text = self.publish(every_workload())
        self.assertTrue(text.startswith("By hand.\n"))
        self.assertNotIn("was here", text)
        self.assertEqual(text.count("\nkept "), len(publish.MARK.findall(text)))
        self.assertIn("| [idle: ns per refresh](docs/benchmarks/idle.md) | 10 | 0.50× ±1 % |", text)

    def test_publishing_again_changes_nothing(self):
        once = self.publish(every_workload())
        self.assertEqual(self.publish(every_workload()), once)

    def test_without_a_result_the_pages_are_written_again(self):
        once = self.publish(every_workload())
        self.page.write_text(self.marked(), encoding="utf-8")
        subprocess.run([sys.executable, "-B", REPORT, "--publish", self.folder], check=True)
        self.assertEqual(self.page.read_text(encoding="utf-8"), once)

    def test_what_is_published_is_what_the_data_say(self):
        """If not: python3 bench/report --publish . writes it again, measuring nothing."""
        top = REPORT.parent.parent
        written = ["BENCHMARKS.md", *(path.relative_to(top) for folder in ("benchmarks", "plots")
                                      for path in (top / "docs" / folder).glob("*.*"))]
        shutil.copytree(top / "docs" / "benchmarks" / "data", self.data)
        shutil.copy(top / "BENCHMARKS.md", self.page)
        subprocess.run([sys.executable, "-B", REPORT, "--publish", self.folder], check=True)
        differ = [name for name in map(str, written)
                  if not (self.folder / name).exists()
                  or (self.folder / name).read_bytes() != (top / name).read_bytes()]
        self.assertEqual([name for name in differ if name != "docs/benchmarks/aims.md"], [])

    def test_every_workload_has_a_page_with_every_contender(self):
        self.publish(every_workload())
        folder = self.folder / "docs" / "benchmarks"
        for workload, _ in figures.FIGURES:
            text = (folder / f"{workload}.md").read_text(encoding="utf-8")
            for words in ("limit", "**tickwheel-embedded**", "libev",
                          f"bench/run --filter '^{workload}/'"):
                self.assertIn(words, text)

    def test_another_machine_is_added_and_the_range_over_both_is_shown(self):
        self.publish(every_workload(), **on("AMD Example"))
        slower = every_workload()
        for each in slower:
            if each["run_name"] == "idle/tickwheel-embedded/10000":
                each["cpu_time"] = 12
        text = self.publish(slower, **on("Intel Example"))
        self.assertEqual(sorted(path.name for path in self.data.glob("*.json")),
                         ["amd-example.json", "intel-example.json"])
        self.assertIn("| 12 | 0.60× ±1 % (0.50–0.60) |", text)
        self.assertIn("| AMD Example |", text)

    def test_one_of_another_version_is_marked_and_not_counted(self):
        self.publish(every_workload(), **on("AMD Example", version="9.9.8"))
        text = self.publish(every_workload(), **on("Intel Example"))
        self.assertIn("| AMD Example † |", text)
        self.assertIn("| [idle: ns per refresh](docs/benchmarks/idle.md) | 10 | 0.50× ±1 % |", text)
        self.assertIn("## AMD Example, tickwheel 9.9.8",
                      (self.folder / "docs/benchmarks/idle.md").read_text(encoding="utf-8"))

    def test_parts_of_one_commit_add_up_and_others_replace(self):
        larger = [{**each, "run_name": each["run_name"].replace("/10000", "/1000000")}
                  for each in every_workload()]
        self.publish(every_workload(), "bench/run --filter 4")
        text = self.publish(larger, "bench/run --filter 6")
        self.assertIn("bench/run --filter 4; bench/run --filter 6", text)
        self.assertIn("| 10⁴: ns | × peer | 10⁶: ns |", text)
        late = lateness_runs("tickwheel", [1000]) + lateness_runs("libuv", [2000])
        self.assertIn("| **tickwheel** | 1.000 |", self.publish(late, "bench/run --filter late"))
        text = self.publish(larger, "bench/run --filter 6", **on("Example 1000", "commit def"))
        self.assertNotIn("| 10⁴: ns |", text)

    def test_a_page_without_a_mark_is_left_as_it_is(self):
        text = self.marked().replace("generated: losses", "generated: loses")
        self.page.write_text(text, encoding="utf-8")
        with self.assertRaisesRegex(figures.BadInput, "losses"):
            publish.rewrite(self.page, [self.one_machine()], self.empty, "plots")
        self.assertEqual(self.page.read_text(encoding="utf-8"), text)

    def test_a_run_that_leaves_workloads_out_is_not_published(self):
        with self.assertRaisesRegex(figures.BadInput, "lacks .*churn.*, far, fill"):
            machines.check(self.measured(idle_runs()))
        machines.check(self.measured(every_workload()))

    def test_prose_is_in_lines_of_a_hundred_characters(self):
        runs = every_workload() + lateness_runs("tickwheel", [1])
        measured = self.measured(runs, missing=", ".join(["a library"] * 20))
        leading = machines.Machine("one", measured, machine.from_context(measured.contexts[0]))
        parts = publish.sections([leading], self.empty, "plots")
        prose = [line for part in parts.values() for line in part.splitlines()
                 if not line.startswith(("|", "!"))]
        self.assertLessEqual(max(map(len, prose)), markdown.WIDTH)

    def test_replays_stand_beside_each_other_by_trace(self):
        for trace, cost in (("ab", 7), ("wrk", 8)):
            self.file([run(f"replay/{name}/300", cost * factor, p50_ns=1, p99_ns=2, p999_ns=3,
                           max_ns=4000)
                       for name, factor in (("limit", 1), ("tickwheel-park", 2), ("libuv", 9))],
                      f"{trace}.json", trace=trace)
        measured = figures.read([self.file(every_workload()), self.folder / "ab.json",
                                 self.folder / "wrk.json"])
        text = publish.replay_part(measured)
        self.assertIn("| contender | ab | wrk |", text)
        self.assertIn("| **tickwheel-park** | 14, 4 µs | 16, 4 µs |", text)

    def test_counts_stand_beside_the_times(self):
        path = self.folder / "counts.tsv"
        kept.write(path, {}, {"idle/tickwheel-embedded/10000": kept.Count(10, 200, 30),
                              "idle/libev/10000": kept.Count(10, 400, 15),
                              "operation/park": kept.Count(10, 220, 6)})
        counts = kept.Counts(path)
        self.assertEqual(publish.counted(counts, "idle", None), "20, 3.0 : 40, 1.5")
        self.assertEqual(publish.counted(counts, "churn", None), "–")
        self.assertIn("| park | 22.0 | 0.60 |", pages.counts_page(counts))

    def test_the_repositorys_page_is_short_and_has_all_marks(self):
        text = (REPORT.parent.parent / "BENCHMARKS.md").read_text(encoding="utf-8")
        self.assertLessEqual(len(text.splitlines()), 250)
        self.assertEqual(sorted(found[1] for found in publish.MARK.finditer(text)),
                         sorted(publish.sections([self.one_machine()], self.empty, "plots")))

    def test_the_repositorys_links_lead_to_files(self):
        root = REPORT.parent.parent
        pages_ = [root / "BENCHMARKS.md", *(root / "docs" / "benchmarks").glob("*.md")]
        for path in pages_:
            for target in re.findall(r"\]\(([^)#:]+)[^)]*\)", path.read_text(encoding="utf-8")):
                self.assertTrue((path.parent / target).exists(), f"{path.name}: {target}")


class Archived(Folder):
    def test_what_is_archived_is_read_back(self):
        runs = idle_runs() + lateness_runs("tickwheel", [12345.678])
        path = self.folder / "m.json"
        measured = self.measured(runs)
        archive.write(path, measured.results.all)
        again = figures.Measured()
        again.take(machines.load(path), path)
        self.assertEqual({key: [each["cpu_time"] for each in of_key]
                          for key, of_key in again.results.runs.items()},
                         {key: [each["cpu_time"] for each in of_key]
                          for key, of_key in measured.results.runs.items()})
        self.assertEqual(again.results.realtime.values("lateness", "tickwheel", 1000, "p50_ns"),
                         [12350])

    def test_a_file_that_is_none_is_refused(self):
        path = self.folder / "m.json"
        for text in ("", "{}", '{"format": "else", "runs": {}, "context": {}}',
                     json.dumps({"format": archive.FORMAT, "context": {},
                                 "runs": {"a/b/1": {"x": [1], "y": [1, 2]}}})):
            path.write_text(text)
            with self.assertRaisesRegex(figures.BadInput, "m.json"):
                machines.load(path)


class BadInput(Folder):
    def refused(self, words, *paths):
        with self.assertRaisesRegex(figures.BadInput, words):
            figures.read(paths)

    def test_bad_files_are_refused_with_the_reason(self):
        empty, text, other = (self.folder / name for name in ("empty", "text", "other"))
        empty.write_text("")
        text.write_text("{]")
        other.write_text('{"figures": []}')
        self.refused("no result file")
        self.refused("gone: No such file", self.folder / "gone")
        self.refused("empty is not JSON", empty)
        self.refused("text is not JSON", text)
        self.refused("other is not Google Benchmark's JSON", other)
        self.refused("no benchmark was run", self.file([]))
        self.refused("a run that the suite did not write", self.file([run("sort/10", 3)]))
        self.refused("every run is void: idle/x/10000: wrong", self.file(
            [run("idle/x/10000", 0, error_occurred=True, error_message="wrong")]))
        self.refused("every run is void: idle/x/10000: early", self.file(
            [run("idle/x/10000", 0, label="WRONG: early")]))

    def bad_files(self):
        """What a crash of the benchmark leaves, other programs' JSON, and other words."""
        whole = self.file(idle_runs(), "whole").read_text(encoding="utf-8")
        files = {"cut": whole[:len(whole) // 2], "list": "[1, 2]", "null": "null",
                 "number": '{"context": 3, "benchmarks": 4}', "other": '{"figures": []}',
                 "runs": '{"context": {}, "benchmarks": [1]}', "binary": None}
        for name, text in files.items():
            path = self.folder / name
            path.write_bytes(b"\xff\xfe\x00") if text is None else path.write_text(text)
            yield path

    def one_line(self, words, *arguments):
        """The exit status of a script of bench/'s, which has to say what is wrong in a line."""
        done = subprocess.run([sys.executable, "-B", *map(str, arguments)], capture_output=True,
                              text=True)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn(words, done.stderr)
        return done

    def test_a_file_that_is_cut_off_or_foreign_is_told_in_one_line(self):
        for path in self.bad_files():
            self.one_line(path.name, REPORT, path, "--html", self.folder / "page.html")
            if path.name != "runs":
                self.one_line(path.name, REPORT / "machine.py", self.folder, path)

    def test_the_table_shows_the_other_files_and_fails(self):
        good = self.file(idle_runs(), "good")
        for path in self.bad_files():
            done = self.one_line(path.name, REPORT / "table.py", path, good)
            self.assertEqual(done.returncode, 1)
            self.assertIn("idle: ns per refresh", done.stdout)
        alone = subprocess.run([sys.executable, "-B", REPORT / "table.py",
                                self.folder / "cut"], capture_output=True, text=True)
        self.assertEqual(alone.returncode, 2)
        self.assertNotIn("Traceback", alone.stderr)

    def test_machine_notes_the_good_files_beside_a_bad_one(self):
        good = self.file(idle_runs(), "good", machine={})
        bad = next(self.bad_files())
        done = self.one_line("cut", REPORT / "machine.py", self.folder, bad, good)
        self.assertEqual(done.returncode, 2)
        self.assertTrue(json.loads(good.read_text())["context"]["machine"])

    def main(self, *arguments):
        """(exit status, what it says) of the command line."""
        said, before = io.StringIO(), sys.argv
        sys.argv = ["report", *map(str, arguments)]
        try:
            with contextlib.redirect_stderr(said):
                runpy.run_path(str(REPORT / "__main__.py"), run_name="__main__")
        except SystemExit as end:
            return end.code, said.getvalue()
        finally:
            sys.argv = before
        return None, said.getvalue()

    def test_the_command_says_what_is_wrong_and_writes_nothing(self):
        target = self.folder / "report.html"
        status, said = self.main(self.file([]), "--html", target)
        self.assertEqual(status, 2)
        self.assertRegex(said, r"^report: no benchmark was run")
        self.assertFalse(target.exists())

    def test_without_jinja_the_plots_are_written_and_the_page_is_missed_in_one_line(self):
        (self.folder / "jinja2.py").write_text("raise ModuleNotFoundError")
        done = subprocess.run(
            [sys.executable, "-B", REPORT, self.file(idle_runs()), "--html", self.folder / "page.html",
             "--plots", self.folder / "plots"], capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(self.folder)})
        self.assertEqual((done.returncode, done.stderr),
                         (2, "report: the HTML page needs python3-jinja2\n"))
        self.assertTrue((self.folder / "plots" / "cost-idle.svg").exists())
        self.assertFalse((self.folder / "page.html").exists())

    @needs_jinja
    def test_the_command_writes_page_and_plots(self):
        target, folder = self.folder / "a" / "report.html", self.folder / "plots"
        status, _ = self.main(self.file(idle_runs()), "--html", target, "--plots", folder)
        self.assertEqual(status, 0)
        self.assertIn("<!DOCTYPE html>", target.read_text(encoding="utf-8"))
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["cost-idle.svg", "ratios.svg"])


class Machine(Folder):
    def test_facts_are_noted_in_the_results_and_read_back(self):
        path = self.file(idle_runs(), machine={})
        machine.main(self.folder, [path])
        context = json.loads(path.read_text(encoding="utf-8"))["context"]
        self.assertIn("Compiler", context["machine"])
        facts = machine.from_context(context)
        self.assertEqual(list(facts)[0], "Date")
        self.assertEqual(facts["Cores"], "2 at 2.60 GHz")
        self.assertEqual(figures.read([path]).cell("idle", None, "limit", 10000).median, 10)


if __name__ == "__main__":
    unittest.main()
