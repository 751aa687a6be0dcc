"""Evaluated runs side by side, as reports and notebooks read them: predictions with states, curves, weights.

`open_runs("runs/mini/grpo/seed0,runs/mini/papo_g/seed0")` opens run folders or folders of evaluations. All of them
must have answered the same items; the first is the baseline. Nothing is loaded before it is asked for.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.states import classified
from common import UserError
from configs import Run, load_resolved
from data import Sample
from data.mini.world import sample_by_id
from eval.output import read_predictions
from eval.paired import item_means, pair
from eval.settings import EvalSettings
from eval.tasks import tasks_of
from models.loader import VisionLanguageModel, load

NEEDED = ["sample_id", "k", "column", "cluster", "text", "gold", "correct"]
OPTIONAL = ["grader", "token_ids", "extracted", "finish_reason", "subset", "vision_need", "version", "error_class"]


def samples_of(folder: Path, sample_ids: Iterable[str]) -> dict[str, Sample]:
    """The samples behind an evaluation: by id in the mini world, else read anew from where it had them."""
    wanted = set(sample_ids)
    if all(name.startswith("mini/") for name in wanted):
        return {name: sample_by_id(name) for name in wanted}
    settings = load_resolved(EvalSettings, folder / "config.yaml")
    tasks = tasks_of(settings, gone_pictures=True)
    return {sample.id: sample for task in tasks for sample in task.samples if sample.id in wanted}


@dataclass(frozen=True)
class OpenedRun:
    """One evaluated run. `predictions` has a `state` (right, or the class of the error) and `misread` besides."""

    name: str
    folder: Path  # as it was given
    evaluation: Path
    predictions: pd.DataFrame

    @property
    def k(self) -> int:
        return int(self.predictions.k.max()) + 1

    @property
    def settings(self) -> EvalSettings:
        return load_resolved(EvalSettings, self.evaluation / "config.yaml")

    @property
    def record(self) -> Run:
        return Run.load(self.evaluation / "run.json")

    @property
    def metrics(self) -> pd.DataFrame | None:
        """The training curves, one row per step; None where the folder is of an evaluation only."""
        path = self.folder / "metrics.jsonl"
        return pd.read_json(path, lines=True) if path.exists() else None

    def samples(self, ids: Sequence[str]) -> dict[str, Sample]:
        """The samples behind the ids, without those that are no longer in the data."""
        return samples_of(self.evaluation, ids)

    def load_model(self) -> VisionLanguageModel:
        """The weights that answered; a sentence where they are gone."""
        return load(self.settings.model)


@dataclass(frozen=True)
class OpenRuns:
    """Runs on the same items, and where their classes of error come from."""

    views: list[OpenedRun]
    classes: str


def evaluation_of(folder: Path) -> Path:
    """The folder of predictions: the folder itself, or the only evaluation of a run."""
    if (folder / "predictions.parquet").exists():
        return folder
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give run folders, or folders that python -m eval has written")
    found = sorted(path.parent for path in folder.glob("eval/*/predictions.parquet"))
    if not found:
        raise UserError(f"{folder} has no evaluation; run: python -m eval run={folder}")
    if len(found) > 1:
        raise UserError(f"{folder} has {len(found)} evaluations; give one of them: {', '.join(map(str, found))}")
    return found[0]


def same_at_start(parts: Sequence[Sequence[str]]) -> int:
    """How many of the first parts all have in common."""
    alike = [len(set(names)) == 1 for names in zip(*parts, strict=False)]
    return alike.index(False) if False in alike else len(alike)


def short_names(folders: Sequence[Path]) -> list[str]:
    """What tells the folders apart: their paths without the parts that all of them begin and end with."""
    parts = [folder.resolve().parts for folder in folders]
    if len(parts) == 1:
        return [folders[0].name]
    start = same_at_start(parts)
    end = same_at_start([part[start:][::-1] for part in parts])
    return ["/".join(part[start : len(part) - end]) or part[-1] for part in parts]


def open_runs(folders: str | Sequence[str | Path]) -> OpenRuns:
    """Open runs of the same items under the same grader, or say why they do not belong together."""
    given = folders.split(",") if isinstance(folders, str) else folders
    paths = [Path(str(folder).strip()) for folder in given if str(folder).strip()]
    if not paths:
        raise UserError("give runs=<run folder>,<run folder>; the first one is the baseline")
    repeated = [path for path in paths if [other.resolve() for other in paths].count(path.resolve()) > 1]
    if repeated:
        raise UserError(f"{repeated[0]} is given twice; compare different runs")
    names, evaluations = short_names(paths), [evaluation_of(path) for path in paths]
    frames = {n: read_predictions(e, NEEDED, OPTIONAL) for n, e in zip(names, evaluations, strict=True)}
    item_means(frames[names[0]], str(paths[0]), "correct")  # refuses responses without a verdict
    for name in names[1:]:
        pair(frames[names[0]], frames[name], (str(paths[0]), name))  # refuses what cannot be compared
    for name, frame in frames.items():
        if "extracted" in frame:  # pandas reads a missing text as NaN, which is a number to everybody after it
            frames[name] = frame.assign(extracted=frame.extracted.astype(object).where(frame.extracted.notna(), None))
    frames, classes = classified(frames, {name: name for name in names})
    parts = zip(names, paths, evaluations, strict=True)
    return OpenRuns([OpenedRun(name, path, folder, frames[name]) for name, path, folder in parts], classes)
