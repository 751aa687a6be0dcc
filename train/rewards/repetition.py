"""Perception-R1's penalty on repetition (arXiv 2506.07218, code): word n-grams that occur again.

r = -most (1 - unique / total) over all n-grams, n = 20;  0 for fewer than n words
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from configs import setting
from train.asks.ask import Row
from train.asks.tools import Tools
from train.rewards.piece import Reward


def repetition(text: str, length: int, most: float) -> float:
    """Return the penalty, from -most to 0."""
    words = text.lower().split()
    total = len(words) - length + 1
    if total < 1:
        return 0.0
    return -most * (1 - len({tuple(words[n : n + length]) for n in range(total)}) / total)


@dataclass(frozen=True)
class Repetition(Reward):
    """Penalty on word sequences that occur again."""

    kind: Literal["repetition"] = "repetition"
    length: int = setting(20, "words of one sequence", bounds="[1, inf)")
    most: float = setting(2.0, "the penalty of endless repetition", bounds="[0, inf)")

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return the penalty of every response."""
        return [repetition(row.response.text, self.length, self.most) for row in self.own(rows)]
