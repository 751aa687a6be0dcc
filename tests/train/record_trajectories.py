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


def run_method(name: str, folder: Path) -> list[dict]:
    """Return the metrics of one run, with one torch thread; two ranks are processes of their own."""
    filtered = ("rollouts.filter.prompts=8",) if name == "papo_d" else ()
    options = [*OPTIONS, *filtered, f"method={name.removesuffix('_zero3')}", f"run={folder}/{name}"]
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
