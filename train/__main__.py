"""`python -m train method=papo_g scale=mini seed=0`: train a policy; the same command resumes it.

`python -m train method=list` lists the methods with their papers and pieces.
"""

import sys
from collections.abc import Sequence

from common import UserError
from configs import command, exit_status
from train.settings import TrainSettings

PROG = "python -m train"
LIST = "method=list"


def list_methods(arguments: Sequence[str]) -> int:
    """Print the list of methods; refuse the bare word, which names no setting."""
    if LIST not in arguments:
        raise UserError(f"cannot read 'list' on the command line; the list of methods is {PROG} {LIST}")
    from train import listing

    return listing.list_methods()


def main(arguments: Sequence[str]) -> int:
    """List the methods or train, and return the exit status."""
    if LIST in arguments or "list" in arguments:
        return exit_status(lambda: list_methods(arguments), PROG)
    return command(
        TrainSettings,
        "train.start:train",
        arguments,
        prog=PROG,
        summary=str(__doc__),
        dry="train.estimate_text:print_estimate",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
