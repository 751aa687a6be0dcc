"""Fill a report from evaluated runs: numbers, figures, and a browser of samples with every run's answers.

The runs may be of the mini world or of any benchmark, with or without training curves and weights; what is missing is
left out and said in `Report.left_out` and on the samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from analysis.report.comparing import curves as curves_of
from analysis.report.figures import COMPARED_AT_MOST, figures_of, front_figures
from analysis.report.front import front_of, main_comparison
from analysis.report.items import Material, items_of, material_of, shown_ids
from analysis.report.numbers import numbers_of
from analysis.report.over_seeds import over_seeds
from analysis.report.profiles import profiles_of
from analysis.report.records import Figure, Headline, Report, Table
from analysis.report.scores import VIEW, Scored, describe_view
from analysis.report.summary import sentences
from analysis.report.tables import tables_of
from analysis.report.workers import Work, started
from analysis.runs import OpenedRun, OpenRuns
from analysis.seeds import methods_of, same_seed_baselines
from analysis.settings import PageSettings
from common import UserError
from configs import Run
from eval.benchmarks import benchmark_of


@dataclass(frozen=True)
class Extra:
    """What a table of the paper adds to the report of its runs."""

    finding: str = ""  # with `headline`, its number: over all trainings of the table, and by its own average
    headline: Headline | None = None
    summary: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Figure] = ()
    title: str = ""
    baselines: Mapping[str, str] = field(default_factory=dict)  # of runs that are not compared with the first


def work_of(views: Sequence[OpenedRun], material: Material, settings: PageSettings) -> Work:
    """Return what is scored of every run, all behind the same spoiled pictures."""
    rows = views[0].predictions
    shown = rows[rows.sample_id.isin(set(material.ids))]
    mapped = shown_ids(shown, settings.patches) if settings.patches else []
    return Work(material.ids, material.visible, mapped, settings.patch_grid)


def title_of(views: Sequence[OpenedRun]) -> str:
    methods = methods_of(views)
    names = [f"{one.name} ({one.counted})" if len(one.runs) > 1 else one.names[0] for one in methods]
    told = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    columns = views[0].predictions.column.astype(str).unique()
    homes = {benchmark_of(name) for name in views[0].predictions.sample_id}
    home = homes.pop() if len(homes) == 1 else None
    if home and home.generate:
        return f"{told} on {home.title}"
    return f"{told} on {', '.join(columns[:3])}{' ...' if len(columns) > 3 else ''}"


def origins(views: Sequence[OpenedRun], settings: PageSettings) -> list[tuple[str, str]]:
    """Return where every number comes from; what is the same for all runs stands once."""
    facts: dict[str, list[tuple[str, str]]] = {}
    for view in views:
        told = {"predictions": str(view.evaluation)}
        try:
            record, asked = view.record, view.settings
        except UserError as error:
            told["record"] = f"not to be had: {error}"
        else:
            sampling = {name: getattr(asked.sampling, name) for name in ("temperature", "top_p", "top_k")}
            told |= {
                "weights": record.revisions.get("model", "unknown"),
                "benchmark": record.revisions.get("bench", ""),
                "commit": record.commit + (" with changes" if record.dirty else ""),
                "evaluated": record.started,
                "sampling": f"k={asked.k}, seed {asked.seed}, {told_as_text(sampling)}",
                "grader": asked.grader,
                "hardware": told_as_text(record.hardware),
                "packages": told_as_text(record.packages),
            }
        for name, value in told.items():
            facts.setdefault(name, []).append((view.name, value))
    rows = []
    for name, values in facts.items():
        same = len(values) == len(views) and len({value for _, value in values}) == 1
        rows += [(name, values[0][1])] if same else [(f"{name} of {run}", value) for run, value in values]
    own = Run.collect(settings)
    return [*rows, ("report", f"commit {own.commit}{' with changes' if own.dirty else ''}, {own.started}")]


def told_as_text(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value not in ("", [], None))


def left_out_of(
    views: Sequence[OpenedRun],
    material: Material,
    scored: Mapping[str, Scored],
    curves: Mapping[str, object],
    mapped: int,
) -> list[str]:
    """Return one sentence for everything that a reader might look for in vain."""
    whole, shown = views[0].predictions.sample_id.nunique(), len(material.ids)
    found = [*material.left_out, *(line for one in scored.values() for line in one.left_out)]
    if shown < whole:
        found.append(
            f"The browser shows {shown:,} of {whole:,} samples, as many from every column as it has, drawn by their "
            "names and never by what a run said (samples=0 shows all). All numbers but the visual dependency are of "
            "all samples."
        )
    if mapped < shown:
        found.append(f"Maps of patches are made for {mapped:,} of the shown samples (patches={mapped}).")
    if len(views) - 1 > COMPARED_AT_MOST:
        found.append(
            f"Figures of flow and repair are drawn for {COMPARED_AT_MOST} of the later runs; tables have all."
        )
    if not curves:
        found.append("No run has training curves (metrics.jsonl beside its evaluation).")
    return found


def build_report(opened: OpenRuns, settings: PageSettings, extra: Extra | None = None) -> Report:
    """Return everything that a page shows of some runs; the first is the baseline."""
    extra, views, described = extra or Extra(), opened.views, describe_view(VIEW)
    material = material_of(views, shown_ids(views[0].predictions, settings.samples))
    work = work_of(views, material, settings)
    with started(views, work) as scores:
        numbers = numbers_of(views, extra.baselines or same_seed_baselines(methods_of(views)))
        if extra.headline:
            numbers = numbers.under_another_mean()
        scored = scores()
    profiles = profiles_of({name: one.frame for name, one in scored.items() if one.frame is not None})
    answers = {view.name: view.predictions for view in views}
    over, curves = over_seeds(views, numbers, profiles.costs), curves_of(views)
    main, items = main_comparison(numbers, over), items_of(views, material, scored)
    front = front_of(numbers, over, answers, profiles.costs, items, front_figures(numbers, views, main))
    if extra.headline:
        front = replace(front, finding=extra.finding, numbers=[extra.headline, *front.numbers[1:]])
    said = sentences(numbers, opened.classes, profiles.costs, described, over, answers)
    return Report(
        extra.title or title_of(views),
        front,
        [*(line for line in said if line != front.finding), *extra.summary],
        [*tables_of(numbers, opened.classes, profiles.lines, described, over), *extra.tables],
        [*figures_of(numbers, views, profiles, curves, described, main), *extra.figures],
        items,
        origins(views, settings),
        [*left_out_of(views, material, scored, curves, len(work.mapped)), *(over.left_out if over else [])],
    )
