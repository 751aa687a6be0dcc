"""Weigh distillation by how much the teacher's view of a token depends on the picture (VA-OPD).

    a_t = max(score, 0), score = log q(token | picture) - log q(token | coarse picture), q the teacher
    w_k = softmax over the answers k of one prompt of z(mean_t a) / tau, z = (x - mean) / (std + 1e-6), std with n
    W_kt = w_k mix / |V| on the ceil(share T) tokens V of highest a, w_k (1 - mix) / |L| on the others L

W sums to 1 over a prompt, so losses.denominator is per_prompt: the loss is the mean over prompts of sum W l. Ties go
in token order, as in the public release. A response of which all tokens are in V gives them the whole w_k.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import masked_mean, top_tokens
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class VisualAdvantage(Weight):
    """Weights that sum to 1 over the answers to a prompt, more on those and on tokens that the picture decides."""

    kind: Literal["visual_advantage"] = "visual_advantage"
    on: str = setting("distill", "loss term that the weight multiplies")
    score: str = setting("teacher.k1@coarse", "the teacher's gain of a token from the whole picture")
    tau: float = setting(1.0, "temperature among the answers to one prompt", bounds="(0, inf)")
    share: float = setting(0.2, "share of tokens that count as visual", bounds="[0, 1]")
    mix: float = setting(0.5, "part of a response's weight that its visual tokens get", bounds="[0, 1]")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T]."""
        gain_NT = table.score(self.score).clamp(min=0)
        mean_N, answer_N = masked_mean(gain_NT, table.mask_NT), torch.zeros_like(gain_NT[:, 0])
        for prompt in table.prompt_N.unique():
            own = table.prompt_N == prompt
            z = (mean_N[own] - mean_N[own].mean()) / (mean_N[own].std(unbiased=False) + 1e-6)
            answer_N[own] = (z / self.tau).softmax(0)
        visual_NT = top_tokens(gain_NT, table.mask_NT, self.share)
        other_NT = (table.mask_NT > 0) & ~visual_NT
        visual_N1, other_N1 = visual_NT.sum(1, keepdim=True), other_NT.sum(1, keepdim=True)
        mix_N1 = torch.where(other_N1 > 0, self.mix, 1.0)
        token_NT = visual_NT * mix_N1 / visual_N1.clamp(min=1) + other_NT * (1 - mix_N1) / other_N1.clamp(min=1)
        return answer_N[:, None] * token_NT
