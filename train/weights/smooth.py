"""Smoothed weights, a control for methods that pick tokens: picked tokens share their weight with neighbours.

    b = 1 on ceil(share T) tokens of highest score, else 0;  W_t = mean of b over the tokens within `reach` of t

The idea is PCPG's (arXiv 2003.03983), which slides a window over reward and loss in lip reading; no formula of it is
public. A method whose gain survives the smoothing needs a region, not single tokens. reach 0 is the weight `top`.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import top_tokens
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Smooth(Weight):
    """The share of chosen tokens among a token's neighbours, itself included."""

    kind: Literal["smooth"] = "smooth"
    score: str = setting("k3@masked", "score that ranks tokens, see train/table/columns.py")
    share: float = setting(0.4, "share of tokens that are chosen, at least one", bounds="(0, 1]")
    reach: int = setting(2, "tokens to either side that a weight is spread over; 0 = none", bounds="[0, inf)")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return the mean over the window's tokens of the same response [N, T]."""
        kept_NT = top_tokens(table.score(self.score), table.mask_NT, self.share).to(table.advantage_NT.dtype)
        inside_NT = (table.mask_NT > 0).to(kept_NT.dtype)
        return self.windowed(kept_NT) / self.windowed(inside_NT).clamp(min=1)

    def windowed(self, value_NT: Tensor) -> Tensor:
        """Return the sum of every token's window."""
        wide_NT = torch.nn.functional.pad(value_NT, (self.reach, self.reach))
        return wide_NT.unfold(1, 2 * self.reach + 1, 1).sum(-1)
