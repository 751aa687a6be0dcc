"""Weigh digits more: a weight that reads text.

    W = size on tokens with a digit, 1 elsewhere

An example that no method names: docs/add_a_method.md shows it, tests/train/test_text_weights.py runs it.
"""

import re
from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from data.parts import Finder, Span
from train.table.step_table import Table
from train.weights.piece import Weight


def digit_spans(text: str) -> list[Span]:
    """Return where a response has a number."""
    return [match.span() for match in re.finditer(r"\d+", text)]


@dataclass(frozen=True)
class Digits(Weight):
    """`size` on tokens with a digit, 1 elsewhere."""

    kind: Literal["digits"] = "digits"
    size: float = setting(2.0, "weight of tokens with a digit; 1 = nothing changes", bounds="[0, inf)")

    def finds(self) -> dict[str, Finder]:
        return {"digits": digit_spans}

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T]."""
        return torch.where(table.marks["digits"] > 0, self.size, 1.0).to(table.advantage_NT.dtype)
