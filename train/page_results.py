"""What a method's page says of its training at mini scale, read from the committed results of the studies."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from configs.compose import ROOT
from configs.groups import read_yaml

STUDIES = ("teachers", "losers", "family")  # the first that trains a recipe as it is written speaks of it
EVERY, WINDOW = 10, 8  # steps between the numbers shown, each a mean over the steps before it
METRIC = "reward/accuracy"


@cache
def table_of(study: str) -> dict[str, Any]:
    return read_yaml(ROOT / "tables" / f"{study}.yaml", f"configs/tables/{study}.yaml")


def results_folder(study: str) -> Path:
    return ROOT.parent / "results" / f"{study}_mini"


def rows_of(method: str) -> Iterator[tuple[str, str]]:
    """Yield the studies with results in which the method is trained without a further setting, and its row there."""
    for study in filter(lambda one: results_folder(one).exists(), STUDIES):
        for row in table_of(study)["rows"]:
            if row.get("set") == [f"method={method}"]:
                yield study, row["id"]


@cache
def scores(study: str) -> dict[str, tuple[str, int]]:
    """Return each row's accuracy over all columns with its interval, as text, and its number of seeds."""
    table = pd.read_csv(results_folder(study) / "table.csv")
    rows = table[table.heading == "overall"]
    return {row.method: (row.text, int(row.seeds)) for row in rows.itertuples()}


@cache
def curves(study: str) -> pd.DataFrame:
    """Return the training accuracy, a column per row of the table and a line per step: running means over seeds."""
    found = pd.read_parquet(results_folder(study) / "curves.parquet", columns=["row", "seed", "step", METRIC])
    wide = found.pivot_table(index="step", columns="row", values=METRIC, aggfunc="mean")
    return wide.rolling(WINDOW, min_periods=1).mean()


def results_of(method: str) -> list[str]:
    """Return the lines of the section; none for a method that no study trains."""
    study, row = next(rows_of(method), ("", ""))
    if not study:
        return []
    text, seeds = scores(study)[row]
    over, accuracy = table_of(study)["baselines"][row], curves(study)
    steps = accuracy.index[EVERY - 1 :: EVERY]
    lines = [[one, *(f"{accuracy[one][step]:.2f}" for step in steps)] for one in (row, over) if one in accuracy]
    head = [f"training accuracy, {WINDOW} steps", *(f"step {step}" for step in steps)]
    where = f"../../results/{study}_mini"
    return [
        "",
        "## At mini scale",
        "",
        f"{seeds} training{'s' * (seeds > 1)} of {accuracy.index[-1]} steps, all in [one table]({where}/table.md) and "
        f"[one figure]({where}/curves.png): {text} % of the test answers are right; {over} has "
        f"{scores(study)[over][0]} %.",
        "",
        *(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)),
    ]
