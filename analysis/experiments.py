"""Which runs a table needs, where they lie, and the commands that make them; finished ones are reused."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.reuse import (
    finished_training,
    is_finished,
    key_of,
    read_origin,
    refuse_other_evaluation,
    refuse_other_model,
    refuse_other_training,
)
from analysis.table_schema import check_keys, check_rows, check_table
from common import UserError, did_you_mean
from configs import Run, compose
from configs.groups import read_yaml
from configs.layout import base_folder, evaluation_folder, run_folder
from eval.output import read_predictions
from train.settings import TrainSettings

REPOSITORY = Path(__file__).parent.parent
TABLES = REPOSITORY / "configs" / "tables"
SHARED = ("metric", "columns", "scales", "also", "measures")  # what a table takes from the one it is based on
NEEDED = ["sample_id", "k", "column", "subset", "cluster", "vision_need", "version", "text", "correct"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table: settings of `python -m train`, or a run from outside, or the model before training."""

    id: str
    name: str
    set: Sequence[str] = ()
    teacher: str = ""  # another row of the table: under each seed its final policy is this row's teacher
    run: str = ""  # folder of a run made elsewhere, with a folder seed<n> for each seed (docs/record.md)
    eval: Sequence[str] = ()  # further settings of `python -m eval`, for a row that is not trained
    here: bool = True  # False: a row of the paper alone, what it needs is not built (`left_out` says why)

    def __post_init__(self) -> None:
        if self.set and self.run:
            raise UserError(f"row {self.id} has both set and run; a run from outside is not trained here, drop set")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What a table is evaluated with at one scale."""

    scale: str
    model: str
    bench: str
    preset: str
    eval: Sequence[str] = ()  # further settings of `python -m eval`
    also: Mapping[str, Sequence[str]] = field(default_factory=dict)  # folder of a further evaluation -> its settings


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One row of a table under one seed."""

    row: Row
    suite: Suite
    seed: int
    runs: Path
    train_options: Sequence[str] = ()  # further settings of a missing training
    eval_options: Sequence[str] = ()
    is_evaluated: bool = True  # False: a figure of training curves needs no answers
    teacher: "Experiment | None" = None  # the training whose final policy is the teacher, under the same seed
    twin: Path | None = None  # where an equal training of an earlier row will lie

    @property
    def method(self) -> str:
        return self.row.id

    @property
    def is_trained(self) -> bool:
        return bool(self.row.set)

    @property
    def own_folder(self) -> Path:
        """Return the folder that the row's id names, or that of a run from outside."""
        if self.row.run:
            return Path(self.row.run) / f"seed{self.seed}"
        if not self.is_trained:
            base = base_folder(self.suite.scale, self.runs)
            return base.with_name(self.row.id) if self.row.eval else base
        return run_folder(self.suite.scale, self.row.id, self.seed, self.runs)

    @cached_property
    def folder(self) -> Path:
        """Return the own folder, or that of another row in which a training of equal settings is finished or due."""
        return self.twin or finished_training(self.own_folder, self.training) if self.is_trained else self.own_folder

    @property
    def recipe(self) -> list[str]:
        """Return the row's settings of `python -m train`, its teacher's weights among them."""
        if self.teacher is None:
            return list(self.row.set)
        weights = self.teacher.folder / "final"
        return [*self.row.set, f"teacher={self.suite.model}", f"teacher.path={weights}"]

    @property
    def training(self) -> TrainSettings:
        try:
            settings = composed((*self.recipe, f"scale={self.suite.scale}", *self.train_options))
        except UserError as error:
            raise UserError(f"row {self.row.id}: {error}") from None
        return replace(settings, seed=self.seed, run=str(self.own_folder))

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Return the training's curves, one line per step."""
        return pd.read_json(self.folder / "metrics.jsonl", lines=True)

    @cached_property
    def timing(self) -> pd.DataFrame | None:
        """Return what every step took; None where nothing was written of it."""
        path = self.folder / "timing.jsonl"
        return pd.read_json(path, lines=True) if path.exists() else None

    @property
    def evaluation(self) -> Path:
        return evaluation_folder(self.folder, self.suite.bench)

    def commands(self) -> list[list[str]]:
        """Return what is still to be run, in order; what was finished with other settings is refused."""
        todo = []
        if self.row.run:
            read_origin(self.folder)
        if self.is_trained and is_finished(self.folder):
            refuse_other_training(self.folder, self.training)
        elif self.is_trained and not self.twin:
            own = [f"scale={self.suite.scale}", f"seed={self.seed}", f"run={self.folder}"]
            todo.append(["train", *self.recipe, *own, *self.train_options])
        for folder, options in self.evaluations().items():
            evaluation = [*options, f"seed={self.seed}", *self.eval_options]
            if not (folder / "scores.json").exists():
                if self.row.run:  # only its makers know its weights
                    asked = shown(["eval", "model.path=<its weights>", *evaluation])
                    raise UserError(f"the run from outside {self.folder} lacks an evaluation; make it with: {asked}")
                todo.append(["eval", *evaluation])
            else:
                refuse_other_evaluation(folder, evaluation)
                if self.row.run:
                    refuse_other_model(folder, evaluation)
        return todo

    def evaluations(self) -> dict[Path, list[str]]:
        """Return the folder of every evaluation, that of the table's own suite first, and its settings."""
        suite, found = self.suite, {}
        for name, further in ({"": (), **suite.also} if self.is_evaluated else {}).items():
            folder = self.folder / "eval" / name if name else self.evaluation
            which = [f"run={self.folder}"] if self.is_trained else []
            where = [f"out={folder}"] if name or not self.is_trained else []
            bench = [] if any(one.startswith("bench=") for one in further) else [f"bench={suite.bench}"]
            own = [f"model={suite.model}", *which, *where, *bench, f"preset={suite.preset}"]
            found[folder] = [*own, *suite.eval, *self.row.eval, *further]
        return found

    def predictions(self, table: dict[str, Any]) -> pd.DataFrame:
        """Return the judged responses, under the ids of the table's columns."""
        frame = read_predictions(self.evaluation, NEEDED, ["hint"])
        ids = {column.get(self.suite.bench, column["id"]): column["id"] for column in table["columns"]}
        return frame.assign(column=frame.column.replace(ids), method=self.method, seed=self.seed)

    def record(self) -> Run:
        return Run.load((self.evaluation if self.is_evaluated else self.folder) / "run.json")


Left = list[tuple[Experiment, list[list[str]]]]  # experiments, each with the commands that it still needs


@cache
def composed(overrides: tuple[str, ...]) -> TrainSettings:
    """Return a row's settings; its trainings differ in seed and folder alone."""
    return compose(TrainSettings, overrides)


def shown(command: Sequence[str]) -> str:
    """Return a command as a person would type it in a shell, which would take [ and { for its own."""
    return shlex.join(["python", "-m", *command])


def with_teachers(table: Mapping[str, Any], experiments: Sequence[Experiment]) -> list[Experiment]:
    """Return the experiments, each with the training of the row that it learns from."""
    rows = {row.id: row for row in rows_of(table)}
    return [
        replace(one, teacher=replace(one, row=rows[one.row.teacher])) if one.row.teacher else one
        for one in experiments
    ]


def sharing(experiments: Sequence[Experiment]) -> list[Experiment]:
    """Return the experiments; of missing trainings with equal settings only the first is made, for all of them."""
    first: dict[str, Path] = {}
    found = []
    for one in experiments:
        if one.is_trained and not is_finished(one.folder):
            folder = first.setdefault(key_of(one.training), one.own_folder)
            found.append(one if folder == one.own_folder else replace(one, twin=folder))
        else:
            found.append(one)
    return found


def remaining(experiments: Sequence[Experiment]) -> Left:
    """Return the experiments with what each still needs and no earlier one brings: rows may share a training."""
    found, told = [], list[list[str]]()
    for one in experiments:
        own = [command for command in one.commands() if command not in told]
        found.append((one, own))
        told += own
    return found


def missing(left: Left) -> list[str]:
    """Return the commands that would fill the empty cells, as a person would type them."""
    return [shown(command) for _, own in left for command in own]


def table_file(name: str) -> Path:
    """Return the file of a table: that of the paper by its number, any other by its name."""
    return TABLES / f"{f'table{name}' if name.isdigit() else name}.yaml"


def table_names() -> list[str]:
    """Return the tables that have a file, the paper's first."""
    names = [path.stem.removeprefix("table") for path in TABLES.glob("*.yaml")]
    return sorted(names, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name))


def read_table_file(name: str) -> dict[str, Any]:
    """Read a table: its rows, scales, columns and published values."""
    path = table_file(name)
    if name not in table_names():
        raise UserError(f"there is no table={name}; {did_you_mean(name, table_names(), 'configs/tables has')}")
    found = read_yaml(path, f"configs/tables/{path.name}")
    if "based_on" in found:  # its columns and scales are those of another table
        base = read_table_file(str(found["based_on"]))
        found = {name: base[name] for name in SHARED if name in base} | found
    check_rows(f"configs/tables/{path.name}", found.get("rows", []))
    rows = [row_of_table(row["of"], row["id"]) if "of" in row else row for row in found.get("rows", [])]
    table = {"scales": {}, "published": [], "baselines": {}, **found, "rows": rows}
    for row in rows:
        check_keys(f"row {row['id']}", row, [one.name for one in fields(Row)], ("id", "name"))
    check_table(f"configs/tables/{path.name}", table, name.isdigit())
    return table


def row_of_table(name: int | str, row_id: str) -> dict[str, Any]:
    """Return a row as another table has it, for `{of: 4, id: papo_g_gamma01}`."""
    rows = {row["id"]: row for row in read_table_file(str(name))["rows"]}
    if row_id not in rows:
        raise UserError(f"table {name} has no row {row_id}; {did_you_mean(row_id, rows, 'it has')}")
    return rows[row_id]


def title_of(name: str, table: Mapping[str, Any]) -> str:
    """Return what a table is called: "Table 1", or its own title."""
    return f"Table {name}" if name.isdigit() else str(table["title"])


def notes_of(table: Mapping[str, Any]) -> list[str]:
    """Return what a table's file says of the paper and of what is left out here, a paragraph each."""
    printed = [f"The paper: {table['printed']}"] if "printed" in table else []
    return printed + ([f"Left out here: {table['left_out']}."] if "left_out" in table else [])


def rows_of(table: Mapping[str, Any], wanted: Sequence[str] = ()) -> list[Row]:
    """Return the wanted rows of a table in their order; all without a wish."""
    rows = {row["id"]: Row(**row) for row in table["rows"]}
    rows = {name: row for name, row in rows.items() if row.here}
    unknown = [name for name in wanted if name not in rows]
    if unknown:
        raise UserError(f"the table has no row {unknown[0]}; {did_you_mean(unknown[0], rows, 'it has')}")
    found = [rows[name] for name in wanted or rows]
    for row in found:
        if row.teacher and rows[row.teacher] not in found:
            raise UserError(f"row {row.id} learns from row {row.teacher}; name that row too")
    return found


def suite_of(table: dict[str, Any], scale: str) -> Suite:
    """Return what a scale is evaluated with."""
    if scale not in table["scales"]:
        raise UserError(f"the table has no scale={scale}; {did_you_mean(scale, table['scales'], 'it has')}")
    return Suite(scale=scale, **{"also": table.get("also", {}), **table["scales"][scale]})
