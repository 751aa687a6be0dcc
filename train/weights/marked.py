"""Weights from marked spans of tokens (train/marks.py).

    marked     W = `inside` on marked tokens, `outside` elsewhere: with 1 and 0 on the mark `fact`, the oracle of every
               method that looks for tokens which depend on the picture
    penalty    W = 1 - size m sign(A), so that A' = A - size m abs(A) (Perceval, arXiv 2604.24583, authors' code): a
               false statement is praised less in a right response and blamed more in a wrong one

W of the penalty stays above 0, so it commutes with clipping. Groups of equal reward have A = 0 and W = 1: a false
statement in a group of right answers costs nothing, as in the authors' code. There a model quotes the spans and only
the first occurrence of a quotation counts; here spans are exact and every occurrence counts.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Marked(Weight):
    """One weight on marked tokens, another elsewhere."""

    kind: Literal["marked"] = "marked"
    mark: Literal["fact", "false"] = setting("fact", "true statements of facts of the picture, or false ones")
    inside: float = setting(1.0, "weight of marked tokens", bounds="[0, inf)")
    outside: float = setting(0.0, "weight of the others", bounds="[0, inf)")

    def marks(self) -> set[str]:
        return {self.mark}

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T]."""
        return torch.where(table.marks[self.mark] > 0, self.inside, self.outside).to(table.advantage_NT.dtype)


@dataclass(frozen=True)
class Penalty(Weight):
    """Less praise and more blame on marked tokens."""

    kind: Literal["penalty"] = "penalty"
    mark: Literal["fact", "false"] = setting("false", "tokens that are penalised; fact is the control that must hurt")
    size: float = setting(0.1, "share of the advantage that a marked token loses; Perceval: 0.1", bounds="[0, 1]")

    def marks(self) -> set[str]:
        return {self.mark}

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T]."""
        return 1 - self.size * (table.marks[self.mark] > 0) * table.advantage_NT.sign()
