# SPDX-License-Identifier: MIT
"""The build backend: setuptools, from wherever it is.

pip builds in an environment of its own, in which there is nothing but what it
downloads. So that it works without a network, setuptools and wheel are taken from
the interpreter that the environment is based on, if that has them; only otherwise
is pip asked for them. With --no-build-isolation they are those of the environment
itself. setup.py says what is built.
"""

import importlib.util
import os
import subprocess
import sys

NEEDED = ("setuptools", "wheel")
FIND = """
import importlib.util, os
for name in ("setuptools", "wheel", "pkg_resources"):
    spec = importlib.util.find_spec(name)
    if spec is not None:
        print(os.path.dirname(os.path.dirname(spec.origin)))
"""


def _missing():
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def _look_in_base_interpreter():
    """Adds the folders in which the interpreter below any environment has them."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    found = subprocess.run([base, "-I", "-c", FIND], stdout=subprocess.PIPE, text=True, check=False)
    for folder in found.stdout.splitlines():
        if folder not in sys.path and os.path.isdir(folder):
            sys.path.append(folder)
    importlib.invalidate_caches()


if _missing():
    _look_in_base_interpreter()


def _setuptools():
    try:
        from setuptools import build_meta
    except ImportError as error:
        raise SystemExit("tickwheel is built with setuptools and wheel, which are not here. "
                         "Install them (Debian: python3-setuptools python3-wheel).") from error
    return build_meta


def get_requires_for_build_wheel(config_settings=None):
    return _missing()


get_requires_for_build_editable = get_requires_for_build_wheel


def get_requires_for_build_sdist(config_settings=None):
    return [name for name in _missing() if name == "setuptools"]


def prepare_metadata_for_build_wheel(*args, **kwargs):
    return _setuptools().prepare_metadata_for_build_wheel(*args, **kwargs)


def build_wheel(*args, **kwargs):
    return _setuptools().build_wheel(*args, **kwargs)


def build_sdist(*args, **kwargs):
    return _setuptools().build_sdist(*args, **kwargs)


def build_editable(*args, **kwargs):
    return _setuptools().build_editable(*args, **kwargs)
