"""The report on a run of the suite: python3 bench/report RESULT.json... [options]

    --html FILE       writes the self-contained page
    --plots FOLDER    writes the plots, each a file of its own
    --publish FILE    rewrites the generated parts of BENCHMARKS.md; needs --plots
    --command WORDS   what made the run, for the record
"""

import argparse
import pathlib
import sys

import figures
import page
import plots
import publish

HERE = pathlib.Path(__file__).resolve().parent


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="bench/report", description=__doc__.splitlines()[0])
    parser.add_argument("results", nargs="*")
    parser.add_argument("--html")
    parser.add_argument("--plots")
    parser.add_argument("--publish")
    parser.add_argument("--command")
    options = parser.parse_args(arguments)
    if not (options.html or options.plots or options.publish):
        parser.error("nothing to write: name --html, --plots or --publish")
    if options.publish and not options.plots:
        parser.error("--publish shows the plots: name their folder with --plots")
    return options


def write_plots(measured, folder):
    """Answers (section, path, what it shows) of each."""
    folder.mkdir(parents=True, exist_ok=True)
    style = (HERE / "plot.css").read_text(encoding="utf-8")
    written = []
    for section, name, title, drawing in plots.all_plots(measured, style):
        path = folder / f"{name}.svg"
        path.write_text(drawing + "\n", encoding="utf-8")
        written.append((section, path, title))
    return written


def main(arguments):
    options = options_of(arguments)
    try:
        measured = figures.read(options.results)
        if options.html:
            target = pathlib.Path(options.html)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(page.write(measured, options.command), encoding="utf-8")
        if options.publish:
            publish.check(measured)
        written = write_plots(measured, pathlib.Path(options.plots)) if options.plots else []
        if options.publish:
            publish.rewrite(pathlib.Path(options.publish), measured, written, options.command)
    except figures.BadInput as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
