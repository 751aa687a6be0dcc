"""VCSD (arXiv 2607.21556; read through a re-implementation): learn from oneself what the picture makes likelier.

q teacher on the picture, q' on the view that hides it, both at temperature `temperature`; p student on the picture.

    S      = ids v with q(v) >= beta max q
    score  = log q(v) + alpha (log q(v) - log q'(v)) on S;  ids that end a response get log q(v) alone
    q*     = softmax of score on S, 0 elsewhere;   value = coef temperature^2 KL(q* || p), gradient through p

The teacher is a moving average of the policy (`teacher_follows`), so there is neither reward nor larger model. As
released, the temperature reaches the factor alone and all distributions stay at 1, where S is often a single id
(`soften: false`); the paper divides all three logits by it, which also widens S: beta 0.1 at 2 is 0.01 at 1.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from common.lazy import Tensor, torch
from configs import setting
from models.divergence import Divergence, Rows, Side
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


def sharpened_target(
    teacher_CV: Tensor, hidden_CV: Tensor, end_ids: tuple[int, ...], alpha: float, beta: float
) -> Tensor:
    """Return log q* of rows of log-probs; -inf outside S."""
    gain_CV = teacher_CV - hidden_CV
    gain_CV[:, list(end_ids)] = 0.0
    least_C1 = teacher_CV.amax(-1, keepdim=True) + (math.log(beta) if beta else -math.inf)
    score_CV = teacher_CV + alpha * gain_CV
    return score_CV.masked_fill(teacher_CV < least_C1, -math.inf).log_softmax(-1)


def to_sharpened(rows: Rows, alpha: float, beta: float, temperature: float) -> Tensor:
    """KL(q* || p) with all three at a temperature."""
    own_CV, teacher_CV, hidden_CV = ((side_CV / temperature).log_softmax(-1) for side_CV in rows.sides)
    target_CV = sharpened_target(teacher_CV, hidden_CV, rows.end_ids, alpha, beta)
    inside_CV = target_CV > -math.inf
    gap_CV = torch.where(inside_CV, target_CV, 0.0) - own_CV
    return torch.where(inside_CV, target_CV.exp() * gap_CV, 0.0).sum(-1)


@dataclass(frozen=True)
class Sharpen(Term):
    """Towards the teacher's distribution, sharpened by what the picture changes in it."""

    emits: ClassVar[tuple[str, ...]] = ("sharpen",)

    kind: Literal["sharpen"] = "sharpen"
    coef: float = setting(1.0, "weight of the term")
    view: str = setting("black", "view that hides the picture from the teacher, a name under `views`")
    alpha: float = setting(
        1.0, "how much of the gain from the picture is added; 0 = plain self-distillation", bounds="[0, inf)"
    )
    beta: float = setting(0.1, "least probability in the target as a share of the highest; 0 = all", bounds="[0, 1]")
    temperature: float = setting(2.0, "divides all logits; its square multiplies the loss", bounds="(0, inf)")
    soften: bool = setting(True, "false: the temperature multiplies the loss alone, as the code was released")

    def divergences(self) -> dict[str, Divergence]:
        sides = (Side("policy"), Side("teacher"), Side("teacher", self.view))
        temperature = self.temperature if self.soften else 1.0
        value = partial(to_sharpened, alpha=self.alpha, beta=self.beta, temperature=temperature)
        return {"kl_sharpened": Divergence(sides, value)}

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x temperature^2 x the divergence."""
        value_NT = batch.divergences["kl_sharpened"]
        values = {"sharpen": self.coef * self.temperature**2 * value_NT} if self.coef else {}
        return TermLoss(values, {"actor/kl_sharpened": value_NT})
