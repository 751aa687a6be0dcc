"""Record the first six steps of a run per method; `python -m tests.train.record_trajectories` writes them anew.

The files were first written at commit 85d7a09, before the objective was split into pieces. A change that is meant to
leave the maths alone must leave them alone; a change that is meant to alter it records them again and says so.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from pytest import approx

from configs import compose
from train.loop import train
from train.settings import TrainSettings

FOLDER = Path(__file__).parent / "trajectories"
METHODS = ("grpo", "papo_g", "papo_d", "drgrpo", "gspo", "rloo", "reinforce_pp")
SHARDED = "papo_g_zero3"  # two processes, DeepSpeed at ZeRO stage 3
OPTIONS = (
    "scale=mini",
    "rollouts.prompts=8",
    "rollouts.group=4",
    "rollouts.sampling.max_new_tokens=24",
    "optimiser.minibatch_prompts=4",
    "optimiser.micro_tokens=400",
    "keep.wandb=disabled",
    "keep.rollouts_every=0",
    "steps=6",
    "seed=0",
)
SHARDED_OPTIONS = ("parallel.backend=deepspeed", "parallel.zero_stage=3")
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def options_of(name: str) -> list[str]:
    filtered = ["rollouts.filter.prompts=8"] if name == "papo_d" else []
    return [*OPTIONS, *filtered, f"method={name.removesuffix('_zero3')}"]


def run_method(name: str, folder: Path, *more: str) -> list[dict]:
    """Return the metrics of one run, with one torch thread; two ranks are processes of their own."""
    options = [*options_of(name), *more, f"run={folder}/{name}"]
    if name == SHARDED:
        run_two_ranks([*options, *SHARDED_OPTIONS])
    else:
        torch.set_num_threads(1)
        train(compose(TrainSettings, options))
    return [json.loads(line) for line in (folder / name / "metrics.jsonl").read_text().splitlines()]


def run_two_ranks(options: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *TWO, "-m", "train", *options],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def committed(name: str) -> list[dict]:
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def check_trajectory(name: str, found: list[dict]) -> None:
    """Compare metrics with the committed ones, up to the rounding of another processor."""
    wanted = committed(name)
    assert len(found) == len(wanted) == 6
    for before, now in zip(wanted, found, strict=True):
        assert before.keys() <= now.keys()
        # Splitting the objective into pieces left every number of these files equal bit for bit; the sampler's draw
        # by blocks, which came later, moves the engine gap by rounding.
        gaps = {key for key in before if key.startswith("rollout/engine_gap")}
        assert {key: now[key] for key in gaps} == approx({key: before[key] for key in gaps}, abs=1e-5)
        kept = before.keys() - gaps
        assert {key: now[key] for key in kept} == approx({key: before[key] for key in kept}, rel=2e-4, abs=2e-6)


def main() -> None:
    """Record every method named on the command line, all without one."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[1:] or (*METHODS, SHARDED):
            rows = run_method(name, Path(folder))
            (FOLDER / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            print(name, flush=True)


if __name__ == "__main__":
    main()
