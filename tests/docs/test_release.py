# SPDX-License-Identifier: MIT
"""tools/check_release: every place that tells the version tells the same; and each that
does not is named.

    test_release.py TOP
"""
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


if __name__ == "__main__":
    unittest.main()
