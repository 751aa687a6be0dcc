"""Where the question suggests a fact: what models answer if the suggestion is right, and if it is wrong.

Believing helps on `aligned` problems and is fatal on `broken` ones, where only the picture says so; the difference
tells who looks. Only sources that make such problems (the mini world) have this column.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.items import Items
from eval.estimate import over_trainings
from eval.paired import PairedResult, compare_part, pair
from eval.statistics import average_at_k

HINTS = {"broken": "is wrong", "aligned": "is right"}
COLUMN = "hint"


def with_hint(predictions: pd.DataFrame, state: str) -> pd.DataFrame:
    """Return the responses to problems whose suggestion is in this state; none where a record has no such column."""
    return predictions[predictions[COLUMN] == state] if COLUMN in predictions else predictions.iloc[:0]


def accuracy(predictions: pd.DataFrame) -> str:
    """Return the share of right responses in percent, with its interval over items."""
    table = predictions.pivot(index="sample_id", columns="k", values="correct")
    clusters = predictions.drop_duplicates("sample_id").set_index("sample_id").cluster.loc[table.index].tolist()
    return average_at_k(table.to_numpy(dtype=float), clusters).text()


def difference(runs: Mapping[str, pd.DataFrame], pair_of: tuple[str, str], state: str) -> PairedResult:
    """Return the second run minus the first on these problems, paired by item."""
    first, second = (with_hint(runs[name], state) for name in pair_of)
    return compare_part(state, pair(first, second, pair_of), 0)


def sentences(runs: Mapping[str, pd.DataFrame], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return one sentence per state of the suggestion: every run's accuracy, then the paired differences."""
    found = []
    for state, words in HINTS.items():
        asked = {name: with_hint(frame, state) for name, frame in runs.items()}
        if any(frame.empty for frame in asked.values()):
            continue
        said = ", ".join(f"{name} {accuracy(frame)} %" for name, frame in asked.items())
        count = next(iter(asked.values())).sample_id.nunique()
        shown = [pair_of for pair_of in pairs if set(pair_of) <= runs.keys()]
        lines = [(pair_of, difference(runs, pair_of, state)) for pair_of in shown]
        against = "; ".join(
            f"{second} minus {first} {line.estimate.text('+')} points" for (first, second), line in lines
        )
        found.append(
            f"Where the question suggests a fact that {words} ({count:,} items), right answers: {said}."
            f"{f' Paired: {against}.' if against else ''}"
        )
    return found


def seed_means(items: Items, method: str, state: str) -> dict[int, float]:
    """Return the share of right responses of every seed on the problems in this state."""
    chosen = (items.frame[COLUMN] == state).to_numpy()
    return {seed: float(np.mean(scores_I[chosen])) for seed, scores_I in items.per_seed[method].items()}


def table(items: Items, names: Mapping[str, str], baselines: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """Return a line per method and per difference: percent where the suggestion is wrong, and where it is right.

    From two seeds on in brackets: the 95 % t-interval over trainings. Differences are paired by seed.
    """
    header = ["row", *(f"suggestion {words}, %" for words in HINTS.values())]
    rows = []
    for method in items.per_seed:
        values = [list(seed_means(items, method, state).values()) for state in HINTS]
        rows.append([names.get(method, method), *(cell(one, (0.0, 1.0), "") for one in values)])
    for method, baseline in baselines.items():
        if method not in items.per_seed or baseline not in items.per_seed:
            continue
        cells = []
        for state in HINTS:
            one, other = seed_means(items, method, state), seed_means(items, baseline, state)
            cells.append(cell([one[seed] - other[seed] for seed in one if seed in other], (-1.0, 1.0), "+"))
        rows.append([f"{names.get(method, method)} - {names.get(baseline, baseline)}", *cells])
    return header, rows


def cell(values: Sequence[float], bounds: tuple[float, float], sign: str) -> str:
    """Return a mean over trainings in percent, with its interval where they have one."""
    return over_trainings(values, bounds).text(sign) if values else ""
