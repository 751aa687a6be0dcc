"""Send an evaluation of a training to W&B: a run of its own in the training's group, and the scores to the training's.

The run has the averages with their intervals, a table of predictions with pictures and error classes, and the files as
an artifact that hangs on the training's weights. Only trainings that W&B knows (wandb.json) have such a run.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from common import UserError
from configs import to_dict
from configs.layout import PREDICTIONS, evaluation_folder
from configs.wandb_run import WandbRun
from data import IMAGE_PLACEHOLDER, Sample
from eval.benchmarks import benchmark_of
from eval.items import chosen_items
from eval.settings import EvalSettings

ITEMS = 100  # of the table
FILES = (PREDICTIONS, "scores.json", "scores.md", "run.json", "config.yaml", "page.html")
COLUMNS = ("item", "column", "picture", "question", "response", "extracted", "gold", "correct", "error", "page")
PAGE = "page.html#item="  # the page of predictions opens at an item; it lies in the artifact


def averages_of(scores: Mapping[str, Any], front: str) -> dict[str, float]:
    """Return the averages with their intervals by W&B's names, and k; without averages, the columns'."""
    found: dict[str, float] = {f"{front}/k": scores["k"]}
    for name, one in (scores["averages"] or scores["columns"]).items():
        found |= {
            f"{front}/{name}": one["mean"],
            f"{front}/{name}_low": one["low"],
            f"{front}/{name}_high": one["high"],
        }
    return found


def error_of(sample: Sample, row: Mapping[str, Any]) -> str:
    """Return the class of an error where the benchmark tells it, else wrong; right and unscored by those names."""
    if pd.isna(row["correct"]):
        return "unscored"
    if row["correct"]:
        return "right"
    home = benchmark_of(sample.id)
    return str(home.diagnose(sample, row["text"], False).primary) if home and home.diagnose else "wrong"


def picture_of(sample: Sample) -> Any:
    """Return the first picture for W&B; None where there is none that opens."""
    import wandb

    try:
        return wandb.Image(sample.images[0].open()) if sample.images else None
    except UserError:  # the predictions say what was left out, and a table of them needs no picture
        return None


def table_of(predictions: pd.DataFrame, samples: Mapping[str, Sample]) -> Any:
    """Return the first response to some items of every column, drawn by their names alone."""
    import wandb

    first = predictions[predictions.k == 0].drop_duplicates("sample_id").set_index("sample_id")
    table = wandb.Table(columns=list(COLUMNS))
    for name in chosen_items(predictions, ITEMS):
        sample, row = samples[name], first.loc[name].to_dict()
        question = sample.question.replace(IMAGE_PLACEHOLDER, "").strip()
        said = (row["text"], str(row["extracted"] or ""), str(row["gold"]))
        correct = None if pd.isna(row["correct"]) else bool(row["correct"])
        table.add_data(
            name, row["column"], picture_of(sample), question, *said, correct, error_of(sample, row), PAGE + name
        )
    return table


def artifact_of(out: Path, run: str) -> Any:
    """Return the evaluation's files."""
    import wandb

    artifact = wandb.Artifact(f"predictions-{run}", "predictions")
    for path in [out / name for name in FILES if (out / name).exists()]:
        artifact.add_file(str(path), policy="immutable")  # no copy outside the evaluation's folder
    return artifact


def send(
    settings: EvalSettings,
    out: Path,
    predictions: pd.DataFrame,
    scores: Mapping[str, Any],
    samples: Mapping[str, Sample],
) -> None:
    """Log an evaluation of a training; what W&B refuses is said, as the files are all there."""
    home = Path(settings.run) if settings.run else None
    training = WandbRun.of(home) if home else None
    if home is None or training is None:
        return
    from wandb.errors import CommError, UsageError

    own = replace(training, name=f"{training.name}/{out.name}")
    try:
        send_own(own, training, settings, out, table_of(predictions, samples), scores)
        usual = out.resolve() == evaluation_folder(home, settings.bench).resolve()
        run = training.open(home, "train")
        run.summary.update(averages_of(scores, f"eval/{out.name}") | (averages_of(scores, "final") if usual else {}))
        run.finish()
    except (CommError, UsageError, OSError) as error:
        why = next(iter(str(error).splitlines()), "")
        print(f"W&B does not have this evaluation ({why}); the files in {out} are complete", file=sys.stderr)


def send_own(
    own: WandbRun, training: WandbRun, settings: EvalSettings, out: Path, table: Any, scores: Mapping[str, Any]
) -> None:
    """Log the evaluation's own run."""
    config = to_dict(settings) | {"trained_by": training.id}
    run = own.open(out, "eval", tags=[settings.bench, settings.model.name], config=config)
    if own.mode == "online":  # W&B takes what a run uses from its server alone
        run.use_artifact(f"weights-{training.id}:latest")
    run.log({**averages_of(scores, "eval"), "predictions": table})
    run.log_artifact(artifact_of(out, run.id))
    run.finish()
