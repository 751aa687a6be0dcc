"""Killed at any instant and started again, a run ends with the same bits as one that was never stopped."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from common import UserError, read_jsonl, write_jsonl
from configs import compose
from tests.train.record_trajectories import SHARDED, SHARDED_OPTIONS, check_trajectory, options_of, run_method
from train.loop import train
from train.settings import TrainSettings

SEED = 20261121
CHECKPOINTS = "keep.checkpoint_every=2"
ALONE = ["-m", "train"]
TWO = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "train"]
KINDS = {
    "torch": (ALONE, []),
    "two at stage 0": (TWO, ["parallel.backend=deepspeed", "parallel.zero_stage=0"]),
    "two at stage 2": (TWO, ["parallel.backend=deepspeed", "parallel.zero_stage=2"]),
    "dapo": (ALONE, ["method=papo_d", "rollouts.filter.prompts=6", "rollouts.filter.rounds=30"]),
    "vllm": (ALONE, ["rollouts.engine.kind=vllm"]),
}


def start(launcher: list[str], options: list[str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *launcher, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def run_until_done(launcher: list[str], options: list[str]) -> None:
    process = start(launcher, options)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]


def wait_for_step(process: subprocess.Popen, run: Path, step: int) -> None:
    """Return when the given step was logged."""
    metrics = run / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= step):
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read()[-3000:]


def kill_in_step(launcher: list[str], options: list[str], run: Path, step: int, delay_s: float) -> None:
    """SIGKILL to every process some moment after the given step was logged."""
    process = start(launcher, options)
    wait_for_step(process, run, step)
    time.sleep(delay_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "torch" else pytest.mark.nightly) for kind in KINDS]
)
def test_a_killed_run_ends_bit_identical(small_run, tmp_path, kind):
    rng = random.Random(f"{SEED}/{kind}")
    launcher, more = KINDS[kind]
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    options = [o for o in small_run if not o.startswith("run=")] + ["method=papo_g", *more]
    options += ["keep.wandb=offline"] if kind == "torch" else []
    if kind == "torch":
        train(compose(TrainSettings, [*options, f"run={straight}"]))
    else:
        run_until_done(launcher, [*options, f"run={straight}"])
    kill_in_step(launcher, [*options, f"run={killed}"], killed, rng.randint(2, 4), rng.random() * 0.5)
    assert not (killed / "finished.json").exists()
    if kind == "torch":
        train(compose(TrainSettings, [*options, f"run={killed}"]))
    else:
        run_until_done(launcher, [*options, f"run={killed}"])
    shards = [f"checkpoints/step_000005/{path.name}" for path in straight.glob("checkpoints/step_000005/shard_*")]
    assert len(shards) == (2 if launcher == TWO else 1)
    for name in ("final/model.safetensors", "metrics.jsonl", "filtered.jsonl", *shards):
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name


def ranks_of(parent: int) -> dict[int, int]:
    """Return the process of every rank that a launcher started."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # it may have ended in between
            if f"PPid:\t{parent}\n" in status.read_text():
                environment = (status.parent / "environ").read_bytes().split(b"\0")
                found |= {int(one[5:]): int(status.parent.name) for one in environment if one.startswith(b"RANK=")}
    return found


@pytest.mark.slow
def test_two_ranks_at_stage_3_repeat_their_trajectory_lose_one_and_go_on_as_two_or_as_one(tmp_path):
    """The rank that writes is killed: the launcher ends the other; started again it ends with the same bits."""
    straight, killed, alone = tmp_path / SHARDED, tmp_path / "killed", tmp_path / "alone"
    check_trajectory(SHARDED, run_method(SHARDED, tmp_path, CHECKPOINTS))
    options = [*options_of(SHARDED), *SHARDED_OPTIONS, CHECKPOINTS]
    process = start(TWO, [*options, f"run={killed}"])
    wait_for_step(process, killed, random.Random(f"{SEED}/ranks").randint(2, 4))
    os.kill(ranks_of(process.pid)[0], signal.SIGKILL)
    process.wait(timeout=120)
    assert process.returncode != 0 and not (killed / "finished.json").exists()
    shutil.copytree(killed, alone)
    run_until_done(TWO, [*options, f"run={killed}"])
    for name in ("final/model.safetensors", "metrics.jsonl", "filtered.jsonl"):
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name
    # Shards of both ranks become whole parameters of one process.
    train(compose(TrainSettings, [*options_of(SHARDED), CHECKPOINTS, f"run={alone}"]))
    check_trajectory(SHARDED, list(read_jsonl(alone / "metrics.jsonl")))


@pytest.mark.slow
def test_changed_data_under_a_stopped_run_are_refused(small_run, tmp_path):
    rows = [{"id": f"r{n}", "problem": "What is 2 + 2 ?", "answer": "4", "images": []} for n in range(8)]
    write_jsonl(tmp_path / "data.jsonl", rows)
    options = [*small_run, "method=grpo", f"data.source={tmp_path}/data.jsonl"]
    train(compose(TrainSettings, [*options, "steps=1"]))
    write_jsonl(tmp_path / "data.jsonl", rows[:-1])
    with pytest.raises(UserError, match="the data changed since"):
        train(compose(TrainSettings, [*options, "steps=2"]))
