"""Read what runs have left: predictions, curves, provenance and the diagnosis of every response."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import CLASSES, Diagnosis, diagnose
from analysis.experiments import Experiment, fill, missing, paper_table, rows_of, suite_of
from analysis.items import Items, collect_items
from analysis.plan import lacking, plan_lines
from analysis.settings import AnalysisSettings
from common import UserError
from configs.run import check_clean
from data.mini.world import sample_by_id
from eval.benchmarks import benchmark_of


@dataclass(frozen=True)
class Gathered:
    """Everything the table, the figures and the report are made of."""

    experiments: list[Experiment]
    methods: list[str]
    paper: dict
    predictions: pd.DataFrame
    items: Items
    curves: dict[str, list[pd.DataFrame]]


def experiments_of(settings: AnalysisSettings, table: dict[str, Any]) -> list[Experiment]:
    """Return the trainings and the untrained model that a table needs."""
    if settings.seeds < 1:
        raise UserError("give seeds=1 or more")
    short = [] if settings.task == "table" else table["demo"]
    suite, runs = suite_of(table, settings.scale), Path(settings.folder)
    return [
        Experiment(row=row, suite=suite, seed=seed, runs=runs)
        for row in rows_of(table, settings.methods or short)
        for seed in range(settings.seeds if row.set else 1)
    ]


def gather(settings: AnalysisSettings, clean: bool = False) -> Gathered | None:
    """Make sure that every run is there (or say how to make it), then read them all; None after a mere plan.

    `clean` refuses a tree with changes before anything is run.
    """
    table = paper_table(settings.table)
    experiments = experiments_of(settings, table)
    plan = plan_lines(table, experiments, settings.train, settings.eval)
    if settings.plan:
        print("\n".join(plan))
        return None
    if missing(experiments) and settings.fill:
        lacks = lacking(experiments[0].suite)
        if lacks:
            print("\n".join(plan), flush=True)
            raise UserError(f"scale={settings.scale} cannot be run here, it lacks {'; '.join(lacks)}")
        if clean:
            check_clean()
        fill(experiments, settings.train, settings.eval)
    todo = missing(experiments)
    if todo:
        raise UserError("some cells have no run yet; add fill=true, or run: " + " ; ".join(todo))
    predictions = pd.concat([e.predictions(table) for e in experiments], ignore_index=True)
    curves: dict[str, list[pd.DataFrame]] = {}
    for experiment in experiments:
        if experiment.is_trained:
            frame = pd.read_json(experiment.folder / "metrics.jsonl", lines=True)
            curves.setdefault(experiment.method, []).append(frame)
    methods = list(dict.fromkeys(experiment.method for experiment in experiments))
    return Gathered(experiments, methods, table, predictions, collect_items(predictions), curves)


def has_classes(predictions: pd.DataFrame) -> bool:
    """Return whether every response is of a benchmark that tells its class of error by construction."""
    homes = [benchmark_of(name) for name in predictions.sample_id.unique()]
    return all(home is not None and home.diagnose is not None for home in homes)


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
