# SPDX-License-Identifier: MIT
"""What a server's timers cost: memory, processor time, the longest turn, and how far that goes."""

import argparse
import json
import math
import pathlib
import re
import shlex
import sys

import calibration
import measure
import model
import plan as plans
import tables

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OWN_CALIBRATION = ROOT / "bench" / "results" / "calibration.json"
CAPACITY, BENCHMARKS = ROOT / "docs" / "CAPACITY.md", ROOT / "BENCHMARKS.md"

# The short form. option: (argument of plan.short_form, unit, what it is, default in words)
SHORT = {
    "--connections": ("connections", "N", "connections, each with an idle timeout", "100000"),
    "--requests-per-second": ("requests", "R", "requests, each with a timeout, in all", "10000"),
    "--refreshes-per-second": ("refreshes", "F", "packets that push an idle timeout out, in all",
                               "twice the requests"),
    "--idle-timeout": ("idle_timeout", "T", "of a connection", "60s"),
    "--request-timeout": ("request_timeout", "T", "of a request", "30s"),
    "--response-time": ("response_time", "T", "until a request's timeout is cancelled", "50ms"),
    "--cancelled-share": ("cancelled_share", "0..1",
                          "of the requests' timeouts; the others fire", "0.99"),
}
TIMES = ("idle_timeout", "request_timeout", "response_time")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        print(f"bench/plan: {message} (--help tells the options)", file=sys.stderr)
        raise SystemExit(2)


def parser():
    made = Parser(
        prog="bench/plan", allow_abbrev=False, description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="A class is NAME: key=value ..., with a count=N of timers at once or a rate=R of "
               "starts a second;\ntimeout=T or T..T, or every=T; pushed=T, closer=SHARE to=T; "
               "cancelled=SHARE after=T; on=CLASS.\nTimes are seconds, or have a unit: us, ms, s, "
               "m, h, d. docs/CAPACITY.md has examples.")
    short = made.add_argument_group("a server in short")
    for option, (field, unit, words, default) in SHORT.items():
        short.add_argument(option, dest=field, metavar=unit, help=f"{words}; {default}")
    plan = made.add_argument_group("any server")
    plan.add_argument("--class", dest="classes", metavar="CLASS", action="append", default=[],
                      help="a class of timers; any number of them")
    plan.add_argument("--trace", metavar="FILE", help="the classes found in a recorded trace")
    plan.add_argument("--scale", metavar="K", default="1", help="so many times as large; 1")
    plan.add_argument("--wakeups-per-second", metavar="W",
                      help="how often each loop runs; 1000, or as in the trace")
    plan.add_argument("--tick", metavar="T", help="options.tick_ns; 1.05 ms")
    plan.add_argument("--loops", metavar="L", default="1", help="on as many cores; 1")
    plan.add_argument("--clock", choices=("start", "turn"),
                      help="read at each start (the default), or once a turn: "
                           "options.cached_now, or absolute deadlines")
    asked = made.add_argument_group("what is asked")
    asked.add_argument("--burst", action="store_true",
                       help="what if all of a count begin, and are due, at once")
    asked.add_argument("--memory", metavar="GIB", default="1",
                       help="GiB for the timers, to say how many they carry; 1")
    asked.add_argument("--core-share", metavar="SHARE", default="1",
                       help="of a core, or cores, to say how many they carry; 1")
    asked.add_argument("--json", action="store_true",
                       help="answer in JSON, in bytes, ns and shares")
    costs = made.add_argument_group("the costs it reckons with")
    costs.add_argument("--calibrate", action="store_true",
                       help="measure this machine; four minutes")
    costs.add_argument("--verify", action="store_true",
                       help="play plans and traces through, and tell how far off it is; six")
    costs.add_argument("--publish", action="store_true",
                       help="--verify, and rewrite the tables in docs/CAPACITY.md and "
                            "BENCHMARKS.md, and the calibration that is shipped")
    costs.add_argument("--quick", action="store_true",
                       help="with these: less, in a minute each, for development")
    costs.add_argument("--calibration", metavar="FILE", type=pathlib.Path,
                       help="the calibration to use or write; bench/results/calibration.json")
    made.add_argument("--build", type=pathlib.Path, help=argparse.SUPPRESS)
    return made


# -------------------------------------------------------------------------- the plan

def read(text, what, time=False):
    return plans.seconds(text, what) if time else plans.number(text, what)


RANGE_OF = {"requests": "requests_per_second", "refreshes": "refreshes_per_second"}


def short_classes(options):
    given = {}
    for option, (field, *_) in SHORT.items():
        text = getattr(options, field)
        if text is not None:
            given[field] = plans.within(RANGE_OF.get(field, field),
                                        read(text, option, field in TIMES))
    if not given and (options.classes or options.trace):
        return (), False
    return plans.short_form(**given), bool(given)


def plan_of(options):
    short, given = short_classes(options)
    scale = plans.within("scale", read(options.scale, "--scale"))
    if options.trace:
        if given or options.classes:
            raise plans.BadPlan("--trace goes without --class and the options of the short form")
        if options.build is None:
            raise plans.BadPlan("--trace needs bench/plan, which builds what reads it")
        asked = measure.read_trace(str(options.build / "plan_probe"), options.trace)
    else:
        asked = plans.Plan(short + tuple(plans.read_class(text) for text in options.classes))
    changed = {"loops": int(plans.within("loops", read(options.loops, "--loops")))}
    if options.wakeups_per_second is not None:
        changed["wakeups"] = plans.within("wakeups_per_second", read(
            options.wakeups_per_second, "--wakeups-per-second"))
    if options.tick is not None:
        tick = plans.within("tick", read(options.tick, "--tick", time=True))
        changed["tick"] = plans.rounded_tick(tick)
    if options.clock:
        changed["clock"] = options.clock
    return plans.check(plans.dataclasses.replace(asked.scaled(scale), **changed))


def above_zero(text, what):
    value = plans.number(text, what)
    if value <= 0:
        raise plans.BadPlan(f"{what}: {text} is not above 0")
    return value


# ------------------------------------------------------------------------- the costs

def machine(build):
    sys.path.insert(0, str(HERE.parent / "report"))
    import machine as described  # the report's, so that both tell the same
    facts = described.describe(str(build))
    return {name: facts[name] for name in ("Processor", "Compiler", "System") if name in facts}


def calibrate(options, path):
    import datetime
    facts = machine(options.build)
    facts["Date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    fitted = measure.calibrate(str(options.build / "plan_probe"), facts, options.quick)
    calibration.write(path, fitted)
    print(f"Calibrated: {path}")


def verify(options, path):
    fitted = calibration.of_this_version(calibration.read(path), path)
    program = str(options.build / "plan_probe")

    def rows():
        return measure.verify(program, fitted, options.quick) + \
            measure.verify_traces(program, fitted, options.quick)

    found = rows()
    fitted["error"] = measure.errors(found)
    for i, (name, interface, predicted, measured) in enumerate(found):
        found[i] = (name, interface, model.with_bars(predicted, fitted["error"]), measured)
    calibration.write(path, fitted)
    print(tables.verification(found, fitted))
    if options.publish:
        publish(found, fitted)


def publish(rows, fitted):
    calibration.write(calibration.SHIPPED, fitted)
    tables.fill(CAPACITY, "capacity: errors", tables.accuracy(rows, fitted))
    CAPACITY.write_text(answer_examples(CAPACITY.read_text(encoding="utf-8"), fitted),
                        encoding="utf-8")
    if "<!-- capacity: errors -->" in BENCHMARKS.read_text(encoding="utf-8"):
        tables.fill(BENCHMARKS, "capacity: errors", tables.accuracy_in_short(rows, fitted))


# A command in a block of its own, and its answer in the next one.
EXAMPLE = re.compile(r"(```sh\nbench/plan (?P<command>(?:[^\n]*\\\n)*[^\n]*)\n```\n\n```\n).*?\n```",
                     re.DOTALL)


def example_commands(page):
    return [found["command"] for found in EXAMPLE.finditer(page)]


def answer_examples(page, fitted):
    def answered(found):
        options = parser().parse_args(shlex.split(found["command"].replace("\\\n", " ")))
        return f"{found[1]}{answer_of(options, plan_of(options), fitted)}\n```"
    return EXAMPLE.sub(answered, page)


def chosen(path):
    """The calibration to plan with: one's own, or else the shipped one, with a warning."""
    if path or OWN_CALIBRATION.exists():
        path = path or OWN_CALIBRATION
        return calibration.of_this_version(calibration.read(path), path)
    shipped = calibration.read(calibration.SHIPPED)
    print(f"bench/plan: warning: the costs are those of another machine ({tables.machine(shipped)}"
          f", tickwheel {shipped['tickwheel']}); bench/plan --calibrate measures this one",
          file=sys.stderr)
    return shipped


# ------------------------------------------------------------------------ the answer

def answer_of(options, asked, fitted):
    memory, core = above_zero(options.memory, "--memory"), above_zero(options.core_share,
                                                                      "--core-share")
    answers = {interface: model.answer(asked, interface, fitted, memory * 2**30, core)
               for interface in model.INTERFACES}
    if options.json:
        return json.dumps({"plan": plans.dataclasses.asdict(asked), "answers": answers,
                           "tickwheel": fitted["tickwheel"], "machine": fitted["machine"],
                           "error": fitted["error"]}, indent=1)
    return tables.plan(asked, answers, fitted, memory, core, options.burst)


def main(arguments):
    options = parser().parse_args(arguments)
    try:
        path = options.calibration or OWN_CALIBRATION
        if options.calibrate:
            calibrate(options, path)
        if options.verify or options.publish:
            verify(options, path)
        if options.calibrate or options.verify or options.publish:
            return 0
        asked = plan_of(options)
        print(answer_of(options, asked, chosen(options.calibration)))
    except plans.BadPlan as problem:
        print(f"bench/plan: {problem}", file=sys.stderr)
        return 2
    except (calibration.BadCalibration, tables.BadPage, measure.BadTrace) as problem:
        print(f"bench/plan: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
