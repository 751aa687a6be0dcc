"""The statistics that claims name: pure functions from a table's numbers to one value per training."""

from collections.abc import Callable, Mapping
from math import inf
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm, ttest_1samp

from analysis.claims.evidence import Evidence
from analysis.claims.ledger import (
    EVERY,
    Accuracy,
    ErrorShare,
    GainDifference,
    GainOverGain,
    Healthy,
    Measure,
    Metric,
    OfTable,
    Part,
    tables_named,
)
from analysis.hints import COLUMN
from analysis.table import GROUPS, columns_of
from common import UserError
from eval.estimate import OVER_ITEMS, ROUNDING, Estimate, Unit, by_seed, over_trainings
from eval.statistics import Z

Values = dict[int, float]  # seed -> value
ONSET = "collapse/onset"
SEEDS = 3  # that a command for missing runs asks for


class NotRun(Exception):
    """A row, or a file of a table, is not there yet; the message is the command that would make it."""


class Measured(NamedTuple):
    """An effect with its interval and the p value of "it equals `beyond`"; nan where nothing varies."""

    values: Values  # by seed; empty where the interval is over items
    estimate: Estimate
    p_value: float
    unit: Unit


def compared(value: Callable[[str], Values], first: str, second: str, evidence: Evidence, how: str = "-") -> Values:
    """Return second minus first, or second over first, by seed."""
    alone = (first in evidence.untrained, second in evidence.untrained)
    pairs = by_seed(value(first), value(second), alone)
    return {seed: two - one if how == "-" else two / one for seed, (one, two) in pairs.items()}


def part_means(evidence: Evidence, row: str, part: Part) -> Values:
    """Return a row's accuracy by seed: a mean over columns, or over problems where `every` is asked."""
    items = evidence.items
    if items is None or row not in items.per_seed:
        raise NotRun
    frame = items.frame
    asked = (frame[COLUMN] == part.suggestion).to_numpy() if part.suggestion else np.ones(len(frame), dtype=bool)
    if part.columns == EVERY:
        chosen = [asked & ~frame.column.isin(part.without).to_numpy()]
    else:
        table = dict(evidence.table)
        columns = columns_of(table, part.columns) if part.columns in GROUPS else [part.columns]
        masks = items.masks([column for column in columns if column not in part.without])
        chosen = [asked & mask for mask in masks.values()]
    if not chosen or not all(mask.any() for mask in chosen):
        raise UserError(f"table {evidence.name} has no problem in {part}; ask for columns that have such problems")
    return {
        seed: float(np.mean([scores_I[mask].mean() for mask in chosen]))
        for seed, scores_I in items.per_seed[row].items()
    }


def of_row(frame: pd.DataFrame | None, row: str) -> pd.DataFrame:
    """Return the lines of a row."""
    if frame is None or row not in set(frame["row"]):
        raise NotRun
    return frame[frame["row"] == row]


def class_shares(evidence: Evidence, row: str, error: str, of: str) -> Values:
    """Return the share of a class of error by seed, among all responses or among the wrong ones."""
    lines = of_row(evidence.classes, row).set_index("seed")
    shares = lines[error] if of == "responses" else lines[error] / (1 - lines.right)
    return {int(seed): float(share) for seed, share in shares.items()}


def window_means(evidence: Evidence, row: str, metric: str, steps: list[int]) -> Values:
    """Return the mean of a metric over some steps by seed."""
    found = {}
    for seed, curve in of_row(evidence.curves, row).groupby("seed"):
        ends = [step if step > 0 else int(curve.step.max()) + 1 + step for step in steps]
        values = curve[curve.step.between(*ends)][metric]
        if values.isna().all():
            raise UserError(
                f"row {row} of table {evidence.name} logs no {metric} in steps {ends}; compare rows that do"
            )
        found[int(str(seed))] = float(values.mean())
    return found


def healthy_shares(evidence: Evidence, row: str) -> Values:
    """Return the share of steps before the onset of a collapse by seed; 1 for a run without one."""
    found = {}
    for seed, curve in of_row(evidence.curves, row).groupby("seed"):
        onsets = curve.step[curve[ONSET] > 0]
        found[int(str(seed))] = (float(onsets.min()) - 1) / float(curve.step.max()) if len(onsets) else 1.0
    return found


def measure_values(evidence: Evidence, row: str, measure: str) -> Values:
    """Return a measure of the table by seed."""
    lines = of_row(evidence.measures, row)
    lines = lines[lines["measure"] == measure].dropna()
    if lines.empty:
        raise NotRun
    return dict(zip(lines.seed.astype(int), lines["value"].astype(float), strict=True))


def values_of(statistic: OfTable, evidence: Evidence) -> Values:
    """Return a statistic's value by seed; NotRun with the command where something is missing."""
    try:
        return compute(statistic, evidence)
    except NotRun:
        raise NotRun(command_for(statistic, evidence.scale)) from None


def command_for(statistic: OfTable, scale: str) -> str:
    """Return the commands that fill the tables of a statistic: whole ones, so that no committed row is lost."""
    tables = tables_named(statistic)
    return " && ".join(f"python -m analysis table={name} scale={scale} seeds={SEEDS} fill=true" for name in tables)


def compute(statistic: OfTable, evidence: Evidence) -> Values:
    """Return a statistic's value by seed."""
    second = statistic.second

    def gain(part: Part, rows: tuple[str, str]) -> Values:
        return compared(lambda row: part_means(evidence, row, part), *rows, evidence)

    if isinstance(statistic, Accuracy):
        return gain(statistic.on, (statistic.first, second))
    if isinstance(statistic, GainDifference):
        one, other = (gain(part, (statistic.first, second)) for part in (statistic.on, statistic.other))
        return {seed: one[seed] - other[seed] for seed in one}
    if isinstance(statistic, GainOverGain):
        one = gain(statistic.on, (statistic.first, second))
        other = gain(statistic.on, (statistic.other_first, statistic.other_second))
        return {seed: one[seed] - other[seed] for seed in one if seed in other}
    value, how = by_row(statistic, evidence)
    return compared(value, statistic.first, second, evidence, how) if statistic.first else value(second)


def by_row(
    statistic: ErrorShare | Metric | Healthy | Measure, evidence: Evidence
) -> tuple[Callable[[str], Values], str]:
    """Return what gives a row's values, and whether rows are subtracted or divided."""
    if isinstance(statistic, ErrorShare):
        error, of = statistic.error, statistic.of
        return lambda row: class_shares(evidence, row, error, of), "-"
    if isinstance(statistic, Healthy):
        return lambda row: healthy_shares(evidence, row), "-"
    how = "-" if statistic.how == "difference" else "/"
    if isinstance(statistic, Metric):
        metric, steps = statistic.metric, statistic.steps
        return lambda row: window_means(evidence, row, metric, steps), how
    measure = statistic.measure
    return lambda row: measure_values(evidence, row, measure), how


def unit_of(statistic: OfTable, evidence: Evidence) -> Unit:
    """Return whether a value is a share, shown in percent, or a plain number."""
    if isinstance(statistic, Measure):
        asked: Mapping[str, str] = next(one for one in evidence.table["measures"] if one["id"] == statistic.measure)
        return "percent" if "accuracy" in asked and statistic.how == "difference" else "plain"
    return "plain" if isinstance(statistic, Metric) else "percent"


def over_seeds(values: Values, beyond: float, unit: Unit) -> Measured:
    """Return the mean over trainings with Student's interval and test against `beyond`."""
    numbers = [values[seed] for seed in sorted(values)]
    estimate = over_trainings(numbers, (-1.0, 1.0) if unit == "percent" else (-inf, inf))
    varies = len(numbers) > 1 and float(np.ptp(numbers)) > ROUNDING
    p_value = float(ttest_1samp(numbers, beyond).pvalue) if varies else np.nan
    return Measured(values, estimate, p_value, unit)


def token_auc(scores: pd.DataFrame, run: str, score: str, beyond: float) -> Measured:
    """Return the AUC of a token score over all columns; its interval is over items, its test the normal one."""
    lines = scores[(scores.run == run) & (scores["column"] == "all")].set_index("score")
    if score not in lines.index:
        raise UserError(f"the score bench has no score {score!r} of run {run!r}; it has {', '.join(lines.index)}")
    line = lines.loc[score]
    value, low, high = (float(line[name]) for name in ("auc", "low", "high"))
    error = (high - low) / 2 / Z
    count = int(line.responses)
    estimate = Estimate(value=value, low=low, high=high, n=count, clusters=count, method=OVER_ITEMS)
    return Measured({}, estimate, float(2 * norm.sf(abs(value - beyond) / error)), "plain")
