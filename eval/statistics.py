"""Scores with intervals: avg@k, and where its uncertainty comes from.

An item's score is the share of its k responses that are right. Items are drawn from a population and responses from
a policy; the standard error of the mean over items covers both. Items that share a problem (the five versions) form a
cluster. Shapes: I items, k responses per item, C clusters.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import binomtest, norm

BOOTSTRAPS = 4000


@dataclass(frozen=True)
class Score:
    """avg@k with a 95 % interval; the two parts of the standard error are told apart."""

    mean: float
    low: float
    high: float
    error_items: float  # standard error that infinitely many responses per item would leave
    error_responses: float  # the part that more responses per item would remove
    items: int
    clusters: int
    k: int

    def record(self) -> dict:
        return asdict(self)


def cluster_means(item_means: np.ndarray, clusters: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and size of every cluster."""
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    sizes = np.bincount(index, minlength=len(names))
    return np.bincount(index, weights=item_means, minlength=len(names)) / sizes, sizes


def average_at_k(correct_Ik: np.ndarray, clusters: Sequence[str]) -> Score:
    """Mean over items with a cluster-robust normal interval, cut to [0, 1]."""
    correct_Ik = np.asarray(correct_Ik, dtype=float)
    items, k = correct_Ik.shape
    item_means = correct_Ik.mean(axis=1)
    mean = float(item_means.mean())
    means_C, sizes_C = cluster_means(item_means, clusters)
    count = len(means_C)
    residuals = sizes_C * (means_C - mean)
    variance = count / max(1, count - 1) * float((residuals**2).sum()) / items**2
    within = float((item_means * (1 - item_means)).mean()) / max(1, k - 1) / items if k > 1 else 0.0
    half = float(norm.ppf(0.975)) * variance**0.5
    between = max(0.0, variance - within)
    return Score(
        mean, max(0.0, mean - half), min(1.0, mean + half), between**0.5, within**0.5, items, count, k
    )  # fmt: skip


def bootstrap_weights(strata_I: np.ndarray, clusters_I: np.ndarray, seed: int) -> np.ndarray:
    """How often each item counts in each resample of clusters, drawn within its stratum, [BOOTSTRAPS, I]."""
    rng = np.random.default_rng(seed)
    weights_BI = np.zeros((BOOTSTRAPS, len(strata_I)), dtype=np.int16)
    for stratum in np.unique(strata_I):
        members = np.flatnonzero(strata_I == stratum)
        names, index = np.unique(clusters_I[members], return_inverse=True)
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=BOOTSTRAPS)
        weights_BI[:, members] = counts[:, index]
    return weights_BI


def mean_of_columns(
    scores_I: np.ndarray, strata_I: np.ndarray, clusters_I: np.ndarray, columns: dict[str, np.ndarray], seed: int = 0
) -> tuple[float, float, float]:
    """Plain mean over columns, as the paper's averages, with a bootstrap interval over clusters of items.

    `columns` maps each column to its items (True/False per item); a column that is a part of another is resampled
    together with it. Give differences of two models on the same items for a paired interval.
    """
    weights_BI = bootstrap_weights(strata_I, clusters_I, seed)
    means = [scores_I[chosen].mean() for chosen in columns.values()]
    resampled = [
        (weights_BI[:, chosen] * scores_I[chosen]).sum(axis=1) / np.maximum(1, weights_BI[:, chosen].sum(axis=1))
        for chosen in columns.values()
    ]
    low, high = np.quantile(np.mean(resampled, axis=0), [0.025, 0.975])
    return float(np.mean(means)), float(low), float(high)


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
