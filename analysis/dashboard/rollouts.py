"""The responses of a training's last stored step, for a page: clean picture beside the corrupted one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.rollouts import step_of, training_of
from analysis.runs import samples_of
from common import UserError
from data import IMAGE_PLACEHOLDER, Sample
from data.images import picture_uri
from data.views import View, apply_view
from eval.output import read_predictions
from models.encode import view_seed

SHOWN = 4  # problems of a step
PICTURE_SIDE = 224
COLUMNS = ["sample_id", "k", "text", "reward", "gold"]


@dataclass(frozen=True)
class Shown:
    """One problem with its first response. `pictures` are pairs of a view's name and a data URI, clean first."""

    question: str
    response: str
    gold: str
    reward: float
    pictures: list[tuple[str, str]]
    note: str  # why pictures are missing, else empty


@dataclass(frozen=True)
class ShownStep:
    """A step of one training."""

    step: int
    problems: list[Shown]
    note: str


def last_step(run: Path) -> ShownStep | None:
    """Return what to show of a run's last stored step; None where no step is stored."""
    files = sorted(run.glob("rollouts/step_*.parquet"))
    if not files:
        return None
    path, step = files[-1], step_of(files[-1])
    frame = read_predictions(path, COLUMNS)
    rows = frame[frame.k == 0].head(SHOWN).to_dict("records")
    try:
        samples, settings = samples_of(path, [row["sample_id"] for row in rows]), training_of(path)
    except (UserError, OSError) as error:  # a page of curves does not need the data
        return ShownStep(step, [shown(row, None, {}, 0, 0.0) for row in rows], f"Their problems are gone: {error}.")
    seed, progress = settings.step_seed(step), (step - 1) / settings.steps
    found = [shown(row, samples.get(row["sample_id"]), settings.views, seed, progress) for row in rows]
    return ShownStep(step, found, "")


def shown(row: dict[str, Any], sample: Sample | None, views: Mapping[str, View], seed: int, progress: float) -> Shown:
    """Return one problem; a picture that cannot be opened or corrupted leaves a note."""
    pictures, note = [], ""
    if sample is not None:
        try:
            pictures = list(pictures_of(sample, views, seed, str(row["text"]), progress))
        except UserError as error:
            note = f"no picture: {error}"
    question = sample.question.replace(IMAGE_PLACEHOLDER, "").strip() if sample else row["sample_id"]
    reward = float("nan") if pd.isna(row["reward"]) else float(row["reward"])
    return Shown(question, str(row["text"]), str(row["gold"]), reward, pictures, note)


def pictures_of(
    sample: Sample, views: Mapping[str, View], seed: int, response: str, progress: float
) -> list[tuple[str, str]]:
    """Return the first picture, and behind every view as the trainer draws it (before it is cut to size)."""
    if not sample.images:
        return []
    image, found = sample.images[0].open(), []
    for name, view in {"clean": None, **views}.items():
        seen = apply_view(image, view, [*view_seed(seed, sample.id), 0], sample, response, progress) if view else image
        found.append((name, picture_uri(seen, PICTURE_SIDE)))
    return found
