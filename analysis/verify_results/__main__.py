"""Recompute every committed result from the records beside it, and fail on any difference.

python -m analysis.verify_results

A table is rebuilt from its item scores, the score bench from its tokens, the arithmetic and the settings from
configs/tables, the ledger of claims from the tables. What has no record of single responses beside it is listed as not
recomputed. Numbers of the README are compared with these files by tests/test_readme_numbers.py.
"""

import sys

from analysis.verify_results.settings import VerifySettings
from configs import command

if __name__ == "__main__":
    sys.exit(
        command(
            VerifySettings,
            "analysis.verify_results.run:run",
            sys.argv[1:],
            prog="python -m analysis.verify_results",
            summary=str(__doc__),
        )
    )
