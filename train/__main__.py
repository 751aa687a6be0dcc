"""`python -m train method=papo_g scale=mini seed=0`: train a policy; the same command resumes it.

`python -m train method=list` lists the methods with their papers and pieces.
"""

import sys

from configs import command
from train.settings import TrainSettings

LIST = "method=list"

if __name__ == "__main__":
    if LIST in sys.argv[1:]:
        from common import UserError
        from train.listing import list_methods

        try:
            sys.exit(list_methods())
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
    sys.exit(
        command(
            TrainSettings,
            "train.start:train",
            sys.argv[1:],
            prog="python -m train",
            summary=str(__doc__),
            dry="train.estimate_text:print_estimate",
        )
    )
