"""Soft gate on how much a token depends on the picture (PGPO, arXiv 2604.01840; read second-hand).

    x = log(1 + score), I = min-max of x within the response
    w = I / tau where I < tau, else 1 + beta (I - tau) / (1 - tau)

A response whose tokens all score alike, one of a single token among them, has I = 0 and so no weight: its mass of 0
cannot be kept. Uniform weights would be the other reading; no source says which.
The paper's text keeps a response's mass, w T / sum w: that is losses.denominator=mass. The authors' development code
takes tau as a quantile of I within the response, lifts weights below it to `least`, and keeps no mass; the paper does
not say which of the two its numbers come from (`form`).
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import min_max, row_quantile
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Gate(Weight):
    """A weight that grows slowly below a threshold of dependence and steeply above it."""

    kind: Literal["gate"] = "gate"
    score: str = setting("k3@blind", "score of dependence on the picture, at least 0")
    tau: float = setting(
        0.4, "threshold on the scaled score (paper) or share of tokens below it (code)", bounds="[0, 1]"
    )
    beta: float = setting(2.0, "what the highest token gets above 1", bounds="[0, inf)")
    form: Literal["paper", "code"] = setting("paper", "as the paper's text or as the development code has it")
    least: float = setting(0.1, "least weight of the development code", bounds="[0, 1]")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return the gate [N, T]."""
        scaled_NT = min_max(torch.log1p(table.score(self.score)), table.mask_NT)
        if self.form == "paper":
            above_NT = 1 + self.beta * (scaled_NT - self.tau) / (1 - self.tau)
            return torch.where(scaled_NT < self.tau, scaled_NT / self.tau, above_NT)
        tau_N1 = row_quantile(scaled_NT, table.mask_NT, self.tau)[:, None]
        above_NT = 1 + self.beta * (scaled_NT - tau_N1) / (1 - tau_N1).clamp(min=1e-6)
        below_NT = (scaled_NT / tau_N1.clamp(min=1e-6)).clamp(min=self.least)
        return torch.where(scaled_NT < tau_N1, below_NT, above_NT)
