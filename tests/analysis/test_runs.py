"""Runs opened side by side: names that tell them apart, and a sentence for whatever does not fit."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.runs import evaluation_of, open_runs, short_names
from common import UserError
from configs import Run, compose
from eval.settings import EvalSettings


def frame(items: int = 4, **changes: object) -> pd.DataFrame:
    rows = [
        {
            "sample_id": f"other/{item}",
            "k": k,
            "column": "a",
            "cluster": f"c{item}",
            "text": "3",
            "gold": "3",
            "extracted": None if item == 0 else "3",
            "correct": item > 0,
        }
        | changes
        for item in range(items)
        for k in range(2)
    ]
    return pd.DataFrame(rows)


def evaluated(folder: Path, predictions: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    predictions.to_parquet(folder / "predictions.parquet")
    return folder


def test_names_are_what_tells_the_folders_apart(tmp_path: Path) -> None:
    folders = [tmp_path / "mini" / method / "seed0" for method in ("grpo", "papo_g")]
    assert short_names(folders) == ["grpo", "papo_g"]
    assert short_names([*folders, tmp_path / "mini" / "base"]) == ["grpo/seed0", "papo_g/seed0", "base"]
    assert short_names(folders[:1]) == ["seed0"]
    assert short_names([tmp_path / "grpo", tmp_path / "grpo_no_kl"]) == ["grpo", "grpo_no_kl"]


def test_run_folders_and_evaluations_are_opened_with_states(tmp_path: Path) -> None:
    evaluated(tmp_path / "a" / "eval" / "mini", frame())
    evaluated(tmp_path / "b", frame(correct=True))
    opened = open_runs(f"{tmp_path / 'a'}, {tmp_path / 'b'}")
    first, second = opened.views
    assert (first.name, second.name, first.k) == ("a", "b", 2)
    assert first.evaluation == tmp_path / "a" / "eval" / "mini" and second.metrics is None
    assert first.predictions.state.tolist() == ["wrong"] * 2 + ["right"] * 6
    assert first.predictions.extracted[0] is None and set(second.predictions.state) == {"right"}
    assert "only counted as wrong" in opened.classes


def test_of_several_evaluations_the_one_named_by_its_benchmark_is_opened(tmp_path: Path) -> None:
    for name in ("blank", "mini"):
        folder = evaluated(tmp_path / "a" / "eval" / name, frame())
        Run.collect(compose(EvalSettings, ["model=tiny", "bench=mini"])).save(folder / "run.json")
    assert evaluation_of(tmp_path / "a") == tmp_path / "a" / "eval" / "mini"
    (tmp_path / "a" / "eval" / "mini").rename(tmp_path / "a" / "eval" / "dark")
    with pytest.raises(UserError, match="has 2 evaluations; give one of them"):
        evaluation_of(tmp_path / "a")


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (lambda at: "", "give runs="),
        (lambda at: f"{at / 'a'},{at / 'a'}", "is given twice"),
        (lambda at: at / "nowhere", "there is no folder"),
        (lambda at: at / "empty", "has no evaluation; run: python -m eval run="),
        (lambda at: at / "several", "has 2 evaluations; give one of them"),
        (lambda at: f"{at / 'a'},{at / 'more'}", "different items"),
        (lambda at: at / "unjudged", "2 responses of .* have no verdict"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(tmp_path: Path, folders, sentence: str) -> None:
    evaluated(tmp_path / "a", frame())
    evaluated(tmp_path / "more", frame(items=5))
    for name in ("x", "y"):
        evaluated(tmp_path / "several" / "eval" / name, frame())
    (tmp_path / "empty").mkdir()
    unjudged = frame()
    unjudged["correct"] = unjudged.correct.astype("boolean").where(unjudged.sample_id != "other/1")
    evaluated(tmp_path / "unjudged", unjudged)
    with pytest.raises(UserError, match=sentence):
        open_runs(str(folders(tmp_path)))
    assert evaluation_of(tmp_path / "a") == tmp_path / "a"
