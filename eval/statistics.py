"""Scores with intervals: avg@k, and where its uncertainty comes from.

An item's score is the share of its k responses that are right. Items are drawn from a population and responses from
a policy; the standard error of the mean over items covers both. Items that share a problem (the five versions) form a
cluster. Shapes: I items, k responses per item, C clusters, B resamples.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import binomtest, norm
from statsmodels.stats.proportion import proportion_confint

from eval.estimate import ROUNDING, Estimate

BOOTSTRAPS = 4000
Z = float(norm.ppf(0.975))


@dataclass(frozen=True, kw_only=True)
class Score(Estimate):
    """avg@k; the two parts of its standard error are told apart."""

    error_items: float  # standard error that infinitely many responses per item would leave
    error_responses: float  # the part that more responses per item would remove
    k: int

    def record(self) -> dict:
        """Return what `scores.json` holds of it."""
        return self.mean_record() | {
            "error_items": self.error_items,
            "error_responses": self.error_responses,
            "items": self.n,
            "clusters": self.clusters,
            "k": self.k,
        }


def holm(p_values: Iterable[float]) -> np.ndarray:
    """Return Holm's corrected p values, as statsmodels' multipletests, which collects all garbage on every call."""
    p_N = np.asarray(list(p_values), dtype=float)
    order_N = p_N.argsort()
    corrected_N = np.empty_like(p_N)
    corrected_N[order_N] = np.minimum(np.maximum.accumulate(p_N[order_N] * np.arange(len(p_N), 0, -1)), 1)
    return corrected_N


def joined(strata_I: Iterable, clusters_I: Iterable) -> np.ndarray:
    """Return a name for every item's cluster within its stratum."""
    return np.array([f"{stratum}\n{cluster}" for stratum, cluster in zip(strata_I, clusters_I, strict=True)])


def cluster_sums(values_I: np.ndarray, strata_I: np.ndarray, clusters_I: Iterable) -> tuple[np.ndarray, np.ndarray]:
    """Return the sum over the items of every cluster, and its stratum."""
    _, first, index = np.unique(joined(strata_I, clusters_I), return_index=True, return_inverse=True)
    return np.bincount(index, weights=values_I), np.asarray(strata_I)[first]


def variance_of_sum(values_I: np.ndarray, strata_I: np.ndarray, clusters_I: Iterable) -> float:
    """Return the variance of a sum over items whose clusters are drawn within their stratum."""
    sums_C, strata_C = cluster_sums(values_I, strata_I, clusters_I)
    parts = [sums_C[strata_C == stratum] for stratum in np.unique(strata_C)]
    return sum(len(part) * float(part.var(ddof=1)) for part in parts if len(part) > 1)


def effective_clusters(weights_I: np.ndarray, clusters: Iterable[str]) -> float:
    """Return how many clusters of equal weight would leave the variance of this weighted mean, were each all
    or nothing.
    """
    _, index = np.unique(np.asarray(list(clusters)), return_inverse=True)
    weights_C = np.bincount(index, weights=weights_I) / weights_I.sum()
    return 1 / float((weights_C**2).sum())


def share_interval(mean: float, variance: float, clusters: float) -> tuple[float, float]:
    """95 % interval of a mean of values in [0, 1]: normal inside, Wilson's where the normal one would meet 0 or 1.

    Wilson's interval stands on the sample size that would explain the variance. Where nothing varies, no such size
    exists, and every one of the (effective) clusters counts as one observation.
    """
    half, varies = Z * variance**0.5, variance**0.5 > ROUNDING
    if varies and mean - half > 0 and mean + half < 1:
        return mean - half, mean + half
    size = mean * (1 - mean) / variance if varies else clusters
    low, high = proportion_confint(mean * size, size, method="wilson")
    return max(0.0, min(mean, float(low))), min(1.0, max(mean, float(high)))  # its edges at 0 and 1 are rounded


def difference_interval(mean: float, variance: float, clusters: float) -> tuple[float, float]:
    """Return a normal 95 % interval; where nothing varies, with the width of Wilson's interval at 0 %."""
    half = Z * variance**0.5
    if variance**0.5 <= ROUNDING:
        half = float(proportion_confint(0, clusters, method="wilson")[1])
    return max(-1.0, mean - half), min(1.0, mean + half)


def column_weights(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the weights of the items in the plain mean over columns, each given as its items (True or False)."""
    return np.sum([chosen / chosen.sum() for chosen in columns.values()], axis=0) / len(columns)


def mean_of_columns(
    scores_I: np.ndarray,
    strata_I: np.ndarray,
    clusters_I: np.ndarray,
    columns: Mapping[str, np.ndarray],
    is_difference: bool = False,
    seeds: int = 1,
) -> Estimate:
    """Return the plain mean over columns, as the paper's averages, with a cluster-robust interval.

    `columns` maps each column to its items (True/False per item); a column that is a part of another moves with it.
    Give differences of two models on the same items for a paired interval. Only items' means enter, never what else
    lies in the table, so a cell has one interval wherever it is printed.
    """
    weights_I = column_weights(columns)
    means = [scores_I[chosen].mean() for chosen in columns.values()]
    residuals = [
        chosen * (scores_I - mean) / chosen.sum() for chosen, mean in zip(columns.values(), means, strict=True)
    ]
    used = weights_I > 0
    strata_I, clusters_I = np.asarray(strata_I)[used], np.asarray(clusters_I)[used]
    variance = variance_of_sum(np.sum(residuals, axis=0)[used] / len(columns), strata_I, clusters_I)
    names = joined(strata_I, clusters_I)
    interval = difference_interval if is_difference else share_interval
    mean = float(np.mean(means))
    low, high = interval(mean, variance, effective_clusters(weights_I[used], names))
    return Estimate(value=mean, low=low, high=high, n=int(used.sum()), clusters=len(np.unique(names)), seeds=seeds)


def mean_over_items(values_I: np.ndarray, clusters: Sequence[str]) -> Estimate:
    """Return the mean of one column."""
    values_I = np.asarray(values_I, dtype=float)
    everything = np.ones(len(values_I), dtype=bool)
    return mean_of_columns(values_I, np.zeros(len(values_I)), np.asarray(clusters), {"": everything})


def average_at_k(correct_Ik: np.ndarray, clusters: Sequence[str]) -> Score:
    """Mean over items with a cluster-robust interval."""
    correct_Ik = np.asarray(correct_Ik, dtype=float)
    items, k = correct_Ik.shape
    means_I = correct_Ik.mean(axis=1)
    variance = variance_of_sum((means_I - means_I.mean()) / items, np.zeros(items), clusters)
    within = float((means_I * (1 - means_I)).mean()) / max(1, k - 1) / items if k > 1 else 0.0
    between = max(0.0, variance - within)
    estimate = mean_over_items(means_I, clusters)
    return Score(**asdict(estimate), error_items=between**0.5, error_responses=within**0.5, k=k)


def bootstrap_weights(strata_I: np.ndarray, clusters_I: np.ndarray, seed: int) -> np.ndarray:
    """Return how often each item counts in each resample of clusters, drawn within its stratum, [BOOTSTRAPS, I]."""
    return drawn_weights(tuple(strata_I.tolist()), tuple(clusters_I.tolist()), seed)


@lru_cache(maxsize=2)
def drawn_weights(strata: tuple, clusters: tuple, seed: int) -> np.ndarray:
    """Return the weights of all resamples, cached and read-only: a page of results needs one draw many times."""
    strata_I, clusters_I = np.array(strata, dtype=object), np.array(clusters, dtype=object)
    rng = np.random.default_rng(seed)
    weights_BI = np.zeros((BOOTSTRAPS, len(strata_I)), dtype=np.int16)
    for stratum in np.unique(strata_I):
        members = np.flatnonzero(strata_I == stratum)
        names, index = np.unique(clusters_I[members], return_inverse=True)
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAPS)
        weights_BI[:, members] = counts[:, index]
    weights_BI.flags.writeable = False
    return weights_BI


@dataclass(frozen=True)
class McNemar:
    """Exact paired test on items that a majority of responses decides; items tied at k/2 count as wrong."""

    only_first: int
    only_second: int
    p_value: float


def mcnemar_exact(first_I: np.ndarray, second_I: np.ndarray) -> McNemar:
    """Two-sided exact binomial test on the discordant items."""
    only_first = int((first_I & ~second_I).sum())
    only_second = int((~first_I & second_I).sum())
    discordant = only_first + only_second
    p_value = float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0
    return McNemar(only_first, only_second, p_value)
