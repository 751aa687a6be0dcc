"""`python -m eval run=runs/mini/grpo/seed0 k=8`: sample k answers per item, judge them, score with intervals."""

import sys

from configs import command
from eval.settings import EvalSettings

if __name__ == "__main__":
    sys.exit(command(EvalSettings, "eval.runner:evaluate", sys.argv[1:], prog="python -m eval", summary=str(__doc__)))
