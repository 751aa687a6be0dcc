"""Killed at any instant and started again, a run ends with the same bits as one that was never stopped."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

SEED = 20261121


def start(options: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "train", *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def kill_in_step(options: list[str], run: Path, step: int, delay_s: float) -> None:
    """SIGKILL some moment after the given step was logged."""
    process = start(options)
    metrics = run / "metrics.jsonl"
    while process.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") >= step):
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read()
    time.sleep(delay_s)
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_killed_run_ends_bit_identical(small_run, tmp_path):
    rng = random.Random(SEED)
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    options = [o for o in small_run if not o.startswith("run=")] + ["method=papo_g", "keep.wandb=offline"]
    assert start([*options, f"run={straight}"]).wait() == 0
    kill_in_step([*options, f"run={killed}"], killed, rng.randint(1, 4), rng.random() * 0.5)
    assert not (killed / "finished.json").exists()
    again = start([*options, f"run={killed}"])
    assert again.wait() == 0, again.stderr.read()
    for name in ("final/model.safetensors", "metrics.jsonl", "checkpoints/step_000005/optimizer.safetensors"):
        assert (straight / name).read_bytes() == (killed / name).read_bytes(), name
