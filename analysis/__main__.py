"""`python -m analysis table=1`, `errors`, `report` or `demo`: tables, errors and the report from run folders."""

import sys

from analysis.settings import AnalysisSettings
from configs import command

if __name__ == "__main__":
    sys.exit(
        command(
            AnalysisSettings, "analysis.outputs:run", sys.argv[1:], prog="python -m analysis", summary=str(__doc__),
            positional=("task",),
        )
    )  # fmt: skip
