"""What `python -m train.rewards` takes. Kept apart from torch: --help is there at once."""

import sys
from dataclasses import dataclass

from configs import command, setting
from train.settings import TrainSettings

SUMMARY = """The rewards of a method on rows of your own.

`python -m train.rewards method=perception_r1 rows=in.jsonl out=out.jsonl` reads one JSON object per response: prompt
(which problem), response, answer (the gold), and if known question, role (answer unless said), parent (position of the
row it was made from among the rows of its problem, from 0), gold (of a question asked apart), answer_type, choices,
and columns {name: value}. `ticks` are a judge's ticks, 1 or 0 per fact; `readings` are a reader's responses to this
row. `tokens` is the length that the overlong penalty counts.

It writes each row with terms {name: number}, null where a term could not be judged or does not act on the row's role,
and reward, the weighted sum; null where a term is."""


@dataclass(frozen=True)
class RewardsCommand(TrainSettings):
    """A method's settings with two files; the weights are the paper's unless a scale is named."""

    scale: str = setting("3b", "whose settings, a file of configs/scales")
    rows: str = setting("", "JSONL file to read")
    out: str = setting("", "JSONL file to write")


def main() -> int:
    return command(
        RewardsCommand, "train.rewards_on_rows:run", sys.argv[1:], prog="python -m train.rewards", summary=SUMMARY
    )
