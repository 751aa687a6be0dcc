"""Where the question suggests a fact: what models answer if the suggestion is right, and if it is wrong.

Believing helps on `aligned` problems and is fatal on `broken` ones, where only the picture says so; the difference
tells who looks. Only sources that make such problems (the mini world) have this column.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from analysis.items import Items
from eval.estimate import ROUNDING, Estimate, over_trainings
from eval.paired import PairedResult, compare_part, pair
from eval.statistics import average_at_k, holm

HINTS = {"broken": "is wrong", "aligned": "is right"}
COLUMN = "hint"
BOUNDS = (-1.0, 1.0)  # of a difference of shares


def with_hint(predictions: pd.DataFrame, state: str) -> pd.DataFrame:
    """Return the responses to problems whose suggestion is in this state; none where a record has no such column."""
    return predictions[predictions[COLUMN] == state] if COLUMN in predictions else predictions.iloc[:0]


def estimate(predictions: pd.DataFrame) -> Estimate:
    """Return the share of right responses, with its interval over items."""
    table = predictions.pivot(index="sample_id", columns="k", values="correct")
    clusters = predictions.drop_duplicates("sample_id").set_index("sample_id").cluster.loc[table.index].tolist()
    return average_at_k(table.to_numpy(dtype=float), clusters)


def difference(runs: Mapping[str, pd.DataFrame], pair_of: tuple[str, str], state: str) -> PairedResult:
    """Return the second run minus the first on these problems, paired by item."""
    first, second = (with_hint(runs[name], state) for name in pair_of)
    return compare_part(state, pair(first, second, pair_of, by=COLUMN), 0)


def sentences(runs: Mapping[str, pd.DataFrame], pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Return one sentence per state of the suggestion: every run's accuracy, then the paired differences."""
    found = []
    for state, words in HINTS.items():
        asked = {name: with_hint(frame, state) for name, frame in runs.items()}
        if any(frame.empty for frame in asked.values()):
            continue
        said = ", ".join(f"{name} {estimate(frame).text()} %" for name, frame in asked.items())
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


def in_state(items: Items, state: str) -> np.ndarray:
    return (items.frame[COLUMN] == state).to_numpy()


def gains(items: Items, baseline: str, method: str, state: str) -> list[float]:
    """Return the method minus its baseline on the problems in this state, by pairs of trainings."""
    chosen = in_state(items, state)
    return [float((two - one)[chosen].mean()) for one, two in items.training_pairs(baseline, method)]


def gain(items: Items, baseline: str, method: str, state: str) -> Estimate | None:
    """Return the same over trainings; None without a pair."""
    values = gains(items, baseline, method, state)
    return over_trainings(values, BOUNDS) if values else None


def compared(items: Items, baselines: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the methods that are there together with their baselines."""
    return [(one, other) for one, other in baselines.items() if {one, other} <= items.per_seed.keys()]


def table(items: Items, names: Mapping[str, str], baselines: Mapping[str, str]) -> tuple[list[str], list[list[str]]]:
    """Return a line per method and per difference: percent where the suggestion is wrong, and where it is right.

    From two seeds on in brackets: the 95 % t-interval over trainings. Differences are paired by seed.
    """
    header = ["row", *(f"suggestion {words}, %" for words in HINTS.values())]
    rows = []
    for method, seeds in items.per_seed.items():
        means = [[float(np.mean(scores_I[in_state(items, state)])) for scores_I in seeds.values()] for state in HINTS]
        rows.append([names.get(method, method), *(over_trainings(values, (0.0, 1.0)).text() for values in means)])
    for method, baseline in compared(items, baselines):
        cells = [one.text("+") if (one := gain(items, baseline, method, state)) else "" for state in HINTS]
        rows.append([f"{names.get(method, method)} - {names.get(baseline, baseline)}", *cells])
    return header, rows


def gain_rows(items: Items, names: Mapping[str, str], baselines: Mapping[str, str]) -> pd.DataFrame:
    """Return every difference in points, for a figure of differences: label, group, difference, low, high, p.

    p is of Student's test over trainings, after Holm's correction over all that are drawn; nan where there is none.
    """
    rows = []
    for state, words in HINTS.items():
        for method, baseline in compared(items, baselines):
            if values := gains(items, baseline, method, state):
                one = over_trainings(values, BOUNDS)
                rows.append(
                    {
                        "group": f"the suggestion {words}",
                        "label": f"{names.get(method, method)} \u2212 {names.get(baseline, baseline)}",
                        "difference": 100 * one.value,
                        "low": 100 * one.low,
                        "high": 100 * one.high,
                        "p": p_over_trainings(values),
                    }
                )
    found = pd.DataFrame(rows)
    if rows and (tested := found.p.notna()).any():
        found.loc[tested, "p"] = holm(found.p[tested])
    return found


def p_over_trainings(values: Sequence[float]) -> float:
    """Return nan where trainings show no spread."""
    return float(ttest_1samp(values, 0).pvalue) if len(values) > 1 and np.ptp(values) > ROUNDING else float("nan")
