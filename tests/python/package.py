# SPDX-License-Identifier: MIT
"""Installs the package as its README says, and runs the README's example.

    package.py SOURCE PLACE

SOURCE is the folder python/. Makes a clean virtual environment in PLACE, installs
there with pip from the folder itself, without a network, and runs the example.
Then once more from a source distribution, and without build isolation. The other
tests use what the first of them has installed, in PLACE/site.
"""

import os
import re
import shutil
import subprocess
import sys
import venv


def run(*command, **options):
    print("+", *command, flush=True)
    subprocess.run(command, check=True, **options)


def example(source):
    with open(os.path.join(source, "README.md"), encoding="utf-8") as text:
        return re.search(r"```python\n(.*?)```", text.read(), re.DOTALL).group(1)


def try_out(source, place, name, what, *options):
    """A new environment, with `what` installed in it. Answers where."""
    folder = os.path.join(place, name)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    python = os.path.join(folder, "bin", "python")
    run(python, "-m", "pip", "-q", "install", "--no-index", *options, what)
    run(python, "-m", "pip", "check")
    done = subprocess.run([python, "-W", "error", "-c", example(source)], stdout=subprocess.PIPE,
                          text=True, check=True, cwd=place)
    assert done.stdout == "HELLO\n", done.stdout
    done = subprocess.run([python, "-c", "import tickwheel; print(tickwheel.__file__)"],
                          stdout=subprocess.PIPE, text=True, check=True, cwd=place)
    return os.path.dirname(os.path.dirname(done.stdout.strip()))


def copy_of(source, place):
    """The repository's files that pip needs: it leaves others beside them."""
    copy = os.path.join(place, "copy")
    shutil.rmtree(copy, ignore_errors=True)
    top = os.path.dirname(source)
    for folder in ("python", "tools", "lib", "include"):
        shutil.copytree(os.path.join(top, folder), os.path.join(copy, folder))
    shutil.copy(os.path.join(top, "CMakeLists.txt"), copy)
    return os.path.join(copy, "python")


def main():
    source, place = map(os.path.abspath, sys.argv[1:])
    os.makedirs(place, exist_ok=True)
    copy = copy_of(source, place)

    site = try_out(source, place, "from_folder", copy)
    installed = os.path.join(place, "site")
    shutil.rmtree(installed, ignore_errors=True)
    shutil.copytree(os.path.join(site, "tickwheel"), os.path.join(installed, "tickwheel"))
    files = os.listdir(os.path.join(installed, "tickwheel"))
    assert {"py.typed", "_core.pyi"} <= set(files), files

    run(sys.executable, "setup.py", "-q", "sdist", "-d", place, cwd=copy)
    archives = [name for name in os.listdir(place) if name.endswith(".tar.gz")]
    assert len(archives) == 1, archives
    archive = os.path.join(place, archives[0])
    shutil.rmtree(os.path.join(place, "copy"))     # the archive must do without it
    try_out(source, place, "from_archive", archive, "--no-build-isolation")
    os.remove(archive)


if __name__ == "__main__":
    main()
