"""One record of a measured number: value, 95 % interval, what it covers, its text, and what it allows to be said.

An interval over items covers other problems with these very trainings; one over trainings covers another training on
these very problems. A claim about a method needs the latter, which exists from two trainings on.

"Better" or "worse" is said where every one of these says so, and else "cannot be told apart":
- the interval over problems leaves out 0;
- the sign-flip test of the same difference has p < 0.05, as a normal interval is too narrow on few problems. A table
  makes the test where fewer than 30 problems differ, a paired comparison always;
- the interval over trainings, where there is one, leaves out 0 on the same side.
McNemar's test stands beside them and does not decide: it sees majorities of responses alone, and takes items that
share a problem for independent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from statistics import fmean
from typing import Literal, TypeVar

import numpy as np
from scipy.stats import ttest_1samp

ALPHA = 0.05
ROUNDING = 1e-12  # below this a spread is rounding, not variance
OVER_ITEMS, OVER_TRAININGS = "cluster-robust over items", "Student's t over trainings"
Verdict = Literal["better", "worse", "cannot be told apart"]
Unit = Literal["percent", "plain"]
T = TypeVar("T")


def number_text(value: float, sign: str = "", unit: Unit = "percent") -> str:
    """Return a share as percent, or a number as it is; sign="+" for differences."""
    return f"{100 * value:{sign}.1f}" if unit == "percent" else f"{value:{sign}.3f}"


def range_text(low: float, high: float, sign: str = "", unit: Unit = "percent") -> str:
    """Return the interval alone: "[58.9, 63.5]"."""
    return f"[{number_text(low, sign, unit)}, {number_text(high, sign, unit)}]"


def interval_text(value: float, low: float, high: float, sign: str = "", unit: Unit = "percent") -> str:
    """Return a value with its interval: "61.2 [58.9, 63.5]"; the value alone where it has none."""
    text = number_text(value, sign, unit)
    return text if isnan(low) else f"{text} {range_text(low, high, sign, unit)}"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean, or a difference of means, with its 95 % interval; shares, not percent."""

    value: float
    low: float  # nan, as `high`: one training, or several that agree exactly, show no spread
    high: float
    n: int  # items, or trainings, that it is the mean of
    clusters: int  # independent ones among them
    seeds: int = 1  # trainings that its items are averaged over
    method: str = OVER_ITEMS
    p_value: float = nan  # of a difference over items: sign-flip test; nan where none was made

    def text(self, sign: str = "", unit: Unit = "percent") -> str:
        return interval_text(self.value, self.low, self.high, sign, unit)

    def mean_record(self) -> dict[str, float]:
        """Return what `scores.json` holds of a mean."""
        return {"mean": self.value, "low": self.low, "high": self.high}

    @property
    def has_interval(self) -> bool:
        return not isnan(self.low)

    @property
    def smallest_seen(self) -> float:
        """Return the smallest difference that would have been told from 0: half the interval."""
        return (self.high - self.low) / 2

    @property
    def test_disagrees(self) -> bool:
        """Return whether the interval leaves out 0, but the sign-flip test sees no difference."""
        return (self.low > 0 or self.high < 0) and self.p_value >= ALPHA

    @property
    def verdict(self) -> Verdict:
        """Return what this interval and its test allow to be said of a difference."""
        if self.test_disagrees:
            return "cannot be told apart"
        if self.low > 0:
            return "better"
        if self.high < 0:
            return "worse"
        return "cannot be told apart"


def over_trainings(values: Sequence[float], bounds: tuple[float, float]) -> Estimate:
    """Return the mean of trainings with Student's interval; of one, or of several that agree exactly, it has none."""
    count, low, high = len(values), nan, nan
    if count > 1 and np.ptp(values) > ROUNDING:
        interval = ttest_1samp(values, 0).confidence_interval(0.95)
        low, high = max(bounds[0], float(interval.low)), min(bounds[1], float(interval.high))
    return Estimate(
        value=fmean(values), low=low, high=high, n=count, clusters=count, seeds=count, method=OVER_TRAININGS
    )


def by_seed(first: Mapping[int, T], second: Mapping[int, T], alone: tuple[bool, bool]) -> dict[int, tuple[T, T]]:
    """Return what two methods have, paired by the seed that both share.

    `alone` says which of them is of one model that no seed trained: it goes with every seed of the other.
    """
    if alone[0]:
        first = dict.fromkeys(second, next(iter(first.values())))
    elif alone[1]:
        second = dict.fromkeys(first, next(iter(second.values())))
    return {seed: (first[seed], second[seed]) for seed in first if seed in second}


def joint_verdict(over_items: Estimate, trainings: Estimate | None) -> Verdict:
    """Return what may be said of two methods: with an interval over trainings, only what both intervals say."""
    if trainings is None or not trainings.has_interval or trainings.verdict == over_items.verdict:
        return over_items.verdict
    return "cannot be told apart"


def coverage(over_items: Estimate, trainings: Estimate | None) -> str:
    """Return a difference in points with its intervals and what they cover."""
    said = (
        f"{number_text(over_items.value, '+')} points {range_text(over_items.low, over_items.high, '+')} over problems"
    )
    if trainings is None:
        return f"{said} (one training each: the interval does not cover another)"
    if not trainings.has_interval:
        return f"{said} (the {trainings.seeds} trainings agree exactly: the interval does not cover another)"
    return f"{said}, {range_text(trainings.low, trainings.high, '+')} over {trainings.seeds} trainings"


def difference_sentence(
    second: str, first: str, over_items: Estimate, trainings: Estimate | None = None, where: str = ""
) -> str:
    """Return the one sentence on two methods or runs: the verdict, the numbers, and what could have been seen."""
    verdict, said = joint_verdict(over_items, trainings), f"{coverage(over_items, trainings)}{where}"
    if verdict != "cannot be told apart":
        return f"{second} is {verdict} than {first}: {said}."
    if over_items.test_disagrees:
        why = f"the sign-flip test finds no difference (p = {over_items.p_value:.2g})"
        return f"{second} and {first} {verdict}: {said}; the interval over problems leaves out 0, but {why}."
    widths = [one.smallest_seen for one in (over_items, trainings) if one and one.has_interval]
    return f"{second} and {first} {verdict}: {said}; less than {number_text(max(widths))} points could not be seen."
