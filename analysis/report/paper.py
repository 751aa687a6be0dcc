"""The report of the runs of a table of the paper: seed 0 of every row, and the table itself beside the paper's."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.experiments import title_of
from analysis.figures import png, table_figure
from analysis.gather import Gathered
from analysis.report.board import send
from analysis.report.build import Extra, build_report
from analysis.report.page import write_report
from analysis.report.records import Figure, Headline, Table
from analysis.runs import OpenRuns, open_runs
from analysis.settings import PageSettings, ReportSettings
from analysis.table import Comparison, comparison_rows, names_of, ordered, our_rows, paper_rows, verdict, wide
from eval.estimate import number_text, range_text

SHOWN_SEED = 0  # the report compares runs, so it takes one seed of every row; the table has all


def extra_of(gathered: Gathered, found: Sequence[Comparison], settings: PageSettings) -> Extra:
    """Return what the table adds: the paper's rows, and its own comparisons over all seeds."""
    ours, names = our_rows(gathered.items, gathered.paper, gathered.methods), names_of(gathered.paper)
    header, rows = wide(ours, gathered.paper, paper_rows(gathered.paper))
    seeds = max(len(s) for s in gathered.items.per_seed.values())
    title = f"{title_of(settings.table, gathered.paper)} at {settings.scale} scale"
    told = [c for c in found if c.group == "overall"]
    return Extra(
        verdict(told[-1]) if told else "",
        headline_of(told[-1]) if told else None,
        [verdict(c) for c in told[:-1]],
        [
            Table(
                f"{title}, and the paper's",
                "Accuracy in percent, avg@k, with the 95 % interval over problems. The paper's "
                "rows are other models on other benchmarks: compare differences.",
                header,
                rows,
                range(len(gathered.methods)),
            ),
            Table(
                f"{title}: every method against its baseline in the paper",
                "The same items, paired; intervals over problems and over trainings; exact McNemar test by majority.",
                *comparison_rows(found),
            ),
        ],
        [
            Figure(
                title,
                f"Columns and averages as in the paper's table; {seeds} seed(s) per trained row, points with "
                "95 % intervals over problems.",
                png(table_figure(ours, ordered(gathered.paper))),
                "accuracy per column, average and method",
            )
        ],
        f"{title}: {', '.join(names.get(method, method) for method in gathered.methods)}",
    )


def headline_of(c: Comparison) -> Headline:
    """Return what the table answers, with the interval that a method needs."""
    spans = [(c.over_items, "problems"), (c.over_trainings, "trainings")]
    texts = [f"{range_text(one.low, one.high, '+')} over {what}" for one, what in spans if one and one.has_interval]
    label = f"accuracy, mean of the table's columns: {c.method} minus {c.baseline}"
    return Headline(f"{number_text(c.over_items.value, '+')} points", ", ".join(texts), label)


def written(opened: OpenRuns, settings: PageSettings, out: Path, extra: Extra | None = None) -> Path:
    """Return the report of opened runs, written and, where W&B knows the runs, sent."""
    page = write_report(build_report(opened, settings, extra), out / "report.html")
    send(page, opened.views)
    return page


def write_table_report(gathered: Gathered, found: Sequence[Comparison], settings: PageSettings, out: Path) -> Path:
    """Return the report of a table's runs, in the folder of its other files."""
    shown = [one for one in gathered.experiments if one.seed == SHOWN_SEED]
    opened = open_runs([one.folder for one in shown])
    names = {one.method: view.name for one, view in zip(shown, opened.views, strict=True)}
    pairs = gathered.paper["baselines"].items()
    baselines = {names[method]: names[other] for method, other in pairs if method in names and other in names}
    extra = replace(extra_of(gathered, found, settings), baselines=baselines)
    return written(opened, settings, out, extra)


def write_run_report(settings: ReportSettings) -> Path:
    """Return the report of the runs that were named: a,b or [a,b]."""
    opened = open_runs(settings.runs.strip().removeprefix("[").removesuffix("]"))
    last = opened.views[-1]
    out = Path(settings.out) if settings.out else last.results if last.is_training_step else last.folder
    return written(opened, settings, out)
