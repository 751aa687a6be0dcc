"""What is measured between next-token distributions: a number per token from the log-probs of both models.

A divergence names its sides, each a model behind a view, and computes on their rows [C, V] over the whole vocabulary.
The policy's sides carry gradient, the teacher's never do. Loss terms bring divergences of their own; those that
several share are here. Shapes: C tokens of a chunk, V vocabulary.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from common.lazy import Tensor, torch

CLEAN = "clean"  # the prompt as it is trained on, beside the names of views
Distance = Literal["reverse_kl", "forward_kl", "js"]


class Side(NamedTuple):
    """Whose next-token distribution, behind which view."""

    model: Literal["policy", "teacher"]
    view: str = CLEAN


class Rows(NamedTuple):
    """Log-probs [C, V] of a divergence's sides in their order, and the ids that end a response."""

    sides: tuple[Tensor, ...]
    end_ids: tuple[int, ...]


@dataclass(frozen=True)
class Divergence:
    """Sides, and the number per token [C] that their rows give."""

    sides: tuple[Side, ...]
    value: Callable[[Rows], Tensor]

    def views(self, model: str) -> set[str]:
        """Return the views behind which it asks a model."""
        return {side.view for side in self.sides if side.model == model}


def kl(first_CV: Tensor, second_CV: Tensor) -> Tensor:
    """KL(first || second) of rows of log-probs."""
    return (first_CV.exp() * (first_CV - second_CV)).sum(-1)


def js(first_CV: Tensor, second_CV: Tensor) -> Tensor:
    """Jensen-Shannon divergence of rows of log-probs, in nats: the mean KL to the midpoint of both."""
    middle_CV = torch.logaddexp(first_CV, second_CV) - math.log(2)
    return (kl(first_CV, middle_CV) + kl(second_CV, middle_CV)) / 2


def kl_back(first_CV: Tensor, second_CV: Tensor) -> Tensor:
    """KL(second || first)."""
    return kl(second_CV, first_CV)


DISTANCES: dict[Distance, Callable[[Tensor, Tensor], Tensor]] = {"reverse_kl": kl, "forward_kl": kl_back, "js": js}


def to_teacher(distance: Distance, view: str = CLEAN) -> Divergence:
    """Return the distance of the policy from its teacher, who may see another picture."""
    return Divergence((Side("policy"), Side("teacher", view)), PLAIN[distance])


def _plain(distance: Distance) -> Callable[[Rows], Tensor]:
    """Return a distance of two sides."""
    return lambda rows: DISTANCES[distance](*rows.sides)


PLAIN = {distance: _plain(distance) for distance in DISTANCES}
