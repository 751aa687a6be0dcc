"""Read what runs have left: predictions, curves, provenance and the diagnosis of every response."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import CLASSES, Diagnosis, diagnose
from analysis.experiments import BASE, Experiment, fill, missing, paper_table
from analysis.items import Items, collect_items
from analysis.settings import AnalysisSettings
from common import UserError
from data.mini.world import sample_by_id


@dataclass(frozen=True)
class Gathered:
    """Everything the table, the figures and the report are made of."""

    experiments: list[Experiment]
    methods: list[str]
    paper: dict
    predictions: pd.DataFrame
    items: Items
    curves: dict[str, list[pd.DataFrame]]


def experiments_of(settings: AnalysisSettings) -> list[Experiment]:
    if settings.scale != "mini":
        raise UserError(f"analysis of scale={settings.scale} needs the paper's benchmarks, which are not built yet")
    if settings.seeds < 1 or not settings.methods:
        raise UserError("give seeds=1 or more and at least one method")
    runs = Path(settings.folder)
    return [
        Experiment(method, settings.scale, seed, runs)
        for method in settings.methods
        for seed in range(1 if method == BASE else settings.seeds)
    ]


def gather(settings: AnalysisSettings) -> Gathered:
    """Make sure that every run is there (or say how to make it), then read them all."""
    experiments = experiments_of(settings)
    if settings.fill:
        fill(experiments, settings.train, settings.eval)
    todo = missing(experiments)
    if todo:
        raise UserError("some cells have no run yet; add fill=true, or run: " + " ; ".join(todo))
    predictions = pd.concat([e.predictions() for e in experiments], ignore_index=True)
    curves: dict[str, list[pd.DataFrame]] = {}
    for experiment in experiments:
        if experiment.method != BASE:
            frame = pd.read_json(experiment.folder / "metrics.jsonl", lines=True)
            curves.setdefault(experiment.method, []).append(frame)
    return Gathered(
        experiments, settings.methods, paper_table(settings.table), predictions, collect_items(predictions), curves
    )


def diagnoses(predictions: pd.DataFrame) -> list[Diagnosis]:
    """One per response; samples come back from their ids."""
    samples = {sample_id: sample_by_id(sample_id) for sample_id in predictions.sample_id.unique()}
    columns = zip(predictions.sample_id, predictions.text, predictions.correct, strict=True)
    return [diagnose(samples[sample_id], text, correct) for sample_id, text, correct in columns]


def with_classes(predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions with `error_class` and the chain's `mode`."""
    found = diagnoses(predictions)
    return predictions.assign(error_class=[d.primary for d in found], mode=[d.mode for d in found])


def error_shares(classified: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """Per method: share of all responses in each class, accuracy, and how many began by guessing."""
    rows = {}
    for method in methods:
        part = classified[classified.method == method]
        rows[method] = {name: (part.error_class == name).mean() for name in CLASSES}
        rows[method] |= {"right": part.correct.mean(), "guess": (part["mode"] == "guess").mean(), "n": len(part)}
    return pd.DataFrame(rows).T


def provenance(experiments: list[Experiment]) -> list[dict]:
    """One short record per evaluated run."""
    rows = []
    for experiment in experiments:
        record = experiment.record()
        trained = experiment.folder / "timing.jsonl"
        seconds = pd.read_json(trained, lines=True)["timing_s/step"].sum() if trained.exists() else 0.0
        rows.append(
            {
                "method": experiment.method,
                "seed": experiment.seed,
                "commit": record.commit,
                "dirty": record.dirty,
                "weights": record.revisions["model"],
                "bench": record.revisions["bench"],
                "started": record.started,
                "hardware": record.hardware,
                "packages": record.packages,
                "training_seconds": round(float(seconds)),
                "steps": json.loads((experiment.folder / "finished.json").read_text())["steps"] if seconds else 0,
                "settings": {k: record.config[k] for k in ("items", "k", "split", "sampling", "grader")},
            }
        )
    return rows
