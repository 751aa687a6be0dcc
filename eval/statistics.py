"""Scores with intervals: avg@k, and where its uncertainty comes from.

An item's score is the share of its k responses that are right. Items are drawn from a population and responses from
a policy; the standard error of the mean over items covers both. Items that share a problem (the five versions) form a
cluster. Shapes: I items, k responses per item, C clusters, B resamples.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from scipy.stats import binomtest, norm
from statsmodels.stats.proportion import proportion_confint

BOOTSTRAPS = 4000
Z = float(norm.ppf(0.975))
ROUNDING = 1e-12  # below this a spread is rounding, not variance


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


def mean_variance(values_I: np.ndarray, clusters: Sequence[str]) -> float:
    """Cluster-robust variance of the mean over items."""
    means_C, sizes_C = cluster_means(values_I, clusters)
    residuals_C = sizes_C * (means_C - values_I.mean())
    count = len(means_C)
    return count / max(1, count - 1) * float((residuals_C**2).sum()) / len(values_I) ** 2


def effective_clusters(weights_I: np.ndarray, clusters: Sequence[str]) -> float:
    """Return how many clusters of equal weight would leave the variance of this weighted mean, were each all
    or nothing.
    """
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    weights_C = np.bincount(index, weights=weights_I) / weights_I.sum()
    return 1 / float((weights_C**2).sum())


def share_interval(values_I: np.ndarray, clusters: Sequence[str], variance: float) -> tuple[float, float]:
    """95 % interval of a mean of values in [0, 1]: normal inside, Wilson's where the normal one would meet 0 or 1.

    Wilson's interval stands on the sample size that would explain the variance. Where nothing varies, no such size
    exists, and every cluster counts as one observation.
    """
    mean, half = float(values_I.mean()), Z * variance**0.5
    varies = variance**0.5 > ROUNDING
    if varies and mean - half > 0 and mean + half < 1:
        return mean - half, mean + half
    size = mean * (1 - mean) / variance if varies else effective_clusters(np.ones(len(values_I)), clusters)
    low, high = proportion_confint(mean * size, size, method="wilson")
    return float(low), float(high)


def average_at_k(correct_Ik: np.ndarray, clusters: Sequence[str]) -> Score:
    """Mean over items with a cluster-robust interval."""
    correct_Ik = np.asarray(correct_Ik, dtype=float)
    items, k = correct_Ik.shape
    item_means = correct_Ik.mean(axis=1)
    variance = mean_variance(item_means, clusters)
    within = float((item_means * (1 - item_means)).mean()) / max(1, k - 1) / items if k > 1 else 0.0
    between = max(0.0, variance - within)
    # The responses alone leave `within`: items that happen to agree more closely than that are luck.
    low, high = share_interval(item_means, clusters, between + within)
    count = len(np.unique(np.asarray(clusters)))
    return Score(float(item_means.mean()), low, high, between**0.5, within**0.5, items, count, k)


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


def mean_of_columns(
    scores_I: np.ndarray,
    strata_I: np.ndarray,
    clusters_I: np.ndarray,
    columns: dict[str, np.ndarray],
    seed: int = 0,
    bounds: tuple[float, float] | None = None,
) -> tuple[float, float, float]:
    """Return plain mean over columns, as the paper's averages, with a bootstrap interval over clusters of items.

    `columns` maps each column to its items (True/False per item); a column that is a part of another is resampled
    together with it. Give differences of two models on the same items for a paired interval. A bootstrap of items
    that all agree has no width; with `bounds`, (0, 1) for scores and (-1, 1) for differences, it gets the one that
    Wilson's interval has at 0 %.
    """
    weights_BI = bootstrap_weights(strata_I, clusters_I, seed)
    means = [scores_I[chosen].mean() for chosen in columns.values()]
    resampled = []
    for chosen in columns.values():
        drawn_BI = weights_BI[:, chosen]
        # einsum, because a product of large integer and float arrays would need gigabytes in between.
        sums_B = np.einsum("bi,i->b", drawn_BI, scores_I[chosen])
        resampled.append(sums_B / np.maximum(1, drawn_BI.sum(axis=1)))
    mean = float(np.mean(means))
    low, high = (float(edge) for edge in np.quantile(np.mean(resampled, axis=0), [0.025, 0.975]))
    if bounds and high - low < ROUNDING:
        weights_I = np.sum([chosen / chosen.sum() for chosen in columns.values()], axis=0)
        names = [f"{stratum}\n{cluster}" for stratum, cluster in zip(strata_I, clusters_I, strict=True)]
        margin = float(proportion_confint(0, effective_clusters(weights_I, names), method="wilson")[1])
        low, high = max(bounds[0], mean - margin), min(bounds[1], mean + margin)
    return mean, low, high


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
