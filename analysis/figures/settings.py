"""Settings of the figures of a comparison."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class FigureSettings:
    """Two runs on the same items; what is said of the second is said against the first."""

    config_version: int = setting(1, "version of this schema")
    first: str = setting(help="folder of the first run or evaluation, the baseline")
    second: str = setting(help="folder of the second run or evaluation, on the same items")
    out: str = setting("", "folder of the figures; empty = figures/ in the second evaluation's folder")
    dry_run: bool = setting(False, "print the resolved settings and stop")
