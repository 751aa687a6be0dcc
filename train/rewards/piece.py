"""What a reward is: settings and one function over all rows of a round, a number per row.

None means that a row could not be judged (a judge that failed): its prompt is discarded as `unjudged`, counted and
resampled, never scored 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from configs import setting
from train.columns import ANSWER

if TYPE_CHECKING:
    from train.asks import Row


@dataclass(frozen=True)
class Reward:
    """The base of all rewards."""

    weight: float = setting(1.0, "what the term is multiplied by before terms are added")
    role: str = setting(ANSWER, "role of the rows that it judges")

    def columns(self) -> set[str]:
        """Return the columns of samples that it reads."""
        return set()

    def score(self, rows: Sequence[Row], tools: Any) -> list[float | None]:
        """Return one number per row of its role; `rows` holds every row of the round."""
        raise NotImplementedError
