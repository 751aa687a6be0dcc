"""A figure of training curves: its committed files, and the curves from which they are made again.

`curves.parquet` has a line per row, seed and step with the metrics of `analysis.run_files`; the page and the numbers
below the figure come from it alone. A figure is a YAML of configs/tables with `curves`, a list of panels:
    {metric: reward/accuracy, label: "training accuracy", rows: [grpo, papo_g], title: "GRPO"}
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis.experiments import notes_of, read_table_file, title_of
from analysis.figures import curves_figure, png
from analysis.figures.curves import Panel
from analysis.measures import measure_rows
from analysis.measuring import metric_value
from analysis.run_files import CURVES, CURVES_FILE
from common import UserError, atomic_path, atomic_write_bytes, atomic_write_text
from eval.output import markdown

FIGURE, PAGE, NUMBERS, WHICH = "figure.png", "figure.md", "figure.csv", "figure.json"


@dataclass(frozen=True, kw_only=True)
class FigureData:
    """What a figure of training curves is made of."""

    name: str
    scale: str
    table: Mapping[str, Any]
    curves: pd.DataFrame  # of analysis.run_files.curves_table

    def panels(self) -> list[Panel]:
        panels = [Panel(**one) for one in self.table["curves"]]
        unknown = [one.metric for one in panels if one.metric not in CURVES]
        if unknown:
            raise UserError(f"a panel asks for {unknown[0]}, which no table keeps; it keeps {', '.join(CURVES)}")
        return panels

    def measures(self) -> pd.DataFrame:
        """Return one line per row, seed and measure, from the curves alone."""
        lines = [
            {"row": row, "seed": seed, "measure": one["id"], "value": metric_value(part, one["metric"], one["over"])}
            for one in self.table["measures"]
            for (row, seed), part in self.curves.groupby(["row", "seed"], sort=False)
        ]
        return pd.DataFrame(lines)

    def texts(self) -> dict[str, str]:
        """Return the files of text by name."""
        numbers, steps = self.measures(), self.curves.groupby(["row", "seed"]).step.max()
        seeds = self.curves.groupby("row").seed.nunique().max()
        said = (
            f"{seeds} seed(s) a row, {steps.min()} steps; means over trainings, in brackets 95 % intervals over them, "
            "paired by seed in differences. A step is the first at which it happened, for every seed."
        )
        parts = [f"# {title_of(self.name, self.table)}, at {self.scale} scale", said]
        parts += [markdown(*measure_rows(numbers, self.table)), f"![curves]({FIGURE})", *notes_of(self.table)]
        return {PAGE: "\n\n".join(parts) + "\n", NUMBERS: numbers.to_csv(index=False, float_format="%.6g")}

    def figure(self) -> Figure:
        runs = {
            str(row): [one for _, one in part.groupby("seed")] for row, part in self.curves.groupby("row", sort=False)
        }
        return curves_figure(runs, self.panels(), {row["id"]: row["name"] for row in self.table["rows"]})

    def write(self, folder: Path) -> None:
        for name, text in self.texts().items():
            atomic_write_text(folder / name, text)
        with atomic_path(folder / CURVES_FILE) as path:
            self.curves.to_parquet(path, index=False)
        atomic_write_bytes(folder / FIGURE, png(self.figure()))
        atomic_write_text(folder / WHICH, json.dumps({"name": self.name, "scale": self.scale}) + "\n")


def read_figure(folder: Path) -> FigureData:
    """Read what `write` wrote; rows and panels are those of the figure's file now."""
    which = json.loads((folder / WHICH).read_text())
    return FigureData(**which, table=read_table_file(which["name"]), curves=pd.read_parquet(folder / CURVES_FILE))
