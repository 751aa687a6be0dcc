"""All figures of two runs that need no model, with a caption each."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from matplotlib.figure import Figure

from analysis.figures.accuracy import table_figure
from analysis.figures.curves import WINDOW, chosen_panels, curves_figure
from analysis.figures.errors import errors_figure, repairs_figure, share_frame, why_wrong_figure
from analysis.figures.flow import flow_figure
from analysis.figures.forest import forest_figure
from analysis.figures.settings import FigureSettings
from analysis.figures.style import display_names, save, signed
from analysis.protocol.flow import Findings
from analysis.protocol.words import points
from analysis.report.comparing import accuracy_rows, curves, forest_of
from analysis.report.numbers import Numbers, numbers_of
from analysis.runs import OpenedRun, open_runs
from common import atomic_write_text, sha256_of
from configs import Run
from eval.output import judged_file

INTERVALS = "Intervals: 95 %, over clusters of items."


def other_direction(found: Findings, first: str, second: str) -> str:
    """Return what keeps the repairs from being read as progress: two runs that merely differ repair each other."""
    back = found.backward[-1]
    if not back.errors or back.difference.value is None:
        return ""
    return (
        f"In the other direction {first} gets {points(back.other)} % of the errors of {second} right, "
        f"{points(back.difference, '+')} points more than {second} asked again: what both directions share is that "
        "the runs differ, not that one is better."
    )


def captions(found: Findings, names: tuple[str, str], classes: str) -> dict[str, str]:
    """Return what a paper would print below each figure."""
    first, second = display_names(names)
    counts = " and ".join(dict.fromkeys(str(found.k[part]) for part in ("first", "second")))
    where = f"{found.items} items, responses to each: {counts}. {classes}"
    again = "The same run asked again shows what moves by mere resampling; the difference is other minus again."
    again = f"{again} {other_direction(found, first, second)}".rstrip()
    return {
        "accuracy": f"Accuracy of {first} and {second} by column, avg@k. {where} {INTERVALS}",
        "forest": f"Accuracy of {second} minus {first} on the same items; filled where p is below 0.05 after Holm's "
        f"correction over these tests. "
        f"{INTERVALS}",
        "errors": f"Wrong responses of {first} and {second} by class of error; the line below a bar is the interval "
        f"of its whole. {where} {INTERVALS}",
        "flow": f"Where the responses of {first} go under {second}, in percent of all pairs of responses to an item. "
        f"Hatched ribbons were right, pale ones stay in their class. {where}",
        "repairs": f"What becomes of the errors of {first}. {again} {where} {INTERVALS}",
        "why_wrong": f"Left: share of the responses of {first} and {second} in each class of error. Right: how many "
        f"of the errors of {first} are right under {second}, and under {first} itself. {again} {where} "
        f"{INTERVALS}",
        "curves": f"Training curves: running means over {WINDOW} steps; a line is the mean and a band the range over "
        "the method's finished seeds. Two seeds of one method have a line each.",
    }


def drawings(views: list[OpenedRun], numbers: Numbers) -> dict[str, Callable[[], Figure]]:
    """Return the figures there is something for, by file name."""
    first, second = views
    names, found, training = (first.name, second.name), numbers.comparisons[0].found, curves(views)
    shares = share_frame({view.name: view.predictions for view in views})
    made: dict[str, Callable[[], Figure]] = {
        "accuracy": lambda: table_figure(accuracy_rows(numbers), numbers.parts),
        "forest": lambda: forest_figure(forest_of(numbers)),
        "errors": lambda: errors_figure(shares),
        "flow": lambda: flow_figure(found, names),
    }
    if found.forward[-1].errors:
        made["repairs"] = lambda: repairs_figure(found, names)
        made["why_wrong"] = lambda: why_wrong_figure(found, shares, names)
    if chosen_panels(training):
        made["curves"] = lambda: curves_figure(training)
    return made


def draw_all(settings: FigureSettings) -> None:
    """Open, find, draw, write; what cannot be drawn is said."""
    opened = open_runs([settings.first, settings.second])
    first, second = opened.views
    numbers = numbers_of(opened.views)
    out = Path(settings.out) if settings.out else second.results / "figures"
    revisions = {str(view.evaluation): f"sha256:{sha256_of(judged_file(view.evaluation))}" for view in opened.views}
    run = Run.collect(settings, revisions=revisions, into=out)
    said = captions(numbers.comparisons[0].found, (first.name, second.name), opened.classes)
    made = drawings(opened.views, numbers)
    with signed(run):
        for name, draw in made.items():
            print(f"{name}: {' '.join(map(str, save(draw(), out, name)))}")
    reasons = {"curves": "no training metrics beside the evaluations"}
    for name in [name for name in said if name not in made]:
        print(f"{name}: not drawn, {reasons.get(name, f'{first.name} has no error')}")
    record = {"captions": {name: said[name] for name in made}, "run": asdict(run)}
    atomic_write_text(out / "figures.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
