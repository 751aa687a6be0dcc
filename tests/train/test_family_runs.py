"""Two steps of the shipped base by methods with contexts or teachers of their own, through the loop and its audit."""

import json

import pytest

from bench.engages import EngagesCommand, run
from common import read_jsonl
from configs import compose
from train.loop import run_folder, train
from train.settings import TrainSettings

RUNS = {
    "cfpo_g": ("loss/perception_kl", []),
    "cfpo_d": ("loss/perception_kl", ["rollouts.filter.prompts=4", "rollouts.filter.rounds=30"]),
    "fine_r1": ("loss/perception_kl", ["rollouts.filter.prompts=4", "rollouts.filter.rounds=30"]),
    "srpo": ("loss/ppo", []),
    "papo_g_salient": ("loss/perception_kl", []),
    "vgs": ("loss/steer", ["teacher=tiny"]),
    "vcsd": ("loss/sharpen", []),
    "vision_opd": ("loss/buckets", []),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", RUNS)
def test_the_method_trains(small_run, method):
    term, more = RUNS[method]
    settings = compose(TrainSettings, [*small_run, f"method={method}", "steps=2", "rollouts.group=4", *more])
    train(settings)
    metrics = read_jsonl(run_folder(settings) / "metrics.jsonl")
    assert len(metrics) == 2 and all(value == value for row in metrics for value in row.values())
    assert all(row["actor/grad_norm"] > 0 and row[term] != 0 for row in metrics)
    if term == "loss/perception_kl":
        assert metrics[0]["dependency/k3_mean"] > 0


CLAIMS = {
    "cfpo_g": "dependency/k3_mean",
    "vgs": "actor/kl_steered",
    "vcsd": "actor/kl_sharpened",
    "vision_opd": "actor/jsd_teacher",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=() if name == "vcsd" else pytest.mark.nightly) for name in CLAIMS]
)
def test_the_bench_of_engagement_runs_all_three_arms(tmp_path, method):
    """With the coefficient, with 0 (pure distillation then learns nothing) and with the sign turned."""
    small = ["scale=mini", "rollouts.prompts=2", "rollouts.group=2", "optimiser.minibatch_prompts=2", "seeds=1"]
    short = ["rollouts.sampling.max_new_tokens=16", "steps=2", "keep.wandb=disabled", "keep.rollouts_every=0"]
    files = [f"run={tmp_path}/runs", f"out={tmp_path}/out.json", *(["teacher=tiny"] if method == "vgs" else [])]
    run(compose(EngagesCommand, [f"method={method}", *small, *short, *files]))
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["metric"] == CLAIMS[method]
    arms = found["seeds"][0]
    assert len({arms[name] for name in ("with", "without", "turned")}) == 3
