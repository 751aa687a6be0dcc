"""Read what runs have left: predictions, curves, provenance and the diagnosis of every response."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import CLASSES, known_classes
from analysis.experiments import Experiment, missing, read_table_file, remaining, table_file, title_of
from analysis.filling import fill
from analysis.items import Items, collect_items
from analysis.job_scripts import write_jobs
from analysis.outside import refuse_other_benchmark, refuse_other_verdicts
from analysis.plan import lacking, plan_lines
from analysis.planned import experiments_of
from analysis.reuse import read_origin
from analysis.settings import RowsSettings, TableSettings
from common import UserError
from configs.run import Run, check_clean

SETTINGS = ("items", "k", "split", "sampling", "grader")  # of an evaluation, in a table's provenance


@dataclass(frozen=True)
class Gathered:
    """Everything the table, the figures and the report are made of."""

    experiments: list[Experiment]
    methods: list[str]
    paper: dict
    predictions: pd.DataFrame
    items: Items
    curves: dict[str, list[pd.DataFrame]]

    @cached_property
    def classified(self) -> pd.DataFrame | None:
        """Return the predictions with their classes of error; None where these are not known by construction."""
        return known_classes(self.predictions)


def ready(settings: RowsSettings, table: dict[str, Any], clean: bool = False) -> list[Experiment]:
    """Make sure that every run is there (or say how to make it) and return them; none after a mere plan.

    `clean` refuses a tree with changes before anything is run.
    """
    experiments = experiments_of(settings, table)
    left = remaining(experiments)
    plan = plan_lines(title_of(settings.table, table), table, left)
    if settings.plan:
        print("\n".join(plan))
        return []
    if isinstance(settings, TableSettings) and settings.slurm:
        kept = {name: getattr(settings, name) for name in ("table", "scale", "seeds", "folder")}
        again = [f"{name}={value}" for name, value in kept.items()]
        folder = Path("slurm") / f"{table_file(settings.table).stem}_{settings.scale}"
        print(f"submit all jobs with: sh {write_jobs(experiments, again, folder, settings.jobs)}")
        return []
    if missing(left) and settings.fill:
        lacks = lacking(settings.table, settings.scale)
        if lacks:
            print("\n".join(plan), flush=True)
            raise UserError(f"scale={settings.scale} cannot be run here, it lacks {'; '.join(lacks)}")
        if clean:
            check_clean()
        fill(experiments, settings.parallel)
        left = remaining(experiments)
    if todo := missing(left):
        raise UserError("some cells have no run yet; add fill=true, or run: " + " ; ".join(todo))
    return experiments


def gather(settings: RowsSettings, clean: bool = False) -> Gathered | None:
    """Return what all runs of a table have left; None after a mere plan."""
    table = read_table_file(settings.table)
    if "settings" in table or "curves" in table:
        raise UserError(f"{settings.table} has no answers; it is made by python -m analysis table={settings.table}")
    experiments = ready(settings, table, clean)
    if not experiments:
        return None
    refuse_other_benchmark({f"{e.method} seed {e.seed}": e.record() for e in experiments})
    for one in experiments:
        if one.row.run:
            refuse_other_verdicts(one.evaluation)
    predictions = pd.concat([e.predictions(table) for e in experiments], ignore_index=True)
    curves: dict[str, list[pd.DataFrame]] = {}
    for experiment in experiments:
        if experiment.is_trained:
            curves.setdefault(experiment.method, []).append(experiment.metrics)
    methods = list(dict.fromkeys(experiment.method for experiment in experiments))
    return Gathered(experiments, methods, table, predictions, collect_items(predictions), curves)


def error_shares(classified: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """Per method: share of all responses in each class, accuracy, and how many began by guessing."""
    rows = {}
    for method in methods:
        part = classified[classified.method == method]
        rows[method] = {name: (part.error_class == name).mean() for name in CLASSES}
        rows[method] |= {"right": part.correct.mean(), "guess": (part["mode"] == "guess").mean(), "n": len(part)}
    return pd.DataFrame(rows).T


def shown_folder(experiment: Experiment) -> str:
    """Return a run's folder as a table names it: below the runs, or where a run from outside lies."""
    folder, runs = experiment.folder, experiment.runs
    return (folder.relative_to(runs) if folder.is_relative_to(runs) else folder).as_posix()


def provenance(experiments: list[Experiment]) -> list[dict]:
    """Return one short record per evaluated run."""
    rows = []
    for experiment in experiments:
        record = experiment.record()
        timing = experiment.timing if experiment.is_trained else None
        seconds = 0.0 if timing is None else timing["timing_s/step"].sum()
        rows.append(
            {
                "method": experiment.method,
                "seed": experiment.seed,
                "run": shown_folder(experiment),
                "commit": record.commit,
                **({"origin": read_origin(experiment.folder)} if experiment.row.run else {}),
                "dirty": record.dirty or (experiment.is_trained and Run.load(experiment.folder / "run.json").dirty),
                "weights": record.revisions["model"],
                **({"bench": record.revisions["bench"]} if experiment.is_evaluated else {}),
                "started": record.started,
                "hardware": record.hardware,
                "packages": record.packages,
                "training_seconds": round(float(seconds)),
                "steps": json.loads((experiment.folder / "finished.json").read_text())["steps"] if seconds else 0,
                "settings": {k: record.config[k] for k in SETTINGS if k in record.config},
            }
        )
    return rows
