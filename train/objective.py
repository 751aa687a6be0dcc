"""The objective: loss terms of a method put together on one batch. The loop and the command line share it.

`python -m train.objective method=papo_g tensors=in.safetensors out=out.safetensors` computes loss and gradients of any
method on tensors of your own; train/objective_command.py says what it reads and writes.
"""

if __name__ == "__main__":  # before torch is imported, so that --help is there at once
    from train.objective_command import main

    raise SystemExit(main())

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from models.kl import k3
from train.losses.averages import weighted_sum
from train.losses.importance import importance_weights
from train.losses.likelihood import correct_nll, surprisal
from train.losses.perception import gamma_at, live_view, perception_kl
from train.losses.ppo import ppo_loss
from train.settings import LossSettings

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class ScoredBatch:
    """N responses of up to T tokens with everything a loss may ask for; padding has mask 0.

    The policy's log-probs, those of views whose branch learns, and its entropy carry gradient; the rest is data.
    `weights_NT` is the method's W, one where it has none; importance weights come on top.
    """

    logp_NT: Tensor
    old_logp_NT: Tensor
    mask_NT: Tensor
    advantage_NT: Tensor
    weights_NT: Tensor
    ref_logp_NT: Tensor | None = None
    view_logp_NT: dict[str, Tensor] = field(default_factory=dict)
    engine_logp_NT: Tensor | None = None
    entropy_NT: Tensor | None = None
    accuracy_N: Tensor | None = None


def token_losses(losses: LossSettings, batch: ScoredBatch) -> tuple[Terms, Terms]:
    """Every enabled term as coefficient x per-token value [N, T], and per-token quantities worth logging.

    A coefficient of 0 takes a term out of the loss; what it measures is still logged.
    """
    terms: Terms = {}
    logged = {"actor/logp_clean": batch.logp_NT, "actor/entropy_loss": surprisal(batch.logp_NT)}
    logged |= {f"actor/logp_{view}": logp_NT for view, logp_NT in batch.view_logp_NT.items()}
    add_policy(losses, batch, terms, logged)
    add_reference(losses, batch, terms, logged)
    add_perception(losses, batch, terms, logged)
    add_likelihood(losses, batch, terms, logged)
    return terms, {name: value.detach() for name, value in logged.items()}


def add_policy(losses: LossSettings, batch: ScoredBatch, terms: Terms, logged: Terms) -> None:
    """The clipped surrogate x W."""
    loss_NT, where = ppo_loss(batch.logp_NT, batch.old_logp_NT, batch.advantage_NT, batch.mask_NT, losses.ppo)
    terms["ppo"] = loss_NT * combined_weights(losses, batch)
    logged |= where | {"actor/pg_loss": terms["ppo"]}
    if losses.ppo.importance_cap:
        logged["actor/importance_weight"] = importance_of(losses, batch)


def add_reference(losses: LossSettings, batch: ScoredBatch, terms: Terms, logged: Terms) -> None:
    """beta x k3; with place=reward the KL is part of the advantages instead."""
    term = losses.reference_kl
    if term and term.coef and term.place == "loss":
        assert batch.ref_logp_NT is not None
        logged["actor/kl_loss"] = k3(batch.logp_NT, batch.ref_logp_NT)
        terms["reference_kl"] = term.coef * logged["actor/kl_loss"]


def add_perception(losses: LossSettings, batch: ScoredBatch, terms: Terms, logged: Terms) -> None:
    """-gamma x k3 between the views, and what the corrupted view's own surprisal adds."""
    term, entropy = losses.perception_kl, losses.entropy
    if not term:
        return
    masked_NT = batch.view_logp_NT[term.view]
    value_NT, bounded_NT = perception_kl(batch.logp_NT, masked_NT, batch.mask_NT, batch.accuracy_N, term)
    if term.coef:
        terms["perception_kl"] = -term.coef * value_NT
    if entropy and entropy.masked_coef:
        terms["masked_entropy"] = entropy.masked_coef * surprisal(live_view(masked_NT, term))
    logged["actor/kl_prcp_loss"] = -value_NT  # negative, as PAPO's curves show it: it falls as the KL grows
    logged["actor/kl_prcp_bounded"] = bounded_NT
    logged["actor/masked_entropy_loss"] = surprisal(masked_NT)


def add_likelihood(losses: LossSettings, batch: ScoredBatch, terms: Terms, logged: Terms) -> None:
    """eta x surprisal or entropy of the clean view, and NLL on correct responses."""
    if batch.entropy_NT is not None:
        logged["actor/entropy"] = batch.entropy_NT
    if losses.entropy and losses.entropy.coef:
        value_NT = batch.entropy_NT if losses.entropy.kind == "full" else surprisal(batch.logp_NT)
        assert value_NT is not None
        terms["entropy"] = losses.entropy.coef * value_NT
    if losses.nll and losses.nll.coef:
        assert batch.accuracy_N is not None
        logged["actor/nll_loss"] = correct_nll(batch.logp_NT, batch.accuracy_N)
        terms["nll"] = losses.nll.coef * logged["actor/nll_loss"]


def importance_of(losses: LossSettings, batch: ScoredBatch) -> Tensor:
    assert batch.engine_logp_NT is not None
    return importance_weights(batch.old_logp_NT, batch.engine_logp_NT, losses.ppo.importance_cap)


def combined_weights(losses: LossSettings, batch: ScoredBatch) -> Tensor:
    """W: the one detached tensor that multiplies the clipped per-token loss."""
    weights_NT = batch.weights_NT.detach()
    return weights_NT * importance_of(losses, batch) if losses.ppo.importance_cap else weights_NT


def total_loss(terms: Mapping[str, Tensor], shares_NT: Tensor) -> Tensor:
    """A micro-batch's part of the mini-batch's loss: every term, each token with its share (losses/averages.py)."""
    return sum((weighted_sum(value_NT, shares_NT) for value_NT in terms.values()), shares_NT.new_zeros(()))


def token_mean(values_NT: Tensor, mask_NT: Tensor, denominator: Tensor | float) -> Tensor:
    """Masked sum over a fixed number of tokens, for metrics: they are token means however the loss is averaged."""
    return torch.where(mask_NT > 0, values_NT, 0.0).sum() / denominator


def losses_at(losses: LossSettings, step: int, steps: int) -> LossSettings:
    """The loss terms of one rollout step (0 = the first): gamma, and with it both entropy coefficients, annealed."""
    term = losses.perception_kl
    if not term or term.end_coef is None or not term.coef:
        return losses
    gamma = gamma_at(term, step, steps)
    share = gamma / term.coef
    entropy = losses.entropy
    if entropy:
        entropy = replace(entropy, coef=entropy.coef * share, masked_coef=entropy.masked_coef * share)
    return replace(losses, perception_kl=replace(term, coef=gamma), entropy=entropy)
