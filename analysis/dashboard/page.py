"""One HTML file with the panels of sections.py: curves drawn by a small script, evaluations, rollouts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.dashboard.curves import Training
from analysis.dashboard.rollouts import last_step
from analysis.dashboard.sections import SECTIONS, Panel, Section
from analysis.figures.style import Look, run_looks
from common import atomic_write_text
from eval.estimate import interval_text
from eval.pages import inline, render, script_data

HERE = Path(__file__).parent
DASHES = {"-": "", "--": "6 3", ":": "2 3", "-.": "7 3 2 3"}
SPARE = ("12 3", "1 3", "12 3 1 3", "4 8")  # where colours are used again
DIGITS = 5  # significant ones of a shown number
ROLLOUTS_AT_MOST = 6  # trainings whose responses are shown
NAMED = 4  # in the title


def seeds_of(trainings: Sequence[Training], group: str) -> list[Training]:
    return [one for one in trainings if one.group == group]


def lines_of(trainings: Sequence[Training], groups: Sequence[str], metric: str) -> list[dict[str, Any]]:
    """Return, per group that has the metric, the steps and values of each of its seeds."""
    found = []
    for number, group in enumerate(groups):
        curves = [one.curves[metric] for one in seeds_of(trainings, group) if metric in one.curves]
        seeds = [
            {"steps": [step for step, _ in curve], "values": [float(f"{value:.{DIGITS}g}") for _, value in curve]}
            for curve in curves
        ]
        found += [{"group": number, "seeds": seeds}] if seeds else []
    return found


def charts_of(section: Section, trainings: Sequence[Training], groups: Sequence[str]) -> list[dict[str, Any]]:
    """Return the section's charts that have a line, one per metric."""
    names = list(dict.fromkeys(name for one in trainings for name in one.curves))
    found = []
    for panel in section.panels:
        for metric in panel.members(names):
            lines = lines_of(trainings, groups, metric)
            chart = {"metric": metric, "title": title_of(panel, metric), "about": panel.about, "unit": panel.unit}
            found += [chart | {"smooth": panel.smooth, "lines": lines}] if lines else []
    return found


def title_of(panel: Panel, metric: str) -> str:
    """Return a chart's title: of a family, with the member's own name."""
    front = panel.metric.removesuffix("*")
    return panel.title if front == panel.metric else f"{panel.title}: {metric.removeprefix(front)}"


def dashes_of(looks: Sequence[Look]) -> list[str]:
    """Return each run's dashes; runs that share a colour and a line get others, as far as there are some."""
    pairs = [(look.colour, look.line) for look in looks]
    times = [pairs[:place].count(pair) for place, pair in enumerate(pairs)]
    return [DASHES[look.line] if n == 0 else SPARE[(n - 1) % len(SPARE)] for look, n in zip(looks, times, strict=True)]


def title_of_page(trainings: int, names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{trainings} training{'s' * (trainings > 1)}: {', '.join(names[:NAMED])}{more}"


def missing_of(section: Section, charts: Sequence[dict[str, Any]]) -> list[str]:
    """Return the titles of panels that no run has a line for."""
    shown = [chart["metric"] for chart in charts]
    return [panel.title for panel in section.panels if not panel.members(shown)]


def evaluation_rows(trainings: Sequence[Training]) -> tuple[list[str], list[list[str]]]:
    """Return a table of all complete evaluations: a row each, the averages with their 95 % intervals."""
    averages = list(dict.fromkeys(n for one in trainings for e in one.evaluations.values() for n in e["averages"]))
    rows = []
    for one in trainings:
        for name, scores in one.evaluations.items():
            found = [scores["averages"].get(average) for average in averages]
            cells = [interval_text(f["mean"], f["low"], f["high"]) if f else "—" for f in found]
            seed = one.folder.name if one.folder.resolve().name != one.group else ""
            rows.append([one.group, seed, name, str(scores["k"]), *cells])
    return ["run", "seed", "evaluation", "k", *averages], rows


def render_dashboard(trainings: Sequence[Training]) -> str:
    """Return the whole page as text."""
    groups = list(dict.fromkeys(one.group for one in trainings))
    looks = run_looks(groups)
    dashes = dashes_of(list(looks.values()))
    runs = [
        {"name": looks[g].label, "colour": looks[g].colour, "dash": dash, "seeds": len(seeds_of(trainings, g))}
        for g, dash in zip(groups, dashes, strict=True)
    ]
    charts = [charts_of(section, trainings, groups) for section in SECTIONS]
    sections = [
        {"name": section.name, "about": section.about, "charts": found, "missing": missing_of(section, found)}
        for section, found in zip(SECTIONS, charts, strict=True)
    ]
    header, rows = evaluation_rows(trainings)
    first = [seeds_of(trainings, group)[0] for group in groups][:ROLLOUTS_AT_MOST]
    steps = [(looks[one.group].label, found) for one in first if (found := last_step(one.folder))]
    return render(
        HERE,
        "dashboard.html.jinja",
        title=title_of_page(len(trainings), [str(run["name"]) for run in runs]),
        sections=sections,
        header=header,
        rows=rows,
        steps=steps,
        css=inline(["theme.css", "dashboard.css"], HERE),
        js=inline(["parts.js", "chart.js", "dashboard.js"], HERE),
        data=script_data({"runs": runs, "sections": charts}),
    )


def write_dashboard(trainings: Sequence[Training], path: Path) -> Path:
    atomic_write_text(path, render_dashboard(trainings))
    return path
