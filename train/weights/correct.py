"""Keep the responses that are right: W = 1 where accuracy is 1, else 0.

With losses.denominator=selected a term is averaged over the tokens of correct responses (ROMA); with `all` the tokens
of wrong ones stay in the denominator. On `perception_kl` it is the mode that PAPO's released code names and refuses.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Correct(Weight):
    """1 on responses of accuracy 1, 0 on the others."""

    kind: Literal["correct"] = "correct"

    def needs_accuracy(self) -> bool:
        return True

    def weigh(self, table: Table) -> Tensor:
        """Return [N, 1]."""
        return (table.accuracy_N == 1).to(table.advantage_NT.dtype)[:, None]
