"""Which runs a table needs, where they lie, and the commands that make them; finished ones are reused."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

from common import UserError
from configs import Run

REPOSITORY = Path(__file__).parent.parent
BASE = "base"


@dataclass(frozen=True)
class Experiment:
    """One row of a table under one seed: a trained method, or the base it began from."""

    method: str
    scale: str
    seed: int
    runs: Path

    @property
    def folder(self) -> Path:
        return self.runs / self.scale / (BASE if self.method == BASE else f"{self.method}/seed{self.seed}")

    @property
    def evaluation(self) -> Path:
        return self.folder / "eval" / "mini"

    @property
    def trained(self) -> bool:
        return self.method == BASE or (self.folder / "finished.json").exists()

    @property
    def evaluated(self) -> bool:
        return (self.evaluation / "scores.json").exists()

    def commands(self, train_options: list[str], eval_options: list[str]) -> list[list[str]]:
        """What is still to be run, in order."""
        todo = []
        if not self.trained:
            todo.append(
                [
                    "train",
                    f"method={self.method}",
                    f"scale={self.scale}",
                    f"seed={self.seed}",
                    f"run={self.folder}",
                    *train_options,
                ]
            )
        if not self.evaluated:
            if self.method == BASE:
                where = ["model=tiny", f"out={self.evaluation}"]
            else:
                where = ["model=tiny", f"run={self.folder}"]
            todo.append(["eval", *where, f"seed={self.seed}", *eval_options])
        return todo

    def predictions(self) -> pd.DataFrame:
        frame = pd.read_parquet(self.evaluation / "predictions.parquet")
        # pandas reads a missing text as NaN, which is a number to everybody after it.
        frame["extracted"] = frame.extracted.astype(object).where(frame.extracted.notna(), None)
        return frame.assign(method=self.method, seed=self.seed)

    def record(self) -> Run:
        return Run.load(self.evaluation / "run.json")


def shown(command: list[str]) -> str:
    """A command as a person would type it."""
    return " ".join(["python", "-m", *command])


def fill(experiments: list[Experiment], train_options: list[str], eval_options: list[str]) -> None:
    """Run what is missing, one command after another, in processes of their own."""
    commands = [c for experiment in experiments for c in experiment.commands(train_options, eval_options)]
    for number, command in enumerate(commands, start=1):
        print(f"[{number}/{len(commands)}] {shown(command)}", flush=True)
        status = subprocess.run([sys.executable, "-m", *command], cwd=REPOSITORY).returncode
        if status:
            raise UserError(f"'{shown(command)}' ended with status {status}; mend it and start again, it resumes")


def missing(experiments: list[Experiment]) -> list[str]:
    """The commands that would fill the empty cells."""
    return [shown(command) for experiment in experiments for command in experiment.commands([], [])]


def paper_table(number: int) -> dict:
    path = REPOSITORY / "configs" / "tables" / f"table{number}.yaml"
    if not path.exists():
        raise UserError(f"there is no configs/tables/table{number}.yaml; table=1 is the one that is built so far")
    return yaml.safe_load(path.read_text())
