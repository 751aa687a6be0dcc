"""Per-item scores of several models on the same items, ready for paired comparison."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from common import UserError
from eval.estimate import Estimate, by_seed, over_trainings
from eval.paired import few_problems_p
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

    def mean(self, method: str, columns: Sequence[str]) -> Estimate:
        """Return the mean over columns with its interval over items."""
        return self.estimate(self.scores[method], columns, False, len(self.per_seed[method]))

    def difference(self, first: str, second: str, columns: Sequence[str]) -> Estimate:
        """Return second minus first on the same items, with a paired interval and, where few differ, a test."""
        seeds = max(len(self.per_seed[method]) for method in (first, second))
        differences_I = self.scores[second] - self.scores[first]
        strata, clusters = self.frame.column.to_numpy(), self.frame.cluster.to_numpy()
        p_value = few_problems_p(differences_I, strata, clusters, self.masks(columns))
        return replace(self.estimate(differences_I, columns, True, seeds), p_value=p_value)

    def estimate(
        self, scores_I: np.ndarray, columns: Sequence[str], is_difference: bool = False, seeds: int = 1
    ) -> Estimate:
        strata, clusters = self.frame.column.to_numpy(), self.frame.cluster.to_numpy()
        return mean_of_columns(scores_I, strata, clusters, self.masks(columns), is_difference, seeds)

    def training_pairs(self, first: str, second: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the scores [I] of two methods' trainings, paired by seed.

        A table trains all its rows with the same seeds, so one evaluation beside several is of a model that was not
        trained, and goes with every seed.
        """
        before, after = self.per_seed[first], self.per_seed[second]
        return list(by_seed(before, after, (len(before) == 1, len(after) == 1)).values())

    def over_trainings(self, first: str, second: str, columns: Sequence[str]) -> Estimate | None:
        """Return second minus first with its interval over trainings, paired by seed; None of fewer than two pairs."""
        masks = self.masks(columns).values()
        pairs = self.training_pairs(first, second)
        values = [float(np.mean([(two - one)[chosen].mean() for chosen in masks])) for one, two in pairs]
        return over_trainings(values, (-1.0, 1.0)) if len(values) > 1 else None

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
