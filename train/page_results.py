"""What a method's page says of its training at mini scale, read from the committed results of the family's table."""

from functools import cache

import pandas as pd

from configs.compose import ROOT
from configs.groups import read_yaml

NAME = "family"
RESULTS = ROOT.parent / "results" / f"{NAME}_mini"
EVERY, WINDOW = 10, 8  # steps between the numbers shown, each a mean over the steps before it
METRIC = "reward/accuracy"


@cache
def baselines() -> dict[str, str]:
    """Return the recipe that each row of the table is compared with."""
    shown = f"configs/tables/{NAME}.yaml"
    return read_yaml(ROOT / "tables" / f"{NAME}.yaml", shown)["baselines"]


@cache
def scores() -> dict[str, tuple[str, int]]:
    """Return each row's accuracy over all columns with its interval, as text, and its number of seeds."""
    table = pd.read_csv(RESULTS / "table.csv")
    rows = table[table.heading == "overall"]
    return {row.method: (row.text, int(row.seeds)) for row in rows.itertuples()}


@cache
def curves() -> pd.DataFrame:
    """Return the training accuracy, a column per row of the table and a line per step: running means over seeds."""
    found = pd.read_parquet(RESULTS / "curves.parquet", columns=["row", "seed", "step", METRIC])
    wide = found.pivot_table(index="step", columns="row", values=METRIC, aggfunc="mean")
    return wide.rolling(WINDOW, min_periods=1).mean()


def results_of(method: str) -> list[str]:
    """Return the lines of the section; none for a method that the table does not have."""
    if not RESULTS.exists() or method not in curves():
        return []
    text, seeds = scores()[method]
    over = baselines()[method]
    rows = [one for one in (method, over) if one in curves()]
    steps = curves().index[EVERY - 1 :: EVERY]
    lines = [[one, *(f"{curves()[one][step]:.2f}" for step in steps)] for one in rows]
    head = [f"training accuracy, {WINDOW} steps", *(f"step {step}" for step in steps)]
    return [
        "",
        "## At mini scale",
        "",
        f"{seeds} training{'s' * (seeds > 1)} of {curves().index[-1]} steps, all in "
        f"[one table](../../results/{NAME}_mini/table.md) and [one figure](../../results/{NAME}_mini/curves.png): "
        f"{text} % of the test answers are right; {over} has {scores()[over][0]} %.",
        "",
        *(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines)),
    ]
