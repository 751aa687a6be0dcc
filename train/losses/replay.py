"""ROMA's auxiliary policy gradient (arXiv 2605.09262, our reading): clean advantages on a degraded picture.

    reinforce  -coef A log p_view
    clipped     coef x the clipped surrogate of exp(log p_view - old log p_view), with the clips of losses.ppo

The same tokens are scored behind the degraded picture with gradient; nothing is sampled there. The paper draws one of
its views at random; here `view` names it.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from configs import setting
from train.losses.batch import ScoredBatch
from train.losses.ppo import ppo_loss
from train.losses.term import Term, TermLoss
from train.table.columns import summed


@dataclass(frozen=True)
class Replay(Term):
    """The policy gradient of the clean answers behind another picture."""

    emits: ClassVar[tuple[str, ...]] = ("replay",)

    kind: Literal["replay"] = "replay"
    coef: float = setting(0.1, "weight of the term")
    view: str = setting("blurred", "degraded view, a name under `views`")
    form: Literal["reinforce", "clipped"] = setting("clipped", "plain policy gradient, or the clipped surrogate")

    def fixed(self) -> set[str]:
        return {f"logp@{self.view}"} if self.form == "clipped" else set()

    def live(self) -> set[str]:
        return {f"logp@{self.view}"}

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return coef x the surrogate on the view."""
        name = f"logp@{self.view}"
        advantage_NT = summed(batch.advantages)
        if self.form == "reinforce":
            value_NT = -advantage_NT * batch.live[name]
        else:
            rules = batch.losses.ppo
            value_NT, _ = ppo_loss(batch.live[name], batch.scores[name], advantage_NT, batch.mask_NT, rules)
        return TermLoss({"replay": self.coef * value_NT} if self.coef else {}, {"actor/replay": value_NT})
