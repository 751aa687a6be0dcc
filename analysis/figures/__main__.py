"""`python -m analysis.figures first=<folder> second=<folder> out=<folder>`: the paper figures of a comparison.

Folders are of runs or of their evaluations on the same items; what is drawn needs no model. Every figure comes as PNG
and PDF; figures.json holds a caption for each and says what the numbers were made from.
"""

import sys
from dataclasses import dataclass

from configs import command, setting


@dataclass
class FigureSettings:
    """Two runs on the same items; what is said of the second is said against the first."""

    config_version: int = setting(1, "version of this schema")
    first: str = setting(help="folder of the first run or evaluation, the baseline")
    second: str = setting(help="folder of the second run or evaluation, on the same items")
    out: str = setting("", "folder of the figures; empty = figures/ in the second evaluation's folder")
    dry_run: bool = setting(False, "print the resolved settings and stop")


def main(argv: list[str]) -> int:
    prog = "python -m analysis.figures"
    return command(FigureSettings, "analysis.figures.compare:draw_all", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
