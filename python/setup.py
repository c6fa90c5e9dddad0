# SPDX-License-Identifier: MIT
"""Builds tickwheel._core, with the library compiled into it.

The library is one file, written by tools/amalgamate of the repository that this
folder is in; which sources there are is written in its CMakeLists.txt, and
nowhere else. A source distribution has no repository around it: it brings the
file along, in `library/`.
"""

import os
import re
import shutil
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(HERE)
BUNDLED = os.path.join(HERE, "library")
AMALGAMATE = os.path.join(REPOSITORY, "tools", "amalgamate")
COMPILER_OPTIONS = ["-std=gnu11", "-O2", "-fvisibility=hidden", "-pthread"]


def is_bundled():
    return os.path.exists(os.path.join(BUNDLED, "tickwheel.c"))


def write_library(folder):
    """tickwheel.c and tickwheel.h, in a folder."""
    os.makedirs(folder, exist_ok=True)
    if is_bundled():
        shutil.copytree(BUNDLED, folder, dirs_exist_ok=True)
    else:
        subprocess.run([sys.executable, AMALGAMATE, folder], check=True)


def library_version():
    """As its header says it."""
    if is_bundled():
        header = os.path.join(BUNDLED, "tickwheel.h")
    elif os.path.exists(AMALGAMATE):
        header = os.path.join(REPOSITORY, "include", "tickwheel.h")
    else:
        sys.exit("tickwheel: the C library is not here. Install from the folder python/ inside the "
                 "repository, or from a source distribution that was made there.")
    with open(header, encoding="utf-8") as lines:
        return re.search(r'#define TW_VERSION_STRING "(.*)"', lines.read()).group(1)


class BuildExtension(build_ext):
    def build_extension(self, ext):
        library = os.path.join(self.build_temp, "library")
        write_library(library)
        ext.sources.append(os.path.join(library, "tickwheel.c"))
        ext.include_dirs.append(library)
        if self.compiler.compiler_type != "msvc":
            ext.extra_compile_args += COMPILER_OPTIONS
            ext.extra_link_args.append("-pthread")
        super().build_extension(ext)


class SourceDistribution(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        write_library(os.path.join(base_dir, "library"))


setup(
    version=library_version(),
    ext_modules=[
        Extension(
            "tickwheel._core",
            sources=["src/module.c", "src/handle.c", "src/timers.c", "src/methods.c"],
            depends=["src/core.h", "src/seconds.h"],
        )
    ],
    cmdclass={"build_ext": BuildExtension, "sdist": SourceDistribution},
)
