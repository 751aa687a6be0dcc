"""Vision-SR1 and RACRO: whether a reader without the picture finds the answer in what the response described.

    r = mean over the readings of a response of acc(reading),  0 without a description

The readings are rows of the plan `reread`, found by their parent. The public code of Vision-SR1 hands the whole
response, boxed answer included, to the reader where the description's tags are missing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from train.asks.ask import Row
from train.asks.tools import Tools
from train.rewards.piece import Reward

FORM = re.compile(r"\s*<description>.*?</description>\s*<think>.*?</think>.*\\boxed\{.*\}.*", re.DOTALL)


@dataclass(frozen=True)
class Reread(Reward):
    """Share of readings of a response that are right; 0 where it was not read."""

    kind: Literal["reread"] = "reread"

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return the mean credit of every response's readings."""
        readings: dict[tuple[int, int], list[float]] = {}
        for row in rows:
            if row.parent is not None:
                readings.setdefault((row.prompt, row.parent), []).append(row.verdict.score)
        credits = [readings.get((row.prompt, row.place), [0.0]) for row in self.own(rows)]
        return [sum(one) / len(one) for one in credits]


@dataclass(frozen=True)
class Described(Reward):
    """1 for a description, a think block and a box, in this order, else 0."""

    kind: Literal["described"] = "described"

    def score(self, rows: Sequence[Row], tools: Tools) -> list[float | None]:
        """Return whether the form is right."""
        return [float(FORM.fullmatch(row.response.text) is not None) for row in self.own(rows)]
