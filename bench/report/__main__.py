# SPDX-License-Identifier: MIT
"""The report on a run of the suite: python3 bench/report RESULT.json... [options]

    --html FILE       writes the self-contained page
    --plots FOLDER    writes the plots, each a file of its own
    --publish FOLDER  adds the run to the published figures of FOLDER, a copy of the
                      repository, and writes its pages again: BENCHMARKS.md,
                      docs/benchmarks and docs/plots. Without a result, it only
                      writes them again
    --command WORDS   what made the run, for the record
"""

import argparse
import pathlib
import sys

import figures
import machines
import page
import pages
import plots
import publish

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "counts"))
import kept  # noqa: E402


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="bench/report", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="*")
    parser.add_argument("--html")
    parser.add_argument("--plots")
    parser.add_argument("--publish", type=pathlib.Path)
    parser.add_argument("--command")
    options = parser.parse_args(arguments)
    if not (options.html or options.plots or options.publish):
        parser.error("nothing to write: name --html, --plots or --publish")
    if not options.results and (options.html or options.plots):
        raise figures.BadInput("no result file")
    return options


def write_plots(measured, folder):
    """Answers {name: what it shows}."""
    folder.mkdir(parents=True, exist_ok=True)
    style = (HERE / "plot.css").read_text(encoding="utf-8")
    written = {}
    for _, name, title, drawing in plots.all_plots(measured, style):
        (folder / f"{name}.svg").write_text(drawing + "\n", encoding="utf-8")
        written[name] = title
    return written


def publish_to(root, measured, command):
    """measured: None to write the pages again from what is published."""
    data = root / "docs" / "benchmarks" / "data"
    first = None
    if measured:
        first = machines.add(data, measured, command)
    published = machines.read_all(data, first)
    counts = kept.Counts(data / "counts.tsv")
    written = write_plots(published[0].measured, root / "docs" / "plots")
    publish.rewrite(root / "BENCHMARKS.md", published, counts, "docs/plots")
    pages.write(root / "docs" / "benchmarks", published, counts, written)


def main(arguments):
    try:
        options = options_of(arguments)
        measured = figures.read(options.results) if options.results else None
        if options.plots:
            write_plots(measured, pathlib.Path(options.plots))
        if options.publish:
            publish_to(options.publish, measured, options.command)
        if options.html:
            text = page.write(measured, options.command)
            target = pathlib.Path(options.html)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except (figures.BadInput, kept.BadFile) as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
