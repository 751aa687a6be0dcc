"""A table's committed files: Markdown, CSV and LaTeX, and the per-item scores from which they are made again.

`items.parquet` has one line per item: column, subset, cluster, vision_need, version, and the mean score under each
training, in a column `<row>/seed<n>`. `errors.csv` has the shares of the classes of error, `measures.csv` what else
was measured of every training. Nothing else is needed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import hints
from analysis.errors import CLASSES
from analysis.experiments import notes_of, read_table_file, title_of
from analysis.items import DESCRIBED, Items
from analysis.measures import measure_rows
from analysis.table import comparison_rows, comparisons, names_of, our_rows, paper_rows, verdict, wide
from common import UserError, atomic_path, atomic_write_text
from eval.estimate import number_text
from eval.output import markdown

ITEMS, ERRORS, MEASURES = "items.parquet", "errors.csv", "measures.csv"


@dataclass(frozen=True, kw_only=True)
class TableData:
    """What a table is made of."""

    name: str
    scale: str
    paper: dict[str, Any]
    items: Items
    errors: pd.DataFrame | None  # shares per row; None where classes are not known by construction
    measures: pd.DataFrame | None = None  # of analysis.measures; None where the table asks for none

    @property
    def methods(self) -> list[str]:
        return list(self.items.per_seed)

    @property
    def title(self) -> str:
        return f"{title_of(self.name, self.paper)} at {self.scale} scale"

    @property
    def has_suggestions(self) -> bool:
        return bool((self.items.frame.hint != "").any())

    def texts(self) -> dict[str, str]:
        """Return the files by name."""
        ours = our_rows(self.items, self.paper, self.methods)
        header, rows = wide(ours, self.paper, paper_rows(self.paper))
        return {
            "table.md": self.page(header, rows),
            "table.csv": ours.round(3).to_csv(index=False),
            "table.tex": pd.DataFrame(rows, columns=header).to_latex(index=False, escape=True),
        }

    def page(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        found = comparisons(self.items, self.paper, self.methods)
        seeds = max(len(seeds) for seeds in self.items.per_seed.values())
        classes = "The benchmarks of this scale give no classes of error by construction (python -m analysis.judge)."
        if self.errors is not None:
            shares = markdown(*error_rows(self.errors, names_of(self.paper)))
            classes = f"Error classes of all responses in percent (of the wrong ones in brackets):\n\n{shares}"
        parts = [
            f"# {self.title}",
            f"Accuracy in percent, avg@k, with the 95 % interval over problems; {seeds} seed(s) per trained row."
            f"{self.published_note()}",
            markdown(header, rows),
            markdown(*comparison_rows(found)),
            *self.suggestions(),
            *self.measured(),
            classes,
            *notes_of(self.paper),
            "\n".join(f"- {verdict(one)}" for one in found),
        ]
        return "\n\n".join(parts) + "\n"

    def overall(self) -> list[str]:
        """Return one sentence per comparison, on the average of all columns."""
        found = comparisons(self.items, self.paper, self.methods)
        return [verdict(one) for one in found if one.group == "overall"]

    def published_note(self) -> str:
        if not self.paper["published"]:
            return ""
        return (
            f" The paper's rows ({self.paper['source']['paper']}, Table {self.name}) are other models on other "
            "benchmarks: compare the differences between rows, not the rows."
        )

    def measured(self) -> list[str]:
        """Return what else was measured of every training, where the table asks for it."""
        if self.measures is None or self.measures.empty:
            return []
        said = "Means over trainings, in brackets 95 % intervals over them, paired by seed in differences:"
        return [f"{said}\n\n{markdown(*measure_rows(self.measures, self.paper))}"]

    def suggestions(self) -> list[str]:
        """Return the table of right and wrong suggestions, where the items have some."""
        if not self.has_suggestions:
            return []
        rows = hints.table(self.items, names_of(self.paper), self.paper["baselines"])
        said = "Problems whose question suggests a fact; in brackets 95 % intervals over trainings, paired by seed:"
        return [f"{said}\n\n{markdown(*rows)}"]

    def write(self, folder: Path) -> None:
        """Write the files of the table and what they can be made from again."""
        for name, text in self.texts().items():
            atomic_write_text(folder / name, text)
        if self.errors is not None:
            atomic_write_text(folder / ERRORS, self.errors.to_csv())
        if self.measures is not None and not self.measures.empty:
            atomic_write_text(folder / MEASURES, self.measures.to_csv(index=False))
        write_items(self, folder / ITEMS)


def error_rows(shares: pd.DataFrame, names: dict[str, str]) -> tuple[list[str], list[list[str]]]:
    """Return percent of all responses per class, and of the wrong ones in brackets."""
    header = ["row", "right", *CLASSES, "begins by guessing", "responses"]
    rows = []
    for method, row in shares.iterrows():
        wrong = max(1e-9, 1 - row.right)
        cells = [f"{number_text(row[c])} ({100 * row[c] / wrong:.0f})" for c in CLASSES]
        name = names.get(str(method), str(method))
        rows.append([name, number_text(row.right), *cells, number_text(row.guess), f"{row.n:.0f}"])
    return header, rows


def write_items(data: TableData, path: Path) -> None:
    """Write the per-item scores; the file also says of which table and scale they are."""
    import pyarrow
    import pyarrow.parquet

    scores = {
        f"{method}/seed{seed}": scores_I
        for method, seeds in data.items.per_seed.items()
        for seed, scores_I in seeds.items()
    }
    table = pyarrow.Table.from_pandas(data.items.frame.assign(**scores), preserve_index=True)
    what = {"percept": json.dumps({"table": data.name, "scale": data.scale})}
    with atomic_path(path) as target:
        pyarrow.parquet.write_table(table.replace_schema_metadata({**table.schema.metadata, **what}), target)


def read_table(folder: Path) -> TableData:
    """Read what a table was made of from its folder."""
    import pyarrow.parquet

    path = folder / ITEMS
    if not path.exists():
        raise UserError(f"{folder} has no {ITEMS}, so its table cannot be made again; run python -m analysis table=1")
    table = pyarrow.parquet.read_table(path)
    what, frame = json.loads(table.schema.metadata[b"percept"]), table.to_pandas()
    per_seed: dict[str, dict[int, np.ndarray]] = {}
    for name in [name for name in frame if name not in DESCRIBED]:
        method, _, seed = name.rpartition("/seed")
        per_seed.setdefault(method, {})[int(seed)] = frame[name].to_numpy(dtype=float)
    errors, measures = folder / ERRORS, folder / MEASURES
    return TableData(
        name=str(what["table"]),
        scale=what["scale"],
        paper=read_table_file(str(what["table"])),
        items=Items(frame.reindex(columns=DESCRIBED, fill_value=""), per_seed),
        errors=pd.read_csv(errors, index_col=0) if errors.exists() else None,
        measures=pd.read_csv(measures) if measures.exists() else None,
    )
