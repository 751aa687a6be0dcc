"""`python -m eval run=runs/mini/grpo/seed0 k=8`: sample k answers per item, judge them, score with intervals.

The model is that of the run, unless model= names another; gpus=8 starts a process on each of eight GPUs.
"""

import sys
from collections.abc import Sequence

from configs import command
from eval.run_model import model_of_run
from eval.settings import EvalSettings


def main(arguments: Sequence[str]) -> int:
    return command(
        EvalSettings,
        "eval.start:evaluate",
        arguments,
        prog="python -m eval",
        summary=str(__doc__),
        defaults=lambda: model_of_run(arguments),
        dry="eval.start:print_plan",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
