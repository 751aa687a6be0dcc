"""What an analysis writes: the table as Markdown, CSV, LaTeX and PNG, the errors, the report."""

import json
from pathlib import Path

import pandas as pd

from analysis.errors import CLASSES
from analysis.figures import curves_figure, errors_figure, png, table_figure
from analysis.gather import Gathered, error_shares, gather, provenance, with_classes
from analysis.settings import AnalysisSettings
from analysis.table import (
    NAMES,
    Comparison,
    comparison_rows,
    comparisons,
    ordered,
    our_rows,
    paper_rows,
    verdict,
    wide,
)
from common import UserError, atomic_write_bytes, atomic_write_text
from eval.output import markdown


def error_rows(shares: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Counts per class: percent of all responses, and of the wrong ones in brackets."""
    header = ["row", "right", *CLASSES, "begins by guessing", "responses"]
    rows = []
    for method, row in shares.iterrows():
        wrong = max(1e-9, 1 - row.right)
        cells = [f"{100 * row[c]:.1f} ({100 * row[c] / wrong:.0f})" for c in CLASSES]
        rows.append(
            [
                NAMES.get(str(method), str(method)),
                f"{100 * row.right:.1f}",
                *cells,
                f"{100 * row.guess:.1f}",
                f"{row.n:.0f}",
            ]
        )
    return header, rows


def write_table(gathered: Gathered, settings: AnalysisSettings, out: Path) -> list[Comparison]:
    """Table, comparisons and errors; returns the comparisons for whoever prints them."""
    ours = our_rows(gathered.items, gathered.paper, gathered.methods)
    header, rows = wide(ours, gathered.paper, paper_rows(gathered.paper))
    found = comparisons(gathered.items, gathered.paper, gathered.methods)
    shares = error_shares(with_classes(gathered.predictions), gathered.methods)
    seeds = max(len(s) for s in gathered.items.per_seed.values())
    text = [
        f"# Table {settings.table} at {settings.scale} scale",
        "",
        f"Accuracy in percent, avg@k, ± half of the 95 % interval over problems; {seeds} seed(s) per trained row. "
        f"The paper's rows ({gathered.paper['source']['paper']}, Table {settings.table}) are other models on other "
        "benchmarks: compare the differences between rows, not the rows.",
        "",
        markdown(header, rows),
        "",
        markdown(*comparison_rows(found, gathered.paper)),
        "",
        "Error classes of all responses in percent (of the wrong ones in brackets):",
        "",
        markdown(*error_rows(shares)),
        "",
        *[f"- {verdict(c)}" for c in found],
        "",
    ]
    atomic_write_text(out / "table.md", "\n".join(text))
    frame = pd.DataFrame(rows, columns=header)
    atomic_write_text(out / "table.csv", ours.round(3).to_csv(index=False))
    atomic_write_text(out / "table.tex", frame.to_latex(index=False, escape=True))
    atomic_write_text(out / "errors.csv", shares.round(4).to_csv())
    atomic_write_bytes(out / "table.png", png(table_figure(ours, ordered(gathered.paper))))
    atomic_write_bytes(out / "errors.png", png(errors_figure(shares)))
    if gathered.curves:
        atomic_write_bytes(out / "curves.png", png(curves_figure(gathered.curves)))
    atomic_write_text(out / "provenance.json", json.dumps(provenance(gathered.experiments), indent=2) + "\n")
    return found


def print_table(gathered: Gathered, found: list[Comparison], out: Path) -> None:
    """The table for a terminal, then the findings in words."""
    from rich.console import Console
    from rich.table import Table

    ours = our_rows(gathered.items, gathered.paper, gathered.methods)
    table = Table(
        "column", *(NAMES.get(m, m) for m in gathered.methods), title="accuracy in %, avg@k with 95 % interval"
    )
    for heading in ordered(gathered.paper):
        part = ours[ours.heading == heading].set_index("method")
        cells = [f"{part.value[m]:.1f} [{part.low[m]:.1f}, {part.high[m]:.1f}]" for m in gathered.methods]
        table.add_row(heading, *cells, style="bold" if heading in ("general", "vision", "overall") else "")
    console = Console()
    console.print(table)
    for c in found:
        if c.group == "overall":
            console.print(verdict(c), highlight=False)
    console.print(f"table: {out / 'table.md'}\nfigure: {out / 'table.png'}", highlight=False)


def run(settings: AnalysisSettings) -> None:
    """Do one task."""
    if settings.task not in ("table", "errors", "report", "demo"):
        raise UserError(f"no analysis task '{settings.task}'; use table, errors, report or demo")
    if settings.runs and settings.task != "report":
        raise UserError(f"runs= is for report; {settings.task} takes its runs from folder={settings.folder}")
    if settings.runs:
        from analysis.report.paper import write_run_report

        print(f"report: {write_run_report(settings)}")
        return
    default = f"results/table{settings.table}_{settings.scale}"
    if settings.task in ("report", "demo"):
        default = f"{settings.folder}/{settings.scale}/report"
    if settings.task == "demo":
        settings.fill = True
    out = Path(settings.out or default)
    gathered = gather(settings)
    if settings.task == "errors":
        print(markdown(*error_rows(error_shares(with_classes(gathered.predictions), gathered.methods))))
        return
    found = write_table(gathered, settings, out)
    print_table(gathered, found, out)
    if settings.task in ("report", "demo"):
        from analysis.report.paper import write_table_report

        print(f"report: {write_table_report(gathered, found, settings, out)}")
