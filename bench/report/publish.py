"""BENCHMARKS.md: its generated parts, each between two marks, from one run.

    <!-- generated: machine -->
    ...
    <!-- end: machine -->

What stands outside the marks is written by hand and stays.
"""

import os
import re
import textwrap

import content
import machine
import realtime_tables
from figures import BadInput, description
from table import FIGURES

MARK = re.compile(r"<!-- generated: ([\w-]+) -->\n.*?<!-- end: \1 -->", re.DOTALL)

NOTHING = "Not measured in this run."
WIDTH = 100  # of a line of prose; tables and pictures need a line each, however long


def check(measured):
    """Publishes no run that is void or leaves a workload out."""
    wrong = measured.results.wrong | measured.results.realtime.wrong
    if wrong:
        raise BadInput("a void run is not published: " + "; ".join(sorted(wrong)))
    complete = {figure[0] for figure in measured.figures()}
    left_out = sorted({workload for workload, _ in FIGURES} - complete)
    if left_out:
        raise BadInput(f"only a full run is published; this one lacks {', '.join(left_out)}")


def rewrite(path, measured, plots, command):
    """Replaces the part between each pair of marks; plots: (section, path, title)."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
    parts = sections(measured, plots, path.parent, command)
    names = [found[1] for found in MARK.finditer(text)]
    if sorted(names) != sorted(parts):
        raise BadInput(f"{path} must have each of these marks once: {', '.join(parts)}")
    path.write_text(MARK.sub(
        lambda found: f"<!-- generated: {found[1]} -->\n\n{parts[found[1]].strip() or NOTHING}\n\n"
                      f"<!-- end: {found[1]} -->", text), encoding="utf-8")


def sections(measured, plots, base, command):
    return {
        "machine": machine_part(measured, command),
        "warnings": bullets(content.warnings(measured) or ["None."]),
        "glance": "\n\n".join(map(table, content.glance_tables(measured))),
        "losses": losses_part(measured),
        "cost": cost_part(measured, plots, base),
        "advance": advance_part(measured, plots, base),
        "memory": memory_part(measured, plots, base),
        "behaviour": "\n\n".join(map(table, content.behaviour_tables(measured))),
        "realtime": "\n\n".join(map(table, realtime_tables.tables(measured))),
        "noise": "\n\n".join(map(prose, content.noise_sentences(measured))),
        "missing": bullets(content.missing(measured) or ["Every contender took part."]),
    }


def prose(words, indent=""):
    """Words in lines, as the parts written by hand have them."""
    return textwrap.fill(words, WIDTH, subsequent_indent=indent, break_long_words=False,
                         break_on_hyphens=False)


def cell(words):
    return words.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def table(data):
    """A title in bold and a table; a row of tickwheel's own has its name in bold."""
    lines = [f"**{cell(data.title)}**", "", "| " + " | ".join(map(cell, data.head)) + " |",
             "| --- |" + " ---: |" * (len(data.head) - 1)]
    for kind, cells in data.rows:
        written = [cell(words) for words in cells]
        if kind == "ours":
            written[0] = f"**{written[0]}**"
        lines.append("| " + " | ".join(written) + " |")
    return "\n".join(lines + ["\n" + prose(cell(note)) for note in data.notes])


def bullets(lines):
    return "\n".join(prose(f"* {cell(line)}", "  ") for line in lines)


def images(plots, section, base, names=None):
    shown = []
    for of_section, path, title in plots:
        if of_section == section and (names is None or path.stem in names):
            relative = os.path.relpath(path, base).replace(os.sep, "/")
            shown.append(f"![{cell(title)}]({relative})")
    return "\n".join(shown)


def machine_part(measured, command):
    facts = machine.from_context(measured.contexts[0])
    rows = [("plain", [name, value]) for name, value in facts.items()]
    text = table(content.Table("Measured on", ["", ""], rows)).replace("---: |", "--- |")
    return prose(f"Made by `{command}`.") + f"\n\n{text}" if command else text


def losses_part(measured):
    tables = [content.losses_table(measured, by_all) for by_all in (True, False)]
    return "\n\n".join([prose(content.losses_sentence(measured)),
                        *(table(data) for data in tables if data.rows)])


def cost_part(measured, plots, base):
    """A chapter for each workload: what happens, its plots, its tables."""
    parts, chapter = [], None
    for workload, counter, title in measured.figures():
        if workload != chapter:
            chapter = workload
            names = [path.stem for _, path, _ in plots
                     if path.stem == f"cost-{workload}" or path.stem in
                     [f"cost-{workload}-{figure}" for figure in ("start", "stop", "expire")]]
            parts += [f"### {workload}", prose(description(workload)),
                      images(plots, "cost", base, names),
                      f"`bench/run --filter '^{workload}/'`"]
        parts.append(table(narrow(measured, content.cost_table(measured, workload, counter, title),
                                  workload)))
    return "\n\n".join(parts)


def narrow(measured, data, workload):
    """Five columns a size are too wide for a page of text: median, minimum and spread share one."""
    def join(cells):
        merged = [cells[0]]
        for i in range(1, len(cells), 5):
            median, least, cv, of_limit, of_peer = cells[i : i + 5]
            merged += [median if median == "–" else f"{median} ({least}, {cv})", of_limit, of_peer]
        return merged
    head = ["contender"]
    for size in measured.results.sizes(workload):
        head += [f"{size:,}: ns (min, cv)", "× limit", "× peer"]
    return content.Table(data.title, head, [(kind, join(cells)) for kind, cells in data.rows],
                         None, data.notes)


def advance_part(measured, plots, base):
    return "\n\n".join([images(plots, "advance", base),
                        *map(table, content.advance_tables(measured))])


def memory_part(measured, plots, base):
    return "\n\n".join([images(plots, "memory", base),
                        *map(table, content.memory_tables(measured))])
