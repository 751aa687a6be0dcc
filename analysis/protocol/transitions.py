"""The state of every response of a model, and the shares of pairs of responses that go from one state to another.

A state is `right` or a class of error. With several responses per item every response of the first model is paired
with every response of the second that has another number, so nothing is decided by one throw. (Evaluations with one
seed draw responses of the same number with the same random numbers; such pairs agree more often than two throws do.)

Shapes: I items, k responses, S states, B resamples of clusters, X any values per item.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from common import UserError
from eval.statistics import BOOTSTRAPS, ROUNDING, bootstrap_weights, effective_clusters

RIGHT, WRONG, UNCLASSIFIED = "right", "wrong", "unclassified"
RESAMPLES_AT_ONCE = 250
EDGES = (0.025, 0.975)


@dataclass(frozen=True)
class States:
    """The state of every response: items in one order for all models, responses in that of their numbers."""

    names: tuple[str, ...]
    state_Ik: np.ndarray  # numbers into `names`
    column_I: np.ndarray
    cluster_I: np.ndarray

    @property
    def k(self) -> int:
        return self.state_Ik.shape[1]

    @property
    def is_in_IkS(self) -> np.ndarray:
        return (self.state_Ik[:, :, None] == np.arange(len(self.names))).astype(float)

    @property
    def shares_IS(self) -> np.ndarray:
        return self.is_in_IkS.mean(axis=1)

    @property
    def strata_and_clusters(self) -> list[str]:
        return [f"{column}\n{cluster}" for column, cluster in zip(self.column_I, self.cluster_I, strict=True)]


@dataclass(frozen=True)
class Share:
    """A share, or a difference of shares, with its 95 % interval; None where nothing could be counted."""

    value: float | None
    low: float | None
    high: float | None


NOTHING = Share(None, None, None)


def state_names(frames: Sequence[pd.DataFrame], order: Sequence[str]) -> tuple[str, ...]:
    """`right`, then the classes that occur: known ones in their order, others by name."""
    found = set().union(*(frame.state.unique() for frame in frames)) - {RIGHT}
    return (RIGHT, *(name for name in order if name in found), *sorted(found - set(order)))


def states_of(frame: pd.DataFrame, names: Sequence, ids: Sequence[str]) -> States:
    """Return the states of a frame with columns sample_id, k, state, column, cluster; every item has all its k."""
    number = frame.state.map({name: n for n, name in enumerate(names)})
    table = frame.assign(number=number).pivot(index="sample_id", columns="k", values="number").loc[ids]
    if table.isna().any().any():
        raise UserError(f"items have responses of different numbers, not all {list(table.columns)}; evaluate again")
    items = frame.drop_duplicates("sample_id").set_index("sample_id").loc[ids]
    columns, clusters = (items[name].astype(str).to_numpy(dtype=object) for name in ("column", "cluster"))
    return States(tuple(names), table.to_numpy(dtype=int), columns, clusters)


def flows(first: States, second: States) -> np.ndarray:
    """Per item the share of pairs of responses that go from each state to each, [I, S, S].

    Pairs of the same number are left out; with one response each there is no other pair.
    """
    begin_IkS, end_IkS = first.is_in_IkS, second.is_in_IkS
    pairs_ISS = np.einsum("iks,ilt->ist", begin_IkS, end_IkS, optimize=True)
    common = min(first.k, second.k)
    if first.k * second.k == 1:
        return pairs_ISS
    pairs_ISS -= np.einsum("iks,ikt->ist", begin_IkS[:, :common], end_IkS[:, :common], optimize=True)
    return pairs_ISS / (first.k * second.k - common)


class Resampling:
    """One draw of clusters for all numbers of a page, so that differences between them are paired."""

    def __init__(self, states: States, seed: int) -> None:
        self.weights_BI = bootstrap_weights(states.column_I, states.cluster_I, seed)
        self.names = states.strata_and_clusters

    def sums(self, values_IX: np.ndarray) -> np.ndarray:
        """Return sums over the items of every resample, [B, X]."""
        starts = range(0, BOOTSTRAPS, RESAMPLES_AT_ONCE)  # integer weights become floats, so a part at a time
        parts = [self.weights_BI[start : start + RESAMPLES_AT_ONCE].astype(float) @ values_IX for start in starts]
        return np.concatenate(parts)

    def ratios(self, above_IX: np.ndarray, below_I: np.ndarray, bounds: tuple[float, float]) -> list[Share]:
        """Sum of each column over the sum of `below`, with intervals; `bounds` hold the widened ones."""
        total = float(below_I.sum())
        if total <= 0:
            return [NOTHING] * above_IX.shape[1]
        below_B = self.sums(below_I[:, None])
        resampled_BX = np.divide(
            self.sums(above_IX), below_B, where=below_B > 0, out=np.full((BOOTSTRAPS, above_IX.shape[1]), np.nan)
        )
        lows, highs = np.nanquantile(resampled_BX, EDGES, axis=0)
        # Resamples that all agree have no width; Wilson's interval at 0 % lends its own.
        margin = float(proportion_confint(0, effective_clusters(below_I, self.names), method="wilson")[1])
        found = []
        for value, low, high in zip(above_IX.sum(axis=0) / total, lows, highs, strict=True):
            if high - low < ROUNDING:
                low, high = max(bounds[0], value - margin), min(bounds[1], value + margin)
            found.append(Share(float(value), float(low), float(high)))
        return found
