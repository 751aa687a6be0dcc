"""Draw the dashboard where it was asked for."""

from pathlib import Path

from analysis.dashboard.settings import DashboardSettings
from common import UserError


def run(settings: DashboardSettings) -> None:
    """Write the local page, or build the workspace on W&B where an entity is given."""
    if settings.table:
        from analysis.dashboard.table_report import save_report

        if not settings.entity:
            raise UserError("a report of a table lies on W&B; give entity=<user or team>")
        print(f"report: {save_report(settings)}")
        return
    if settings.entity:
        from analysis.dashboard.workspace import save_workspace

        print(f"workspace: {save_workspace(settings)}")
        return
    from analysis.dashboard.curves import chosen_folders, read_trainings
    from analysis.dashboard.page import write_dashboard

    folders = chosen_folders(settings.runs, Path(settings.folder))
    path = Path(settings.out) if settings.out else Path(settings.folder) / "dashboard.html"
    print(f"dashboard: {write_dashboard(read_trainings(folders), path)}")
