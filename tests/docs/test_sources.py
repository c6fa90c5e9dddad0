# SPDX-License-Identifier: MIT
"""What the sources owe: each opens with its licence, and in lib/ none includes a file that
stands above it, in the order that docs/DESIGN.md gives.

    test_sources.py TOP
"""
import os
import re
import sys
import unittest
from pathlib import Path

TOP = Path(sys.argv.pop(1)).resolve()
FOLDERS = [".ci", "bench", "cmake", "debian", "examples", "include", "lib", "python", "tests", "tools"]
MADE = {"__pycache__", "build", "dist", "target"}   # what tools leave in them
SOURCE = {".c", ".h", ".cpp", ".hpp", ".css", ".py", ".pyi", ".sh", ".cmake", ".in", ".pml", ".lua",
          ".go", ".java", ".rs", ".erl", ".toml"}


def sources():
    """The files of source: by their suffix, or by a first line that names an interpreter."""
    yield TOP / "CMakeLists.txt"
    for folder in FOLDERS:
        for here, folders, files in os.walk(TOP / folder):
            folders[:] = [name for name in folders if name not in MADE
                          and not name.endswith(".egg-info")]
            for path in sorted(Path(here) / name for name in files):
                if path.suffix in SOURCE or path.name == "CMakeLists.txt":
                    yield path
                elif not path.suffix and path.read_bytes()[:2] == b"#!":
                    yield path


class Licence(unittest.TestCase):
    def test_every_source_names_it_in_its_first_lines(self):
        found = list(sources())
        self.assertGreater(len(found), 300)
        without = [str(path.relative_to(TOP)) for path in found
                   if "SPDX-License-Identifier: MIT" not in
                   "".join(path.read_text(encoding="utf-8").splitlines(True)[:3])]
        self.assertEqual(without, [])


class Layers(unittest.TestCase):
    """The order is that of the names in the first column of the table under "The files"."""

    # What reaches up today, (file, header). Nothing is to be added.
    UP = {("record.c", "loop.h"), ("remote.c", "loop.h"), ("runner.c", "loop.h")}

    @classmethod
    def setUpClass(cls):
        text = (TOP / "docs/DESIGN.md").read_text(encoding="utf-8")
        table = re.search(r"^\| file in lib/ \|.*\n\| ---.*\n((?:\|.*\n)+)", text, re.M).group(1)
        cls.order = [name for row in table.splitlines()
                     for name in re.findall(r"`(\w+)`", row.split("|")[1])]
        cls.files = sorted((TOP / "lib").glob("**/*.[ch]"))

    def test_every_file_has_one_place(self):
        self.assertEqual(sorted(self.order), sorted({path.stem for path in self.files}))

    def test_none_includes_what_stands_above_it(self):
        up = set()
        for path in self.files:
            for header in re.findall(r'^\s*#\s*include "(?:.*/)?(\w+\.h)"', path.read_text(), re.M):
                name = Path(header).stem
                if name in self.order and self.order.index(name) > self.order.index(path.stem):
                    up.add((path.name, header))
        self.assertEqual(up, self.UP)


if __name__ == "__main__":
    unittest.main()
