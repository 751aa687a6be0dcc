"""Per-run numbers of a table, committed beside its items: training curves and classes of error.

`curves.parquet` has a line per row, seed and step with the metrics of CURVES; `classes.csv` a line per row and seed
with the share of its responses that are right and in each class of error, where classes are known by construction.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.errors import CLASSES
from analysis.experiments import Experiment
from common import atomic_path, atomic_write_text

CURVES_FILE, CLASSES_FILE = "curves.parquet", "classes.csv"
STEP_TIME = "timing_s/step"
CURVES = [
    "critic/rewards/mean",
    "reward/accuracy",
    "reward/format",
    "critic/groups_without_signal",
    "response_length/mean",
    "response_length/clip_ratio",
    "actor/entropy_loss",
    "actor/masked_entropy_loss",
    "actor/kl_prcp_loss",
    "actor/kl_loss",
    "actor/pg_clipfrac_higher",
    "actor/grad_norm",
    "dependency/k3_mean",
    "dependency/top_decile",
    "force/perception_kl",
    "collapse/onset",
    STEP_TIME,
]


def curve_of(experiment: Experiment) -> pd.DataFrame:
    """Return a training's curves; a metric that its method does not log is empty."""
    curve, times = experiment.metrics, experiment.timing
    if times is not None:
        curve = curve.merge(times[["step", STEP_TIME]], on="step", how="left")
    found = curve.reindex(columns=["step", *CURVES]).astype(dict.fromkeys(CURVES, np.float32))
    found.insert(0, "seed", experiment.seed)
    found.insert(0, "row", experiment.method)
    return found


def curves_table(experiments: Iterable[Experiment]) -> pd.DataFrame:
    """Return the curves of all trainings, one below the other."""
    found = [curve_of(one) for one in experiments if one.is_trained]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["row", "seed", "step", *CURVES])


def classes_table(classified: pd.DataFrame) -> pd.DataFrame:
    """Return a line per run: shares of responses, from predictions with their classes."""
    lines = []
    for (row, seed), part in classified.groupby(["method", "seed"], sort=False):
        shares = {name: float((part.error_class == name).mean()) for name in CLASSES}
        lines.append({"row": row, "seed": seed, "right": float(part.correct.mean()), **shares})
    return pd.DataFrame(lines)


def write_runs(experiments: Sequence[Experiment], classified: pd.DataFrame | None, folder: Path) -> None:
    """Write both files; without predictions whose classes are known, the curves alone."""
    with atomic_path(folder / CURVES_FILE) as path:
        curves_table(experiments).to_parquet(path, index=False)
    if classified is not None:
        text = classes_table(classified).to_csv(index=False, float_format="%.6g")
        atomic_write_text(folder / CLASSES_FILE, text)


def read_curves(folder: Path) -> pd.DataFrame | None:
    path = folder / CURVES_FILE
    return pd.read_parquet(path) if path.exists() else None


def read_classes(folder: Path) -> pd.DataFrame | None:
    path = folder / CLASSES_FILE
    return pd.read_csv(path) if path.exists() else None
