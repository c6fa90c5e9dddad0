# SPDX-License-Identifier: MIT
"""What share of http_server's processor time its timers take: see tools/timer_share.

A sample of perf counts for the timers if it lies in a function of the library (or of
libevent, or of the textbook's wheel), of the few lines between it and the server
(examples/http_timers_*.c), or in the reading of the clock, which nothing else in the
server does. The system's part is not told apart: it is in the whole.
"""

import argparse
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile

# name, server, its timers' objects, and the name of a shared library that is all theirs
BACK_ENDS = (
    ("tickwheel", "http_server", ("http_timers_tickwheel",), None),
    ("libevent's heap", "http_server_libevent", ("http_timers_libevent",), "libevent"),
    ("the textbook's wheel", "http_server_list_wheel", ("http_timers_list_wheel", "list_wheel"),
     None),
)
CLOCK = re.compile(r"clock_gettime|__vdso_gettimeofday")
SAMPLE = re.compile(r"^\s*[0-9a-f]+ (.+) \((.*)\)$")


def arguments():
    parser = argparse.ArgumentParser(prog="tools/timer_share", description=__doc__.split("\n")[0])
    parser.add_argument("--build", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--connections", type=int, default=4000, metavar="N",
                        help="that wrk keeps open (default: 4000)")
    parser.add_argument("--seconds", type=int, default=10, metavar="S",
                        help="that each run lasts (default: 10)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N",
                        help="each server once in each, in turns; medians are told (default: 5)")
    parser.add_argument("--frequency", type=int, default=1999, metavar="HZ",
                        help="of perf's samples (default: 1999)")
    parser.add_argument("--functions", action="store_true",
                        help="tell the timers' functions and their shares, too")
    return parser.parse_args()


def find(build, name):
    for folder, _, files in os.walk(build):
        if name in files:
            return os.path.join(folder, name)
    sys.exit(f"{name} was not built")


def functions_in(path):
    """The functions that an object or archive defines."""
    listed = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True,
                            check=True).stdout
    return {line.split()[2] for line in listed.splitlines()
            if len(line.split()) == 3 and line.split()[1] in "tT"}


class BackEnd:
    def __init__(self, build, name, server, objects, shared):
        self.name = name
        self.server = find(build, server)
        self.shared = shared
        self.functions = functions_in(find(build, "libtickwheel.a"))
        for each in objects:
            self.functions |= functions_in(find(os.path.join(build, "examples", "CMakeFiles",
                                                             f"{server}.dir"), f"{each}.c.o"))
        self.runs = []

    def is_timers(self, function, file):
        if self.shared and os.path.basename(file).startswith(self.shared):
            return True
        if CLOCK.search(function):
            return True
        if function.endswith("@plt"):
            return re.match(r"event_|evtimer_|tw_", function) is not None
        return os.path.basename(file) == os.path.basename(self.server) and (
            function in self.functions)


class Run:
    def __init__(self, requests, seconds, cpu_s, samples, hits):
        self.requests_per_s = requests / seconds
        self.cpu_ns = cpu_s * 1e9 / requests         # of the whole server, a request
        self.share = sum(hits.values()) / samples
        self.ns = self.share * self.cpu_ns
        self.hits = {function: count / samples for function, count in hits.items()}


def processors():
    """One for the server, another for wrk, if there is one."""
    allowed = sorted(os.sched_getaffinity(0))
    return {allowed[0]}, {allowed[-1]}


def raise_descriptor_limit():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def load(port, options):
    """Requests answered, and in how many seconds."""
    command = ["wrk", "-t", "1", "-c", str(options.connections), "-d", str(options.seconds),
               "--timeout", "10s", f"http://127.0.0.1:{port}/"]
    told = subprocess.run(command, capture_output=True, text=True,
                          preexec_fn=lambda: os.sched_setaffinity(0, processors()[1])).stdout
    found = re.search(r"(\d+) requests in ([0-9.]+)(ms|s|m),", told)
    errors = re.search(r"(Socket errors|Non-2xx).*", told)
    if not found or int(found[1]) == 0:
        sys.exit(f"wrk had no answers:\n{told}")
    if errors:
        print(f"wrk: {errors[0]}", file=sys.stderr)
    return int(found[1]), float(found[2]) * {"ms": 0.001, "s": 1, "m": 60}[found[3]]


def read_samples(back_end, path):
    """How many there are, and those of the timers by function."""
    listed = subprocess.run(["perf", "script", "-i", path, "-F", "ip,sym,dso"],
                            capture_output=True, text=True, check=True).stdout
    samples, hits = 0, {}
    for line in listed.splitlines():
        found = SAMPLE.match(line)
        if not found:
            continue
        samples += 1
        if back_end.is_timers(found[1], found[2]):
            hits[found[1]] = hits.get(found[1], 0) + 1
    if samples == 0:
        sys.exit("perf took no samples: may it, here? (kernel.perf_event_paranoid)")
    return samples, hits


def measure(back_end, options, folder):
    server = subprocess.Popen([back_end.server, "-t", "1"], stdout=subprocess.PIPE, text=True,
                              preexec_fn=lambda: os.sched_setaffinity(0, processors()[0]))
    port = int(server.stdout.readline().split()[-1])
    path = os.path.join(folder, "perf.data")
    perf = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F",
                             str(options.frequency), "-p", str(server.pid), "-o", path],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    requests, seconds = load(port, options)
    perf.send_signal(signal.SIGINT)
    perf.wait()
    server.terminate()
    said = server.stdout.read()
    _, status, usage = os.wait4(server.pid, 0)
    server.returncode = os.waitstatus_to_exitcode(status)
    if server.returncode != 0:
        sys.exit(f"{back_end.server} ended with {server.returncode}: {said}")
    back_end.runs.append(Run(requests, seconds, usage.ru_utime + usage.ru_stime,
                             *read_samples(back_end, path)))


def median(back_end, value):
    return statistics.median(value(run) for run in back_end.runs)


def spread(back_end, value):
    values = [value(run) for run in back_end.runs]
    return f"{min(values):.2f} to {max(values):.2f}"


def print_table(back_ends):
    print("| timers | requests/s | the server's CPU a request, us | of it timers, % | lowest and "
          "highest | timers a request, ns |")
    print("| --- | --: | --: | --: | --- | --: |")
    for each in back_ends:
        print(f"| {each.name} | {median(each, lambda run: run.requests_per_s):,.0f} "
              f"| {median(each, lambda run: run.cpu_ns) / 1000:.2f} "
              f"| {median(each, lambda run: 100 * run.share):.2f} "
              f"| {spread(each, lambda run: 100 * run.share)} "
              f"| {median(each, lambda run: run.ns):.0f} |")


def print_functions(back_ends):
    for each in back_ends:
        print(f"\n{each.name}, in percent of the server's CPU time:")
        names = {name for run in each.runs for name in run.hits}
        shares = {name: statistics.fmean(run.hits.get(name, 0) for run in each.runs)
                  for name in names}
        for name in sorted(names, key=shares.get, reverse=True)[:12]:
            print(f"  {100 * shares[name]:6.2f}  {name}")


def main():
    options = arguments()
    raise_descriptor_limit()
    back_ends = [BackEnd(options.build, *each) for each in BACK_ENDS]
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(options.rounds):
            for each in back_ends:
                measure(each, options, folder)
                print(f"[{turn + 1}/{options.rounds}] {each.name}: "
                      f"{each.runs[-1].requests_per_s:,.0f} requests/s, timers "
                      f"{100 * each.runs[-1].share:.2f} %", file=sys.stderr)
            loads.append(os.getloadavg()[0])
    print_table(back_ends)
    if options.functions:
        print_functions(back_ends)
    print(f"\nMedians of {options.rounds} rounds of {options.seconds} s, {options.connections} "
          f"connections, one loop. The load average was {min(loads):.1f} to {max(loads):.1f} on "
          f"{os.cpu_count()} processors; server and wrk bring 2.")


if __name__ == "__main__":
    main()
