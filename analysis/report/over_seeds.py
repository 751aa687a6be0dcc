"""Methods over their seeds: means, paired differences and two intervals that cover different things, as a table.

Both intervals are those of eval/estimate.py, as in Table 1, and so is the rule by which a method is called better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.breakdown import PERCEPTION
from analysis.items import Items, collect_items
from analysis.protocol.transitions import NOTHING
from analysis.report.numbers import Numbers
from analysis.report.records import Table
from analysis.runs import OpenedRun
from analysis.seeds import Method, methods_of, pairs_of, unlike_settings
from eval.estimate import Estimate, Unit, difference_sentence, number_text, over_trainings, range_text
from eval.output import MISSING
from eval.paired import OVERALL

KEPT = ["sample_id", "k", "correct", "column", "cluster", "vision_need", "version"]
TITLE = "Methods over seeds"
FIRST, SECOND, MINUS = "first", "second", " minus "


@dataclass(frozen=True)
class Measure:
    """One number of every run that has it; shares are printed in percent, all else in nats."""

    title: str
    of: Mapping[str, float]
    columns: Sequence[str] = ()  # of the benchmark whose plain mean it is, where it is an accuracy
    is_share: bool = True

    def bounds(self, difference: bool) -> tuple[float, float]:
        return (-1.0 if difference else 0.0, 1.0) if self.is_share else (-np.inf, np.inf)

    @property
    def unit(self) -> Unit:
        return "percent" if self.is_share else "plain"

    def text(self, found: Estimate | None, sign: str = "") -> str:
        return MISSING if found is None else number_text(found.value, sign, self.unit)

    def interval(self, found: Estimate | None, sign: str = "") -> str:
        if found is None or not found.has_interval:
            return MISSING
        return range_text(found.low, found.high, sign, self.unit)


@dataclass(frozen=True)
class Cell:
    """A mean over trainings, with what it may be off by in either respect."""

    seeds: Estimate
    problems: Estimate | None  # None where the measure has its interval in the tables of single runs


@dataclass(frozen=True)
class Line:
    """A method, or one method minus another, under every measure that all its runs have."""

    name: str
    trainings: int
    counted: str
    cells: dict[str, Cell]
    is_difference: bool = False


@dataclass(frozen=True)
class OverSeeds:
    """What is said of methods; `left_out` holds what could not be."""

    measures: list[Measure]
    methods: list[Method]
    lines: list[Line]
    differences: list[Line]
    left_out: list[str]


def measures_of(numbers: Numbers, costs: Mapping[str, pd.Series]) -> list[Measure]:
    """Return accuracy over all, the share of perception errors, what masking costs a token, and accuracy by column."""
    columns, accuracy = [part for part in numbers.parts if part != OVERALL], {}
    for part in numbers.parts:
        lines = numbers.accuracy[numbers.accuracy.part == part].set_index("run")["mean"]
        accuracy[part] = Measure(part, dict(lines), columns if part == OVERALL else [part])
    found = [accuracy.pop(numbers.parts[-1])]
    shares = {run: errors.shares.get(PERCEPTION, NOTHING).value for run, errors in numbers.errors.items()}
    if PERCEPTION in numbers.classes:
        known = {run: value for run, value in shares.items() if value is not None}
        found.append(Measure(f"{PERCEPTION} errors, % of the wrong", known))
    if costs:
        nats = {run: float(line["mean"]) for run, line in costs.items()}
        found.append(Measure("masking costs a token, nats", nats, is_share=False))
    return [*found, *accuracy.values()]


def scores_of(methods: Sequence[Method]) -> Items:
    """Return the score of every item under every seed of every method; like the accuracies of runs, without
    subsets.
    """
    frames = [
        view.predictions.reindex(columns=KEPT).assign(method=method.name, seed=seed, subset="")
        for method in methods
        for seed, view in method.runs.items()
    ]
    return collect_items(pd.concat(frames, ignore_index=True))


def line_of(method: Method, measures: Sequence[Measure], scores: Items) -> Line:
    """Return a method's line; a measure that any of its runs lacks is not on it."""
    runs = method.names
    cells = {
        one.title: Cell(
            over_trainings([one.of[run] for run in runs], one.bounds(False)),
            scores.mean(method.name, one.columns) if one.columns else None,
        )
        for one in measures
        if all(run in one.of for run in runs)
    }
    return Line(method.name, len(runs), method.counted, cells)


def difference_of(first: Method, second: Method, measures: Sequence[Measure], scores: Items) -> Line | None:
    """Return the second method minus the first, by pairs of runs; None where no run of one has a partner in
    the other.
    """
    pairs = pairs_of(first, second)
    if not pairs:
        return None
    paired = replace(
        scores,
        per_seed={
            part: {seed: scores.per_seed[method.name][seed if method.is_seeded else 0] for seed in pairs}
            for part, method in ((FIRST, first), (SECOND, second))
        },
    )
    cells = {}
    for one in measures:
        if all(view.name in one.of for pair in pairs.values() for view in pair):
            values = [one.of[after.name] - one.of[before.name] for before, after in pairs.values()]
            problems = paired.difference(FIRST, SECOND, one.columns) if one.columns else None
            cells[one.title] = Cell(over_trainings(values, one.bounds(True)), problems)
    counted = f"{len(pairs)} pair{'s' * (len(pairs) > 1)}"
    return Line(f"{second.name}{MINUS}{first.name}", len(pairs), counted, cells, True)


def left_out_of(methods: Sequence[Method], differences: Mapping[tuple[str, str], Line | None]) -> list[str]:
    """Seeds without a partner, and seeds that are more than that."""
    found = []
    for first, second in ((a, b) for place, b in enumerate(methods) for a in methods[:place]):
        if not (first.is_seeded and second.is_seeded):
            continue
        alone = [
            one.runs[seed].name
            for one, other in ((first, second), (second, first))
            for seed in one.runs
            if seed not in other.runs
        ]
        if differences[first.name, second.name] is None:
            found.append(f"{first.name} and {second.name} have no seed in common, so their difference is not paired.")
        elif alone:
            found.append(f"{', '.join(alone)}: no run of the same seed, so not in {second.name} minus {first.name}.")
    for method in methods:
        if unlike := unlike_settings(method):
            found.append(
                f"The seeds of {method.name} were trained with different settings ({', '.join(unlike[:5])}), so a "
                "mean over them is not of one method."
            )
    return found


def over_seeds(views: Sequence[OpenedRun], numbers: Numbers, costs: Mapping[str, pd.Series]) -> OverSeeds | None:
    """Return every method and every pair of methods over seeds; None where no method has several."""
    methods = methods_of(views)
    if all(len(method.runs) == 1 for method in methods):
        return None
    measures, scores = measures_of(numbers, costs), scores_of(methods)
    lines = [line_of(method, measures, scores) for method in methods]
    pairs = [(a, b) for place, b in enumerate(methods) for a in methods[:place] if a.is_seeded or b.is_seeded]
    found = {(a.name, b.name): difference_of(a, b, measures, scores) for a, b in pairs}
    return OverSeeds(measures, methods, lines, [one for one in found.values() if one], left_out_of(methods, found))


def rows_of(line: Line, measures: Sequence[Measure]) -> list[list[str]]:
    """Return the mean, and below it what it may be off by."""
    sign = "+" if line.is_difference else ""
    found = [(one, line.cells.get(one.title)) for one in measures]
    seeds = [(one, cell.seeds if cell else None) for one, cell in found]
    problems = [(one, cell.problems if cell else None) for one, cell in found]
    name = line.name.replace(MINUS, " − ")
    rows = [[f"{name}, {line.counted}", *(one.text(value, sign) for one, value in seeds)]]
    if line.trainings > 1:
        rows.append([f"{name}: seeds", *(one.interval(value, sign) for one, value in seeds)])
    return [*rows, [f"{name}: problems", *(one.interval(value, sign) for one, value in problems)]]


def seeds_table(found: OverSeeds) -> Table:
    """Return a line for every method's mean and every difference of two, each with its intervals below."""
    header = ["mean; 95 % over", *(one.title for one in found.measures)]
    rows: list[list[str]] = []
    means = []
    for line in [*found.lines, *found.differences]:
        means.append(len(rows))
        rows += rows_of(line, found.measures)
    single = " A run that is no seed stands as it is, with every seed of the other." * (
        not all(method.is_seeded for method in found.methods)
    )
    return Table(
        TITLE,
        "Bold: means over the trainings of a method, accuracy in percent; differences in points, runs of the "
        f"same seed paired.{single} Below, two 95 % intervals that cover different things. Over seeds: Student's t "
        "over the trainings, for another training on these problems. Over problems: for "
        "other problems with these trainings; what is not an accuracy has its own in the tables of single runs. Where "
        "either holds 0, or few problems differ and their sign-flip test has no p below 0.05, the methods are not "
        "told apart.",
        header,
        rows,
        means,
    )


def finding(line: Line, measures: Sequence[Measure]) -> str:
    """Return two methods over seeds: accuracy with both intervals."""
    cell = line.cells[measures[0].title]
    assert cell.problems is not None  # the first measure is an accuracy
    second, first = line.name.split(MINUS)
    trainings = cell.seeds if line.trainings > 1 else None
    return difference_sentence(second, first, cell.problems, trainings, f", mean over {line.counted} of runs")


def share_sentence(line: Line, measures: Sequence[Measure]) -> str | None:
    """Return what the methods differ in as to the share of perception errors; None where it is not known."""
    share = next((one for one in measures if not one.columns and one.is_share and one.title in line.cells), None)
    if share is None:
        return None
    found = line.cells[share.title].seeds
    interval = f" {share.interval(found, '+')} over trainings" * found.has_interval
    return f"{line.name}, share of {PERCEPTION} errors among the wrong: {share.text(found, '+')} points{interval}."


def sentences(found: OverSeeds) -> list[str]:
    """Return what is told on top of a report: which runs belong together, then what their methods differ in."""
    several = [one for one in found.methods if len(one.runs) > 1]
    told = ", ".join(f"{one.name} (seeds {', '.join(map(str, one.runs))})" for one in several)
    return [
        *(finding(line, found.measures) for line in found.differences),
        *filter(None, (share_sentence(line, found.measures) for line in found.differences)),
        f"Runs that are seeds of one method: {told}. What another training would change is in the table {TITLE}; "
        "intervals of single runs do not cover it.",
    ]
