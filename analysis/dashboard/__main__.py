"""`python -m analysis.dashboard runs=a,b`: training curves of runs as one HTML file that opens from disk.

Panels (analysis/dashboard/sections.py): outcome, seeing, loss terms and their force, health, rollouts, cost. Seeds of
one method are one line. A run that still learns may be drawn too. With entity=<user or team> the same panels become
a workspace of the W&B project instead.
"""

import sys

from analysis.dashboard.settings import DashboardSettings
from configs import command


def main(argv: list[str]) -> int:
    prog = "python -m analysis.dashboard"
    return command(DashboardSettings, "analysis.dashboard.run:run", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
