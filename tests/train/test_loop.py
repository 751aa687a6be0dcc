"""The loop on the shipped base: what a run leaves behind, and what it refuses."""

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch
from transformers import AutoModelForImageTextToText

from common import UserError, read_jsonl, write_jsonl
from common.lock import folder_lock
from configs import Run, compose, load_resolved
from models.judged import SCHEMA
from train.checkpoint import complete_checkpoints
from train.checks import check
from train.loop import claim_run_folder, finished_steps, run_folder, train
from train.settings import TrainSettings
from train.update import refuse_nan


def settings_of(options: list[str], *more: str) -> TrainSettings:
    return compose(TrainSettings, [*options, *more])


@pytest.mark.slow
def test_a_papo_run_leaves_metrics_rollouts_provenance_and_plain_weights(small_run):
    settings = settings_of(small_run, "method=papo_g", "steps=2", "keep.wandb=offline", "keep.rollouts_every=1")
    train(settings)
    run = run_folder(settings)
    rows = read_jsonl(run / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    wanted = {
        "actor/pg_loss",
        "actor/kl_prcp_loss",
        "actor/kl_loss",
        "actor/entropy_loss",
        "critic/rewards/mean",
        "reward/accuracy",
        "response_length/mean",
        "actor/pg_clipfrac_higher",
        "rollout/engine_gap",
    }
    assert wanted <= rows[0].keys()
    assert rows[0]["actor/kl_loss"] == pytest.approx(0, abs=1e-3) and rows[0]["actor/kl_prcp_loss"] < 0
    assert rows[0]["rollout/engine_gap"] < 0.01
    rollouts = pd.read_parquet(run / "rollouts" / "step_000001.parquet")
    assert len(rollouts) == 16 and rollouts.columns[: len(SCHEMA)].tolist() == list(SCHEMA)
    assert rollouts.reward.tolist() == pytest.approx(0.9 * rollouts.reward_accuracy + 0.1 * rollouts.reward_format)
    assert rollouts.groupby("sample_id").advantage.mean().abs().max() < 1e-6 and set(rollouts.step) == {1}
    record = Run.load(run / "run.json")
    assert record.revisions["model"].startswith("sha256:") and record.config["method"] == "papo_g"
    assert (run / "final" / "model.safetensors").exists() and list(run.glob("wandb/offline-run-*"))
    train(settings)  # finished: nothing is done twice
    assert len(read_jsonl(run / "metrics.jsonl")) == 2
    train(settings_of(small_run, "method=papo_g", "steps=3", "keep.wandb=disabled", "keep.rollouts_every=1"))
    assert [row["step"] for row in read_jsonl(run / "metrics.jsonl")] == [1, 2, 3]  # more steps go on
    assert finished_steps(run) == 3


def test_two_trainings_in_one_folder_are_refused(small_run):
    settings = settings_of(small_run, "steps=1")
    with folder_lock(run_folder(settings)), pytest.raises(UserError, match="in use by process"):
        train(settings)


def test_a_start_without_a_step_leaves_its_folder_to_other_settings(small_run):
    begun = settings_of(small_run, "method=grpo", "data.source=nowhere.jsonl")
    with pytest.raises(UserError, match=r"nowhere\.jsonl"):
        train(begun)
    run, mended = run_folder(begun), settings_of(small_run, "method=grpo", "seed=3")
    claim_run_folder(run, mended)
    assert load_resolved(TrainSettings, run / "config.yaml") == mended and Run.load(run / "run.json").revisions
    write_jsonl(run / "metrics.jsonl", [{"step": 1}])
    claim_run_folder(run, mended)
    with pytest.raises(UserError, match="was begun with seed=3, not 4"):
        claim_run_folder(run, replace(mended, seed=4))


@pytest.mark.slow
def test_a_run_folder_refuses_other_settings(small_run):
    train(settings_of(small_run, "method=grpo", "steps=1"))
    with pytest.raises(UserError, match=r"was begun with losses\.reference_kl\.coef=0\.01, not 0\.5"):
        train(settings_of(small_run, "method=grpo", "steps=2", "losses.reference_kl.coef=0.5"))


@pytest.mark.slow
def test_a_config_of_another_version_is_refused(small_run):
    settings = settings_of(small_run, "method=grpo", "steps=1")
    train(settings)
    saved = run_folder(settings) / "config.yaml"
    saved.write_text(saved.read_text().replace("config_version: 3", "config_version: 0"))
    with pytest.raises(UserError, match="version"):
        train(settings)


@pytest.mark.slow
def test_micro_batch_size_does_not_change_the_update(small_run, tmp_path):
    weights = []
    for number, tokens in enumerate((16384, 200)):
        settings = settings_of(
            small_run, "method=papo_g", "steps=1", f"optimiser.micro_tokens={tokens}", f"run={tmp_path}/micro{number}"
        )
        train(settings)
        weights.append(read_jsonl(run_folder(settings) / "metrics.jsonl")[0])
    for name, value in weights[0].items():
        assert weights[1][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "moves"),
    [
        (["model.lora.rank=4"], "language"),
        (["model.lora.rank=4", "model.lora.targets=all"], "all"),
        (["model.freeze_vision=true", "model.gradient_checkpointing=true"], "language"),
    ],
)
def test_adapters_and_a_frozen_tower_train_what_they_say(small_run, options, moves):
    """The final weights load in plain transformers with adapters merged; what is frozen keeps its bits."""
    settings = settings_of(small_run, "method=papo_g", "steps=2", "optimiser.learning_rate=1e-3", *options)
    train(settings)
    before = AutoModelForImageTextToText.from_pretrained(settings.model.path).state_dict()
    after = AutoModelForImageTextToText.from_pretrained(run_folder(settings) / "final").state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert any("language_model" in name for name in changed)
    assert any("visual" in name for name in changed) == (moves == "all")
    row = read_jsonl(run_folder(settings) / "metrics.jsonl")[-1]
    assert row["actor/kl_loss"] > 0 and row["actor/grad_norm"] > 0


STRONG = ["weights.strong.kind=top", "weights.strong.on=perception_kl", "weights.strong.score=k3@masked"]
RIGHT = ["weights.right.kind=correct", "weights.right.on=perception_kl", "losses.constant=[weights.right]"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ["method=papo_g_both"],
        ["method=reinforce_pp"],
        ["method=gspo"],
        ["method=drgrpo"],
        ["method=dapo_full"],
        ["method=papo_g", "losses.ppo.importance_cap=2", "losses.average=four"],
        ["method=papo_g", "losses.entropy.coef=0.01", "losses.entropy.kind=full", "losses.nll.coef=0.1"],
        ["method=papo_g", *STRONG, "losses.perception_kl.end_coef=0.01"],
        ["method=reinforce_pp", "losses.reference_kl.coef=0"],
        ["method=papo_g", "views.masked.draw=per_response", *RIGHT],
    ],
    ids=lambda options: " ".join(options),
)
def test_every_switch_runs_through_the_loop_and_its_audit(small_run, options):
    settings = settings_of(small_run, "steps=2", *options)
    train(settings)
    rows = read_jsonl(run_folder(settings) / "metrics.jsonl")
    assert all(value == value for row in rows for value in row.values()) and rows[0]["actor/grad_norm"] > 0
    terms = {name for name in rows[0] if name.startswith("loss/")}
    assert terms == {name for name in rows[1] if name.startswith("loss/")} and "loss/ppo" in terms


def test_a_term_that_is_not_finite_is_named():
    with pytest.raises(UserError, match="loss term perception_kl is not finite at step 7"):
        refuse_nan({"loss/ppo": 0.1, "loss/perception_kl": float("nan"), "actor/ppo_kl": float("nan")}, 7)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["method=papo_g", "losses.perception_kl.view=maskd"], "has no view 'maskd'"),
        (["method=papo_g", "losses.perception_kl.gradient=half"], "must be clean . masked . both"),
        (["rollouts.group=1"], "at least 2"),
        (["optimiser.minibatch_prompts=3"], "multiple"),
        (["method=papo_g", "views.masked.kind=fog"], "kind of views.masked 'fog'"),
        (["rewards.beauty=1.0"], "beauty"),
        (["losses.entropy.coef=0.1", "losses.entropy.masked_coef=0.1"], "needs losses.perception_kl"),
    ],
)
def test_settings_that_cannot_run_get_a_sentence(small_run, options, said):
    with pytest.raises(UserError, match=said):
        check(settings_of(small_run, *options))


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))


@pytest.mark.slow
def test_a_full_disk_keeps_the_previous_checkpoint(small_run, tmp_path):
    command = [sys.executable, "-m", "train", *small_run, "keep.rollouts_every=0"]
    train(settings_of(small_run, "keep.rollouts_every=0", "steps=2"))
    run = tmp_path / "run"
    shutil.rmtree(run / "final")
    (run / "finished.json").unlink()
    before = complete_checkpoints(run)
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit_file_size)
    assert done.returncode == 2 and "step 4 could not be written" in done.stderr, done.stderr
    assert complete_checkpoints(run) == before and [p.name for p in before] == ["step_000002"]
    assert not list((run / "checkpoints").glob(".writing*"))
    state = json.loads((before[0] / "state.json").read_text())
    assert state["step"] == 2
