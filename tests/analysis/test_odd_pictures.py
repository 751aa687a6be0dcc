"""Pictures of the kinds that real benchmarks hold pass through training, evaluation and the report."""

import json
import logging
from pathlib import Path

import pytest
from PIL import Image

from analysis.report.build import build_report
from analysis.runs import open_runs
from analysis.settings import ReportSettings
from configs import compose
from eval.runner import evaluate
from eval.settings import EvalSettings
from tests.odd_pictures import odd_benchmark, odd_pictures
from train.board import on_one_size, side_by_side
from train.loop import train
from train.settings import TrainSettings

TRAINING = (
    "scale=mini method=papo_g grader=robust rewards.format=0 steps=1 rollouts.prompts=10 rollouts.group=2 "
    "rollouts.sampling.max_new_tokens=8 optimiser.minibatch_prompts=10"
)
EVALUATION = "bench=mathvision_mini preset=neutral sampling.max_new_tokens=8 k=1 page=0"


@pytest.mark.slow
def test_every_kind_is_learned_from_scored_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = odd_pictures(tmp_path)
    rows = [{"problem": "Is it red ?", "answer": "yes", "images": [name]} for name in names]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = tmp_path / "run"
    with caplog.at_level(logging.WARNING):
        options = [*TRAINING.split(), f"data.source={tmp_path}/rows.jsonl", f"run={run}"]
        train(compose(TrainSettings, options))
    assert not [record.message for record in caplog.records if "sizes do not match" in record.message]
    options = [*EVALUATION.split(), f"run={run}", f"data={odd_benchmark(tmp_path / 'bench')}", f"out={tmp_path}/eval"]
    evaluate(compose(EvalSettings, options))
    built = build_report(open_runs([tmp_path / "eval"]), ReportSettings(samples=10, patches=0))
    assert len(built.items) == len(names)


def test_pictures_of_a_step_are_laid_out_on_one_size() -> None:
    small, large = Image.new("RGB", (9, 7), "red"), Image.new("RGB", (64, 4), "blue")
    both = side_by_side(side_by_side(small, small), small)
    assert both.size == (3 * 9 + 2 * 8, 7) and [both.getpixel((x, 3))[0] for x in (4, 21, 38)] == [255] * 3
    sheets = on_one_size([small, large])
    assert [sheet.size for sheet in sheets] == [(64, 7)] * 2
    assert sheets[0].getpixel((3, 3)) == (255, 0, 0) and sheets[0].getpixel((30, 3)) == (255, 255, 255)
    assert on_one_size([]) == []
