"""What the comparison of two runs shows beyond the report's tables: forest, training curves with seeds, power."""

from collections.abc import Sequence

import pandas as pd

from analysis.protocol.small_test import SmallTest, mcnemar_power
from analysis.report.numbers import Numbers
from analysis.runs import OpenedRun
from analysis.seeds import finished_beside, methods_of
from eval.estimate import number_text
from eval.paired import ALPHA, PairedResult

SIZES = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def accuracy_rows(numbers: Numbers) -> pd.DataFrame:
    """Accuracies in percent, as `analysis.figures.table_figure` takes them."""
    named = numbers.accuracy.rename(columns={"run": "method", "part": "heading", "mean": "value"})
    return named.assign(**{name: 100 * named[name] for name in ("value", "low", "high")})


def forest_rows(lines: Sequence[PairedResult], group: str) -> pd.DataFrame:
    """Paired differences in points, as `analysis.figures.forest_figure` takes them."""
    rows = [
        (one.part, group, 100 * one.difference, 100 * one.low, 100 * one.high, one.p_difference_holm) for one in lines
    ]
    return pd.DataFrame(rows, columns=["label", "group", "difference", "low", "high", "p"])


def forest_of(numbers: Numbers) -> pd.DataFrame:
    """Return the lines of every comparison with a baseline."""
    parts = [forest_rows(one.lines, f"{one.name} minus {one.baseline}") for one in numbers.comparisons]
    return pd.concat(parts, ignore_index=True)


def holm_sentence(lines: Sequence[PairedResult]) -> str:
    """Return which lines differ once the number of tests is allowed for."""
    clear = [
        f"{one.part} ({number_text(one.difference, '+')} points)" for one in lines if one.p_difference_holm < ALPHA
    ]
    tests = f"the {len(lines)} tests of this table"
    if not clear:
        return f"With Holm's correction for {tests} no line differs from 0."
    return f"With Holm's correction for {tests} these lines differ from 0: {', '.join(clear)}."


def curves(views: Sequence[OpenedRun]) -> dict[str, list[pd.DataFrame]]:
    """Training curves by method, one frame per seed; runs that were not trained are not in it.

    A method of which one seed is here brings the finished seeds beside it along; of one with several here, others may
    have been left out on purpose. Where all runs are of one method, its seeds are compared: each goes by its own name.
    """
    methods = methods_of(views)
    if len(methods) == 1 and len(views) > 1:
        return {view.name: [view.metrics] for view in views if view.metrics is not None}
    found: dict[str, list[pd.DataFrame]] = {}
    for method in methods:
        frames = {seed: view.metrics for seed, view in method.runs.items() if view.metrics is not None}
        if frames and len(method.runs) == 1:
            frames |= {seed: pd.read_json(path, lines=True) for seed, path in finished_beside(method).items()}
        if frames:
            found[method.name] = [frames[seed] for seed in sorted(frames)]
    return found


def curve_sentences(views: Sequence[OpenedRun], found: dict[str, list[pd.DataFrame]]) -> list[str]:
    """Return which runs have curves, of how many seeds, and which have none."""
    bare = [view.name for view in views if view.metrics is None]
    said = [
        f"{name}: curves of {len(seeds)} seed{'s' * (len(seeds) > 1)}, {max(map(len, seeds))} steps."
        for name, seeds in found.items()
    ]
    if bare:
        said.append(f"No training curves for {', '.join(bare)}: there is no metrics.jsonl beside the evaluation.")
    return said


def power_table(small: SmallTest, sizes: Sequence[int] = SIZES) -> pd.DataFrame:
    """Return how often McNemar's test on so many items would see the difference that these two runs have."""
    chances = [mcnemar_power(size, small.broken_share, small.repaired_share) for size in sizes]
    texts = [f"{100 * chance:.0f}" for chance in chances]
    return pd.DataFrame({"items": [f"{size:,}" for size in sizes], "sees the difference, % of cases": texts})


def small_test_sentence(small: SmallTest, names: Sequence[str]) -> str:
    """Return what Perception-R1's protocol says of the two runs."""
    return (
        f"{small.items} items, one response each: {names[0]} alone misreads {small.repaired}, {names[1]} alone "
        f"{small.broken}, both {small.both_misread}, neither {small.both_fine}; exact McNemar p = {small.p_value:.2g}."
    )
