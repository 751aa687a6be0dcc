"""Rewards for answers that are numbers on a scale (Q-Hawkeye, arXiv 2601.22920, authors' code).

    closeness  exp(-abs(s - gold) / tau), both cut to [low, high];  0 without a number
    place      1 + (s - low) / (high - low), cut to [1, 2];  0 without a number

`place` is no reward: with weight 0 it hands the answers to the weight `unsure`. Where the gold is no number, closeness
is the graders' verdict.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from common import UserError
from configs import setting
from train.asks.ask import Row
from train.asks.tools import Tools
from train.rewards.piece import Reward


def number_of(text: str | None) -> float | None:
    """Return a text as a finite number, None where it is none."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Scaled(Reward):
    """What both have in common: the scale."""

    low: float = setting(1.0, "lower end of the scale")
    high: float = setting(5.0, "upper end of the scale")

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise UserError(f"a scale of answers runs from {self.low:g} to {self.high:g}; give low below high")

    def cut(self, value: float) -> float:
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Closeness(Scaled):
    """How near the answered number is to the right one."""

    kind: Literal["closeness"] = "closeness"
    tau: float = setting(0.3, "error at which the reward has fallen to 1/e", bounds="(0, inf)")

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return exp(-error / tau)."""
        return [self.credit(row) for row in self.own(rows)]

    def credit(self, row: Row) -> float:
        """Return one row's reward."""
        gold, found = number_of(row.sample.answer), number_of(row.verdict.extracted)
        if gold is None:
            return row.verdict.score
        return 0.0 if found is None else math.exp(-abs(self.cut(found) - self.cut(gold)) / self.tau)


@dataclass(frozen=True)
class Place(Scaled):
    """Where the answered number lies on the scale, for weights that read it."""

    kind: Literal["place"] = "place"
    weight: float = setting(0.0, "0: it is read, not earned")

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return the place from 1 to 2, 0 without a number."""
        found = [number_of(row.verdict.extracted) for row in self.own(rows)]
        return [0.0 if one is None else 1 + (self.cut(one) - self.low) / (self.high - self.low) for one in found]
