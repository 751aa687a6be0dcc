"""`python -m train method=papo_g scale=mini seed=0`: train a policy; the same command resumes it."""

import sys

from configs import command
from train.settings import TrainSettings

if __name__ == "__main__":
    sys.exit(
        command(
            TrainSettings,
            "train.loop:train",
            sys.argv[1:],
            prog="python -m train",
            summary=str(__doc__),
            dry="train.estimate_text:print_estimate",
        )
    )
