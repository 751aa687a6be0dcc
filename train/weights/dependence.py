"""Weigh a response by how much it depends on the picture (VPPO's trajectory factor, arXiv 2510.09285, section 4.1).

    s     = mean over tokens of the score, min-max over the rows of the step
    alpha = low + s (1 - low) / (mean(s) + 1e-8)

alpha has mean 1 by construction: `low` is the least factor, the largest follows. Where the range of the means is below
1e-6 every factor is 1. The released code takes min, max and mean(s) over what one device holds (a mini-batch, a
micro-batch); here all run over the step, so neither devices nor micro-batches change the result.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import FLAT, masked_mean
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Dependence(Weight):
    """A factor per response that grows with its mean score."""

    kind: Literal["dependence"] = "dependence"
    score: str = setting("k3@masked", "token score whose mean ranks responses")
    low: float = setting(0.9, "factor of the response that depends least; 1 = no weighting", bounds="[0, 1]")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return alpha [N, 1]."""
        mean_N = masked_mean(table.score(self.score), table.mask_NT)
        spread = mean_N.max() - mean_N.min()
        if spread < FLAT:
            return torch.ones_like(mean_N)[:, None]
        place_N = (mean_N - mean_N.min()) / spread
        return (self.low + place_N * (1 - self.low) / (place_N.mean() + 1e-8))[:, None]
