"""Name the folders and files that runs leave, in one place.

runs/<scale>/<row>/seed<n>/                 a training: config.yaml, run.json, metrics.jsonl, final/
    rollouts/step_000010.parquet            judged responses of a training step
    eval/<bench>/predictions.parquet        judged responses of its final weights, beside scores.json
runs/<scale>/base/eval/<bench>/             an evaluation of the weights that training starts from
"""

import re
from pathlib import Path

RUNS = Path("runs")
BASE = "base"
PREDICTIONS = "predictions.parquet"
SEED_FOLDER = re.compile(r"seed(0|[1-9]\d*)")


def run_folder(scale: str, row: str, seed: int, runs: Path = RUNS) -> Path:
    """Return the folder of a training; `row` is a method, or a row of a table."""
    return runs / scale / row / f"seed{seed}"


def base_folder(scale: str, runs: Path = RUNS) -> Path:
    return runs / scale / BASE


def evaluation_folder(run: Path, bench: str) -> Path:
    return run / "eval" / bench.replace(",", "+")


def evaluations_of(run: Path) -> list[Path]:
    """Return the folders of a run's evaluations that have predictions."""
    return sorted(path.parent for path in run.glob(f"eval/*/{PREDICTIONS}"))


def rollouts_file(run: Path, step: int) -> Path:
    return run / "rollouts" / f"step_{step:06d}.parquet"
