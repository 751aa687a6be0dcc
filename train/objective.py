"""The objective: the sum over terms of share x W x value. The loop and the command line share it.

`python -m train.objective method=papo_g tensors=in.safetensors out=out.safetensors` computes loss and gradients of any
method on tensors of your own; train/objective_command.py says what it reads and writes.
"""

if __name__ == "__main__":  # before torch is imported, so that --help is there at once
    from train.objective_command import main

    raise SystemExit(main())

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from train.losses.averages import normalised, token_shares, weighted_sum
from train.losses.batch import ScoredBatch
from train.settings import LossSettings
from train.table.columns import CLEAN, POLICY, parse

Terms = dict[str, Tensor]


def token_losses(losses: LossSettings, batch: ScoredBatch) -> tuple[Terms, Terms]:
    """Return every enabled term as W x coefficient x value [N, T], and per-token quantities worth logging."""
    batch = replace(batch, losses=losses)
    terms: Terms = {}
    logged: Terms = {"actor/logp_clean": batch.logp_NT, "actor/entropy_loss": -batch.logp_NT}
    for name in {**batch.scores, **batch.live}:
        parsed = parse(name)
        if parsed.model == POLICY and parsed.quantity == "logp" and parsed.view != CLEAN:
            logged[f"actor/logp_{parsed.view}"] = batch.score(name)
    for term in losses.enabled():
        found = term.loss(batch)
        for name, value_NT in found.values.items():
            weight_NT = batch.weights.get(name)
            terms[name] = value_NT if weight_NT is None else value_NT * weight_NT.detach()
            if name in term.shown:
                logged[term.shown[name]] = terms[name]
        logged |= found.logged
    return terms, {name: value.detach() for name, value in logged.items()}


def row_shares(
    lengths: Sequence[int], roles: Sequence[int], coefs: Sequence[float], average: str, max_new_tokens: int
) -> list[float]:
    """Return the share of one token of each row of a mini-batch: every role is averaged over its own rows."""
    found = [0.0] * len(lengths)
    for role, coef in enumerate(coefs):
        own = [n for n, other in enumerate(roles) if other == role]
        shares = token_shares([lengths[n] for n in own], average, max_new_tokens)
        for n, share in zip(own, shares, strict=True):
            found[n] = coef * share
    return found


@dataclass(frozen=True)
class Measure:
    """What each token of a mini-batch weighs: its share and W, by the names that enabled terms emit. [n, T] each."""

    shares: dict[str, Tensor]
    weights: dict[str, Tensor]

    def rows(self, chosen: Sequence[int], width: int, device: torch.device) -> "Measure":
        """Return the part of some rows, as wide as their longest."""

        def part(values: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: value[list(chosen), :width].to(device) for name, value in values.items()}

        return Measure(part(self.shares), part(self.weights))


def measured(
    losses: LossSettings, shares_NT: Tensor, weights: Mapping[str, Tensor], role_N: Tensor, prompt_N: Tensor
) -> Measure:
    """Return shares and W of a mini-batch, with the denominator applied.

    Terms act on rows of role 0, the answers, unless they act on every role.
    """
    answers_NT = torch.where((role_N == 0)[:, None], shares_NT, 0.0)
    shares, found = {}, {}
    for term in losses.enabled():
        for name in term.emits:
            shares[name] = shares_NT if term.every_role else answers_NT
            if name in weights:
                found[name], shares[name] = normalised(weights[name], shares[name], prompt_N, losses.denominator)
    return Measure(shares, found)


def total_loss(terms: Mapping[str, Tensor], shares: Mapping[str, Tensor] | Tensor) -> Tensor:
    """Return a micro-batch's part of the mini-batch's loss: every term, each token with its share."""
    by_term = dict.fromkeys(terms, shares) if isinstance(shares, Tensor) else shares
    return sum((weighted_sum(value_NT, by_term[name]) for name, value_NT in terms.items()), torch.zeros(()))


def token_mean(values_NT: Tensor, mask_NT: Tensor, denominator: Tensor | float) -> Tensor:
    """Return the masked sum over a fixed number of tokens: metrics are token means however the loss is averaged."""
    return torch.where(mask_NT > 0, values_NT, 0.0).sum() / denominator


def losses_at(losses: LossSettings, step: int, steps: int) -> LossSettings:
    """Return the loss terms of one rollout step (0 = the first), schedules applied."""
    for term in list(losses.enabled()):
        losses = term.at(losses, step, steps)
    return losses
