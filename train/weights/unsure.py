"""Learn less from problems whose answers scatter (Q-Hawkeye, arXiv 2601.22920, authors' code).

    u = min(1, v / (0.25 (high - low)^2)),  v = variance of the group's numbers (over n; 0 where fewer than two)
    W = exp(-alpha u), one factor per group, between exp(-alpha) and 1

The numbers are those of the reward `place`, on a scale of length 1: u = min(1, 4 v). Rows without a number take no
part in v and get their group's factor. Compare it with its mean: it is a learning rate per problem.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Unsure(Weight):
    """A factor per group that falls with the variance of its numbers."""

    kind: Literal["unsure"] = "unsure"
    term: str = setting("place", "reward term that holds each answer's place on the scale")
    alpha: float = setting(0.2, "how much the widest scatter takes; 0 = no weighting", bounds="[0, 1]")

    def terms(self) -> set[str]:
        return {self.term}

    def weigh(self, table: Table) -> Tensor:
        """Return [N, 1]."""
        place_N, factor_N = table.terms[self.term], torch.ones_like(table.advantage_NT[:, 0])
        for group in table.group_N.unique():
            own_N = table.group_N == group
            valid = place_N[own_N & (place_N > 0)].to(factor_N.dtype)
            spread = valid.var(correction=0) if len(valid) > 1 else factor_N.new_tensor(0.0)
            factor_N[own_N] = (-self.alpha * (4 * spread).clamp(max=1)).exp()
        return factor_N[:, None]
