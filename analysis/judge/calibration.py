"""How far a judge's classes can be trusted, measured where truth is known, and class rates corrected by that.

A judge labels an item of true class t with class j at rate C[j, t]; labels of a set with class shares p come at rates
q = C p. The corrected p fits q best within the simplex (least squares). Its intervals are all shares that a test does
not reject: T(p) = r' V(p)^-1 r for r = q - C p, V from a bootstrap of problems in both sets, against its minimum plus
the chi-square quantile of one degree of freedom. A percentile bootstrap of p would do for a good judge, but gives one
that always says the same an interval of no width; here it gets [0, 1].

Two assumptions stay: the judge errs on the target set as it does where it was calibrated, and the classes that the
mini world does not hold (knowledge and grader) are taken at the judge's word.

Shapes: J labels, T true classes, B resamples, I items; an item's labels from several passes share its weight.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize, nnls
from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint

from analysis.taxonomy import CLASSES, GRADER, KNOWLEDGE
from common import UserError
from eval.statistics import bootstrap_weights

FEWEST = 10  # items that a true class needs to be calibrated
NOT_IN_THE_MINI_WORLD = (KNOWLEDGE.name, GRADER.name)
PSEUDO = 0.5  # items added to every resample, so that a count of 0 still has an uncertainty
LEVEL = float(chi2.ppf(0.95, 1))
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Labelled:
    """Items with the share of their labels in each class; `truth_I` is None where it is unknown."""

    shares_IJ: np.ndarray
    cluster_I: np.ndarray
    truth_I: np.ndarray | None = None

    @property
    def items(self) -> int:
        return len(self.shares_IJ)


@dataclass(frozen=True)
class Quality:
    """The judge on one true class; intervals are Wilson's, an item counted once however often it was labelled."""

    name: str
    items: int
    recall: float | None
    recall_interval: tuple[float, float] | None
    precision: float | None  # hangs on the class shares of the calibration set
    precision_interval: tuple[float, float] | None


@dataclass(frozen=True)
class Rate:
    """The share of one class: as the judge says, and corrected."""

    name: str
    said: float
    corrected: float
    low: float
    high: float
    calibrated: bool  # False: taken at the judge's word


def labelled(rows: pd.DataFrame) -> Labelled:
    """Return items from rows of key, cluster, label and, where known, truth; unscored labels (None) are left out."""
    scored = rows[rows.label.notna()]
    if scored.empty:
        raise UserError("no response has a label, so there are no rates; see why the judge's replies are unscored")
    counts = pd.crosstab(scored.key, scored.label).reindex(columns=list(CLASSES), fill_value=0)
    of_item = scored.drop_duplicates("key").set_index("key").loc[counts.index]
    known = "truth" in scored and bool(of_item.truth.notna().all())
    shares_IJ = counts.to_numpy(dtype=float)
    return Labelled(
        shares_IJ / shares_IJ.sum(axis=1, keepdims=True),
        of_item.cluster.astype(str).to_numpy(),
        of_item.truth.to_numpy(dtype=object) if known else None,
    )


def truth_of(items: Labelled) -> np.ndarray:
    if items.truth_I is None:
        raise UserError("the judge can only be calibrated on items of known class: give labels of the mini world")
    return items.truth_I


def confusion(items: Labelled) -> pd.DataFrame:
    """Return weights of the labels (columns) that items of each true class (rows) got."""
    truth_I = truth_of(items)
    rows = [items.shares_IJ[truth_I == name].sum(axis=0) for name in CLASSES]
    return pd.DataFrame(rows, index=pd.Index(CLASSES, name="truth"), columns=pd.Index(CLASSES, name="judge"))


def wilson(hits: float, total: float) -> tuple[float | None, tuple[float, float] | None]:
    if not total:
        return None, None
    low, high = proportion_confint(hits, total, method="wilson")
    return hits / total, (float(low), float(high))


def qualities(items: Labelled) -> list[Quality]:
    table = confusion(items)
    found = []
    for name in CLASSES:
        hits, size = float(table.loc[name, name]), float(table.loc[name].sum())
        found.append(Quality(name, round(size), *wilson(hits, size), *wilson(hits, float(table[name].sum()))))
    return found


def resampled(items: Labelled, strata_I: np.ndarray, groups: Sequence[str], seed: int) -> np.ndarray:
    """Label shares of each group of items in every resample of problems, [B, J, groups]."""
    weights_BI = bootstrap_weights(strata_I.astype(str), items.cluster_I, seed)
    rng = np.random.default_rng(seed)
    columns = []
    for name in groups:
        members = strata_I == name
        sums_BJ = weights_BI[:, members].astype(float) @ items.shares_IJ[members]
        sums_BJ += rng.gamma(PSEUDO / len(CLASSES), size=sums_BJ.shape)
        columns.append(sums_BJ / sums_BJ.sum(axis=1, keepdims=True))
    return np.stack(columns, axis=2)


def covariance(draws_BX: np.ndarray) -> np.ndarray:
    centred_BX = draws_BX - draws_BX.mean(axis=0)
    return centred_BX.T @ centred_BX / len(centred_BX)


def fitted(confusion_JT: np.ndarray, said_J: np.ndarray) -> np.ndarray:
    """Least squares within the simplex; the heavy last row makes the shares sum to 1."""
    heavy = 1e3
    matrix = np.vstack([confusion_JT, np.full(confusion_JT.shape[1], heavy)])
    shares_T, _ = nnls(matrix, np.append(said_J, heavy))
    return shares_T / shares_T.sum()


def distance(
    calibration: Labelled, target: Labelled, known: list[str], confusion_JT: np.ndarray, said_J: np.ndarray, seed: int
) -> Callable[[np.ndarray], float]:
    """T(p), with the sampling noise of both sets."""
    size, count = len(CLASSES), len(known)
    draws_BJT = resampled(calibration, truth_of(calibration), known, seed)
    noise_JTJT = covariance(draws_BJT.reshape(len(draws_BJT), -1)).reshape(size, count, size, count)
    whole_I = np.full(target.items, "all", dtype=object)
    noise_JJ = covariance(resampled(target, whole_I, ["all"], seed + 1)[:, :, 0])

    def statistic(shares_T: np.ndarray) -> float:
        p_T = shares_T[:count]  # classes taken at the judge's word add no noise of their own
        spread_JJ = noise_JJ + np.einsum("jtks,t,s->jk", noise_JTJT, p_T, p_T)
        # Shares sum to 1, so the last row says nothing new.
        rest_J = (said_J - confusion_JT @ shares_T)[:-1]
        return float(rest_J @ np.linalg.solve(spread_JJ[:-1, :-1] + 1e-12 * np.eye(size - 1), rest_J))

    return statistic


def extremes(statistic: Callable[[np.ndarray], float], best_T: np.ndarray) -> list[tuple[float, float]]:
    """Lowest and highest share of every class among all shares that are not rejected."""
    size = len(best_T)
    middle_T = np.full(size, 1 / size)
    limit = min(statistic(best_T), statistic(middle_T)) + LEVEL
    inside = [
        {"type": "eq", "fun": lambda shares_T: shares_T.sum() - 1},
        {"type": "ineq", "fun": lambda shares_T: limit - statistic(shares_T)},
    ]
    found = []
    for place in range(size):
        ends = [float(best_T[place])] * 2
        corner_T = np.eye(size)[place]
        for start_T in (best_T, (best_T + corner_T) / 2):
            for end, sign in enumerate((1, -1)):
                solved = minimize(
                    lambda shares_T, place=place, sign=sign: sign * shares_T[place],
                    start_T,
                    method="SLSQP",
                    bounds=[(0, 1)] * size,
                    constraints=inside,
                )
                value = float(solved.x[place])
                if statistic(solved.x) <= limit + TOLERANCE and abs(solved.x.sum() - 1) < TOLERANCE:
                    ends[end] = sign * min(sign * ends[end], sign * value)
        found.append((max(0.0, ends[0]), min(1.0, ends[1])))
    return found


def calibrated_classes(calibration: Labelled) -> list[str]:
    """Return the true classes with enough items; refuses a calibration that lacks one of the mini world's."""
    truth_I = truth_of(calibration)
    known = [name for name in CLASSES if (truth_I == name).sum() >= FEWEST]
    missing = [name for name in CLASSES if name not in known and name not in NOT_IN_THE_MINI_WORLD]
    if missing:
        raise UserError(
            f"the calibration has fewer than {FEWEST} labelled responses of {', '.join(missing)}; calibrate with "
            "balanced=true and more items"
        )
    return known


def corrected_rates(calibration: Labelled, target: Labelled, seed: int = 0) -> list[Rate]:
    """Return class shares of the target set, freed from the judge's known habits."""
    truth_I, known = truth_of(calibration), calibrated_classes(calibration)
    said_J = target.shares_IJ.mean(axis=0)
    trusted = [name for name in CLASSES if name not in known]
    columns = [calibration.shares_IJ[truth_I == name].mean(axis=0) for name in known]
    columns += [np.eye(len(CLASSES))[CLASSES.index(name)] for name in trusted]
    confusion_JT = np.stack(columns, axis=1)
    best_T = fitted(confusion_JT, said_J)
    ends = extremes(distance(calibration, target, known, confusion_JT, said_J, seed), best_T)
    found = dict(zip([*known, *trusted], zip(best_T, ends, strict=True), strict=True))
    return [
        Rate(name, float(said), float(found[name][0]), *found[name][1], name in known)
        for name, said in zip(CLASSES, said_J, strict=True)
    ]
