"""Terms on the likelihood of sampled tokens: PAPO's entropy loss, and NLL on correct answers.

Entropy (arXiv 2507.06448, section 3.3): loss += eta_1 mean(-log p) + eta_2 mean(-log m). The paper writes H without
the minus sign; its code adds the mean surprisal, so the loss lowers it. That is no entropy gradient: for tokens drawn
from the whole of p its expectation is zero, for tokens drawn from the nucleus (top_p < 1) it sharpens the policy.
`kind: full` takes the entropy of the whole vocabulary instead. As released, the corrupted view's share (eta_2) has no
gradient: m is a stored number (confirmed by the authors in their issue 20).

NLL: loss += coef * -log p on responses of accuracy 1. PAPO's released code has it as a switch that no script sets
(coefficient 0.001, accuracy above 0.1, divided by the correct responses' tokens of a micro-batch of four). Ours is
divided as every other term is, by all tokens, so it weighs more the more answers are right.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.lazy import Tensor
from configs import setting
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


def surprisal(logp_NT: Tensor) -> Tensor:
    """-log p of the sampled token."""
    return -logp_NT


def correct_nll(logp_NT: Tensor, accuracy_N: Tensor) -> Tensor:
    """-log p on responses of accuracy 1, 0 elsewhere."""
    return -logp_NT * (accuracy_N[:, None] == 1).to(logp_NT.dtype)


@dataclass(frozen=True)
class EntropySettings(Term):
    """PAPO's entropy loss: the mean surprisal of sampled tokens is pushed down."""

    emits: ClassVar[tuple[str, ...]] = ("masked_entropy", "entropy")

    coef: float = setting(0.03, "eta of the clean view")
    masked_coef: float = setting(0.0, "eta of the masked view; no gradient unless perception_kl.gradient reaches it")
    kind: Literal["sampled", "full"] = setting("sampled", "surprisal of sampled tokens (PAPO) or whole entropy")

    def live(self) -> set[str]:
        return {"entropy"} if self.coef and self.kind == "full" else set()

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return eta x surprisal or entropy of the clean view, and of the view that perception_kl names."""
        values, logged = {}, {}
        if self.masked_coef:
            perception = batch.losses.perception_kl
            values["masked_entropy"] = self.masked_coef * surprisal(perception.live_view(batch))
        if "entropy" in batch.live:
            logged["actor/entropy"] = batch.live["entropy"]
        if self.coef:
            value_NT = batch.live["entropy"] if self.kind == "full" else surprisal(batch.logp_NT)
            values["entropy"] = self.coef * value_NT
        return TermLoss(values, logged)


@dataclass(frozen=True)
class NllSettings(Term):
    """Likelihood of the policy's own correct answers."""

    emits: ClassVar[tuple[str, ...]] = ("nll",)

    coef: float = setting(0.1, "weight of -log p on responses of accuracy 1")

    def needs_accuracy(self) -> bool:
        return bool(self.coef)

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x -log p on correct responses."""
        if not self.coef:
            return TermLoss()
        assert batch.accuracy_N is not None
        nll_NT = correct_nll(batch.logp_NT, batch.accuracy_N)
        return TermLoss({"nll": self.coef * nll_NT}, {"actor/nll_loss": nll_NT})
