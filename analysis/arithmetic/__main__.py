"""`python -m analysis.arithmetic`: does what the paper prints follow from what else it prints?

For every table of the paper in configs/tables: averages from the cells, relative gains from the cells, and where there
are no cells the overall number from those of the two groups. Lists what does not follow, says by which convention
relative gains are made, and shows Table 1's averages with and without Counting. Nothing is trained or loaded.
"""

import sys

from analysis.arithmetic.settings import ArithmeticSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.arithmetic"
    return command(ArithmeticSettings, "analysis.arithmetic.run:run", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
