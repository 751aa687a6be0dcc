"""`python -m analysis.claims`: which claims of the papers hold on the runs that are there.

configs/claims.yaml says each claim in our words, the statistic that tests it, the direction, and the smallest effect
of interest, all written down before the runs. A claim is tested from the committed files of a table
(results/<table>_<scale>), or with runs=<folder> from run folders; what was not run names the command that would fill
it. Intervals and tests are over trainings, paired by seed.
"""

import sys

from analysis.claims.settings import ClaimsSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.claims"
    return command(ClaimsSettings, "analysis.claims.run:run", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
