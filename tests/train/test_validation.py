"""Validation while a run learns: before the first step and every few, repeatable, with the best weights kept."""

import json
from pathlib import Path

import pytest

from common import write_jsonl
from configs import compose
from models.loader import load
from tests.conftest import tiny_settings
from train.loop import train
from train.settings import TrainSettings

OPTIONS = (
    "scale=mini",
    "method=grpo",
    "rollouts.prompts=4",
    "rollouts.group=4",
    "rollouts.sampling.max_new_tokens=24",
    "optimiser.minibatch_prompts=4",
    "keep.wandb=disabled",
    "keep.rollouts_every=0",
    "keep.checkpoint_every=2",
    "validate.items=9",
    "validate.k=2",
    "validate.every=2",
)


def rows_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]


def run_of(folder: Path, *more: str) -> Path:
    train(compose(TrainSettings, [*OPTIONS, f"run={folder}", *more]))
    return folder


@pytest.mark.slow
def test_rows_before_the_first_step_and_every_second_and_the_best_weights(tmp_path: Path) -> None:
    # What a start measured that was killed before its first checkpoint.
    write_jsonl(tmp_path / "run" / "validation.jsonl", [{"step": 0, "accuracy": 1.0}])
    run = run_of(tmp_path / "run", "steps=4", "views.dark.kind=blank", "validate.view=dark")
    rows = rows_of(run)
    assert [row["step"] for row in rows] == [0, 2, 4]
    assert all(row["items"] == 9 and 0 <= row["accuracy"] <= 1 for row in rows)
    assert all(0 <= row["accuracy_corrupted"] <= 1 for row in rows)
    assert sum(row["accuracy_corrupted"] for row in rows) < sum(row["accuracy"] for row in rows)
    columns = [name for name in rows[0] if name.startswith("accuracy/")]
    assert len(columns) == 9 and rows[0]["accuracy"] == pytest.approx(sum(rows[0][name] for name in columns) / 9)
    best = json.loads((run / "best" / "validation.json").read_text())
    assert best["accuracy"] == max(row["accuracy"] for row in rows)
    assert best["step"] == next(row["step"] for row in rows if row["accuracy"] == best["accuracy"])
    assert load(tiny_settings(run / "best")).family == "qwen3_vl"


@pytest.mark.slow
def test_it_changes_nothing_and_a_resumed_run_repeats_it(tmp_path: Path) -> None:
    whole = run_of(tmp_path / "whole", "steps=4")
    run_of(tmp_path / "parts", "steps=2")
    with open(tmp_path / "parts" / "validation.jsonl", "a") as file:  # what a killed run may have measured further
        file.write(json.dumps({"step": 4, "accuracy": 1.0}) + "\n")
    parts = run_of(tmp_path / "parts", "steps=4")
    assert rows_of(parts) == rows_of(whole)
    without = tmp_path / "without"
    train(compose(TrainSettings, [*(one for one in OPTIONS if "validate" not in one), f"run={without}", "steps=4"]))
    assert (without / "metrics.jsonl").read_text() == (whole / "metrics.jsonl").read_text()
