"""Read the metrics of trainings, finished or not, and put seeds of one method together."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import has_classes, with_classes
from analysis.rollouts import step_of
from analysis.runs import short_names
from common import UserError, read_jsonl
from configs.layout import SEED_FOLDER
from data.known import ERRORS
from eval.output import read_predictions
from train.outcomes import TAGS

METRICS, TIMING, VALIDATION = "metrics.jsonl", "timing.jsonl", "validation.jsonl"
PREFIXES = {METRICS: "", TIMING: "", VALIDATION: "validation/"}  # of a file's names on dashboards


@dataclass(frozen=True)
class Training:
    """One run's curves: metric -> [(step, value)], and the averages of its evaluations."""

    folder: Path
    group: str
    curves: dict[str, list[tuple[int, float]]]
    evaluations: dict[str, dict[str, Any]]  # evaluation -> its scores.json


def is_training(folder: Path) -> bool:
    return (folder / METRICS).is_file()


def seeds_in(folder: Path) -> list[Path]:
    """Return the trainings in the seed folders of a folder, in the order of the seeds."""
    found = [path for path in folder.glob("seed*") if SEED_FOLDER.fullmatch(path.name) and is_training(path)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("seed")))


def chosen_folders(runs: str, folder: Path) -> list[Path]:
    """Return the trainings that were named, a folder of seeds standing for all of them, or all below `folder`."""
    given = [
        Path(name.strip()) for name in runs.strip().removeprefix("[").removesuffix("]").split(",") if name.strip()
    ]
    if not given:
        found = sorted(path.parent for path in folder.glob(f"*/*/seed*/{METRICS}"))
        if not found:
            raise UserError(f"no training lies below {folder}; run python -m train, or give runs=<run folder>")
        return found
    found = []
    for path in given:
        own = [path] if is_training(path) else seeds_in(path)
        if not own:
            raise UserError(f"{path} is no training: it has neither {METRICS} nor seed folders that have one")
        found += own
    return list(dict.fromkeys(found))


def curves_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return every number that a training wrote, by the name that dashboards use, in the order of the steps."""
    found: dict[str, dict[int, float]] = {}
    for name, prefix in PREFIXES.items():
        for row in read_jsonl(folder / name) if (folder / name).is_file() else ():
            for metric, value in row.items():
                if metric != "step" and isinstance(value, int | float) and math.isfinite(value):
                    found.setdefault(prefix + metric, {})[int(row["step"])] = float(value)
    return {metric: sorted(values.items()) for metric, values in found.items()}


def outcomes_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return accuracy by tag and shares of error classes at the stored steps, of a run that did not log them."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("rollouts/step_*.parquet")):
        frame = read_predictions(path, ["sample_id", "text", "correct"], TAGS)
        frame = frame[frame.correct.notna()].astype({"correct": bool})
        means = {
            f"accuracy/{tag}/{value}": part.correct.mean()
            for tag in TAGS
            if tag in frame
            for value, part in frame.groupby(tag)
            if value
        }
        if len(frame) and has_classes(frame):
            classes = with_classes(frame).error_class
            means |= {f"errors/{name}": (classes == name).mean() for name in ERRORS}
        for name, value in means.items():
            found.setdefault(name, []).append((step_of(path), float(value)))
    return found


def evaluations_in(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the scores of a training's complete evaluations."""
    paths = sorted(folder.glob("eval/*/scores.json"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def all_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return what a training logged, and its outcomes from the stored responses where it did not log them."""
    found = curves_of(folder)
    logged = any(name.startswith(("errors/", "accuracy/")) for name in found)
    return found if logged else found | outcomes_of(folder)


def read_trainings(folders: Sequence[Path]) -> list[Training]:
    """Return the trainings; a run called seed<n> belongs to the group that its parent folder names."""
    homes = [folder.resolve().parent if SEED_FOLDER.fullmatch(folder.name) else folder.resolve() for folder in folders]
    names = dict(zip(dict.fromkeys(homes), short_names(list(dict.fromkeys(homes))), strict=True))
    pairs = zip(folders, homes, strict=True)
    return [Training(folder, names[home], all_curves(folder), evaluations_in(folder)) for folder, home in pairs]
