"""What a loss term is: frozen settings with the names it needs and one pure function.

A term is off when its settings are null. Its value at a token already holds its coefficient; the trainer multiplies it
by the weights of `on: <term>` and by the token's share (losses/averages.py). A coefficient of 0 takes the value out of
the loss, and what it measures is logged all the same.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from common.lazy import Tensor
from models.divergence import Divergence
from train.losses.batch import ScoredBatch


@dataclass(frozen=True)
class TermLoss:
    """Values [N, T] by name, coefficients included, and per-token quantities worth logging."""

    values: dict[str, Tensor] = field(default_factory=dict)
    logged: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Term:
    """The base of all terms. Score names are those of train/table/columns.py."""

    emits: ClassVar[tuple[str, ...]] = ()  # names that `values` may hold, for `losses.constant` and `weights.on`
    shown: ClassVar[dict[str, str]] = {}  # metric under which a value is logged, weights included
    every_role: ClassVar[bool] = False  # whether the term acts on rows of every role, not on answers alone

    def fixed(self) -> set[str]:
        """Return the scores it needs without gradient, made before the step's first update."""
        return set()

    def live(self) -> set[str]:
        """Return the scores it needs with gradient beside the policy's log-prob."""
        return set()

    def divergences(self) -> dict[str, Divergence]:
        """Return what it needs of whole next-token distributions of policy and teacher, with gradient, by name.

        The name is also that of the tensor which holds it in a file (train/objective.py).
        """
        return {}

    def needs_accuracy(self) -> bool:
        return False

    def loss(self, batch: ScoredBatch) -> TermLoss:
        """Return the term on one batch."""
        raise NotImplementedError

    def at(self, losses: Any, step: int, steps: int) -> Any:
        """Return all loss settings as they are at one step (0 = the first), where this term has a schedule."""
        return losses
