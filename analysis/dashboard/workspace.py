"""The panels of sections.py as a W&B workspace."""

import re
from typing import Any

import wandb_workspaces.reports.v2 as reports
import wandb_workspaces.workspaces as workspaces

from analysis.dashboard.sections import ALL, SECTIONS, Panel, Section
from analysis.dashboard.settings import DashboardSettings
from common import UserError

NAME = "Percept"
PINNED = (
    "summary:final/overall",
    "summary:final/overall_low",
    "summary:final/overall_high",
    "summary:best_step",
    "summary:critic/rewards/mean",
    "config:seed",
    "config:commit",
)


def panel_of(panel: Panel) -> reports.LinePlot:
    """Return a line plot over the steps; a family is one plot whose lines are named by their metric."""
    shown: dict[str, Any] = {"y": [panel.metric]}
    if panel.metric.endswith(ALL):
        shown = {"metric_regex": f"^{re.escape(panel.metric.removesuffix(ALL))}.*"}
    if not panel.smooth:
        shown |= {"smoothing_type": "none"}
    return reports.LinePlot(title=panel.title, x="Step", title_y=panel.unit or None, **shown)


def section_of(section: Section) -> workspaces.Section:
    """Return a section with its plots, then its pictures and tables."""
    panels = [panel_of(panel) for panel in section.panels]
    panels += [reports.MediaBrowser(title=key, media_keys=[key], num_columns=2) for key in section.pictures]
    panels += [reports.WeavePanelSummaryTable(table_name=key) for key in section.tables]
    return workspaces.Section(name=section.name, panels=panels, is_open=True)


def workspace_of(settings: DashboardSettings) -> workspaces.Workspace:
    """Return the workspace, runs grouped by `<scale>/<row>`; nothing is sent."""
    return workspaces.Workspace(
        entity=settings.entity,
        project=settings.project,
        name=NAME,
        sections=[section_of(section) for section in SECTIONS],
        settings=workspaces.WorkspaceSettings(
            x_axis="Step", smoothing_type="average", smoothing_weight=8, max_runs=20
        ),
        runset_settings=workspaces.RunsetSettings(
            groupby=[workspaces.Metric("Group"), workspaces.Metric("JobType")], pinned_columns=list(PINNED)
        ),
    )


def saved(made: Any, settings: DashboardSettings, what: str) -> Any:
    """Send a workspace or a report to W&B, or say in a sentence why it is not there."""
    import wandb
    from wandb.errors import CommError, UsageError

    if not wandb.api.api_key:
        raise UserError(f"the {what} needs a W&B key; run wandb login, or leave entity out for the local page")
    try:
        made.save()
    except (CommError, UsageError, OSError, ValueError) as error:
        why = next(iter(str(error).splitlines()), "")
        place = f"{settings.entity}/{settings.project}"
        raise UserError(f"W&B refuses the {what} in {place} ({why}); check entity and project") from None
    return made


def save_workspace(settings: DashboardSettings) -> str:
    """Build the workspace on W&B and return its address."""
    return str(saved(workspace_of(settings), settings, "workspace").url)
