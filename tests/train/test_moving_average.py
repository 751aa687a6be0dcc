"""A teacher that follows the policy: its weights by hand, and that a resumed run has the same one."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from common import UserError, read_jsonl
from configs import compose
from tests.train.record_trajectories import run_two_ranks
from train.checks import check
from train.loop import train
from train.moving_average import NAME, MovingAverage
from train.settings import TrainSettings

SMALL = ["optimiser.learning_rate=1e-3", "keep.rollouts_every=0"]


def model_of(weight: float, dtype: torch.dtype = torch.float32) -> SimpleNamespace:
    layer = torch.nn.Linear(1, 1, bias=False).to(dtype)
    layer.weight.data.fill_(weight)
    return SimpleNamespace(module=layer)


def test_the_teacher_takes_over_its_share_of_the_policy():
    teacher, policy = model_of(1.0), model_of(3.0)
    average = MovingAverage(teacher, policy, 0.05)
    average.follow()
    average.follow()
    assert teacher.module.weight.item() == pytest.approx(1 * 0.95**2 + 3 * (1 - 0.95**2))
    assert policy.module.weight.item() == 3.0


def test_small_moves_do_not_round_to_nothing_in_bfloat16():
    """0.05 of a move by one bfloat16 step is lost twenty times over if the sums are bfloat16; here it adds up."""
    teacher, policy = model_of(1.0, torch.bfloat16), model_of(1.0078125, torch.bfloat16)
    average = MovingAverage(teacher, policy, 0.05)
    for _ in range(60):
        average.follow()
    assert teacher.module.weight.item() == policy.module.weight.item()


def test_a_teacher_of_another_shape_is_refused():
    wide = SimpleNamespace(module=torch.nn.Linear(2, 1, bias=False))
    with pytest.raises(UserError, match="another architecture"):
        MovingAverage(wide, model_of(1.0), 0.05)


def test_adapters_have_no_weights_to_average(small_run):
    with pytest.raises(UserError, match="adapters are none"):
        check(compose(TrainSettings, [*small_run, "method=vcsd", "model.lora.rank=4"]))


def test_an_average_that_nothing_reads_is_refused(small_run):
    with pytest.raises(UserError, match="no weight reads a teacher"):
        check(compose(TrainSettings, [*small_run, "method=grpo", "teacher_follows=0.05"]))


def test_without_a_share_a_self_teacher_is_refused(small_run):
    with pytest.raises(UserError, match=r"teacher_follows=0\.05"):
        check(compose(TrainSettings, [*small_run, "method=vcsd", "teacher_follows=0"]))


@pytest.mark.slow
def test_a_resumed_run_has_the_teacher_of_a_straight_one(small_run, tmp_path):
    options = [*small_run, *SMALL, "method=vcsd", "rollouts.prompts=2", "rollouts.group=2", "steps=4"]
    for name, parts in {"straight": [4], "resumed": [2, 4]}.items():
        for steps in parts:
            train(compose(TrainSettings, [*options, f"steps={steps}", f"run={tmp_path}/{name}"]))
    files = [tmp_path / name / "checkpoints" / "step_000004" for name in ("straight", "resumed")]
    for name in (NAME, "model.safetensors"):
        one, other = (load_file(folder / name) for folder in files)
        assert all(torch.equal(one[key], other[key]) for key in one), name
    teacher, policy = (load_file(files[0] / name) for name in (NAME, "model.safetensors"))
    moved = [name for name in teacher if name in policy and not torch.equal(teacher[name], policy[name])]
    assert moved  # it lags behind
    rows = read_jsonl(tmp_path / "straight" / "metrics.jsonl")
    assert all(row["loss/sharpen"] > 0 for row in rows)


@pytest.mark.slow
@pytest.mark.nightly
def test_sharded_weights_are_averaged_whole(small_run, tmp_path):
    options = [*small_run, *SMALL, "method=vcsd", "steps=2"]
    train(compose(TrainSettings, [*options, f"run={tmp_path}/one"]))
    run_two_ranks([*options, f"run={tmp_path}/two", "parallel.backend=deepspeed", "parallel.zero_stage=3"])
    one, two = (load_file(tmp_path / name / "checkpoints" / "step_000002" / NAME) for name in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=1e-5, rtol=0)
