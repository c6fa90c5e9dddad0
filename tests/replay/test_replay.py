# SPDX-License-Identifier: MIT
"""Tests of bench/replay: python3 test_replay.py BENCH BUILD [unittest's options]

BUILD is a build folder with the benchmarks. Nothing is asked of how long anything
takes: only that all contenders fire what the trace says, that the table is there,
and that a trace that is no good is refused with the place where it is.
"""

import gzip
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BENCH = pathlib.Path(sys.argv.pop(1)).resolve()
BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
TRACE_TOOL = BUILD / "bench" / "replaying" / "trace_tool"

# Each operation, timers in both wheels and beyond, ids that are given again, and
# a run that calls nothing.
HAND_WRITTEN = """twtrace 1
1s      start 0 +60s    # refreshed, and fires
+0      start 1 +5ms    # fires, and so does another timer by this id
+0      start 2 +300s   # stopped, as is one that is parked by then
+0      start 3 never   # parked, started again, fires
+2ms    run
+3ms    run
+0      fire  1
+0      soon  1
+1ms    run
+0      fire  1
+20ms   move  0 +60s
+0      park  3
+0      stop  2
+0      start 2 +10s
+0      park  2
+1ms    stop  2
+0      start 3 +60s
+60s    run
+0      fire  0
+0      fire  3
"""
HAND_WRITTEN_FIRES = 4

BUILT_ALWAYS = {"limit", "tickwheel-embedded", "tickwheel-park", "tickwheel-handles", "list-wheel",
                "multimap", "priority-queue"}
BUILT_WITH = {"libevent": "libevent", "libuv": "libuv", "libev": "libev", "Boost.Asio": "asio",
              "jemalloc": "tickwheel-jemalloc", "tickwheel-inline": "tickwheel-inline"}


def replay(trace, *options):
    """bench/replay, of the programs in BUILD, once over."""
    environment = dict(os.environ, TICKWHEEL_BENCH_BUILD=str(BUILD), TICKWHEEL_BENCH_IS_BUILT="1",
                       TICKWHEEL_BENCH_AWAY="1000")  # a busy machine is no reason to repeat
    return subprocess.run([BENCH / "replay", trace, "--repetitions", "1", *options],
                          env=environment, capture_output=True, text=True, timeout=250)


def summary(trace):
    """What is in a trace: {"timers": 3300, "start": 3300, ...}."""
    text = subprocess.run([TRACE_TOOL, "summary", "-"], input=gzip.open(trace).read(), check=True,
                          capture_output=True).stdout.decode()
    counts = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    head = re.match(r"\d+ events, (\d+) timers, ([\d.]+) s", text)
    return dict(counts, timers=int(head[1]), seconds=float(head[2]))


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, content, name="hand_written.txt"):
        path = self.folder / name
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return path

    def binary(self, text):
        """The binary form of a trace in the text form."""
        return subprocess.run([TRACE_TOOL, "binary", "-"], input=text.encode(), check=True,
                              capture_output=True).stdout

    def replayed(self, trace, *options):
        """Replays a good trace; answers what was printed, and the figures."""
        results = self.folder / "results.json"
        done = replay(trace, "--json", results, *options)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout, json.loads(results.read_text())


class Contenders(Case):
    def expect_all(self, printed, figures, fired):
        """Every contender that could be built has a row, and fired as much."""
        missing = set(figures["context"]["missing"].split(", "))
        expected = BUILT_ALWAYS | {contender for library, contender in BUILT_WITH.items()
                                   if library not in missing}
        runs = {run["run_name"].split("/")[1]: run for run in figures["benchmarks"]
                if run["run_type"] == "iteration"}
        self.assertLessEqual(expected, set(runs))
        for name, run in runs.items():
            self.assertNotIn("error_occurred", run, name)
            self.assertEqual((run["fired"], run["early"]), (fired, 0), name)
            self.assertGreater(run["operation_ns"], 0, name)
            # A row of costs, and a row of percentiles.
            self.assertEqual(len(re.findall(rf"^{re.escape(name)} .*[-\d]$", printed, re.M)), 2, name)
        verdict = f"Checksums are equal: all {len(runs)} contenders fired the {fired:,} timers"
        self.assertIn(verdict, printed)

    def test_a_hand_written_trace_fires_the_same_in_all(self):
        printed, figures = self.replayed(self.write(HAND_WRITTEN))
        self.expect_all(printed, figures, HAND_WRITTEN_FIRES)
        self.assertIn("hand_written.txt: 20 events, 4 timers, 60.027 s", printed)
        self.assertIn("4 run, 6 start, 1 move, 2 stop, 2 park, 4 fire, 1 soon", printed)
        self.assertRegex(printed, "ns per operation .*\n +4 timers *\n +median +min +x limit")
        self.assertIn("one advance, microseconds", printed)

    def test_a_shipped_trace_fires_the_same_in_all(self):
        trace = BENCH / "replaying" / "traces" / "idle_timeouts.twt.gz"
        printed, figures = self.replayed(trace)
        self.expect_all(printed, figures, summary(trace)["fire"])

    def test_contenders_can_be_chosen(self):
        _, figures = self.replayed(self.write(HAND_WRITTEN), "--contender", "limit|list-wheel")
        names = {run["run_name"] for run in figures["benchmarks"]}
        self.assertEqual(names, {"replay/limit/4", "replay/list-wheel/4"})

    def test_one_that_fires_something_else_makes_it_fail(self):
        _, figures = self.replayed(self.write(HAND_WRITTEN), "--contender", "limit|list-wheel")
        wrong = figures["benchmarks"][0]
        wrong.update(error_occurred=True, error_message="its checksum is wrong")
        results = self.write(json.dumps(figures), "wrong.json")
        counts = self.write("2 events\n", "summary")
        done = subprocess.run([sys.executable, "-B", BENCH / "report" / "replay_table.py", "name", counts,
                               results], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"WRONG: {wrong['run_name']}: its checksum is wrong", done.stdout)
        self.assertNotIn("Checksums are equal", done.stdout)


class Refusals(Case):
    def expect_refused(self, trace, message):
        done = replay(trace)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stderr, message)
        self.assertNotIn("ns per operation", done.stdout)

    def test_a_malformed_line_is_named(self):
        for lines, message in (
                ("1s jump 0", "line 3: 'jump' is not an operation"),
                ("1s start 0", "line 3: 'start' needs 4 words"),
                ("1s start 0 +60m", r"line 3: '\+60m' is not a time"),
                ("1s start x +60s", "line 3: 'x' is not a number"),
                ("1s start 0 +60s\n0 stop 0", "line 4: time goes backwards"),
                ("1s start 0 +60s\nend 7 0", "line 4: the end says 7 events, but there were 1"),
                ("1s start 0 +60s\n+60s run\n+0 fire 1",
                 "line 5, timer 1: a timer fires that is not pending"),
        ):
            with self.subTest(lines):
                self.expect_refused(self.write("twtrace 1\n# a comment\n" + lines + "\n"),
                                    r"hand_written\.txt: " + message)

    def test_another_version_is_not_guessed_at(self):
        self.expect_refused(self.write("twtrace 2\n1s run\n"), "line 1: this version is not known")

    def test_what_is_no_trace_is_told(self):
        self.expect_refused(self.write("hello\n"), "this is not a trace")
        self.expect_refused(self.write("twtrace 1\n"), "there is no operation in it")
        self.expect_refused(self.folder / "none", "none cannot be read")

    def test_a_binary_trace_that_was_cut_or_changed_is_refused(self):
        whole = self.binary(HAND_WRITTEN)
        self.replayed(self.write(whole, "whole.twt"), "--contender", "limit")
        self.expect_refused(self.write(whole[:-1], "cut.twt"), r"byte \d+, event 21: .* cut short")
        changed = bytearray(whole)
        changed[-1] ^= 1
        self.expect_refused(self.write(changed, "changed.twt"), "the checksum is wrong")

    def test_no_contender_of_that_name(self):
        done = replay(self.write(HAND_WRITTEN), "--contender", "nobody")
        self.assertEqual((done.returncode, done.stderr), (2, "No contender matches nobody\n"))


class Shipped(unittest.TestCase):
    def test_the_traces_have_in_them_what_the_readme_says(self):
        columns = ("timers", None, "start", "move", "stop", "park", "fire", "run")
        described = {}
        for line in (BENCH / "replaying" / "traces" / "README.md").read_text().splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 11 and cells[0].startswith("`"):
                described[cells[0].strip("`")] = cells[1:]
        self.assertEqual({path.name for path in (BENCH / "replaying" / "traces").glob("*.gz")},
                         {name + ".twt.gz" for name in described})
        for name, (seconds, *cells, mebibytes) in described.items():
            with self.subTest(name):
                path = BENCH / "replaying" / "traces" / (name + ".twt.gz")
                counts = summary(path)
                self.assertEqual(f"{counts['seconds']:.1f}", seconds)
                self.assertEqual(f"{path.stat().st_size / 2**20:.2f}", mebibytes)
                for column, cell in zip(columns, cells):
                    if column is not None:
                        self.assertEqual(f"{counts[column]:,}", cell, column)


if __name__ == "__main__":
    unittest.main()
