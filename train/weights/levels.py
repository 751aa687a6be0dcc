"""Three levels of weight for reasoning and perception tokens (ToR, arXiv 2603.25077; read second-hand).

    R = top share of all tokens of the step by entropy, P = top share by abs(log p(picture) - log p(no picture))
    w = reasoning on R, perception on P alone, 0 elsewhere

Entropies on the 0.95 nucleus are often exactly 0, so a threshold would keep every token of entropy 0: the share is
exact here, and ties are drawn by the step's seed, as in token order they would all fall to the first responses. The
re-implementation that we read takes the nucleus; ours is the whole entropy.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import top_overall
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Levels(Weight):
    """One weight for tokens of high entropy, another for tokens that the picture decides, 0 for the rest."""

    kind: Literal["levels"] = "levels"
    entropy: str = setting("entropy", "score of reasoning tokens")
    score: str = setting("k1@none", "score of perception tokens; its size counts")
    share: float = setting(0.3, "share of the step's tokens in either set", bounds="(0, 1]")
    reasoning: float = setting(1.0, "weight of reasoning tokens, those in both sets included", bounds="[0, inf)")
    perception: float = setting(0.5, "weight of tokens of perception alone", bounds="[0, inf)")

    def needs(self) -> set[str]:
        return {self.entropy, self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return the level of every token [N, T]."""
        reasoning_NT = top_overall(table.score(self.entropy), table.mask_NT, self.share, table.seed)
        perception_NT = top_overall(table.score(self.score).abs(), table.mask_NT, self.share, table.seed)
        weight_NT = torch.zeros_like(table.advantage_NT)
        weight_NT = torch.where(perception_NT, self.perception, weight_NT)
        return torch.where(reasoning_NT, self.reasoning, weight_NT)
