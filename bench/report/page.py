# SPDX-License-Identifier: MIT
"""The report as one HTML page that needs nothing but itself."""

import pathlib
import sys
from html import escape

import content
import machine
import realtime_tables
from figures import WORKLOADS
from plots import all_plots

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "planner"))
import fragment  # noqa: E402  (the planner's form)

SECTIONS = [("glance", "At a glance"), ("losses", "Where tickwheel loses"),
            ("cost", "Cost per operation"), ("advance", "One advance"), ("memory", "Memory"),
            ("behaviour", "Counters and behaviour"),
            ("realtime", "On the real clock"), ("planner", "Capacity planner"),
            ("tables", "All figures"), ("method", "Machine and method")]


def table(data):
    """Scrolls within itself where it is too wide, also by keyboard."""
    groups = ""
    if data.groups:
        spans = "".join(f'<th colspan="{span}" scope="colgroup">{escape(words)}</th>' if words
                        else f'<td colspan="{span}"></td>' for words, span in data.groups)
        groups = f"<tr class=\"groups\">{spans}</tr>"
    head = "".join(f'<th scope="col">{escape(words)}</th>' if words else "<td></td>"
                   for words in data.head)
    body = "".join(
        f'<tr class="{kind}"><th scope="row">{escape(cells[0])}</th>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells[1:]) + "</tr>"
        for kind, cells in data.rows)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in data.notes)
    name = escape(data.title, quote=True)
    return (f'<div class="scroll" role="region" tabindex="0" aria-label="{name}">'
            f"<table><caption><span>{escape(data.title)}</span></caption>"
            f"<thead>{groups}<tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}")


def details(data, summary, anchor=None, is_open=False):
    identity = f' id="{anchor}"' if anchor else ""
    state = " open" if is_open else ""
    return f"<details{identity}{state}><summary>{escape(summary)}</summary>{table(data)}</details>"


def paragraphs(sentences):
    return "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def bullets(lines):
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def figures_in(plots, section):
    shown = []
    for of_section, identity, title, drawing in plots:
        if of_section == section:
            link = (f'<figcaption><a href="#table-{identity}">table</a></figcaption>'
                    if section == "cost" else "")
            shown.append(f"<figure>{drawing}{link}</figure>")
    return f'<div class="plots">{"".join(shown)}</div>'


def glance(measured, plots):
    tables = "".join(map(table, content.glance_tables(measured)))
    return paragraphs(content.READING[1:3]) + tables


def losses(measured, plots):
    by_all = content.losses_table(measured, by_all=True)
    by_some = content.losses_table(measured, by_all=False)
    html = paragraphs([content.losses_sentence(measured)]) + figures_in(plots, "losses")
    if by_all.rows:
        html += table(by_all)
    if by_some.rows:
        html += details(by_some, f"{by_some.title} ({len(by_some.rows)})")
    return html


def cost(measured, plots):
    workloads = {figure[0].removesuffix("-latency") for figure in measured.figures()}
    terms = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>"
                    for name, words in WORKLOADS.items() if name in workloads)
    return ("<p>Both axes are logarithmic. Tickwheel's lines (tw) are thick, with filled "
            "markers; the dashed line is the limit.</p>"
            + figures_in(plots, "cost")
            + f"<details><summary>What the workloads are</summary><dl>{terms}</dl></details>")


def advance(measured, plots):
    tables = content.advance_tables(measured)
    if not tables:
        return ""
    return ("<p>How long the process is away when time moves on once. Most calls are short "
            "everywhere; the longest is what a server's other connections wait for.</p>"
            + figures_in(plots, "advance")
            + "".join(details(data, f"Table: {data.title}") for data in tables))


def memory(measured, plots):
    tables = content.memory_tables(measured)
    if not tables:
        return ""
    return figures_in(plots, "memory") + "".join(details(data, f"Table: {data.title}")
                                                 for data in tables)


def behaviour(measured, plots):
    return "".join(details(data, data.title) for data in content.behaviour_tables(measured))


def realtime(measured, plots):
    tables = realtime_tables.tables(measured)
    if not tables:
        return ""
    return figures_in(plots, "realtime") + "".join(details(data, data.title) for data in tables)


def planner(measured, plots):
    return fragment.of_this_machine(HERE.parent / "results" / "calibration.json")


def tables(measured, plots):
    html = ("<p>ns: median of the rounds; min: the least; × limit and × peer: multiples of the "
            "limit and of the best peer in this run, the latter with half of its 95 % interval, "
            "marked ~ where that is over 5 %.</p>")
    for workload, counter, title in measured.figures():
        identity = "-".join(filter(None, ("table-cost", workload,
                                          (counter or "").removesuffix("_ns"))))
        html += details(content.cost_table(measured, workload, counter, title), title, identity)
    return html


def method(measured, plots):
    html = "<h3>How to read the figures</h3>" + bullets(content.READING)
    html += "<h3>What is noise</h3>" + paragraphs(content.noise_sentences(measured))
    absent = content.missing(measured)
    html += "<h3>Not in this run</h3>" + (
        bullets(absent) if absent else "<p>Every contender took part.</p>")
    html += "<h3>The machine</h3>"
    for context in unlike(measured.contexts):
        rows = [("plain", [name, value]) for name, value in context.items()]
        html += table(content.Table("What it was measured on", ["what", "value"], rows))
    return html


def unlike(contexts):
    """The machines' descriptions; one of those that differ in date and load only."""
    seen = {}
    for context in contexts:
        facts = machine.from_context(context)
        key = tuple(fact for fact in facts.items() if fact[0] not in ("Date", "Load when it began"))
        seen.setdefault(key, facts)
    return list(seen.values())


def subtitle(measured):
    facts = machine.from_context(measured.contexts[0])
    parts = [facts.get(name) for name in ("Date", "Processor", "Memory", "System")]
    return " · ".join(part for part in parts if part)


def write(measured, command=None):
    """The whole page, as a string."""
    plots = all_plots(measured)
    bodies = {"glance": glance, "losses": losses, "cost": cost, "advance": advance,
              "memory": memory, "behaviour": behaviour, "realtime": realtime,
              "planner": planner, "tables": tables, "method": method}
    written = [(name, title, bodies[name](measured, plots)) for name, title in SECTIONS]
    written = [part for part in written if part[2]]
    navigation = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in written)
    warnings = content.warnings(measured)
    alert = f'<div class="warning" role="note">{bullets(warnings)}</div>' if warnings else ""
    made = f"<p class=\"note\">Made by <code>{escape(command)}</code>.</p>" if command else ""
    if any(map(content.is_orientation, measured.contenders())):
        made += f'<p class="note">{escape(content.ORIENTATION_NOTE)}</p>'
    style = "".join((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "plot.css"))
    sections = "".join(f'<section id="{name}"><h2>{title}</h2>{body}</section>'
                       for name, title, body in written)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>tickwheel: benchmark report</title><style>{style}</style></head><body>"
        f"<header><h1>tickwheel: benchmark report</h1><p>{escape(subtitle(measured))}</p>"
        f'<nav aria-label="Sections">{navigation}</nav></header>'
        f"<main>{alert}{sections}</main><footer>{made}</footer></body></html>\n")
