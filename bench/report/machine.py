# SPDX-License-Identifier: MIT
"""Notes in result files what they were measured on: python3 machine.py BUILD RESULT.json...

Run by bench/run right after the suite, on the same machine, so that a report
made later or elsewhere still tells. It becomes "machine" in the JSON's context.
"""

import json
import pathlib
import platform
import re
import subprocess
import sys

from result_file import BadInput, load

PACKAGES = {"Google Benchmark": "libbenchmark-dev", "libevent": "libevent-dev",
            "libuv": "libuv1-dev", "libev": "libev-dev", "Boost": "libboost-dev",
            "ACE": "libace-dev", "systemd": "libsystemd-dev",
            "jemalloc": "libjemalloc-dev", "CPython": "python3", "uvloop": "python3-uvloop"}


def output(*command):
    """What a command prints, or nothing where it is not there or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def lines_of(path):
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def value_after(lines, name, separator):
    """The value in the first line "name <separator> value"."""
    for line in lines:
        key, found, value = line.partition(separator)
        if found and key.strip() == name:
            return value.strip().strip('"')
    return ""


def processor():
    lines = lines_of("/proc/cpuinfo")
    name = value_after(lines, "model name", ":") or platform.processor() or platform.machine()
    flags = value_after(lines, "flags", ":").split()
    return name + (", in a virtual machine" if "hypervisor" in flags else "")


def memory():
    found = re.match(r"(\d+) kB", value_after(lines_of("/proc/meminfo"), "MemTotal", ":"))
    return f"{int(found[1]) / 2**20:.1f} GiB" if found else ""


def compiler(build):
    cache = lines_of(pathlib.Path(build) / "CMakeCache.txt")
    def cached(name):
        return next((line.split("=", 1)[1] for line in cache if line.startswith(name + ":")), "")
    version = output(cached("CMAKE_C_COMPILER") or "cc", "--version").splitlines()[:1]
    flags = f"{cached('CMAKE_C_FLAGS')} {cached('CMAKE_C_FLAGS_RELEASE')}".strip()
    return ", ".join([*version, f"flags {flags}"] if flags else version)


def package_version(package):
    found = output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)
    status, _, version = found.partition(" ")
    return version if status == "installed" else ""


def tickwheel_version():
    commit = output("git", "rev-parse", "--short=12", "HEAD")
    changed = output("git", "status", "--porcelain", "--untracked-files=no", "--", "include",
                     "lib", "bench")
    return f"commit {commit}{', with changes not committed' if changed else ''}" if commit else ""


def released_version():
    """1.2.3, as the header has it."""
    header = lines_of(pathlib.Path(__file__).resolve().parent.parent.parent / "include"
                      / "tickwheel.h")
    found = [line.split()[2] for line in header
             if re.match(r"#define TW_VERSION_(MAJOR|MINOR|PATCH) ", line)]
    return ".".join(found)


def kernel_version():
    """6.1.0 of "6.1.0-18-cloud-amd64": what a vendor adds says nothing here."""
    return re.match(r"[\d.]*", platform.release())[0]


def huge_pages():
    chosen = re.search(r"\[(\w+)\]",
                       " ".join(lines_of("/sys/kernel/mm/transparent_hugepage/enabled")))
    return chosen[1] if chosen else ""


def describe(build):
    """{what: how}, only what could be found out."""
    facts = {
        "Processor": processor(),
        "Memory": memory(),
        "Transparent huge pages": huge_pages(),
        "System": value_after(lines_of("/etc/os-release"), "PRETTY_NAME", "="),
        "Kernel": f"{platform.system()} {kernel_version()}",
        "C library": " ".join(platform.libc_ver()).strip(),
        "Compiler": compiler(build),
        "Version": released_version(),
        "tickwheel": tickwheel_version(),
    }
    facts.update((name, package_version(package)) for name, package in PACKAGES.items())
    return {name: value for name, value in facts.items() if value}


def from_context(context):
    """What a result file tells of its machine, whether or not it was noted there."""
    facts = dict(context.get("machine", {}))
    cores, mhz = context.get("num_cpus"), context.get("mhz_per_cpu")
    if cores:
        facts["Cores"] = f"{cores}" + (f" at {mhz / 1000:.2f} GHz" if mhz else "")
    caches = [f"L{cache['level']} {'' if cache['type'] == 'Unified' else cache['type'].lower()} "
              f"{cache['size'] // 1024:,} KiB".replace("  ", " ")
              for cache in context.get("caches", [])]
    if caches:
        facts["Caches"] = ", ".join(caches)
    if context.get("load_avg"):
        facts["Load when it began"] = f"{context['load_avg'][0]:.2f}"
    if context.get("command"):
        facts["Command"] = context["command"]
    if context.get("date"):
        facts["Date"] = context["date"].replace("T", " ")[:16]
    first = ("Date", "Processor", "Cores", "Caches", "Memory")
    return dict(sorted(facts.items(), key=lambda fact: first.index(fact[0])
                       if fact[0] in first else len(first)))


def main(build, paths):
    """Answers the exit status: 2 if a file could not be read; the others are noted all the same."""
    facts, status = describe(build), 0
    for path in paths:
        try:
            data = load(path)
        except BadInput as error:
            print(f"machine: {error}", file=sys.stderr)
            status = 2
            continue
        data["context"]["machine"] = facts
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file, indent=1)
    return status


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__.splitlines()[0])
    sys.exit(main(sys.argv[1], sys.argv[2:]))
