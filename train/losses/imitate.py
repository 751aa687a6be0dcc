"""ROMA's imitation loss (arXiv 2605.09262, our reading): on degraded pictures say what the clean one made you say.

    value = coef max over views k of min(exp(d) - d - 1, 10),  d = clip(log p_k - stop(log p), -20, 20)

Tokens come from the clean picture, so this estimates KL(clean || degraded), and its gradient reaches the worst view of
each token alone. With a weight `correct` on it and losses.denominator=selected it is a mean over the tokens of correct
responses. The paper's equations and coefficients were not at hand.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.lazy import torch
from configs import setting
from models.kl import k3
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


@dataclass(frozen=True)
class Imitate(Term):
    """The largest k3 of several views to the clean picture, which stays fixed."""

    emits: ClassVar[tuple[str, ...]] = ("imitate",)

    kind: Literal["imitate"] = "imitate"
    coef: float = setting(0.01, "weight of the term")
    views: list[str] = setting(["blurred", "compressed", "coarse"], "degraded views, names under `views`")

    def live(self) -> set[str]:
        return {f"logp@{view}" for view in self.views}

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x the worst view's k3."""
        clean_NT = batch.logp_NT.detach()
        apart_NTK = torch.stack([k3(clean_NT, batch.score(f"logp@{view}")) for view in self.views], dim=-1)
        worst_NT = apart_NTK.max(-1).values
        return TermLoss({"imitate": self.coef * worst_NT} if self.coef else {}, {"actor/imitate": worst_NT})
