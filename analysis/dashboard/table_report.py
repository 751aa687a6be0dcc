"""A W&B report of a table: its Markdown as it was written, and below it the curves of its rows, all seeds.

The numbers are those of the table's folder, never computed anew from what W&B has.
"""

import json
import re
from pathlib import Path

import wandb_workspaces.reports.v2 as reports
from wandb_workspaces.expr import Metric

from analysis.dashboard.sections import SECTIONS
from analysis.dashboard.settings import DashboardSettings
from analysis.dashboard.workspace import panel_of, saved
from common import UserError

TITLE = re.compile(r"# (?P<title>.+ at (?P<scale>\S+) scale)\n")
LONGEST = 128  # characters of a title on W&B
SHOWN = ("Outcome", "Seeing", "Health")  # sections whose curves stand below the table


def table_of(folder: Path) -> tuple[str, str, list[str]]:
    """Return a table's title, its Markdown, and its rows' groups on W&B."""
    path = folder / "table.md"
    if not path.exists():
        raise UserError(f"{path} does not exist; give the folder that python -m analysis table=<number> has written")
    text = path.read_text(encoding="utf-8")
    found = TITLE.match(text)
    if found is None:
        raise UserError(f"{path} does not begin with the title of a table; write it again")
    records = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    groups = list(dict.fromkeys(f"{found['scale']}/{record['method']}" for record in records))
    return found["title"], text[found.end() :].strip(), groups


def report_of(settings: DashboardSettings) -> reports.Report:
    """Return the report; nothing is sent."""
    title, text, groups = table_of(Path(settings.table))
    runs = reports.Runset(
        entity=settings.entity,
        project=settings.project,
        name=title,
        filters=[Metric("Group").isin(groups), Metric("JobType") == "train"],
        groupby=["group"],
    )
    blocks: list = [reports.MarkdownBlock(text=text)]
    for section in SECTIONS:
        if section.name in SHOWN:
            panels = [panel_of(panel) for panel in section.panels]
            blocks += [reports.H2(text=section.name), reports.PanelGrid(runsets=[runs], panels=panels)]
    return reports.Report(
        entity=settings.entity, project=settings.project, title=title[:LONGEST], blocks=blocks, width="fluid"
    )


def save_report(settings: DashboardSettings) -> str:
    """Build the report on W&B and return its address."""
    return str(saved(report_of(settings), settings, "report").url)
