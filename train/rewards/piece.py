"""What a reward is: settings and one function over all rows of a round, a number per row.

None means that a row could not be judged (a judge that failed): its prompt is discarded as `unjudged`, counted and
resampled, never scored 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from configs import setting
from train.asks.ask import ANSWER, Row
from train.asks.tools import Tools


@dataclass(frozen=True)
class Reward:
    """The base of all rewards."""

    weight: float = setting(1.0, "what the term is multiplied by before terms are added")
    role: str = setting(ANSWER, "role of the rows that it judges")

    def columns(self) -> set[str]:
        """Return the columns of samples that it reads."""
        return set()

    def asks_judge(self) -> bool:
        """Return whether it asks the judge of train/asks/tools.py."""
        return False

    def own(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that it judges."""
        return [row for row in rows if row.ask.role == self.role]

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return one number per row of its role; `rows` holds every row of this rank's problems of the round."""
        raise NotImplementedError
