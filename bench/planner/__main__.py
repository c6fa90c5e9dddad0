"""What a server's timers cost: memory, processor time, lateness, and how far that goes."""

import argparse
import json
import math
import pathlib
import sys

import calibration
import measure
import model
import tables

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OWN_CALIBRATION = ROOT / "bench" / "results" / "calibration.json"

# option: (field of the plan, unit, what it is)
OPTIONS = {
    "--connections": ("connections", "N", "connections, each with an idle timeout"),
    "--requests-per-second": ("requests", "R", "requests, each with a timeout, in all"),
    "--refreshes-per-second": ("refreshes", "F", "packets that push an idle timeout out, in all"),
    "--idle-timeout": ("idle_timeout", "S", "seconds"),
    "--request-timeout": ("request_timeout", "S", "seconds"),
    "--response-time": ("response_time", "S", "seconds until a request's timeout is cancelled"),
    "--cancelled-share": ("cancelled_share", "0..1",
                          "share of requests whose timeout is cancelled; the others fire"),
    "--wakeups-per-second": ("wakeups", "W", "how often the server runs the loop"),
}


def number(text):
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def positive(text):
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def parser():
    made = argparse.ArgumentParser(
        prog="bench/plan", allow_abbrev=False, description=__doc__,
        epilog="docs/CAPACITY.md says how it reckons. Shares of a core count the server's own "
               "cache line of the connection at each event too, and say how much that is.")
    plan = made.add_argument_group("the plan")
    for option, (field, unit, words) in OPTIONS.items():
        least, greatest, _ = model.RANGES[field]
        default = getattr(model.Plan, field)
        told = "twice the requests" if field == "refreshes" else f"{default:g}"
        plan.add_argument(option, dest=field, metavar=unit, type=number,
                          default=None if field == "refreshes" else default,
                          help=f"{words}; {least:g} to {greatest:g}, by default {told}")
    asked = made.add_argument_group("what is asked")
    asked.add_argument("--memory", metavar="GIB", type=positive, default=1.0,
                       help="GiB for the timers, to say how many connections they carry; 1")
    asked.add_argument("--core-share", metavar="SHARE", type=positive, default=1.0,
                       help="of a core, to say how many connections it carries; 1")
    asked.add_argument("--json", action="store_true",
                       help="answer in JSON, in bytes, ns and shares")
    costs = made.add_argument_group("the costs it reckons with")
    costs.add_argument("--calibrate", action="store_true",
                       help="measure this machine; a minute or two")
    costs.add_argument("--verify", action="store_true",
                       help="play seven plans through, and tell how far off the predictions are")
    costs.add_argument("--publish", action="store_true",
                       help="--verify, and rewrite its table in BENCHMARKS.md")
    costs.add_argument("--calibration", metavar="FILE", type=pathlib.Path,
                       help="the calibration to use or write; bench/results/calibration.json")
    made.add_argument("--build", type=pathlib.Path, help=argparse.SUPPRESS)
    return made


def plan_of(options):
    fields = {field: getattr(options, field) for field, _, _ in OPTIONS.values()}
    if fields["refreshes"] is None:
        fields["refreshes"] = 2 * fields["requests"]
    plan = model.Plan(**fields)
    model.check(plan)
    return plan


def machine(build):
    sys.path.insert(0, str(HERE.parent / "report"))
    import machine as described  # the report's, so that both tell the same
    facts = described.describe(str(build))
    return {name: facts[name] for name in ("Processor", "Compiler", "System") if name in facts}


def calibrate(options, path):
    import datetime
    facts = machine(options.build)
    facts["Date"] = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    error = calibration.read(calibration.SHIPPED)["error"] if calibration.SHIPPED.exists() else {
        "cpu_median": 0.2, "cpu_bar": 0.5, "cpu_worst": 1, "memory_worst": 0.1}
    fitted = measure.calibrate(str(options.build / "plan_probe"), facts, error)
    calibration.write(path, fitted)
    print(f"Calibrated: {path}")


def verify(options, path):
    fitted = calibration.read(path)
    rows = measure.verify(str(options.build / "plan_probe"), fitted)
    fitted["error"] = measure.errors(rows)
    calibration.write(path, fitted)
    print(tables.verification(rows, fitted))
    if options.publish:
        tables.publish(ROOT / "BENCHMARKS.md", rows, fitted)


def chosen(path):
    """The calibration to plan with: one's own, or else the shipped one, with a warning."""
    if path or OWN_CALIBRATION.exists():
        return calibration.read(path or OWN_CALIBRATION)
    shipped = calibration.read(calibration.SHIPPED)
    told = ", ".join(shipped["machine"].get(name, "unknown") for name in ("Processor", "Date"))
    print(f"bench/plan: warning: the costs are those of another machine ({told}); "
          "bench/plan --calibrate measures this one", file=sys.stderr)
    return shipped


def main(arguments):
    made = parser()
    options = made.parse_args(arguments)
    try:
        path = options.calibration or OWN_CALIBRATION
        if options.calibrate:
            calibrate(options, path)
        if options.verify or options.publish:
            verify(options, path)
        if options.calibrate or options.verify or options.publish:
            return 0
        plan, fitted = plan_of(options), chosen(options.calibration)
        answers = {interface: model.answer(plan, interface, fitted, options.memory * 2**30,
                                           options.core_share)
                   for interface in model.INTERFACES}
        if options.json:
            print(json.dumps({"plan": plan.__dict__, "answers": answers,
                              "error": fitted["error"]}, indent=1))
        else:
            print(tables.plan(plan, answers, fitted, options.memory, options.core_share))
    except model.BadPlan as problem:
        made.error(str(problem))
    except (calibration.BadCalibration, tables.BadPage) as problem:
        print(f"bench/plan: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
