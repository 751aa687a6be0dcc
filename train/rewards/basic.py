"""The rewards of every recipe: right answer and right form, as the grader says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from train.asks.ask import Row
from train.asks.tools import Tools
from train.rewards.piece import Reward


@dataclass(frozen=True)
class Accuracy(Reward):
    """1 for an answer that the grader accepts, else 0; what lies between for graders that give partial credit."""

    kind: Literal["accuracy"] = "accuracy"

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return the graders' credit."""
        return [row.verdict.score for row in self.own(rows)]


@dataclass(frozen=True)
class Format(Reward):
    """1 for a response of the wanted form, else 0."""

    kind: Literal["format"] = "format"

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return whether the form is right."""
        return [float(row.verdict.format_ok) for row in self.own(rows)]
