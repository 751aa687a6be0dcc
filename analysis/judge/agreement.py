"""How far raters agree on classes: Cohen's kappa of two, Krippendorff's alpha of any number, with bootstrap intervals.

A rater who gives no label to a unit leaves None there. Resampling draws whole clusters (problems), so that several
responses to one problem do not pass for independent. Shapes: U units, C classes, B resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from eval.statistics import bootstrap_weights

Interval = tuple[float, float]
EDGES = (2.5, 97.5)


@dataclass(frozen=True)
class Agreement:
    """Agreement on the units that at least two raters labelled; None where one class only leaves it undefined."""

    units: int
    left_out: int  # units with fewer than two labels
    equal: float | None  # share of units on which all labels are the same
    kappa: float | None  # of exactly two raters
    kappa_interval: Interval | None
    alpha: float | None
    alpha_interval: Interval | None
    undefined_draws: int  # resamples without a value, left out of the intervals


def kappa_of(tables_BCC: np.ndarray) -> np.ndarray:
    """Cohen's kappa of square tables of counts; NaN where chance alone would explain full agreement.

    statsmodels has it for one table at a time, which takes 0.3 s for the resamples of a pair; a test compares the two.
    """
    totals_B = tables_BCC.sum(axis=(1, 2))
    observed_B = np.trace(tables_BCC, axis1=1, axis2=2) * totals_B
    expected_B = (tables_BCC.sum(axis=1) * tables_BCC.sum(axis=2)).sum(axis=1)
    return ratio(observed_B - expected_B, totals_B**2 - expected_B)


def alpha_of(counts_UC: np.ndarray, weights_BU: np.ndarray) -> np.ndarray:
    """Krippendorff's alpha for nominal data from the number of raters who gave each unit each class.

    alpha = 1 - observed / expected disagreement over the pairable values (Krippendorff, Content Analysis, ch. 12).
    Units with one value or none pair with nothing. NaN where all values are the same.
    """
    raters_U = counts_UC.sum(axis=1)
    paired = raters_U > 1
    counts_UC, raters_U, weights_BU = counts_UC[paired], raters_U[paired], weights_BU[:, paired].astype(float)
    unequal_U = (raters_U**2 - (counts_UC**2).sum(axis=1)) / (raters_U - 1)
    values_BC = weights_BU @ counts_UC
    values_B = values_BC.sum(axis=1)
    expected_B = values_B**2 - (values_BC**2).sum(axis=1)
    return 1 - ratio((values_B - 1) * (weights_BU @ unequal_U), expected_B)


def ratio(above_B: np.ndarray, below_B: np.ndarray) -> np.ndarray:
    """NaN where nothing stands below."""
    return np.divide(above_B, below_B, out=np.full(len(above_B), np.nan), where=below_B != 0)


def counts_of(labels: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Return how many raters (columns) gave each unit (row) each class."""
    values = labels.to_numpy(dtype=object)
    return np.stack([(values == name).sum(axis=1) for name in classes], axis=1)


def table_of(first: pd.Series, second: pd.Series, classes: Sequence[str]) -> pd.DataFrame:
    """Return counts of the label pairs; units that one of the two left open are not in it."""
    table = pd.crosstab(first, second)
    return table.reindex(index=list(classes), columns=list(classes), fill_value=0)


def interval_of(values_B: np.ndarray) -> Interval | None:
    defined = values_B[np.isfinite(values_B)]
    if not len(defined):
        return None
    low, high = np.percentile(defined, EDGES)
    return float(low), float(high)


def finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def agreement(
    labels: pd.DataFrame, classes: Sequence[str], clusters: Sequence[str] | None = None, seed: int = 0
) -> Agreement:
    """Return agreement of the raters, one column each, on the units, one row each."""
    given = labels.notna().sum(axis=1).to_numpy()
    kept = labels[given > 1]
    if kept.empty:
        return Agreement(0, len(labels), None, None, None, None, None, 0)
    clusters_U = np.asarray(labels.index if clusters is None else clusters)[given > 1].astype(str)
    counts_UC = counts_of(kept, classes)
    weights_BU = bootstrap_weights(np.zeros(len(kept)), clusters_U, seed)
    equal = float((counts_UC.max(axis=1) == counts_UC.sum(axis=1)).mean())
    once_BU = np.ones((1, len(kept)))
    alphas_B, kappas_B, kappa = alpha_of(counts_UC, weights_BU), np.array([]), float("nan")
    if labels.shape[1] == 2:
        kappas_B = kappa_of(tables_of(kept, classes, weights_BU))
        kappa = float(kappa_of(tables_of(kept, classes, once_BU))[0])
    return Agreement(
        len(kept),
        len(labels) - len(kept),
        equal,
        finite(kappa),
        interval_of(kappas_B),
        finite(float(alpha_of(counts_UC, once_BU)[0])),
        interval_of(alphas_B),
        int((~np.isfinite(alphas_B)).sum()),
    )


def tables_of(kept: pd.DataFrame, classes: Sequence[str], weights_BU: np.ndarray) -> np.ndarray:
    """Return the table of two columns in every resample."""
    first_UC, second_UC = (np.equal.outer(kept.iloc[:, n].to_numpy(), np.array(classes, object)) for n in (0, 1))
    cells_UX = (first_UC[:, :, None] & second_UC[:, None, :]).reshape(len(kept), -1)
    return (weights_BU.astype(float) @ cells_UX).reshape(len(weights_BU), len(classes), len(classes))
