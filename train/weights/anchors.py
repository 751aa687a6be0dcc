"""Windows behind reflection anchors (RAPO, arXiv 2605.09614; our reading A, as no formula is public).

    anchors = the ceil(share T) tokens of highest entropy, at least `apart` tokens from a better one
    W = 1 on tokens t with a < t <= a + window for some anchor a, else 0;  overlapping windows count once

On `perception_kl` with losses.denominator=selected it asks for dependence on the picture downstream of each anchor.
Reading B, in which only tokens after the anchor lose the picture, needs a mask per query and is not built.
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Anchors(Weight):
    """1 on a window of tokens behind each anchor of high entropy, 0 elsewhere."""

    kind: Literal["anchors"] = "anchors"
    on: str = setting("perception_kl", "loss term that the weight multiplies")
    score: str = setting("entropy", "score whose highest tokens are anchors")
    share: float = setting(0.05, "share of a response's tokens that may be anchors, at least one", bounds="(0, 1]")
    apart: int = setting(16, "tokens between two anchors at least", bounds="[0, inf)")
    window: int = setting(32, "tokens behind an anchor that are kept", bounds="[0, inf)")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return the windows [N, T]."""
        score_NT, weight_NT = table.score(self.score), torch.zeros_like(table.advantage_NT)
        for n, length in enumerate(table.length_N.tolist()):
            for anchor in self.anchors(score_NT[n, :length]):
                weight_NT[n, anchor + 1 : min(anchor + 1 + self.window, length)] = 1.0
        return weight_NT

    def anchors(self, score_T: Tensor) -> list[int]:
        """Return a response's anchors, the highest first."""
        wanted, found = ceil(self.share * len(score_T) - 1e-6), list[int]()
        for place in score_T.argsort(descending=True, stable=True).tolist():
            if len(found) == wanted:
                break
            if all(abs(place - other) >= self.apart for other in found):
                found.append(place)
        return found
