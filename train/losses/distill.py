"""On-policy distillation: move the student's next-token distribution towards the teacher's on the student's tokens.

    reverse_kl  KL(p || q) over the whole vocabulary, gradient through the student p alone (OPD, VA-OPD)
    forward_kl  KL(q || p);   js  Jensen-Shannon
    sampled     (log p - log q) as the negative advantage of a policy gradient: value p / stop(p) x stop(log p - log q)

The teacher q is scored without gradient on the same tokens behind the same clean picture, at temperature 1 as the
student is at temperature 1.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from configs import setting
from models.divergence import Divergence, to_teacher
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


@dataclass(frozen=True)
class Distill(Term):
    """Divergence from the teacher on the policy's own tokens."""

    emits: ClassVar[tuple[str, ...]] = ("distill",)

    kind: Literal["distill"] = "distill"
    coef: float = setting(1.0, "weight of the term")
    divergence: Literal["reverse_kl", "forward_kl", "js", "sampled"] = setting(
        "reverse_kl", "over the whole vocabulary, or of the sampled tokens alone"
    )

    def fixed(self) -> set[str]:
        return {"teacher.logp"} if self.divergence == "sampled" else set()

    def divergences(self) -> dict[str, Divergence]:
        return {} if self.divergence == "sampled" else {"kl_teacher": to_teacher(self.divergence)}

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x divergence."""
        if self.divergence == "sampled":
            gap_NT = (batch.logp_NT - batch.scores["teacher.logp"]).detach()
            value_NT = (batch.logp_NT - batch.logp_NT.detach()).exp() * gap_NT
        else:
            value_NT = batch.divergences["kl_teacher"]
        return TermLoss({"distill": self.coef * value_NT} if self.coef else {}, {"actor/distill": value_NT})
