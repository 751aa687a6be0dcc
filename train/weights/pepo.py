"""Weights from how near a token's states lie to the picture and how unsure it is (PEPO, arXiv 2603.22847, its code).

    v = prior (mean over layers of cosines with image states), h = entropy; ^ = min-max within the response
    x = v^ + h^ less its mean,  g = 1 + alpha tanh(x),  w = T softmax(v g / tau),  W = 1 - s + s w, s = progress

The softmax takes the raw cosine, so weights stay near 1. The released code lets gradient flow through v and w; here W
is detached, as the paper presents it. PEPO_G averages per response (losses.average=response), PEPO_D over tokens.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import centred, min_max
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Pepo(Weight):
    """A softmax over a response's tokens of nearness to the picture, gated by entropy, that ramps up over the run."""

    kind: Literal["pepo"] = "pepo"
    score: str = setting("prior", "nearness of a token's states to the picture's")
    alpha: float = setting(0.05, "size of the gate", bounds="[0, 1]")
    tau: float = setting(1.8, "temperature of the softmax", bounds="(0, inf)")

    def needs(self) -> set[str]:
        return {self.score, "entropy"}

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T], mean 1 within a response."""
        mask_NT, prior_NT = table.mask_NT, table.score(self.score)
        mixed_NT = min_max(prior_NT, mask_NT) + min_max(table.score("entropy"), mask_NT)
        gated_NT = prior_NT * (1 + self.alpha * centred(mixed_NT, mask_NT).tanh()) / self.tau
        share_NT = gated_NT.masked_fill(mask_NT <= 0, -torch.inf).softmax(1).nan_to_num(0.0)
        return 1 - table.progress + table.progress * table.length_N[:, None] * share_NT
