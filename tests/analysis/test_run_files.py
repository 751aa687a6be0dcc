"""Per-run numbers of a table: what is read from a run's folder comes back from the committed files."""

import json
from math import isnan
from pathlib import Path

import pandas as pd
import pytest

from analysis.errors import known_classes
from analysis.experiments import Experiment, Row, Suite
from analysis.run_files import CLASSES_FILE, CURVES, STEP_TIME, read_classes, read_curves, write_runs

SUITE = Suite(scale="mini", model="tiny", bench="mini", preset="mini")


def training(row: str, seed: int, runs: Path, rewards: list[float]) -> Experiment:
    """Write what a training leaves of its curves."""
    one = Experiment(row=Row(id=row, name=row, set=["method=grpo"]), suite=SUITE, seed=seed, runs=runs)
    one.folder.mkdir(parents=True)
    steps = list(enumerate(rewards, start=1))
    curve = [{"step": step, "critic/rewards/mean": value, "of/no/interest": 1.0} for step, value in steps]
    times = [{"step": step, STEP_TIME: 2.0 + step} for step, _ in steps]
    for name, lines in (("metrics", curve), ("timing", times)):
        (one.folder / f"{name}.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return one


def responses(row: str, seed: int, texts: list[tuple[str, bool]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "method": row,
                "seed": seed,
                "sample_id": "mini/2/test/counting/0",
                "k": k,
                "text": text,
                "correct": right,
            }
            for k, (text, right) in enumerate(texts)
        ]
    )


def test_curves_and_classes_come_back_by_run(tmp_path: Path) -> None:
    base = Experiment(row=Row(id="base", name="base"), suite=SUITE, seed=0, runs=tmp_path)
    runs = [base, training("a", 0, tmp_path, [0.5, 0.6]), training("a", 1, tmp_path, [0.7])]
    unboxed = ("nothing is boxed", False)
    predictions = pd.concat(
        [responses("base", 0, [unboxed]), responses("a", 0, [unboxed, unboxed]), responses("a", 1, [unboxed])]
    )
    write_runs(runs, known_classes(predictions), tmp_path / "out")

    curves = read_curves(tmp_path / "out")
    assert curves is not None and list(curves.columns) == ["row", "seed", "step", *CURVES]
    assert [tuple(line) for line in curves[["row", "seed", "step"]].itertuples(index=False)] == [
        ("a", 0, 1),
        ("a", 0, 2),
        ("a", 1, 1),
    ]
    assert curves["critic/rewards/mean"].tolist() == pytest.approx([0.5, 0.6, 0.7])
    assert curves[STEP_TIME].tolist() == [3.0, 4.0, 3.0]
    assert all(isnan(value) for value in curves["dependency/k3_mean"])  # never logged

    classes = read_classes(tmp_path / "out")
    assert classes is not None
    assert classes[["row", "seed"]].to_numpy().tolist() == [["base", 0], ["a", 0], ["a", 1]]
    assert set(classes.format) == {1.0} and set(classes.right) == {0.0}


def test_without_known_classes_there_is_no_file_of_them(tmp_path: Path) -> None:
    elsewhere = responses("a", 0, [("A", True)]).assign(sample_id="mathvista/1")
    write_runs([training("a", 0, tmp_path, [0.5])], known_classes(elsewhere), tmp_path)
    assert not (tmp_path / CLASSES_FILE).exists() and read_classes(tmp_path) is None
