"""The planner as a piece of the HTML report: a form with sliders, its style, its
script and the calibration's constants, which needs nothing but itself."""

import json
import math
import pathlib
from html import escape

import calibration
from model import INTERFACE_NAMES, INTERFACES, RANGES, Plan

HERE = pathlib.Path(__file__).resolve().parent

# field, what it is, unit, whether the slider moves in powers of ten, its ends
SLIDERS = [
    ("connections", "Connections", "", True, 100, 1e7),
    ("requests", "Requests per second", "/s", True, 1, 1e6),
    ("refreshes", "Packets per second that push an idle timeout out", "/s", True, 1, 1e6),
    ("idle_timeout", "Idle timeout", "s", True, 1, 10000),
    ("request_timeout", "Request timeout", "s", True, 1, 1000),
    ("response_time", "Response time", "s", True, 0.001, 100),
    ("cancelled_share", "Share of request timeouts that are cancelled", "", False, 0, 1),
    ("wakeups", "Runs of the loop per second", "/s", True, 10, 100000),
    ("memory_gib", "Memory for timers", "GiB", True, 0.1, 1000),
]

# what it is, field of the answer, how it is shown, its error bar
ANSWERS = [
    ("Memory held by the loop", "loop_bytes", "bytes", "memory_worst"),
    ("Memory in your own structs", "caller_bytes", "bytes", ""),
    ("Share of one core", "core_share", "share", "cpu_bar"),
    ("Of that, the timers alone", "timers_share", "share", ""),
    ("Expected lateness by other timers", "expected_ns", "time", "cpu_bar"),
    ("Worst lateness by other timers", "worst_ns", "time", ""),
    ("Connections that one core carries", "per_core", "count", "cpu_bar"),
    ("Connections that the memory carries", "per_memory", "count", "memory_worst"),
]

STYLE = """
#capacity-planner { display: grid; gap: 16px; align-items: start; }
#capacity-planner > * { min-width: 0; }
@media (min-width: 900px) { #capacity-planner { grid-template-columns: 2fr 4fr; } }
#capacity-planner label { display: flex; justify-content: space-between; gap: 12px;
    font-size: 0.9rem; margin-top: 8px; }
#capacity-planner output { font-variant-numeric: tabular-nums; white-space: nowrap; }
#capacity-planner input { width: 100%; }
#capacity-planner .problem { font-weight: 600; min-height: 1.5em; }
#capacity-planner table { font-variant-numeric: tabular-nums; }
"""


def slider(field, words, unit, logarithmic, least, greatest):
    if field in RANGES:
        assert RANGES[field][0] <= least and greatest <= RANGES[field][1]
    value = getattr(Plan, field, 1)
    if logarithmic:
        least, greatest, value = (round(math.log10(end), 4) for end in (least, greatest, value))
    attributes = (f'id="capacity-{field}" name="{field}" type="range" min="{least:g}" '
                  f'max="{greatest:g}" step="any" value="{value:g}" data-unit="{escape(unit)}"')
    return (f'<label for="capacity-{field}"><span>{escape(words)}</span>'
            f'<output for="capacity-{field}"></output></label>'
            f'<input {attributes}{" data-log=1" if logarithmic else ""}>')


def answers_table(errors):
    names = [*(INTERFACE_NAMES[name] for name in INTERFACES), "error bar"]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(
        f'<tr data-field="{field}" data-shown="{shown}">'
        f'<th scope="row">{escape(words)}</th>{"<td>–</td>" * len(INTERFACES)}'
        f'<td>{f"± {100 * errors[error]:.0f} %" if error else ""}</td></tr>'
        for words, field, shown, error in ANSWERS)
    return (f'<div class="scroll" role="region" tabindex="0" aria-label="What the plan costs">'
            f"<table><caption>What the plan costs</caption><thead><tr><td></td>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>")


def as_script(data):
    """JSON that no content can end the script element with."""
    return json.dumps({**data, "costs": {name: data["costs"][name] for name in INTERFACES}},
                      separators=(",", ":")).replace("<", "\\u003c")


def write(data):
    """The fragment, for a calibration as calibration.read answers it."""
    made = ", ".join(str(value) for value in data["machine"].values())
    script = "".join((HERE / name).read_text(encoding="utf-8")
                     for name in ("planner.js", "form.js"))
    return (
        f"<style>{STYLE}</style>"
        "<p>What a server's timers would cost, reckoned from costs measured one by one. Each "
        "connection has an idle timeout and at most one request with a timeout under way.</p>"
        '<noscript><p class="note">The form needs JavaScript; <code>bench/plan</code> answers '
        "the same on the command line.</p></noscript>"
        f'<div id="capacity-planner"><form>{"".join(slider(*each) for each in SLIDERS)}</form>'
        f'<div aria-live="polite"><p class="problem"></p>{answers_table(data["error"])}</div></div>'
        f'<p class="note">Costs of: {escape(made)}. Error bars: four in five of the '
        "plans that were played through were within them; the shares count touching the "
        "connection's own cache line at each event. The worst lateness holds for deadlines "
        f"independent of each other. Beyond {data['sizes'][-1]:,} connections it extrapolates.</p>"
        f'<script type="application/json" id="capacity-calibration">{as_script(data)}</script>'
        f"<script>{script}</script>")


def of_this_machine(own):
    """With the machine's own calibration if it has one that can be read, else with
    the shipped one; the note below the form tells whose costs they are."""
    try:
        return write(calibration.read(own))
    except calibration.BadCalibration:
        return write(calibration.read(calibration.SHIPPED))
