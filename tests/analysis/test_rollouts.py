"""A training step opens like an evaluation: classes, samples, settings, report."""

from pathlib import Path

import pandas as pd
import pytest

from analysis.outputs import run as write_outputs
from analysis.runs import evaluation_of, open_runs
from analysis.settings import ReportSettings
from common import UserError
from configs import Run, compose, save_resolved
from configs.layout import rollouts_file
from data.mini.world import WORLD_VERSION, sample
from models.judged import judged_frame, write_judged
from models.response import Response
from train.loop import train
from train.settings import TrainSettings
from verify import grade

SAMPLES = [sample("train", "geometry", index) for index in range(4)]


def rollouts(run: Path, step: int, texts: list[str]) -> Path:
    """A run folder with one step: every text answers every sample."""
    settings = compose(TrainSettings, ["method=grpo", "scale=mini", "seed=3", f"run={run}", "rollouts.group=2"])
    run.mkdir(parents=True, exist_ok=True)
    save_resolved(settings, run / "config.yaml")
    Run.collect(settings, revisions={"model": "sha256:0", "data": "mini"}).save(run / "run.json")
    responses = [Response(one.id, k, "clean", text, [1, 2]) for one in SAMPLES for k, text in enumerate(texts)]
    verdicts = [grade(text, one.answer) for one in SAMPLES for text in texts]
    path = rollouts_file(run, step)
    write_judged(judged_frame(SAMPLES, responses, verdicts, step=step, reward=1.0, advantage=0.0), path)
    return path


def test_a_training_step_has_states_samples_settings_and_record(tmp_path: Path) -> None:
    misread = "<think> look : width = 99 . 99 + 1 = 100 </think> \\boxed{100}"
    path = rollouts(tmp_path / "run", 10, ["nothing", misread])
    (view,) = open_runs(str(path)).views
    assert view.name == "step_000010" and view.k == 2 and view.is_training_step and view.home == tmp_path / "run"
    assert view.predictions.state.tolist() == ["format", "perception"] * 4
    assert view.samples([SAMPLES[2].id]) == {SAMPLES[2].id: SAMPLES[2]}
    assert (view.settings.k, view.settings.seed, view.settings.model.name) == (2, 3, "tiny")
    assert view.settings.sampling.max_new_tokens == 56 and view.templates == {"mini": "question_only"}
    assert view.record.config["method"] == "grpo" and view.metrics is None
    with pytest.raises(UserError, match="step 10 are not kept"):
        view.load_model()


def test_steps_are_opened_by_file_or_by_a_folder_that_holds_one(tmp_path: Path) -> None:
    first = rollouts(tmp_path / "run", 1, ["nothing"])
    assert evaluation_of(first) == evaluation_of(first.parent) == first
    second = rollouts(tmp_path / "run", 2, ["nothing"])
    with pytest.raises(UserError, match="has 2 steps; give one of them"):
        evaluation_of(first.parent)
    with pytest.raises(UserError, match="has no evaluation"):
        evaluation_of(tmp_path / "run")
    assert [one.name for one in open_runs([first, second]).views] == ["step_000001", "step_000002"]


@pytest.mark.parametrize(
    ("sample_id", "sentence"),
    [
        (f"mini/{WORLD_VERSION + 1}/test/counting/3", "comes from mini world"),
        ("mini/2/test/counting", "is not the id of a mini-world sample"),
    ],
)
def test_ids_of_another_world_get_a_sentence(tmp_path: Path, sample_id: str, sentence: str) -> None:
    frame = pd.DataFrame(
        [
            {"sample_id": sample_id, "k": 0, "column": "a", "cluster": "c", "text": "3", "gold": "3", "correct": True},
        ]
    )
    frame.to_parquet(tmp_path / "predictions.parquet")
    with pytest.raises(UserError, match=sentence):
        open_runs(str(tmp_path))


@pytest.mark.slow
def test_a_report_of_a_training_step(tmp_path: Path) -> None:
    """Two steps of a real training; the first one's tokens are scored by the base that answered."""
    run = tmp_path / "run"
    small = [
        "rollouts.prompts=8",
        "rollouts.group=4",
        "optimiser.minibatch_prompts=4",
        "steps=2",
        "keep.wandb=disabled",
    ]
    train(compose(TrainSettings, ["scale=mini", "method=grpo", f"run={run}", *small, "keep.rollouts_every=1"]))
    for step in (1, 2):
        path = rollouts_file(run, step)
        asked = [f"runs={path}", f"out={tmp_path}/{step}", "patches=4"]
        write_outputs(compose(ReportSettings, asked))
        page = (tmp_path / str(step) / "report.html").read_text()
        assert "perception" in page and "mini/2/train/" in page
        assert ("Visual dependency along the answer" in page) == (step == 1)
        assert ("not kept" in page) == (step == 2)
    assert "perception" in set(open_runs([rollouts_file(run, 2)]).views[0].predictions.state)
