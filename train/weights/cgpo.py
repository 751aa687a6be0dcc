"""Scale responses by how much they need their own evidence, on perception tokens (CGPO, ACM MM 2026).

    S = k3 between the picture and the picture without the response's own boxes, S_i its mean over the response
    alpha_i = 1 + lambda tanh((S_i - median) / (MAD + 1e-6)), median and MAD over the step
    P = top share by S (and the tokens of region tags), R = top share by entropy, both over the step
    W = alpha on P, 1 on R alone, 0 elsewhere

In the current public code thresholds run over a micro-batch; here over the step. The reward that asks the policy to
find its boxes again, and the view that erases a response's own boxes, are not built; `view` takes any view.
"""

from dataclasses import dataclass
from typing import Literal

from common.lazy import Tensor, torch
from configs import setting
from train.selection import masked_mean, top_overall
from train.table.step_table import Table
from train.weights.piece import Weight


@dataclass(frozen=True)
class Cgpo(Weight):
    """A robust factor per response on perception tokens, 1 on other tokens of high entropy, 0 elsewhere."""

    kind: Literal["cgpo"] = "cgpo"
    view: str = setting("evidence", "view without the evidence")
    share: float = setting(0.3, "share of the step's tokens in either set", bounds="(0, 1]")
    size: float = setting(0.1, "lambda: largest change of a response's factor", bounds="[0, 1]")

    def needs(self) -> set[str]:
        return {f"k3@{self.view}", "entropy"}

    def weigh(self, table: Table) -> Tensor:
        """Return W [N, T]; tokens in both sets count as perception."""
        score_NT, mask_NT = table.score(f"k3@{self.view}"), table.mask_NT
        mean_N = masked_mean(score_NT, mask_NT)
        # The mean of the two middle values where their number is even, which torch.median does not take.
        middle = mean_N.quantile(0.5)
        spread = (mean_N - middle).abs().quantile(0.5)
        factor_N1 = (1 + self.size * ((mean_N - middle) / (spread + 1e-6)).tanh())[:, None]
        seen_NT = top_overall(score_NT, mask_NT, self.share)
        if "region" in table.marks:
            seen_NT = seen_NT | (table.marks["region"] > 0)
        unsure_NT = top_overall(table.score("entropy"), mask_NT, self.share)
        return torch.where(seen_NT, factor_N1, unsure_NT.to(factor_N1.dtype))
