# SPDX-License-Identifier: MIT
"""What the documents say in figures is what is measured: bytes (figures.c), instructions
(docs/benchmarks/data/counts.tsv, which the test `counts` holds against the library), ns (of
the run that is published), lines of source, options, configurations.

    test_figures.py TOP FIGURES

A claim is a sentence of a document in which each # stands for a number, and what each of
them is to be, within a tenth.
"""
import json
import re
import statistics
import subprocess
import sys
import unittest
from pathlib import Path

TOP, FIGURES = Path(sys.argv[1]), sys.argv[2]
del sys.argv[1:]
KIB = 1024


def measured():
    """Bytes, by their names in figures.c."""
    lines = subprocess.run([FIGURES], capture_output=True, text=True, check=True).stdout.splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines)}


def counted():
    """Instructions an operation, by the names of bench/count."""
    text = (TOP / "docs/benchmarks/data/counts.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith(("#", "what"))]
    return {what: int(instructions) / int(operations) for what, operations, instructions, _ in rows}


def published():
    """The first machine's medians, in ns: of(row, figure)."""
    machine = sorted((TOP / "docs/benchmarks/data").glob("*.json"))[0]
    runs = json.loads(machine.read_text())["runs"]

    def of(row, figure="operation_ns"):
        value = runs[row][figure]
        return statistics.median(value) if isinstance(value, list) else value
    return of


def lines(*names):
    """But for the licence's."""
    return sum("SPDX-" not in line for name in names
               for line in (TOP / name).read_text().splitlines())


class Figures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bytes, cls.counts = measured(), counted()

    def claim(self, document, sentence, *values):
        text = (TOP / document).read_text()
        if document.endswith((".h", ".c")):
            text = re.sub(r"^ ?\* ?|/\*|\*/", " ", text, flags=re.M)
        text = " ".join(text.split())
        pattern = re.escape(" ".join(sentence.split())).replace(r"\#", r"([\d,]*\.?\d+)")
        found = re.search(pattern, text)
        self.assertIsNotNone(found, f"{document} does not say: {sentence}")
        for said, value in zip(found.groups(), values):
            said = float(said.replace(",", ""))
            with self.subTest(document=document, sentence=sentence):
                self.assertLess(abs(said - value), 0.1 * value, f"it is {value:.4g}")

    def test_what_a_loop_costs(self):
        of = self.bytes
        self.assertEqual((of["loop.blocks"], of["first.blocks"]), (1, 2))
        first = of["first"] - of["loop"]
        self.claim("include/tickwheel.h", "one allocation of about # KiB, and one of # KiB for the "
                   "first timers", of["loop"] / KIB, first / KIB)
        self.claim("docs/RECIPES.md", "A loop is # KiB, and # KiB with its first timer.",
                   of["loop"] / KIB, of["first"] / KIB)
        self.claim("docs/DESIGN.md", "# KiB for the loop", of["loop"] / KIB)
        self.claim("include/tickwheel.h", "Cost: # KiB, and # to 80 bytes for each timer pending",
                   of["recorder"] / KIB, of["recorder.timer"])
        self.claim("include/tickwheel.h", "copies about # bytes", of["stats"])
        self.assertLess(of["trimmed"], 64 * KIB) # as tw_trim says

    def test_what_a_timer_costs(self):
        of = self.bytes
        self.claim("docs/DESIGN.md", "A timer is # bytes (# without callback and argument",
                   of["timer"], of["bare"])
        self.claim("docs/DESIGN.md", "# bytes a timer, and for half-empty chunks # KiB where "
                   "10,000 are spread over a minute", of["minute.1000000"], of["minute.10000"] / KIB)
        self.claim("include/tickwheel.h", "a bare timer costs # bytes",
                   of["bare"] + of["minute.1000000"])
        self.claim("include/tickwheel.h", "The library owns the memory of a call: # bytes each",
                   of["call"])
        self.claim("docs/RECIPES.md", "Then # bytes for an embedded timer, # for a call by handle",
                   of["minute.1000000"], of["call"])

    def test_what_a_reserve_takes(self):
        of = self.bytes
        self.claim("include/tickwheel.h", "Beside them # KiB at least, # bytes a timer while there "
                   "are few, and # KiB from some 2,000 timers on", of["reserve.1"] / KIB,
                   of["reserve.1000"], of["reserve.5000"] / KIB)
        self.claim("include/tickwheel.h", "10,000 timers over a minute take # KiB beside their 8 "
                   "bytes", of["minute.10000"] / KIB)
        for document in ("docs/RECIPES.md", "include/tickwheel.h", "docs/CAPACITY.md"):
            sentence = {"docs/RECIPES.md": "or `options.reserve`: # bytes each",
                        "include/tickwheel.h": "so that no page fault is left for later. # bytes a "
                        "timer", "docs/CAPACITY.md": "tw_reserve takes # bytes a timer"}[document]
            self.claim(document, sentence, of["reserve.any"])
        self.claim("docs/RECIPES.md", "`tw_reserve_calls(loop, n)`: # bytes each",
                   of["reserve.calls"])
        self.claim("docs/RECIPES.md", "`tw_reserve_embedded(loop, n)`: # bytes each",
                   of["reserve.embedded"])
        self.claim("include/tickwheel.h", "calls by handle alone, # bytes each, and for embedded "
                   "timers, # bytes each", of["reserve.calls"], of["reserve.embedded"])
        self.claim("docs/RECIPES.md", "A reserve of embedded timers takes # KiB at least, and some "
                   "# KiB from some 2,000 timers on", of["reserve.1"] / KIB, of["reserve.5000"] / KIB)

    def test_instructions(self):
        of = self.counts
        self.claim("docs/DESIGN.md", "A timer moves further out* (`calendar_waits`; # instructions "
                   "a call, the caller's loop included; # if it was parked", of["operation/refresh"],
                   of["operation/unpark"])
        self.claim("docs/DESIGN.md", "a run with nothing to do | # instructions",
                   of["operation/run-nothing"])
        self.claim("docs/DESIGN.md", "a pair of calls takes # instructions where # are the "
                   "program's own", of["churn/tickwheel-embedded/10000"], of["churn/limit/10000"])
        self.claim("docs/DESIGN.md", "# instructions in a run of its own, # in one of twenty",
                   of["operation/fire-one"], of["operation/fire-twenty"])

    def test_what_the_readme_says_of_the_published_run(self):
        of = published()
        heaps = [f"idle/{name}/{{}}" for name in ("libuv", "libevent", "asio")]
        few, many = ([of(row.format(count)) for row in heaps] for count in (10000, 1000000))
        self.claim("README.md", "tickwheel # ns at ten thousand and # ns at a million, the heaps of "
                   "libuv, libevent and Boost.Asio # to # ns and # to # ns, the textbook's wheel # ns "
                   "and # ns", of("idle/tickwheel-embedded/10000"), of("idle/tickwheel-embedded/1000000"),
                   min(few), max(few), min(many), max(many),
                   of("idle/list-wheel/10000"), of("idle/list-wheel/1000000"))
        libraries = ("libuv", "libevent", "libev", "asio")
        expiry = [of(f"fill/{name}/1000000") for name in libraries]
        refresh = [of(f"idle/{name}/1000000") for name in libraries]
        self.claim("README.md", "At a million, start and expiry cost # ns instead of # to #, and a "
                   "refresh # instead of # to #", of("fill/tickwheel-embedded/1000000"), min(expiry),
                   max(expiry), of("idle/tickwheel-embedded/1000000"), min(refresh), max(refresh))
        small = [of(f"fill/{name}/10000", figure) for name in libraries
                 for figure in ("start_ns", "expire_ns")]
        self.claim("README.md", "# to # ns an operation are nothing beside a system call",
                   min(small), max(small))
        costs = [("fill", "start_ns"), ("fill", "expire_ns"), ("steady",), ("churn",), ("idle",),
                 ("proxy",)]
        self.claim("README.md", "it is the faster one, by up to #×",
                   max(of(f"{name}/tickwheel-embedded/10000", *figure) /
                       of(f"{name}/list-wheel/10000", *figure) for name, *figure in costs))
        self.claim("README.md", "one tick took # ms there and # µs here",
                   of("fill/list-wheel/1000000", "max_ns") / 1e6,
                   of("fill/tickwheel-embedded/1000000", "max_ns") / 1e3)

    def test_lines_of_source(self):
        contenders = [path.relative_to(TOP) for path in (TOP / "bench/contenders").glob("*.cpp")
                      if not path.name.startswith(("tickwheel", "limit"))]
        lengths = sorted(lines(path) for path in contenders)
        self.claim("bench/CONTRIBUTING.md", "those that are there take # to # lines",
                   lengths[0], lengths[-1])
        self.claim("BENCHMARKS.md", "The list wheel of this suite is the textbook's, # lines",
                   lines("bench/contenders/list_wheel.cpp"))


class Lists(unittest.TestCase):
    def test_cmakes_options_are_those_of_the_table(self):
        table = (TOP / "docs/INSTALLING.md").read_text()
        told = set(re.findall(r"^\| `(TICKWHEEL_\w+)` \|", table, re.M))
        cmake = (TOP / "CMakeLists.txt").read_text()
        there = set(re.findall(r"^(?:option|tw_part)\((TICKWHEEL_\w+)", cmake, re.M))
        there |= set(re.findall(r"^set\((TICKWHEEL_\w+) \S+ CACHE", cmake, re.M))
        self.assertEqual(told, there - {"TICKWHEEL_DEV"}) # for those who change it

    def test_the_folders_of_bench_are_those_of_its_table(self):
        text = (TOP / "bench/CONTRIBUTING.md").read_text()
        table = text[text.index("| in bench/ |"):].split("\n\n")[0]
        told = {name.strip("/") for row in table.splitlines()
                for name in re.findall(r"`([\w/]+)`", row.split("|")[1])}
        there = {path.name for path in (TOP / "bench").iterdir()
                 if path.name not in ("results", "__pycache__", "CMakeLists.txt", "CONTRIBUTING.md")}
        self.assertEqual(told, there)

    def test_the_configurations_of_tests_run_are_those_of_the_table(self):
        script = (TOP / "tests/run").read_text()
        run = re.search(r"^configurations=\(([^)]*)\)", script, re.M).group(1).split()
        text = (TOP / "docs/TESTING.md").read_text()
        table = text[text.index("## Configurations of tests/run"):].split("\n## ")[0]
        told = [name for row in re.findall(r"^\| ([\w, -]*\w) \|", table, re.M)
                for name in row.split(", ")]
        self.assertEqual(sorted(told), sorted(run))

    def test_the_invariants_of_tw_check_are_those_of_the_tables(self):
        told = (TOP / "docs/DESIGN.md").read_text()
        told = told[told.index("## Invariants"):told.index("Of the runner, which `tw_check`")]
        told = {name for cell in re.findall(r"^\| ([A-Z]\d+(?:, [A-Z]\d+)*) \|", told, re.M)
                for name in cell.split(", ")} | set(re.findall(r"\bF\d+\b", told))
        checked = set(re.findall(r'"([A-Z]\d+): ', next((TOP / "lib").rglob("check.c")).read_text()))
        self.assertEqual(checked - {"S2", "X6"}, told) # these stand among the others of their kind


if __name__ == "__main__":
    unittest.main()
