# SPDX-License-Identifier: MIT
"""Markdown as the published pages have it."""

import textwrap

WIDTH = 100  # of a line of prose; tables and pictures need a line each, however long


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


def image(folder, name, title):
    return f"![{cell(title)}]({folder}/{name}.svg)"
