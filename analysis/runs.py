"""Open evaluated runs side by side, as reports and notebooks read them: predictions with states, curves, weights.

`open_runs("runs/mini/grpo/seed0,runs/mini/papo_g/seed0")` opens run folders, folders of evaluations, or training
steps (`runs/mini/grpo/seed0/rollouts/step_000010.parquet`). All of them must have answered the same items; the
first is the baseline. Nothing is loaded before it is asked for.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.protocol.states import classified
from analysis.rollouts import FOLDER, as_evaluation, check_weights, run_of, training_samples
from common import UserError
from configs import Run, load_resolved
from configs.layout import evaluation_folder, evaluations_of
from data import Sample
from eval.benchmarks import benchmark_of
from eval.output import judged_file, read_predictions
from eval.paired import item_means, pair
from eval.settings import EvalSettings
from eval.tasks import tasks_of
from models.loader import VisionLanguageModel, load

NEEDED = ["sample_id", "k", "column", "cluster", "text", "gold", "correct"]
OPTIONAL = [
    "grader",
    "token_ids",
    "extracted",
    "finish_reason",
    "subset",
    "vision_need",
    "version",
    "hint",
    "error_class",
]


def samples_of(folder: Path, sample_ids: Iterable[str]) -> dict[str, Sample]:
    """Return the samples behind an evaluation: by id where their benchmark can, else read anew from their source."""
    wanted, found = set(sample_ids), dict[str, Sample]()
    for name in wanted:
        home = benchmark_of(name)
        if home and home.sample:
            found[name] = home.sample(name)
    if len(found) == len(wanted):
        return found
    if folder.suffix == ".parquet":
        return found | training_samples(folder, wanted)
    settings = load_resolved(EvalSettings, folder / "config.yaml")
    tasks = tasks_of(settings, gone_pictures=True)
    return found | {sample.id: sample for task in tasks for sample in task.samples if sample.id in wanted}


@dataclass(frozen=True)
class OpenedRun:
    """One evaluated run. `predictions` has a `state` (right, or the class of the error) and `misread` besides."""

    name: str
    folder: Path  # as it was given
    evaluation: Path  # folder of an evaluation, or file of a training step's rollouts
    predictions: pd.DataFrame

    @property
    def k(self) -> int:
        return int(self.predictions.k.max()) + 1

    @property
    def is_training_step(self) -> bool:
        return self.evaluation.suffix == ".parquet"

    @property
    def home(self) -> Path:
        """Return the folder of its training, or what was given for it."""
        return run_of(self.evaluation) if self.is_training_step else self.folder

    @property
    def results(self) -> Path:
        """Return the folder in which what is found of it is written."""
        return self.evaluation.parent if self.is_training_step else self.evaluation

    @property
    def settings(self) -> EvalSettings:
        if self.is_training_step:
            return as_evaluation(self.evaluation)
        return load_resolved(EvalSettings, self.evaluation / "config.yaml")

    @property
    def record(self) -> Run:
        return Run.load((self.home if self.is_training_step else self.evaluation) / "run.json")

    @property
    def templates(self) -> dict[str, str]:
        """Return benchmark -> the template around its questions, as it was asked."""
        if self.is_training_step:
            settings = self.settings
            return {settings.data: settings.prompt}
        path = self.evaluation / "scores.json"
        try:
            found = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
            return {name: one["template"] for name, one in found.items()}
        except (OSError, json.JSONDecodeError, KeyError):
            raise UserError(f"{path} does not say how its questions were asked; evaluate again") from None

    @property
    def metrics(self) -> pd.DataFrame | None:
        """Return the training curves, one row per step; None where the folder is of an evaluation only."""
        path = self.home / "metrics.jsonl"
        return pd.read_json(path, lines=True) if path.exists() else None

    def samples(self, ids: Sequence[str]) -> dict[str, Sample]:
        """Return the samples behind the ids, without those that are no longer in the data."""
        return samples_of(self.evaluation, ids)

    def load_model(self) -> VisionLanguageModel:
        """Load the weights that answered, or refuse in a sentence where they are gone."""
        if self.is_training_step:
            check_weights(self.evaluation)
        return load(self.settings.model)


@dataclass(frozen=True)
class OpenRuns:
    """Runs on the same items, and where their classes of error come from."""

    views: list[OpenedRun]
    classes: str


def evaluation_of(folder: Path) -> Path:
    """Return the folder of predictions: the folder itself, or a run's evaluation; or a file of rollouts.

    Of several evaluations it is that in the folder named by its benchmark: the others are of other views or splits.
    """
    if judged_file(folder).is_file():
        return folder
    steps = sorted(folder.glob("step_*.parquet"))
    if len(steps) > 1:
        raise UserError(f"{folder} has {len(steps)} steps; give one of them: {', '.join(map(str, steps))}")
    if steps:
        return steps[0]
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder}; give run folders, or folders that python -m eval has written")
    found = evaluations_of(folder)
    if not found:
        raise UserError(
            f"{folder} has no evaluation; run: python -m eval run={folder} (or give a step of {folder / FOLDER})"
        )
    if len(found) == 1:
        return found[0]
    plain = [one for one in found if one == evaluation_folder(folder, bench_of(one))]
    if len(plain) != 1:
        raise UserError(f"{folder} has {len(found)} evaluations; give one of them: {', '.join(map(str, found))}")
    return plain[0]


def bench_of(evaluation: Path) -> str:
    """Return the benchmark that an evaluation's record names; nothing without a record."""
    record = evaluation / "run.json"
    return str(Run.load(record).config.get("bench", "")) if record.exists() else ""


def same_at_start(parts: Sequence[Sequence[str]]) -> int:
    """Return how many of the first parts all have in common."""
    alike = [len(set(names)) == 1 for names in zip(*parts, strict=False)]
    return alike.index(False) if False in alike else len(alike)


def short_names(folders: Sequence[Path]) -> list[str]:
    """Return what tells the folders apart: their paths without the parts that all of them begin and end with."""
    # Only a file of rollouts ends in a suffix; a folder may have a point in its name (dose_0.5).
    whole = [folder.resolve() for folder in folders]
    parts = [(path.with_suffix("") if path.suffix == ".parquet" else path).parts for path in whole]
    if len(parts) == 1:
        return [parts[0][-1]]
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
    frames, classes = classified(frames, {name: name for name in names})
    parts = zip(names, paths, evaluations, strict=True)
    return OpenRuns([OpenedRun(name, path, folder, frames[name]) for name, path, folder in parts], classes)
