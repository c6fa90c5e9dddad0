# SPDX-License-Identifier: MIT
"""The report as one HTML page that needs nothing but itself: page.html, filled in."""

import pathlib
import sys

import content
import machine
import realtime_tables
from figures import WORKLOADS, BadInput
from plots import all_plots

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "planner"))
import fragment  # noqa: E402  (the planner's form)


def cost_tables(measured):
    """(the anchor that its plot links to, the table) of each figure."""
    for workload, counter, title in measured.figures():
        anchor = "-".join(filter(None, ("table-cost", workload,
                                        (counter or "").removesuffix("_ns"))))
        yield anchor, content.cost_table(measured, workload, counter, title)


def machine_tables(measured):
    """The machines' descriptions; one of those that differ in date and load only."""
    seen = {}
    for context in measured.contexts:
        facts = machine.from_context(context)
        key = tuple(fact for fact in facts.items() if fact[0] not in ("Date", "Load when it began"))
        seen.setdefault(key, facts)
    for facts in seen.values():
        yield content.Table("What it was measured on", ["what", "value"],
                            [("plain", [name, value]) for name, value in facts.items()])


def subtitle(measured):
    facts = machine.from_context(measured.contexts[0])
    parts = [facts.get(name) for name in ("Date", "Processor", "Memory", "System")]
    return " · ".join(part for part in parts if part)


def write(measured, command=None):
    """The whole page, as a string."""
    try:
        import jinja2  # the table at the end of bench/run, and what is published, do without it
    except ModuleNotFoundError as error:
        raise BadInput("the HTML page needs python3-jinja2") from error
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True,
                                   undefined=jinja2.StrictUndefined, trim_blocks=True,
                                   keep_trailing_newline=True)
    shown = {figure[0].removesuffix("-latency") for figure in measured.figures()}
    return templates.get_template("page.html").render(
        measured=measured, content=content, plots=all_plots(measured),
        workloads=[(name, words) for name, words in WORKLOADS.items() if name in shown],
        realtime_tables=realtime_tables.tables(measured), cost_tables=cost_tables(measured),
        machine_tables=machine_tables(measured), subtitle=subtitle(measured), command=command,
        orientation=any(map(content.is_orientation, measured.contenders())),
        planner=fragment.of_this_machine(HERE.parent / "results" / "calibration.json"),
        style="".join((HERE / name).read_text(encoding="utf-8")
                      for name in ("page.css", "plot.css"))).lstrip()
