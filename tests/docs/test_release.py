# SPDX-License-Identifier: MIT
"""tools/check_release: every place that tells the version tells the same; and each that
does not is named.

    test_release.py TOP
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(sys.argv.pop(1)).resolve()
NEXT = "0.99" # a SONAME's version that is not there yet


def check(top, *options):
    done = subprocess.run([sys.executable, "-B", top / "tools/check_release", *options],
                          capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def agree(top):
    return check(top, "--agree")


def copy_tree(folder):
    copy = Path(folder)
    for name in ("include", "debian", "docs", "cmake", "tests/abi", "tools"):
        shutil.copytree(TOP / name, copy / name)
    for name in ("README.md", "CITATION.cff", "CHANGELOG.md"):
        shutil.copy(TOP / name, copy / name)
    return copy


class Release(unittest.TestCase):
    def test_every_place_tells_the_same_version(self):
        status, said = agree(TOP)
        self.assertEqual(status, 0, said)

    def test_a_version_raised_in_the_header_alone_is_missed_everywhere_else(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = copy_tree(folder)
            self.assertEqual(agree(copy)[0], 0)
            header = copy / "include/tickwheel.h"
            text = header.read_text()
            version = re.search(r'TW_VERSION_STRING "(.*)"', text)[1]
            header.write_text(text.replace(f'"{version}"', f'"{NEXT}.0"'))
            status, said = agree(copy)
            self.assertEqual(status, 1)
            for place in ("include/tickwheel.h, in its numbers", "CITATION.cff", "debian/changelog",
                          "debian/control", "README.md", f"debian/libtickwheel{NEXT}.symbols",
                          f"tests/abi/libtickwheel.so.{NEXT}.abi", "docs/OBSERVING.md"):
                self.assertTrue(any(line.startswith(f"{place}: ") for line in said), place)
            self.assertTrue(any("of an earlier SONAME" in line for line in said))

    @unittest.skipUnless(shutil.which("git"), "no git")
    def test_what_the_abi_s_record_lacks_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = copy_tree(folder)
            subprocess.run(["git", "-C", copy, "init", "--quiet"], check=True)
            header = copy / "include/tickwheel.h"
            text = header.read_text()
            text = text.replace("TW_API int tw_loop_adopt(", "TW_API void *tw_later(int);\n"
                                "TW_API int tw_loop_adopt(", 1)
            for struct in ("tw_stats", "tw_options"):
                text = re.sub(rf"^(struct {struct} {{.*?)^}};", r"\1    void (*f)(int a); int g[3];\n};",
                              text, count=1, flags=re.M | re.S)
            header.write_text(text)
            lacking = [line for line in check(copy)[1] if " lacks " in line]
            self.assertEqual(len(lacking), 1)
            names = set(re.findall(r"[\w.]+", lacking[0].partition(" lacks ")[2]))
            self.assertLessEqual({"tw_later", "tw_options.f", "tw_options.g", "tw_stats.f", "tw_stats.g"},
                                 names)
            self.assertFalse({"tw_run", "tw_stats.late", "tw_options.on_slow"} & names)

    @unittest.skipUnless(shutil.which("git"), "no git")
    def test_figures_of_another_code_or_of_a_reduced_run_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = copy_tree(folder)
            shutil.copytree(TOP / "lib", copy / "lib")

            def git(*arguments):
                return subprocess.run(["git", "-C", copy, "-c", "user.name=a", "-c", "user.email=a@b",
                                       *arguments], capture_output=True, text=True,
                                      check=True).stdout.strip()

            def figures(command, commit):
                for path in (copy / "docs/benchmarks/data").glob("*.json"):
                    data = json.loads(path.read_text())
                    data["context"]["command"] = command
                    data["context"]["machine"]["tickwheel"] = f"commit {commit}"
                    data["context"]["machine"]["Version"] = self.version()
                    path.write_text(json.dumps(data))

            def said():
                return [line for line in check(copy)[1] if "bench/run --full" in line]

            git("init", "--quiet")
            git("add", ".")
            git("commit", "--quiet", "--message", "measured")
            measured = git("rev-parse", "--short=12", "HEAD")
            figures("bench/run --full --publish", measured)
            self.assertEqual(said(), [])
            figures("bench/run --reduced --publish", measured)
            self.assertTrue(said() and all("--reduced" in line for line in said()), said())
            figures("bench/run --full --publish", "0123456789ab")
            self.assertTrue(said() and all("no commit here" in line for line in said()), said())
            figures("bench/run --full --publish", measured)
            for file in ("lib/loop/run.c", "include/tickwheel.h"):
                text = (copy / file).read_text()
                (copy / file).write_text(text + "\n")
                self.assertTrue(said() and all(measured in line for line in said()), said())
                git("commit", "--quiet", "--all", "--message", "changed")
                self.assertTrue(said(), "the change is committed")
                (copy / file).write_text(text)
                git("commit", "--quiet", "--all", "--message", "as it was")
                self.assertEqual(said(), [])
            for path in (copy / "docs/benchmarks/data").glob("*.json"):
                path.unlink()
            self.assertTrue(said()[0].startswith("no machine's figures"), said())

    @staticmethod
    def version():
        return re.search(r'TW_VERSION_STRING "(.*)"', (TOP / "include/tickwheel.h").read_text())[1]


if __name__ == "__main__":
    unittest.main()
