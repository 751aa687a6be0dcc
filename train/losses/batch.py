"""The one input of every loss term."""

from dataclasses import dataclass, field, replace
from typing import Any

from common.lazy import Tensor
from train.table.columns import score_of


@dataclass(frozen=True, kw_only=True)
class ScoredBatch:
    """N responses of up to T tokens with every score that an enabled term names; padding has mask 0.

    `logp_NT`, `live` and `divergences` carry gradient; the rest is data. `advantages` has one tensor, or one per
    reward term where channels are kept apart. `weights` holds W by term, 1 where none is given. `losses` are the
    settings of all terms: a term may read a neighbour's.
    """

    logp_NT: Tensor
    mask_NT: Tensor
    advantages: tuple[Tensor, ...]
    scores: dict[str, Tensor] = field(default_factory=dict)
    live: dict[str, Tensor] = field(default_factory=dict)
    divergences: dict[str, Tensor] = field(default_factory=dict)
    weights: dict[str, Tensor] = field(default_factory=dict)
    accuracy_N: Tensor | None = None
    progress: float = 0.0
    losses: Any = None

    def with_weights(self, weights: dict[str, Tensor]) -> "ScoredBatch":
        """Return the batch with W by term."""
        return replace(self, weights=weights)

    def score(self, name: str) -> Tensor:
        """Return a score by name: with gradient where it has one, else as it was before the updates."""
        if name in self.live:
            return self.live[name]
        return score_of(self.scores, name)
