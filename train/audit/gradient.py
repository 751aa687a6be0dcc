"""The gradient audit: on a run's first update every enabled loss term must change the gradient.

Published forks of this field have trained without the term in their title: a loss captured before the term was added,
a stored tensor where live log-probs belong. The audit finds both, on the batch the update is about to use:

1. each term is connected to the policy's live log-probs (or its entropy) of the real batch;
2. each term has a gradient on a copy of the batch moved away from the points where a right term has none (policy equal
   to its reference, zero advantages, no correct answer);
3. on that copy, taking the term away changes the gradient of the very sum that the update descends.

A term that is constant on purpose is listed in `losses.constant`, as the masked entropy of PAPO's released code is.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from common import UserError
from train import objective
from train.losses.batch import ScoredBatch
from train.settings import WEIGHTS_OF, LossSettings
from train.table.columns import CLEAN, ENGINE, POLICY, parse

STEP = 0.1
ADVICE = "mend it, or list it in losses.constant if that is meant"


def audit(losses: LossSettings, batch: ScoredBatch) -> None:
    """Stop the run, naming the term, if one cannot act."""
    terms, _ = objective.token_losses(losses, batch)
    for name in watched(losses, terms):
        if all(gradient is None for gradient in gradients(terms[name].sum(), batch)):
            raise UserError(f"loss term {name} does not depend on the policy's live log-probs; {ADVICE}")
    moved = moved_copy(batch)
    terms, _ = objective.token_losses(losses, moved)
    shares_NT = torch.where(moved.mask_NT > 0, 1 / moved.mask_NT.sum(), 0.0)
    whole = objective.total_loss(terms, shares_NT)
    for name in watched(losses, terms):
        alone = gradients((terms[name] * shares_NT).sum(), moved)
        if not differ(alone, [None] * len(alone)):
            raise UserError(f"loss term {name} has no gradient even where it should; {ADVICE}")
        rest = objective.total_loss({n: v for n, v in terms.items() if n != name}, shares_NT)
        if not differ(gradients(whole, moved), gradients(rest, moved)):
            raise UserError(f"loss term {name} is computed but is no part of the loss that is trained; {ADVICE}")


def audit_weights(losses: LossSettings, by_piece: Mapping[str, Tensor], mask_NT: Tensor) -> None:
    """Stop the run, naming the piece, if a W is zero everywhere or the same everywhere."""
    for name, weight_NT in by_piece.items():
        values = weight_NT[mask_NT > 0]
        if not len(values) or WEIGHTS_OF + name in losses.constant:
            continue
        if not values.any():
            raise UserError(f"weights.{name} is 0 at every token of the first step; mend it or take it out")
        if values.max() == values.min():
            raise UserError(
                f"weights.{name} is {values[0].item():.4g} at every token of the first step, so it tells none apart; "
                f"mend it, or list weights.{name} in losses.constant if that is meant"
            )


def watched(losses: LossSettings, terms: Mapping[str, Tensor]) -> list[str]:
    return [name for name in terms if name not in losses.constant]


def live_tensors(batch: ScoredBatch) -> list[Tensor]:
    """Return everything of the batch through which a gradient reaches the policy."""
    return [
        tensor for tensor in (batch.logp_NT, *batch.live.values(), *batch.divergences.values()) if tensor.requires_grad
    ]


def gradients(value: Tensor, batch: ScoredBatch) -> list[Tensor | None]:
    """d value / d each live tensor; None where they are not connected. The graph stays for the update."""
    live = live_tensors(batch)
    if not value.requires_grad or not live:
        return [None] * len(live)
    return list(torch.autograd.grad(value, live, retain_graph=True, allow_unused=True))


def differ(some: list[Tensor | None], others: list[Tensor | None]) -> bool:
    """Return whether two gradients differ anywhere; None stands for zero."""
    changes: list[Tensor] = []
    for one, other in zip(some, others, strict=True):
        if one is not None and other is not None:
            changes.append(one - other)
        else:
            changes += [gradient for gradient in (one, other) if gradient is not None]
    return any(bool(change.any()) for change in changes)


def moved_copy(batch: ScoredBatch) -> ScoredBatch:
    """Return the batch in float64 with leaves of its own: ratio 1, every other distribution a little off the
    policy.
    """
    logp_NT = batch.logp_NT.detach().double()
    count = torch.arange(logp_NT.numel(), device=logp_NT.device).reshape(logp_NT.shape)
    away_NT = STEP * (1 + count % 3) * (1 - 2 * (count % 2))  # +-0.1, 0.2, 0.3
    sign_N1 = 1.0 - 2.0 * (torch.arange(len(logp_NT), device=logp_NT.device)[:, None] % 2)

    def moved(name: str) -> Tensor:
        parsed = parse(name)
        if parsed.quantity != "logp":
            return -logp_NT  # an entropy or a divergence: any positive number will do
        at_policy = (parsed.model == POLICY and parsed.view == CLEAN) or parsed.model == ENGINE
        return logp_NT if at_policy else logp_NT + (away_NT if parsed.model == POLICY else -away_NT)

    def leaf(tensor_NT: Tensor, like_NT: Tensor) -> Tensor:
        return tensor_NT.clone().requires_grad_(like_NT.requires_grad)

    return replace(
        batch,
        logp_NT=leaf(logp_NT, batch.logp_NT),
        mask_NT=batch.mask_NT.double(),
        advantages=(sign_N1.expand_as(logp_NT),) * len(batch.advantages),
        scores={name: moved(name) for name in batch.scores},
        live={name: leaf(moved(name), value) for name, value in batch.live.items()},
        divergences={name: leaf(-logp_NT, value) for name, value in batch.divergences.items()},
        weights={},
        accuracy_N=None if batch.accuracy_N is None else torch.ones_like(batch.accuracy_N, dtype=torch.float64),
    )
