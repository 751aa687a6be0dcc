"""Re-weigh tokens and responses by visual focus that is boosted late in the chain (VGPO, arXiv 2604.09349).

    rho = (focus + 1) / 2,  w = rho (1 + G strength t / T),  G = 1 on the top share of the last `tail` of a response
    psi = min-max(w) less its mean,  phi = min-max over the group of sum_t w, less its mean
    W = (1 + psi) (1 + phi)                                                              the paper (form: paper)

The released code (form: code) min-maxes raw cosines, counts positions (t - 1) / (T - 1), sums the min-maxed w, and
clamps the factors to [0.1, 2] and [0.9, 2]. On the worked example of the tests the two forms reverse the order of
responses. The code takes runs of eight adjacent rows of a micro-batch for groups and counts padding; here groups are
those of the advantage, and all statistics run over valid tokens of the step. Without a picture every factor is 1.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import centred, min_max, min_max_overall
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Vgpo(Weight):
    """A factor per token and one per response from the cosine between token states and the picture's mean state."""

    kind: Literal["vgpo"] = "vgpo"
    score: str = setting("focus", "cosine of a token's last state with the picture's mean state")
    tail: float = setting(0.5, "last share of a response in which tokens may be boosted", bounds="[0, 1]")
    top: float = setting(0.2, "share of the tail that is boosted, at least one token", bounds="(0, 1]")
    strength: float = setting(0.3, "boost of the last token", bounds="[0, inf)")
    form: Literal["paper", "code"] = setting("paper", "formulas of the paper or of the released code")

    def needs(self) -> set[str]:
        return {self.score}

    def weigh(self, table: Table) -> Tensor:
        """Return (1 + psi) (1 + phi) [N, T]."""
        paper, mask_NT, focus_NT = self.form == "paper", table.mask_NT, table.score(self.score)
        rho_NT = (focus_NT + 1) / 2 if paper else min_max_overall(focus_NT, mask_NT)
        boosted_NT = rho_NT * (1 + self.gate(rho_NT, table) * self.strength * self.place(table))
        scaled_NT = min_max(boosted_NT, mask_NT)
        total_N = torch.where(mask_NT > 0, boosted_NT if paper else scaled_NT, 0.0).sum(1)
        token_NT, answer_N = 1 + centred(scaled_NT, mask_NT), torch.ones_like(total_N)
        for group in table.group_N.unique():
            own = table.group_N == group
            scaled = min_max(total_N[own][None], torch.ones_like(total_N[own][None]))[0]
            answer_N[own] = 1 + scaled - scaled.mean()
        if not paper:
            token_NT, answer_N = token_NT.clamp(0.1, 2.0), answer_N.clamp(0.9, 2.0)
        seeing_N1 = ((focus_NT != 0) & (mask_NT > 0)).any(1, keepdim=True)
        return torch.where(seeing_N1, token_NT * answer_N[:, None], 1.0)

    def place(self, table: Table) -> Tensor:
        """Return t / T (paper) or (t - 1) / (T - 1) (code), t counted from 1."""
        place_1T = torch.arange(table.mask_NT.shape[1])[None]
        if self.form == "paper":
            return (place_1T + 1) / table.length_N[:, None].clamp(min=1)
        return place_1T / (table.length_N[:, None] - 1).clamp(min=1)

    def gate(self, rho_NT: Tensor, table: Table) -> Tensor:
        """Return 1 on the tokens of the tail with the highest rho; ties with the last of them pass too."""
        gate_NT = torch.zeros_like(rho_NT)
        for n, length in enumerate(table.length_N.tolist()):
            start = int(length * (1 - self.tail))
            tail = rho_NT[n, start:length]
            if len(tail):
                least = tail.sort(descending=True).values[max(1, int(len(tail) * self.top)) - 1]
                gate_NT[n, start:length] = (tail >= least).to(gate_NT.dtype)
        return gate_NT
