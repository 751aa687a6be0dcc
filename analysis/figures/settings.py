"""Settings of the figures of a comparison."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class FigureSettings:
    """Two runs on the same items; what is said of the second is said against the first."""

    first: str = setting(help="folder of the first run or evaluation, the baseline")
    second: str = setting(help="folder of the second run or evaluation, on the same items")
    out: str = setting("", "folder of the figures; empty = figures/ in the second evaluation's folder")
