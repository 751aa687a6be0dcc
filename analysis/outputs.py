"""What an analysis writes: the table as Markdown, CSV, LaTeX and PNG, the errors, the report."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis import hints
from analysis.experiments import read_table_file, table_file
from analysis.figure_files import FIGURE, PAGE, FigureData
from analysis.figures import curves_figure, errors_figure, forest_figure, png, table_figure
from analysis.figures.style import signed
from analysis.gather import Gathered, error_shares, gather, provenance, ready
from analysis.measuring import measured
from analysis.recipes import write_recipes
from analysis.run_files import curves_table, write_runs
from analysis.settings import AnalysisSettings
from analysis.table import (
    Comparison,
    comparisons,
    names_of,
    ordered,
    our_rows,
    verdict,
)
from analysis.table_files import TableData, error_rows
from common import UserError, atomic_write_bytes, atomic_write_text
from configs import Run
from configs.run import check_clean, in_results
from eval.output import markdown


def table_data(gathered: Gathered, settings: AnalysisSettings) -> TableData:
    """Return what the table is made of."""
    classified = gathered.classified
    errors = None if classified is None else error_shares(classified, gathered.methods)
    return TableData(
        name=settings.table,
        scale=settings.scale,
        paper=gathered.paper,
        items=gathered.items,
        errors=errors,
        measures=measured(gathered.experiments, gathered.paper),
    )


def write_table(gathered: Gathered, settings: AnalysisSettings, out: Path) -> list[Comparison]:
    """Write the table, its figures and its provenance; return the comparisons."""
    data = table_data(gathered, settings)
    records = provenance(gathered.experiments)
    if in_results(out):
        refuse_dirty(records)
    data.write(out)
    write_runs(gathered.experiments, gathered.classified, out)
    ours = our_rows(gathered.items, gathered.paper, gathered.methods)
    atomic_write_bytes(out / "table.png", png(table_figure(ours, ordered(gathered.paper))))
    if data.errors is not None:
        atomic_write_bytes(out / "errors.png", png(errors_figure(data.errors)))
    if data.has_suggestions:
        gains = hints.gain_rows(gathered.items, names_of(gathered.paper), gathered.paper["baselines"])
        label = "right answers: difference in points, 95 % interval over trainings"
        if len(gains) > 1:
            atomic_write_bytes(out / "suggestions.png", png(forest_figure(gains, label)))
    if gathered.curves:
        atomic_write_bytes(out / "curves.png", png(curves_figure(gathered.curves)))
    atomic_write_text(out / "provenance.json", json.dumps(records, indent=2) + "\n")
    return comparisons(gathered.items, gathered.paper, gathered.methods)


def refuse_dirty(records: Sequence[dict[str, Any]]) -> None:
    """Refuse to commit numbers that no commit gives back."""
    check_clean()
    dirty = [f"{one['method']} seed {one['seed']}" for one in records if one["dirty"]]
    if dirty:
        raise UserError(
            f"{', '.join(dirty)} were evaluated with changes that are not committed; evaluate them again from a clean "
            "tree, or give out=<a folder outside results>"
        )


def write_figure(settings: AnalysisSettings, table: dict[str, Any], out: Path) -> None:
    """Write a figure of training curves, what it was drawn from and where that came from."""
    experiments = ready(settings, table, clean=in_results(out))
    if not experiments:
        return
    records = provenance(experiments)
    if in_results(out):
        refuse_dirty(records)
    data = FigureData(name=settings.table, scale=settings.scale, table=table, curves=curves_table(experiments))
    data.write(out)
    atomic_write_text(out / "provenance.json", json.dumps(records, indent=2) + "\n")
    print(f"figure: {out / FIGURE}\nnumbers: {out / PAGE}")


def print_table(gathered: Gathered, found: list[Comparison], out: Path) -> None:
    """Print the table for a terminal, then the findings in words."""
    from rich.console import Console
    from rich.table import Table

    ours, names = our_rows(gathered.items, gathered.paper, gathered.methods), names_of(gathered.paper)
    table = Table(
        "column", *(names.get(m, m) for m in gathered.methods), title="accuracy in %, avg@k with 95 % interval"
    )
    for heading in ordered(gathered.paper):
        part = ours[ours.heading == heading].set_index("method")
        cells = [part.text[m] for m in gathered.methods]
        table.add_row(heading, *cells, style="bold" if heading in ("general", "vision", "overall") else "")
    console = Console()
    console.print(table)
    for c in found:
        if c.group == "overall":
            console.print(verdict(c), highlight=False)
    console.print(f"table: {out / 'table.md'}\nfigure: {out / 'table.png'}", highlight=False)


def run(settings: AnalysisSettings) -> None:
    """Do one task; its figures bear the command."""
    with signed(Run.collect(settings)):
        do(settings)


def do(settings: AnalysisSettings) -> None:
    if settings.task not in ("table", "errors", "report", "demo"):
        raise UserError(f"no analysis task '{settings.task}'; use table, errors, report or demo")
    if settings.runs and settings.task != "report":
        raise UserError(f"runs= is for report; {settings.task} takes its runs from folder={settings.folder}")
    if settings.runs:
        from analysis.report.paper import write_run_report

        print(f"report: {write_run_report(settings)}")
        return
    table = read_table_file(settings.table)
    if "settings" in table:
        write_recipes(settings.table, table, Path(settings.out or f"results/{table_file(settings.table).stem}"))
        return
    default = f"results/{table_file(settings.table).stem}_{settings.scale}"
    if "curves" in table:
        write_figure(settings, table, Path(settings.out or default))
        return
    if settings.task in ("report", "demo"):
        default = f"{settings.folder}/{settings.scale}/report"
    if settings.task == "demo":
        settings = replace(settings, fill=True)
    out = Path(settings.out or default)
    gathered = gather(settings, clean=in_results(out) and settings.task != "errors")
    if gathered is None:
        return
    if settings.task == "errors":
        if gathered.classified is None:
            raise UserError(f"scale={settings.scale} gives no classes by construction; ask python -m analysis.judge")
        shares = error_shares(gathered.classified, gathered.methods)
        print(markdown(*error_rows(shares, names_of(gathered.paper))))
        return
    found = write_table(gathered, settings, out)
    print_table(gathered, found, out)
    if settings.task in ("report", "demo"):
        from analysis.report.paper import write_table_report

        print(f"report: {write_table_report(gathered, found, settings, out)}")
