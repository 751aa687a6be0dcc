"""`python -m analysis.figures first=<folder> second=<folder> out=<folder>`: the paper figures of a comparison.

Folders are of runs or of their evaluations on the same items; what is drawn needs no model. Every figure comes as PNG
and PDF; figures.json holds a caption for each and says what the numbers were made from.
"""

import sys

from analysis.figures.settings import FigureSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.figures"
    return command(FigureSettings, "analysis.report.compare_figures:draw_all", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
