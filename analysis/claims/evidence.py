"""What claims are tested on: a table's items, curves, classes and measures by run, committed or from run folders."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import known_classes
from analysis.experiments import REPOSITORY, Experiment, read_table_file, rows_of, suite_of, table_file, with_teachers
from analysis.items import Items, collect_items
from analysis.measuring import measured
from analysis.run_files import classes_table, curves_table, read_classes, read_curves
from analysis.table_files import ITEMS, read_table
from configs.layout import SEED_FOLDER

RESULTS = REPOSITORY / "results"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One table's numbers by row and seed; None for what is not there."""

    name: str
    scale: str
    items: Items | None = None
    curves: pd.DataFrame | None = None
    classes: pd.DataFrame | None = None
    measures: pd.DataFrame | None = None

    @cached_property
    def table(self) -> Mapping[str, Any]:
        return read_table_file(self.name)

    @cached_property
    def untrained(self) -> set[str]:
        """Return the rows that are a model before training: they have one evaluation, which goes with every seed."""
        return {row["id"] for row in self.table["rows"] if not row.get("set")}

    def with_curves_of(self, other: "Evidence") -> "Evidence":
        """Return this table's numbers with the curves of another table's rows beside its own."""
        known = [one.curves for one in (self, other) if one.curves is not None]
        if not known:
            return self
        curves = pd.concat(known, ignore_index=True).drop_duplicates(["row", "seed", "step"])
        return replace(self, curves=curves)


def committed(name: str, scale: str, results: Path = RESULTS) -> Evidence:
    """Read a table's committed files."""
    folder = results / f"{table_file(name).stem}_{scale}"
    if not (folder / ITEMS).exists():
        return Evidence(name=name, scale=scale)
    data = read_table(folder)
    return Evidence(
        name=name,
        scale=scale,
        items=data.items,
        curves=read_curves(folder),
        classes=read_classes(folder),
        measures=data.measures,
    )


def from_runs(name: str, scale: str, runs: Path) -> Evidence:
    """Read the rows of a table that are trained and evaluated below a folder of runs."""
    table = read_table_file(name)
    found = [one for one in on_disk(table, scale, runs) if not one.commands()]
    if not found:
        return Evidence(name=name, scale=scale)
    predictions = pd.concat([one.predictions(table) for one in found], ignore_index=True)
    classified = known_classes(predictions)
    return Evidence(
        name=name,
        scale=scale,
        items=collect_items(predictions),
        curves=curves_table(found),
        classes=None if classified is None else classes_table(classified),
        measures=measured(found, table),
    )


def on_disk(table: dict[str, Any], scale: str, runs: Path) -> list[Experiment]:
    """Return the experiments of a table under every seed that has a training at its scale."""
    suite, folders = suite_of(table, scale), (runs / scale).glob("*/seed*")
    seeds = sorted({int(match[1]) for path in folders if (match := SEED_FOLDER.fullmatch(path.name))})
    found = [
        Experiment(row=row, suite=suite, seed=seed, runs=runs)
        for row in rows_of(table)
        for seed in (seeds if row.set else [0])
    ]
    return with_teachers(table, found)
