"""Settings of the dashboard."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class DashboardSettings:
    """Which runs, and where they are shown: on a local page, or as a W&B workspace where `entity` is given."""

    runs: str = setting("", "local page: run folders or folders of seeds, a,b; empty = all trainings under `folder`")
    folder: str = setting("runs", "local page: where trainings are looked for where `runs` is empty")
    out: str = setting("", "local page: file to write; empty = dashboard.html under `folder`")
    entity: str = setting("", "W&B user or team; builds the workspace there instead of the local page")
    project: str = setting("percept", "W&B project of the workspace")
    table: str = setting("", "W&B: folder of a table (results/table1_mini); builds a report of it, not the workspace")
