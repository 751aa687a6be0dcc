"""Two workers against one: the ratio is of each round's pair, and times of unequal predictions are not written."""

import json
from pathlib import Path

import pytest

from bench import eval_workers
from bench.eval_workers import LAYERS, EvalWorkersSettings, measure, wide_model
from common import UserError
from data.mini.world import sample
from models.loader import load
from tests.conftest import tiny_settings


def test_the_ratio_is_the_median_over_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = iter([6.0, 4.0, 9.0, 5.0, 8.0, 4.0])

    def seconds(settings: EvalWorkersSettings, out: Path, gpus: int, weights: Path | None) -> float:
        out.mkdir()
        (out / "predictions.parquet").write_bytes(f"{settings.items} of {out.name[0]}".encode())
        return next(taken)

    monkeypatch.setattr(eval_workers, "seconds", seconds)
    out = tmp_path / "workers.json"
    measure(EvalWorkersSettings(items=5, k=2, out=str(out)))
    found = json.loads(out.read_text())
    assert found["seconds"] == {"1": [6.0, 9.0, 8.0], "2": [4.0, 5.0, 4.0]}
    assert found["one_over_two"] == 1.8 and found["responses"] == 90 and found["provenance"]["commit"]


def test_unequal_predictions_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seconds(settings: EvalWorkersSettings, out: Path, gpus: int, weights: Path | None) -> float:
        out.mkdir()
        (out / "predictions.parquet").write_text(str(gpus))
        return 1.0

    monkeypatch.setattr(eval_workers, "seconds", seconds)
    with pytest.raises(UserError, match="different predictions"):
        measure(EvalWorkersSettings(out=str(tmp_path / "workers.json")))
    assert not (tmp_path / "workers.json").exists()


def test_the_wide_model_is_one_that_every_command_loads(tmp_path: Path) -> None:
    model = load(tiny_settings(wide_model(64, tmp_path / "wide")))
    config = model.module.config.text_config
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (64, LAYERS, 2)
    assert model.module.config.vision_config.out_hidden_size == 64
    assert len(model.encode([sample("train", "counting", 0)])) == 1
