"""One evaluation shows one interval for a cell: in scores.md and scores.csv, in the paper's table, in the report."""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.experiments import read_table_file
from analysis.items import collect_items
from analysis.report import numbers
from analysis.report.tables import accuracy_table
from analysis.runs import OpenedRun
from analysis.table import columns_of
from analysis.table_files import TableData
from eval.output import write_scores
from eval.paired import OVERALL
from eval.scores import column_scores, flat_scores, suite_averages
from eval.suites import AVERAGES

SOURCES = ("geometry", "chart", "word", "subject", "versions", "logic", "counting", "inpicture")
PART = "vision_centric"


def evaluation() -> pd.DataFrame:
    """Four responses to 20 items of every column; five versions of a problem are a cluster, three of them the part."""
    rng = np.random.default_rng(3)
    rows = []
    for column in SOURCES:
        for item in range(20):
            is_version = column == "versions"
            rows += [
                {
                    "sample_id": f"{column}/{item}",
                    "k": k,
                    "column": column,
                    "subset": PART if is_version and item % 5 >= 2 else "",
                    "cluster": f"{column}/{item // 5 if is_version else item}",
                    "vision_need": "high",
                    "version": "",
                    "state": "right" if right else "format",
                    "correct": right,
                    "score_robust": float(right),
                }
                for k, right in enumerate(rng.random(4) < rng.random())
            ]
    return pd.DataFrame(rows)


def cells_of(markdown: str, row: str) -> dict[str, str]:
    """Heading -> cell of the row of a pipe table that has this name."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if "|" in line]
    place = next(number for number, line in enumerate(lines) if line[0] == row)
    head = next(lines[number - 1] for number in range(place, 0, -1) if set(lines[number][0]) == {"-"})
    return dict(zip(head, lines[place], strict=True))


def test_the_same_cell_has_the_same_interval_everywhere(tmp_path: Path) -> None:
    frame, paper = evaluation(), read_table_file("1")
    scores = {
        "benchmarks": {},
        "grader": "robust",
        "columns": column_scores(frame, "robust"),
        "averages": suite_averages("mini", frame, "robust"),
    }
    write_scores(flat_scores(scores), tmp_path)
    csv = pd.read_csv(tmp_path / "scores.csv").set_index("row")

    items = collect_items(frame.assign(method="base", seed=0))
    texts = TableData(name="1", scale="mini", paper=paper, items=items, errors=None).texts()
    own = cells_of(texts["table.md"], "ours: base (1 seed)")
    (tmp_path / "table.csv").write_text(texts["table.csv"])
    table_csv = pd.read_csv(tmp_path / "table.csv").set_index("heading")

    run = OpenedRun("base", tmp_path, tmp_path, frame)
    report = accuracy_table(numbers.numbers_of([run]))
    shown = {name.partition(" (")[0]: cell for name, cell in zip(report.header, report.rows[0], strict=True)}

    for heading in [*columns_of(paper, OVERALL), *AVERAGES["mini"]]:
        text = cells_of((tmp_path / "scores.md").read_text(), heading)["robust"]
        assert text == csv.text[heading] == own[heading] == table_csv.text[heading], heading
        assert heading not in SOURCES or shown[heading] == text, heading
