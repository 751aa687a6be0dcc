"""Forest rows, Holm's verdict, curves of all seeds beside a run, power: on records made by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.breakdown import Errors
from analysis.protocol.small_test import SmallTest, mcnemar_power
from analysis.report.comparing import (
    accuracy_rows,
    curve_sentences,
    curves,
    forest_of,
    forest_rows,
    holm_sentence,
    power_table,
    small_test_sentence,
)
from analysis.report.numbers import Compared, Numbers
from analysis.runs import OpenedRun
from eval.paired import PairedResult


def line(part: str, difference: float, holm: float) -> PairedResult:
    return PairedResult(
        part,
        10,
        10,
        0.5,
        0.5 + difference,
        difference,
        difference - 0.1,
        difference + 0.1,
        0.01,
        holm,
        1,
        2,
        0.5,
        0.5,
        0.2,
    )


LINES = [line("chart", 0.2, 0.03), line("logic", -0.05, 0.4)]


def test_forest_rows_are_points_under_a_heading() -> None:
    rows = forest_rows(LINES, "two minus one")
    assert rows.label.tolist() == ["chart", "logic"]
    assert rows.group.unique().tolist() == ["two minus one"]
    assert rows[["difference", "low", "high"]].to_numpy() == pytest.approx(np.array([[20.0, 10, 30], [-5, -15, 5]]))


def test_every_comparison_with_the_baseline_is_in_the_forest() -> None:
    accuracy = pd.DataFrame(
        [("one", "chart", 5, 0.25, 0.2, 0.3)], columns=["run", "part", "items", "mean", "low", "high"]
    )
    errors = {name: Errors({}, {}, 1) for name in ("one", "two", "three")}
    found = [Compared("one", name, LINES, None) for name in ("two", "three")]  # type: ignore[arg-type]
    numbers = Numbers(accuracy, {}, 1, errors, found)
    assert forest_of(numbers).group.unique().tolist() == ["two minus one", "three minus one"]
    (row,) = accuracy_rows(numbers).to_dict("records")
    assert (row["method"], row["heading"]) == ("one", "chart")
    assert (row["value"], row["low"], row["high"]) == (25, 20, 30)


def test_holm_names_the_lines_that_differ() -> None:
    assert holm_sentence(LINES) == (
        "With Holm's correction for the 2 tests of this table these lines differ from 0: chart (+20.0 points)."
    )
    assert holm_sentence(LINES[1:]) == "With Holm's correction for the 1 tests of this table no line differs from 0."


def trained(folder: Path, steps: int, is_finished: bool = True) -> OpenedRun:
    folder.mkdir(parents=True)
    text = "".join(json.dumps({"step": step, "reward/accuracy": 0.5}) + "\n" for step in range(steps))
    (folder / "metrics.jsonl").write_text(text)
    if is_finished:
        (folder / "finished.json").write_text("{}")
    return OpenedRun("/".join(folder.parts[-2:]), folder, folder, pd.DataFrame())


def lengths(found: dict[str, list[pd.DataFrame]]) -> dict[str, list[int]]:
    return {name: [len(frame) for frame in frames] for name, frames in found.items()}


def test_curves_are_of_all_finished_seeds_beside_a_run(tmp_path: Path) -> None:
    first = trained(tmp_path / "grpo" / "seed0", 3)
    trained(tmp_path / "grpo" / "seed10", 5)
    trained(tmp_path / "grpo" / "seed1", 4)
    trained(tmp_path / "grpo" / "seed2", 1, is_finished=False)  # would cut all curves to its only step
    trained(tmp_path / "grpo" / "seed_old", 9)
    single = trained(tmp_path / "mine", 2)
    bare = OpenedRun("base", tmp_path / "base", tmp_path / "base", pd.DataFrame())
    found = curves([bare, first, single])
    assert lengths(found) == {"grpo": [3, 4, 5], "mine": [2]}
    assert curve_sentences([bare, first, single], found) == [
        "grpo: curves of 3 seeds, 5 steps.",
        "mine: curves of 1 seed, 2 steps.",
        "No training curves for base: there is no metrics.jsonl beside the evaluation.",
    ]
    assert curves([bare]) == {}


def test_named_seeds_are_one_line_per_method_and_others_stay_out(tmp_path: Path) -> None:
    grpo = [trained(tmp_path / "grpo" / f"seed{seed}", 3 + seed) for seed in range(3)]
    papo = [trained(tmp_path / "papo_g" / f"seed{seed}", 6 + seed) for seed in range(2)]
    assert lengths(curves([grpo[2], papo[0], grpo[0], papo[1]])) == {"grpo": [3, 5], "papo_g": [6, 7]}
    assert lengths(curves([grpo[0], *papo])) == {"grpo": [3, 4, 5], "papo_g": [6, 7]}


def test_seeds_of_one_method_that_are_compared_keep_a_curve_each(tmp_path: Path) -> None:
    views = [trained(tmp_path / "grpo" / f"seed{seed}", 3 + seed) for seed in range(3)]
    assert lengths(curves(views[:2])) == {"grpo/seed0": [3], "grpo/seed1": [4]}


def test_methods_of_one_name_in_two_places_do_not_share_a_curve(tmp_path: Path) -> None:
    views = [trained(tmp_path / sweep / "grpo" / "seed0", steps) for sweep, steps in (("a", 3), ("b", 4))]
    assert lengths(curves(views)) == {"a": [3], "b": [4]}


SMALL = SmallTest(50, 37, 5, 4, 4, 1.0, 0.02, 0.12, 0.3, 0.15, 200)


def test_power_is_that_of_mcnemar_at_every_size() -> None:
    table = power_table(SMALL, [50, 2000])
    assert table["items"].tolist() == ["50", "2,000"]
    assert table.iloc[0, 1] == f"{100 * mcnemar_power(50, 0.02, 0.12):.0f}"
    assert table.iloc[1, 1] == "100"


def test_the_small_test_is_told_with_the_runs_names() -> None:
    assert small_test_sentence(SMALL, ("one", "two")) == (
        "50 items, one response each: one alone misreads 4, two alone 5, both 4, neither 37; exact McNemar p = 1."
    )
