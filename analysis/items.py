"""Per-item scores of several models on the same items, ready for paired comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from common import UserError
from eval.statistics import McNemar, mcnemar_exact, mean_of_columns

DESCRIBED = ["column", "subset", "cluster", "vision_need", "version", "hint"]


@dataclass(frozen=True)
class Items:
    """One row per item: stratum (source column), cluster (problem), and per method the mean score over seeds and k."""

    frame: pd.DataFrame  # index sample_id; columns DESCRIBED
    per_seed: dict[str, dict[int, np.ndarray]]  # method -> seed -> [I]

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """Return the mean over seeds: method -> [I]."""
        return {method: np.mean(list(seeds.values()), axis=0) for method, seeds in self.per_seed.items()}

    def masks(self, columns: Sequence[str]) -> dict[str, np.ndarray]:
        """Return which items belong to each table column; a subset column is a part of another."""
        frame = self.frame
        return {c: ((frame.column == c) | (frame.subset == c)).to_numpy() for c in columns}

    def mean(self, method: str, columns: Sequence[str]) -> tuple[float, float, float]:
        """Mean over columns with its interval."""
        return self.interval(self.scores[method], columns, (0.0, 1.0))

    def difference(self, first: str, second: str, columns: Sequence[str]) -> tuple[float, float, float]:
        """Second minus first on the same items, with a paired interval."""
        return self.interval(self.scores[second] - self.scores[first], columns, (-1.0, 1.0))

    def interval(
        self, scores_I: np.ndarray, columns: Sequence[str], bounds: tuple[float, float]
    ) -> tuple[float, float, float]:
        strata, clusters = self.frame.column.to_numpy(), self.frame.cluster.to_numpy()
        return mean_of_columns(scores_I, strata, clusters, self.masks(columns), bounds=bounds)

    def mcnemar(self, first: str, second: str, columns: Sequence[str]) -> McNemar:
        """Exact test on items by majority; an item that two columns share counts once."""
        chosen = np.any(list(self.masks(columns).values()), axis=0)
        return mcnemar_exact(self.scores[first][chosen] > 0.5, self.scores[second][chosen] > 0.5)


def collect_items(predictions: pd.DataFrame) -> Items:
    """Return items that every method and seed has answered; different item sets are refused."""
    keys = ["method", "seed", "sample_id"]
    means = predictions.groupby(keys, sort=True).correct.mean().unstack("sample_id")
    if means.isna().any().any():
        row = means.index[means.isna().any(axis=1)][0]
        raise UserError(f"{row[0]} seed {row[1]} was evaluated on other items than the rest; evaluate it again")
    frame = predictions.drop_duplicates("sample_id").set_index("sample_id").sort_index()
    frame = frame.loc[means.columns].reindex(columns=DESCRIBED, fill_value="")
    per_seed: dict[str, dict[int, np.ndarray]] = {}
    for (method, seed), row in means.iterrows():
        per_seed.setdefault(str(method), {})[int(seed)] = row.to_numpy(dtype=float)
    return Items(frame, {method: per_seed[method] for method in predictions.method.unique()})
