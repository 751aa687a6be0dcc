"""The numbers of a report, each computed once: accuracy, classes of error, and every later run beside the baseline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from analysis.breakdown import Errors, errors_of
from analysis.errors import CLASSES
from analysis.protocol.flow import ALL, Findings, Repair, findings
from analysis.protocol.transitions import Resampling, state_names, states_of
from analysis.runs import OpenedRun
from eval.estimate import Estimate
from eval.paired import OVERALL, PairedResult, compare_items, item_means, pair
from eval.statistics import average_at_k, mean_of_columns

SEED = 0
SMALL_SAMPLE = 50  # items of Perception-R1's McNemar test, which `findings` takes along


@dataclass(frozen=True)
class Compared:
    """A run beside its baseline; differences are this run minus the baseline."""

    baseline: str
    name: str
    lines: list[PairedResult]  # by column, the last one is their plain mean
    found: Findings

    def repair(self, name: str) -> Repair | None:
        """Return what became of the baseline's errors of a class."""
        return next((line for line in self.found.forward if line.name == name), None)


@dataclass(frozen=True)
class Numbers:
    """Everything but what needs a model."""

    accuracy: pd.DataFrame  # one line per run and part: run, part, items, mean, low, high (shares), text
    k: dict[str, int]
    clusters: int
    errors: dict[str, Errors]
    comparisons: list[Compared]
    has_overall: bool = True  # False where the page answers by another average

    @property
    def runs(self) -> list[str]:
        return list(self.errors)

    @property
    def parts(self) -> list[str]:
        return [str(part) for part in self.accuracy.part.unique()]

    def overall(self, run: str) -> pd.Series:
        """Return the line of a run's mean over columns."""
        return self.accuracy[self.accuracy.run == run].iloc[-1]

    def under_another_mean(self) -> "Numbers":
        """Return the same for a page that has an average of its own: ours, over other columns, goes by its columns."""
        name = f"mean of {len(self.parts) - 1} columns, one seed"
        lines = [
            [replace(one, part=name) if one.part == OVERALL else one for one in c.lines] for c in self.comparisons
        ]
        return replace(
            self,
            accuracy=self.accuracy.replace({"part": {OVERALL: name}}),
            comparisons=[replace(one, lines=own) for one, own in zip(self.comparisons, lines, strict=True)],
            has_overall=False,
        )

    @property
    def classes(self) -> list[str]:
        """Return the classes of error that occur, in one order."""
        return [name for name in next(iter(self.errors.values())).counts if name != ALL]


def accuracy_row(run: str, part: str, found: Estimate) -> dict[str, Any]:
    return {"run": run, "part": part, "items": found.n, **found.mean_record(), "text": found.text()}


def accuracy_of(name: str, frame: pd.DataFrame) -> list[dict]:
    """avg@k of every column as `python -m eval` has it, then the plain mean over columns."""
    means, _ = item_means(frame, name, "correct")
    items = frame.drop_duplicates("sample_id").set_index("sample_id").loc[means.index]
    table = frame.pivot(index="sample_id", columns="k", values="correct").astype(float).loc[means.index]
    columns, rows = items.column.astype(str), []
    for column in columns.unique():
        chosen = (columns == column).to_numpy()
        rows.append(accuracy_row(name, column, average_at_k(table[chosen].to_numpy(), items.cluster[chosen].tolist())))
    if len(rows) > 1:
        masks = {column: (columns == column).to_numpy() for column in columns.unique()}
        scores_I, clusters_I = means.to_numpy(dtype=float), items.cluster.to_numpy()
        rows.append(accuracy_row(name, OVERALL, mean_of_columns(scores_I, columns.to_numpy(), clusters_I, masks)))
    return rows


def compared(first: OpenedRun, second: OpenedRun) -> Compared:
    frames = {"first": first.predictions, "second": second.predictions}
    lines = compare_items(pair(frames["first"], frames["second"], (first.name, second.name)), SEED)
    return Compared(first.name, second.name, lines, findings(frames, SMALL_SAMPLE, SEED))


def numbers_of(views: Sequence[OpenedRun], baselines: Mapping[str, str] | None = None) -> Numbers:
    """Return all numbers of runs on the same items; the first is the baseline of those that `baselines` does
    not name.
    """
    by_name = {view.name: view for view in views}
    frames = {view.name: view.predictions for view in views}
    accuracy = pd.DataFrame([row for name, frame in frames.items() for row in accuracy_of(name, frame)])
    names = state_names(list(frames.values()), CLASSES)
    ids = sorted(views[0].predictions.sample_id.unique())
    states = {name: states_of(frame, names, ids) for name, frame in frames.items()}
    draw = Resampling(next(iter(states.values())), SEED)  # one for all: they have the same items
    clusters = len(views[0].predictions[["column", "cluster"]].drop_duplicates())
    return Numbers(
        accuracy,
        {view.name: view.k for view in views},
        clusters,
        {name: errors_of(one, draw) for name, one in states.items()},
        [compared(by_name[(baselines or {}).get(view.name, views[0].name)], view) for view in views[1:]],
    )
