"""Which trainings and evaluations a table needs, and the refusal of those that could not start, without torch."""

from pathlib import Path
from typing import Any

from analysis.experiments import Experiment, Left, rows_of, sharing, suite_of, with_teachers
from analysis.settings import RowsSettings, TableSettings
from common import UserError
from configs import compose
from data.sources import check_split
from eval.settings import EvalSettings
from eval.start import check_settings
from train.checks import check
from train.settings import TrainSettings


def experiments_of(settings: RowsSettings, table: dict[str, Any]) -> list[Experiment]:
    """Return the trainings and the untrained model that a table needs."""
    short = [] if isinstance(settings, TableSettings) else table.get("demo", [])
    suite, runs = suite_of(table, settings.scale), Path(settings.folder)
    found = [
        Experiment(
            row=row,
            suite=suite,
            seed=seed,
            runs=runs,
            train_options=settings.train,
            eval_options=settings.eval,
            is_evaluated="curves" not in table,
        )
        for row in rows_of(table, settings.methods or short)
        for seed in range(settings.seeds if row.set or row.run else 1)
    ]
    return sharing(with_teachers(table, found))


def check_commands(left: Left) -> None:
    """Refuse what a command that is left would refuse of its settings, before the first of them starts.

    What it refuses of places is left to it: weights of earlier rows and data come to lie there later.
    """
    for experiment, commands in left:
        for room, *overrides in commands:
            try:
                if room == "train":
                    asked = compose(TrainSettings, overrides)
                    check(asked)
                    check_split(asked.data)
                else:
                    check_settings(compose(EvalSettings, overrides))
            except UserError as error:
                raise UserError(f"row {experiment.row.id}: {error}") from None
