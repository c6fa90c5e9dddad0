# SPDX-License-Identifier: MIT
"""The manual pages (tools/man): every public function has one, under its own name, and
groff and man find nothing to warn of.

    test_man.py TOP
"""
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(sys.argv.pop(1))
HEADERS = sorted([*(TOP / "include").glob("*.h"), *(TOP / "include").glob("*.hpp")])


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.man = Path(folder.name) / "man"
        done = run(TOP / "tools/man", cls.man, *HEADERS)
        assert done.returncode == 0, done.stderr
        cls.pages = {path.stem: path for path in cls.man.glob("man*/*")}

    def resolved(self, name):
        text = self.pages[name].read_text()
        link = re.fullmatch(r"\.so (man3/\S+)\n", text)
        return (self.man / link.group(1)).read_text() if link else text

    def test_every_public_function_has_a_page_that_names_and_declares_it(self):
        names = []
        for header in HEADERS:
            text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
            names += re.findall(r"^TW_API\s[^;(]*?(\w+)\(", text, re.M)
            names += re.findall(r"^static inline [^;({]*?(tw_\w+[a-z])\(", text, re.M)
        self.assertGreater(len(names), 60)
        for name in names:
            with self.subTest(name):
                text = self.resolved(name)
                head = text[text.index(".SH NAME"):text.index(".SH SYNOPSIS")]
                self.assertRegex(head, rf"\b{name}\b")
                self.assertIn(f"{name}(", text)

    def test_what_is_said_of_each_beside_its_name_stands_alone(self):
        """man -k shows that line, and no other."""
        for path in self.pages.values():
            said = re.search(r"^\.SH NAME\n.*? \\- (.*)", path.read_text(), re.M)
            if said:
                with self.subTest(path.stem):
                    self.assertNotRegex(said.group(1), r"^for |^\w+ it$|\bsuch a\b")

    def test_structs_that_callers_fill_have_pages(self):
        for name in ("tw_options", "tw_stats", "tw_allocator"):
            self.assertIn(name, self.pages)

    def test_no_comment_of_the_header_is_lost(self):
        """Each word of a function's comment is in its page."""
        text = (TOP / "include/tickwheel.h").read_text()
        for comment, name in re.findall(r"^/\*(?! -)((?:(?!\*/).)*?)\*/\n"
                                        r"TW_API[^;(]*?(\w+)\(", text, re.M | re.S):
            with self.subTest(name):
                words = re.findall(r"[A-Za-z]{3,}", comment)
                page = self.resolved(name).lower()
                missing = [word for word in words if word.lower() not in page and word != "Cost"]
                self.assertEqual(missing, [])

    def test_the_overview_leads_to_every_page(self):
        overview = self.pages["tickwheel"].read_text()
        for name in self.pages:
            page = self.resolved(name)
            first = re.search(r"^\.TH (\S+)", page).group(1)
            if first != "tickwheel" and not first.startswith("tw_jemalloc"):
                self.assertIn(f"\\fB{first}\\fP(3)", overview)

    def test_groff_warns_of_nothing(self):
        if not shutil.which("groff"):
            self.skipTest("groff is not installed")
        for path in sorted(self.pages.values()):
            if path.read_text().startswith(".so "):
                continue
            for device in ("ascii", "utf8"):
                done = run("groff", "-man", "-ww", "-z", f"-T{device}", path)
                self.assertEqual((done.returncode, done.stderr), (0, ""), path.name)

    def test_mandoc_warns_of_nothing(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        for path in sorted(self.pages.values()):
            if path.read_text().startswith(".so "):
                continue
            done = run("mandoc", "-T", "lint", "-W", "warning", path, cwd=self.man)
            # They carry the version, no date, so that a build can be repeated.
            told = [line for line in done.stdout.splitlines() if "missing date" not in line]
            self.assertEqual(told, [], path.name)

    def test_man_shows_a_function_by_any_of_its_names(self):
        if not shutil.which("man"):
            self.skipTest("man is not installed")
        for name in ("tw_call_later", "tw_call_later_ns", "tw_uv_detach", "tickwheel"):
            done = run("man", "--warnings", "-M", self.man, name, env={"PATH": "/usr/bin:/bin",
                       "LC_ALL": "C", "MANPAGER": "cat", "MANWIDTH": "100"})
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn(name, done.stdout)


class Refusals(unittest.TestCase):
    def test_arguments(self):
        self.assertEqual(run(TOP / "tools/man").returncode, 2)
        self.assertEqual(run(TOP / "tools/man", "/dev/null/x", *HEADERS).returncode, 1)
        self.assertEqual(run(TOP / "tools/man", "/tmp", "/nowhere.h").returncode, 1)


if __name__ == "__main__":
    unittest.main()
