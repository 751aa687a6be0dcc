"""The page and the table of the paper's arithmetic."""

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.arithmetic.checks import (
    CELLS,
    FOLLOWS,
    NOTHING,
    OF_MEANS,
    OFF,
    UNKNOWN,
    Check,
    Without,
    checks,
    without_column,
)
from analysis.arithmetic.settings import ArithmeticSettings
from analysis.experiments import read_table_file, table_names
from common import atomic_write_text
from configs.run import check_clean, in_results
from eval.output import MISSING, markdown

DROPPED = "counting"
VERDICTS = (FOLLOWS, OF_MEANS, OFF, UNKNOWN)


def published_tables() -> list[dict[str, Any]]:
    """Return the tables that hold averages of the paper, by their numbers."""
    tables = map(read_table_file, table_names())
    return [table for table in tables if any("averages" in row for row in table["published"])]


def number_text(value: float) -> str:
    return MISSING if isnan(value) else f"{value:.2f}"


def counts_table(found: Sequence[Check]) -> str:
    """Return how many numbers of each table follow."""
    counts = Counter((one.table, one.number, one.verdict) for one in found)
    rows = [
        [table, number, *(str(counts[table, number, verdict] or MISSING) for verdict in VERDICTS)]
        for table, number in dict.fromkeys((one.table, one.number) for one in found)
    ]
    return markdown(["table", "printed number", *VERDICTS], rows)


def mismatch_table(found: Sequence[Check]) -> str:
    """Return the numbers that do not follow."""
    header = ["table", "row", "number", "group", "printed", "recomputed", "gain of the means", "recomputed from"]
    rows = [
        [
            one.table,
            f"{one.row} {one.model}-{one.size}",
            f"{one.number} over {one.against}" if one.against else one.number,
            one.group,
            number_text(one.printed),
            number_text(one.recomputed),
            number_text(one.gain_of_means),
            one.source or MISSING,
        ]
        for one in found
        if one.verdict in (OFF, OF_MEANS)
    ]
    return markdown(header, rows)


def convention(found: Sequence[Check]) -> str:
    """Return which way of making a relative gain fits what is printed."""
    gains = [one for one in found if one.number == "relative gain"]
    from_cells, bare = ([one for one in gains if one.source == source] for source in (CELLS, NOTHING))
    mean, of_means, off = (sum(one.verdict == verdict for one in from_cells) for verdict in (FOLLOWS, OF_MEANS, OFF))
    rows = {(one.table, one.model, one.size, one.row) for one in bare if one.verdict == OF_MEANS}
    return (
        f"Of {len(from_cells)} relative gains whose cells are printed, {mean} are the mean over columns of the "
        f"columns' relative gains, {of_means} are the relative gain of the averages, and {off} are neither. "
        f"{len(bare)} gains of groups are printed without cells, so that the mean over columns cannot be formed; "
        f"{len(rows) or 'no'} row of them has only gains of the averages."
    )


def without_table(lines: Sequence[Without]) -> str:
    """Return gains with and without a column."""
    header = ["row", "group", "points", f"points without {DROPPED}", "relative gain, %", f"without {DROPPED}, %"]
    rows = [
        [
            f"{one.row} {one.model}-{one.size}",
            one.group,
            *(f"{value:+.2f}" for value in (one.points, one.points_without, one.gain, one.gain_without)),
        ]
        for one in lines
    ]
    return markdown(header, rows)


def page(found: Sequence[Check], tables: Sequence[dict[str, Any]]) -> str:
    """Return the page."""
    first = next(table for table in tables if str(table["source"]["table"]) == "1")
    parts = [
        "# The paper's arithmetic",
        f"Numbers of {first['source']['paper']}, as configs/tables has them, recomputed from other printed numbers by "
        "`python -m analysis.arithmetic`. A number follows if rounding of everything involved to 0.01 explains the "
        "difference. Cells of a row are looked up in every table that prints them; without cells, the overall number "
        "is recomputed from those of the two groups (5 and 4 columns), and the groups' own cannot be checked.",
        counts_table(found),
        "## Relative gains: by which convention",
        convention(found),
        "## What does not follow",
        mismatch_table(found),
        f"## Table 1 without {DROPPED}",
        "The differences over the paper's baseline; relative gains are means over columns.",
        without_table(without_column(first, DROPPED)),
    ]
    return "\n\n".join(parts) + "\n"


def texts() -> dict[str, str]:
    """Return the files by name."""
    tables = published_tables()
    found = list(checks(tables))
    lines = pd.DataFrame([asdict(one) for one in found]).round(4)
    return {"arithmetic.md": page(found, tables), "arithmetic.csv": lines.to_csv(index=False)}


def run(settings: ArithmeticSettings) -> None:
    """Print the page; write it and the table where `out` says so."""
    out = Path(settings.out)
    if settings.out and in_results(out):
        check_clean()
    files = texts()
    for name, text in files.items() if settings.out else ():
        atomic_write_text(out / name, text)
    sys.stdout.write(files["arithmetic.md"])
