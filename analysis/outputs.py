"""What an analysis writes: the table as Markdown, CSV, LaTeX and PNG, the errors, the report."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from analysis import hints
from analysis.experiments import read_table_file, table_file
from analysis.figure_files import FIGURE, PAGE, FigureData
from analysis.figures import curves_beside_baselines, curves_figure, errors_figure, forest_figure, png, table_figure
from analysis.figures.curves import MOST_LINES
from analysis.figures.style import signed
from analysis.gather import Gathered, error_shares, gather, provenance, ready
from analysis.measuring import measured
from analysis.recipes import write_recipes
from analysis.run_files import curves_table, write_runs
from analysis.settings import PageSettings, ReportSettings, RowsSettings, TableSettings
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
from eval.statistics import holm


def table_data(gathered: Gathered, settings: RowsSettings) -> TableData:
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


def write_table(gathered: Gathered, settings: RowsSettings, out: Path) -> list[Comparison]:
    """Write the table, its figures and its provenance; return the comparisons."""
    data = table_data(gathered, settings)
    records = provenance(gathered.experiments)
    if in_results(out):
        refuse_dirty(records)
    data.write(out)
    write_runs(gathered.experiments, gathered.classified, out)
    found = comparisons(gathered.items, gathered.paper, gathered.methods)
    atomic_write_bytes(out / "table.png", png(table_picture(gathered, found)))
    if data.errors is not None:
        atomic_write_bytes(out / "errors.png", png(errors_figure(data.errors.rename(index=names_of(gathered.paper)))))
    if data.has_suggestions:
        gains = hints.gain_rows(gathered.items, names_of(gathered.paper), gathered.paper["baselines"])
        label = "right answers: difference in points, 95 % interval over trainings"
        if len(gains) > 1:
            atomic_write_bytes(out / "suggestions.png", png(forest_figure(gains, label)))
    if gathered.curves:
        atomic_write_bytes(out / "curves.png", png(table_curves(gathered)))
    atomic_write_text(out / "provenance.json", json.dumps(records, indent=2) + "\n")
    return found


def table_picture(gathered: Gathered, found: Sequence[Comparison]) -> Figure:
    """Draw every row in every column or, of many rows, what each gains on its baseline over all columns."""
    if len(gathered.methods) <= MOST_LINES:
        ours = our_rows(gathered.items, gathered.paper, gathered.methods)
        return table_figure(ours, ordered(gathered.paper), names_of(gathered.paper))
    overall = [one for one in found if one.group == "overall"]
    gains = pd.DataFrame(
        {
            "label": f"{one.method} \u2212 {one.baseline}",
            "difference": 100 * one.over_items.value,
            "low": 100 * one.over_items.low,
            "high": 100 * one.over_items.high,
        }
        for one in overall
    ).assign(p=holm([one.p_value for one in overall]))
    return forest_figure(gains, "accuracy over all columns: difference in points, 95 % over problems")


def table_curves(gathered: Gathered) -> Figure:
    """Draw the training curves: all runs in the usual panels or, of many runs, each beside its baseline."""
    if len(gathered.curves) <= MOST_LINES:
        return curves_figure(gathered.curves, names=names_of(gathered.paper))
    return curves_beside_baselines(gathered.curves, gathered.paper["baselines"], names_of(gathered.paper))


def refuse_dirty(records: Sequence[dict[str, Any]]) -> None:
    """Refuse to commit numbers that no commit gives back."""
    check_clean()
    dirty = [f"{one['method']} seed {one['seed']}" for one in records if one["dirty"]]
    if dirty:
        raise UserError(
            f"{', '.join(dirty)} were evaluated with changes that are not committed; evaluate them again from a clean "
            "tree, or give out=<a folder outside results>"
        )


def write_figure(settings: RowsSettings, table: dict[str, Any], out: Path) -> None:
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


def run(settings: RowsSettings) -> None:
    """Do one task; its figures bear the command."""
    with signed(Run.collect(settings)):
        if isinstance(settings, TableSettings):
            make_table(settings)
        elif isinstance(settings, PageSettings):
            make_page(settings)
        else:
            print_errors(settings)


def make_table(settings: TableSettings) -> None:
    """Write a table, a figure of curves, or a list of recipes, whatever the table's file asks for."""
    table, stem = read_table_file(settings.table), f"results/{table_file(settings.table).stem}"
    if "settings" in table:
        write_recipes(settings.table, table, Path(settings.out or stem))
    elif "curves" in table:
        write_figure(settings, table, Path(settings.out or f"{stem}_{settings.scale}"))
    else:
        filled(settings, Path(settings.out or f"{stem}_{settings.scale}"))


def filled(settings: RowsSettings, out: Path) -> tuple[Gathered, list[Comparison]] | None:
    """Write and print a table of what its runs have left; None after a mere plan."""
    gathered = gather(settings, clean=in_results(out))
    if gathered is None:
        return None
    found = write_table(gathered, settings, out)
    print_table(gathered, found, out)
    return gathered, found


def make_page(settings: PageSettings) -> None:
    """Write the report of named runs, or that of a table's with the table."""
    from analysis.report.paper import write_run_report, write_table_report

    if isinstance(settings, ReportSettings) and settings.runs:
        print(f"report: {write_run_report(settings)}")
        return
    out = Path(settings.out or f"{settings.folder}/{settings.scale}/report")
    if made := filled(settings, out):
        print(f"report: {write_table_report(*made, settings, out)}")


def print_errors(settings: RowsSettings) -> None:
    """Print the classes of error of a table's runs."""
    gathered = gather(settings)
    if gathered is None:
        return
    if gathered.classified is None:
        raise UserError(f"scale={settings.scale} gives no classes by construction; ask python -m analysis.judge")
    shares = error_shares(gathered.classified, gathered.methods)
    print(markdown(*error_rows(shares, names_of(gathered.paper))))
