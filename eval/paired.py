"""Two models on the same items: differences of avg@k with intervals, tests, and what could have been seen.

A difference is second minus first. Shapes: I items, C clusters of items that share a problem.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np
import pandas as pd
from scipy.stats import permutation_test
from statsmodels.stats.power import TTestPower

from common import UserError
from eval.estimate import ALPHA, ROUNDING, Estimate, number_text
from eval.statistics import cluster_sums, column_weights, holm, mcnemar_exact, mean_of_columns, variance_of_sum

POWER = 0.8
FEW = 30  # problems that differ; on fewer a normal interval is too narrow to be believed alone
SIGN_FLIPS = 9999
VALUES_AT_ONCE = 4_000_000
OVERALL = "overall"


@dataclass(frozen=True)
class PairedItems:
    """Item means of both models; `part` is the line of the table an item counts for.

    Clusters are drawn within the benchmark's columns, whatever the lines are: a problem may spread over several lines.
    """

    part_I: np.ndarray
    column_I: np.ndarray
    cluster_I: np.ndarray
    first_I: np.ndarray
    second_I: np.ndarray
    first_k: int
    second_k: int

    def only(self, chosen: np.ndarray) -> "PairedItems":
        return replace(
            self,
            part_I=self.part_I[chosen],
            column_I=self.column_I[chosen],
            cluster_I=self.cluster_I[chosen],
            first_I=self.first_I[chosen],
            second_I=self.second_I[chosen],
        )


@dataclass(frozen=True)
class PairedResult:
    """One line of the comparison; shares, not percent. Holm's correction covers all tests of one kind in a table."""

    part: str
    items: int
    clusters: int
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_difference: float  # sign-flip test of the difference of avg@k, clusters kept whole
    p_difference_holm: float
    only_first: int  # items that a majority of the responses decides: right by the first model only
    only_second: int
    p_mcnemar: float  # exact, takes every item for independent
    p_mcnemar_holm: float
    smallest_visible: float | None  # None where the models never differ, so that the variance is unknown

    @property
    def estimate(self) -> Estimate:
        """Return the difference as a number with its interval and its test."""
        return Estimate(
            value=self.difference,
            low=self.low,
            high=self.high,
            n=self.items,
            clusters=self.clusters,
            p_value=self.p_difference,
        )


@dataclass(frozen=True)
class LeftOut:
    """Items of one line, and those of them that lack a verdict on some response; an item may lack it in both."""

    items: int
    left_out: int
    left_out_first: int
    left_out_second: int

    @property
    def left_out_both(self) -> int:
        return self.left_out_first + self.left_out_second - self.left_out

    def record(self) -> dict[str, int]:
        return {
            "left_out": self.left_out,
            "left_out_first": self.left_out_first,
            "left_out_second": self.left_out_second,
            "left_out_both": self.left_out_both,
        }

    @classmethod
    def total(cls, lines: "Iterable[LeftOut]") -> "LeftOut":
        counts = [(one.items, one.left_out, one.left_out_first, one.left_out_second) for one in lines]
        return cls(*(sum(column) for column in zip(*counts, strict=True)))


def item_means(predictions: pd.DataFrame, name: str, verdict: str) -> tuple[pd.Series, int]:
    """Return share of right responses of every item, and the number of responses that every item has."""
    repeated = int(predictions.duplicated(["sample_id", "k"]).sum())
    if repeated:
        raise UserError(f"{name} holds {repeated} responses twice (same sample_id and k); evaluate it again")
    unscored = int(predictions[verdict].isna().sum())
    if unscored:
        raise UserError(
            f"{unscored} responses of {name} have no verdict in column {verdict}; compare by a column without gaps, "
            "or have them judged first"
        )
    if not pd.to_numeric(predictions[verdict], errors="coerce").between(0, 1).all():  # a judge grades from 0 to 1
        raise UserError(f"column {verdict} of {name} holds no verdicts; give a column of right and wrong")
    groups = predictions.assign(right=predictions[verdict].astype(float)).groupby("sample_id", sort=False).right
    counts = groups.size()
    if counts.min() != counts.max():
        raise UserError(f"items of {name} have between {counts.min()} and {counts.max()} responses; evaluate it again")
    return groups.mean(), int(counts.iloc[0])


def check_same_items(first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse predictions of different items, and of items whose gold answer or column has changed."""
    ids = [set(frame.sample_id) for frame in (first, second)]
    if ids[0] != ids[1]:
        raise UserError(
            f"the two evaluations have different items: {len(ids[0] - ids[1])} of {len(ids[0])} are only in "
            f"{names[0]}, {len(ids[1] - ids[0])} of {len(ids[1])} only in {names[1]}; evaluate both with the same "
            "bench, items, split and seed"
        )
    for name, sentence in (("gold", "gold answer"), ("column", "column")):
        if name in first and name in second:  # `column` always, `gold` where it was kept
            values = [frame.drop_duplicates("sample_id").set_index("sample_id")[name] for frame in (first, second)]
            changed = int((values[0] != values[1].loc[values[0].index]).sum())
            if changed:
                raise UserError(
                    f"{changed} items have another {sentence} in {names[0]} than in {names[1]}, as if the benchmark "
                    "had changed in between; evaluate both again"
                )


def part_of_items(predictions: pd.DataFrame, by: str) -> pd.Series:
    """Return the line of the table that each item counts for."""
    parts = predictions.drop_duplicates("sample_id").set_index("sample_id")[by].fillna("").astype(str)
    return parts.replace("", f"(no {by})")


def scored_in_both(
    first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str], verdict: str = "correct", by: str = "column"
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, LeftOut]]:
    """Return the predictions of items of which both evaluations scored every response, and what each line leaves out.

    An unscored response is neither right nor wrong, so an item that has one would count with the wrong share.
    """
    check_same_items(first, second, names)
    part_I = part_of_items(first, by)
    gaps = [part_I.index.isin(frame.sample_id[frame[verdict].isna()]) for frame in (first, second)]
    counts = {
        part: LeftOut(int(chosen.sum()), *(int((gap & chosen).sum()) for gap in (gaps[0] | gaps[1], *gaps)))
        for part in dict.fromkeys(part_I)
        for chosen in [(part_I == part).to_numpy()]
    }
    kept = part_I.index[~(gaps[0] | gaps[1])]
    if kept.empty:
        raise UserError(
            f"nothing is left to compare by column {verdict}: of {len(part_I)} items {gaps[0].sum()} have responses "
            f"without a verdict in {names[0]} and {gaps[1].sum()} in {names[1]}; evaluate again with a judge "
            "(judge.base_url=...; the responses are kept), or compare by a scorer that needs none (evaluated with "
            "scorers=[robust]: verdict=correct_robust), or by grades where a judge gave some (verdict=score)"
        )
    return first[first.sample_id.isin(kept)], second[second.sample_id.isin(kept)], counts


def pair(
    first: pd.DataFrame, second: pd.DataFrame, names: Sequence[str], verdict: str = "correct", by: str = "column"
) -> PairedItems:
    """Bring the predictions of two models together, or say why that cannot be."""
    check_same_items(first, second, names)
    if verdict in ("correct", "score") and "grader" in first and "grader" in second:
        graders = [", ".join(sorted(frame.grader.dropna().unique())) for frame in (first, second)]
        if graders[0] != graders[1]:
            raise UserError(
                f"{names[0]} was graded by {graders[0]} and {names[1]} by {graders[1]}; evaluate both with one grader"
            )
    (first_means, first_k), (second_means, second_k) = (
        item_means(frame, name, verdict) for frame, name in zip((first, second), names, strict=True)
    )
    frame = first.drop_duplicates("sample_id").set_index("sample_id").loc[first_means.index]
    columns, clusters = (frame[name].fillna("").astype(str) for name in ("column", "cluster"))
    return PairedItems(
        part_of_items(first, by).loc[first_means.index].to_numpy(dtype=object),
        columns.to_numpy(dtype=object),
        clusters.to_numpy(dtype=object),
        first_means.to_numpy(),
        second_means.loc[first_means.index].to_numpy(),
        first_k,
        second_k,
    )


def item_weights(parts_I: np.ndarray) -> np.ndarray:
    """Return weights of the items in the plain mean over parts."""
    _, index, sizes = np.unique(parts_I, return_inverse=True, return_counts=True)
    return 1 / sizes[index] / len(sizes)


def sign_flip_p(contributions_C: np.ndarray, seed: int) -> float:
    """Two-sided p of a sum when each cluster's sign is a coin, exact where there are few clusters that differ."""
    moving = contributions_C[np.abs(contributions_C) > ROUNDING]
    if len(moving) < 2:  # one coin: either sign is as far from zero as the other
        return 1.0
    rng = np.random.default_rng(seed)
    batch = max(500, VALUES_AT_ONCE // len(moving))  # scipy's time is in its batches, memory in their size
    test = permutation_test(
        (moving,), np.sum, permutation_type="samples", vectorized=True, n_resamples=SIGN_FLIPS, batch=batch, rng=rng
    )
    return float(test.pvalue)


def few_problems_p(
    differences_I: np.ndarray, strata_I: np.ndarray, clusters_I: np.ndarray, columns: Mapping[str, np.ndarray]
) -> float:
    """Return the sign-flip p of a plain mean over columns where few problems differ, and nan where many do.

    On many it agrees with the normal interval, and takes seconds.
    """
    contributions_C, _ = cluster_sums(column_weights(columns) * differences_I, strata_I, clusters_I)
    few = np.count_nonzero(np.abs(contributions_C) > ROUNDING) < FEW
    return sign_flip_p(contributions_C, 0) if few else nan


def smallest_visible_difference(items: PairedItems) -> float | None:
    """Return the true difference that a two-sided paired t-test at ALPHA finds with probability POWER, given
    the variance.
    """
    differences = pd.Series(items.second_I - items.first_I)
    residuals = (differences - differences.groupby(items.part_I).transform("mean")).to_numpy()
    variance = variance_of_sum(item_weights(items.part_I) * residuals, items.column_I, items.cluster_I)
    clusters = len(cluster_sums(residuals, items.column_I, items.cluster_I)[0])
    if variance**0.5 < ROUNDING or clusters < 2:
        return None
    effect = TTestPower().solve_power(nobs=clusters, alpha=ALPHA, power=POWER, alternative="two-sided")
    return float(effect) * (clusters * variance) ** 0.5


def compare_part(name: str, items: PairedItems, seed: int) -> PairedResult:
    """Return all numbers of one line, its p values not yet corrected."""
    differences, weights = items.second_I - items.first_I, item_weights(items.part_I)
    columns = {part: items.part_I == part for part in np.unique(items.part_I)}
    found = mean_of_columns(differences, items.column_I, items.cluster_I, columns, is_difference=True)
    contributions, _ = cluster_sums(weights * differences, items.column_I, items.cluster_I)
    majority = mcnemar_exact(items.first_I > 0.5, items.second_I > 0.5)
    p_difference = sign_flip_p(contributions, seed)
    return PairedResult(
        part=name,
        items=found.n,
        clusters=found.clusters,
        first=float(weights @ items.first_I),
        second=float(weights @ items.second_I),
        difference=found.value,
        low=found.low,
        high=found.high,
        p_difference=p_difference,
        p_difference_holm=p_difference,
        only_first=majority.only_first,
        only_second=majority.only_second,
        p_mcnemar=majority.p_value,
        p_mcnemar_holm=majority.p_value,
        smallest_visible=smallest_visible_difference(items),
    )


def compare_items(items: PairedItems, seed: int = 0) -> list[PairedResult]:
    """Return one line per part and the plain mean over parts; a benchmark of one part has one line."""
    parts = list(dict.fromkeys(items.part_I))
    lines = [compare_part(part, items.only(items.part_I == part), seed) for part in parts] if len(parts) > 1 else []
    lines.append(compare_part(OVERALL, items, seed))
    return with_holm(lines)


def with_holm(lines: Sequence[PairedResult]) -> list[PairedResult]:
    """Return the lines of a table with Holm's correction over its tests of one kind."""
    differences, mcnemars = (holm(getattr(line, kind) for line in lines) for kind in ("p_difference", "p_mcnemar"))
    return [
        replace(line, p_difference_holm=float(difference), p_mcnemar_holm=float(mcnemar))
        for line, difference, mcnemar in zip(lines, differences, mcnemars, strict=True)
    ]


def power_sentence(line: PairedResult) -> str:
    """Return what this comparison could have shown, for a reader who sees no difference."""
    among = f" ({line.clusters} problems)" if line.clusters < line.items else ""
    where = "" if line.part == OVERALL else f"{line.part}: "
    if line.smallest_visible is None:
        return f"{where}With {line.items} items{among}, on which the models never differ, the power is unknown."
    return (
        f"{where}With {line.items} items{among} you could have seen a difference of "
        f"{number_text(line.smallest_visible)} points ({100 * POWER:.0f} % power at alpha {ALPHA:g}, given the "
        "paired variance)."
    )
