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


def agree(top):
    done = subprocess.run([sys.executable, "-B", top / "tools/check_release", "--agree"],
                          capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


class Release(unittest.TestCase):
    def test_every_place_tells_the_same_version(self):
        status, said = agree(TOP)
        self.assertEqual(status, 0, said)

    def test_a_version_raised_in_the_header_alone_is_missed_everywhere_else(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder)
            for name in ("include", "debian", "docs", "cmake", "tests/abi", "tools"):
                shutil.copytree(TOP / name, copy / name)
            for name in ("README.md", "CITATION.cff", "CHANGELOG.md"):
                shutil.copy(TOP / name, copy / name)
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


if __name__ == "__main__":
    unittest.main()
