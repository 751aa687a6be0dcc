"""PAPO's implicit perception loss: move away from what the policy would say on a corrupted picture.

    k3 = min(exp(d) - d - 1, bound), d = log m - log p     p on the real picture, m on the corrupted one, same tokens
    loss = -gamma k3                                        arXiv 2507.06448, section 3.2

`ratio`: the paper prints d = log p - log m; the code that produced its numbers computes log m - log p, and only that
is an estimator of KL(p || m) for tokens of p. masked_over_clean is the code, clean_over_masked the printed form.
`gradient`: as released, m is computed once before the update and frozen (clean). The expected gradient is then that of
KL(m || p); masked and both let the corrupted branch learn, as a switch of January 2026 does in the authors' code.

Switches that the released code has and no published run uses, and where ours differ:
- token mask: it keeps the tokens at or above the (1 - share) quantile of k3 in their response, which is
  floor(share (T - 1)) + 1 tokens and more where values tie. Here that is a weight of kind `top` with on: perception_kl
  and score: k3@<view>, which takes exactly ceil(share T) tokens, by the log-probs before the step's first update.
  Either way the dropped tokens stay in the denominator.
- clipping: a second cut, after the one at 10. `bound` replaces the 10, so a bound above 10 is possible only here.
- apply mode: only "all" is implemented there, correct_only raises an error. Here: a weight of kind `correct` on the
  term.
- annealing: linear over int(share x steps) rollout steps, then constant, with default end 0 and share 0.5. Both
  entropy coefficients are scaled by gamma / its setting at the same time. `gamma_at` starts at the first step's value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from common.lazy import Tensor, torch
from configs import setting
from models.kl import k3
from train.losses.batch import ScoredBatch
from train.losses.term import Term, TermLoss


def perception_kl(logp_NT: Tensor, masked_logp_NT: Tensor, settings: PerceptionKlSettings) -> tuple[Tensor, Tensor]:
    """Return the bounded k3 of every token, and 1 where the bound acted."""
    k3_NT = perception_k3(logp_NT, masked_logp_NT, settings)
    return k3_NT.clamp(max=settings.bound), (k3_NT > settings.bound).float()


def perception_k3(logp_NT: Tensor, masked_logp_NT: Tensor, settings: PerceptionKlSettings) -> Tensor:
    """k3 between the two views, not yet bounded; `gradient` says which branch learns."""
    clean_NT = logp_NT if settings.gradient in ("clean", "both") else logp_NT.detach()
    masked_NT = masked_logp_NT if settings.gradient in ("masked", "both") else masked_logp_NT.detach()
    if settings.ratio == "masked_over_clean":
        return k3(clean_NT, masked_NT, bound=torch.inf)
    return k3(masked_NT, clean_NT, bound=torch.inf)


def gamma_at(settings: PerceptionKlSettings, step: int, steps: int) -> float:
    """gamma at rollout step `step` (0 = the first) of a run of `steps`: linear to end_coef, then constant."""
    if settings.end_coef is None:
        return settings.coef
    progress = min(step / max(settings.anneal_share * steps, 1.0), 1.0)
    return settings.coef + (settings.end_coef - settings.coef) * progress


@dataclass(frozen=True)
class PerceptionKlSettings(Term):
    """PAPO's implicit perception loss: reward a policy that answers differently on a corrupted picture."""

    emits: ClassVar[tuple[str, ...]] = ("perception_kl",)

    view: str = setting("masked", "the corrupted view, a name under `views`")
    coef: float = setting(0.02, "gamma")
    end_coef: float | None = setting(None, "gamma falls linearly to this value; null = constant")
    anneal_share: float = setting(0.5, "share of the run's steps over which gamma falls", bounds="(0, 1]")
    gradient: Literal["clean", "masked", "both"] = setting("clean", "which branch learns: clean is PAPO as released")
    ratio: Literal["masked_over_clean", "clean_over_masked"] = setting(
        "masked_over_clean", "k3's ratio: as the released code computes it, or as the paper prints it"
    )
    bound: float = setting(10.0, "k3 of a token is cut here, and its gradient with it", bounds="(0, inf)")

    @property
    def score(self) -> str:
        """Return the name of the corrupted view's log-probs."""
        return f"logp@{self.view}"

    def fixed(self) -> set[str]:
        return {self.score} if self.gradient == "clean" else set()

    def live(self) -> set[str]:
        return set() if self.gradient == "clean" else {self.score}

    def live_view(self, batch: ScoredBatch) -> Tensor:
        """Return the corrupted view's log-probs, frozen unless that branch learns."""
        masked_NT = batch.score(self.score)
        return masked_NT if self.gradient in ("masked", "both") else masked_NT.detach()

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return -gamma x k3 between the views."""
        masked_NT = batch.score(self.score)
        value_NT, bounded_NT = perception_kl(batch.logp_NT, masked_NT, self)
        logged = {
            "actor/kl_prcp_loss": -value_NT,  # negative, as PAPO's curves show it: it falls as the KL grows
            "actor/kl_prcp_bounded": bounded_NT,
            "actor/masked_entropy_loss": -masked_NT,
        }
        return TermLoss({"perception_kl": -self.coef * value_NT} if self.coef else {}, logged)

    def at(self, losses: Any, step: int, steps: int) -> Any:
        """Return the losses with gamma, and with it both entropy coefficients, as annealed at one step."""
        if self.end_coef is None or not self.coef:
            return losses
        gamma = gamma_at(self, step, steps)
        share, entropy = gamma / self.coef, losses.entropy
        if entropy:
            entropy = replace(entropy, coef=entropy.coef * share, masked_coef=entropy.masked_coef * share)
        return replace(losses, perception_kl=replace(self, coef=gamma), entropy=entropy)
