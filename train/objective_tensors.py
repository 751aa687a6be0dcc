"""The objective on tensors from a file: reads them, filters, computes, writes. See train/objective_command.py."""

from pathlib import Path

import torch
from torch import Tensor

from common import UserError
from models.kl import k1
from train.advantages import advantages
from train.audit import check_constant
from train.losses.averages import spread, token_shares
from train.objective import ScoredBatch, combined_weights, token_losses, token_mean, total_loss
from train.objective_command import ObjectiveCommand
from train.settings import check_losses

PER_RESPONSE = ("reward", "group", "accuracy")
KNOWN = ("logp", "old_logp", "ref_logp", "engine_logp", "entropy", "mask", *PER_RESPONSE)


def wanted_tensors(settings: ObjectiveCommand) -> list[str]:
    """The names of all tensors that a method needs."""
    losses = settings.losses
    names = ["logp", "old_logp", "mask", "reward", "group"]
    if losses.reference_kl and losses.reference_kl.coef:
        names.append("ref_logp")
    if losses.perception_kl:
        names.append(f"logp_{losses.perception_kl.view}")
    if losses.ppo.importance_cap:
        names.append("engine_logp")
    if losses.entropy and losses.entropy.coef and losses.entropy.kind == "full":
        names.append("entropy")
    if (losses.nll and losses.nll.coef) or (losses.perception_kl and losses.perception_kl.only_correct):
        names.append("accuracy")
    return names


def read_tensors(path: Path, settings: ObjectiveCommand) -> dict[str, Tensor]:
    """The given tensors, checked; 0 at padding, so that whatever stands there cannot spread."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UserError(f"tensors={path} does not exist; give a safetensors file")
    try:
        given = {name: value for name, value in load_file(path).items() if name in KNOWN or name.startswith("logp_")}
    except SafetensorError as error:
        raise UserError(f"{path} is not a safetensors file: {error}") from None
    missing = [name for name in wanted_tensors(settings) if name not in given]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}, which method {settings.method} asks for")
    shape = given["logp"].shape
    if len(shape) != 2:
        raise UserError(f"logp in {path} has shape {list(shape)}; it must be [N, T], responses x tokens")
    for name, value in given.items():
        fitting = shape[:1] if name in PER_RESPONSE else shape
        if value.shape != fitting:
            raise UserError(f"{name} in {path} has shape {list(value.shape)}; beside logp it must be {list(fitting)}")
    valid = given["mask"] > 0
    floats = {n: v if v.dtype == torch.float64 or n == "group" else v.float() for n, v in given.items()}
    return {n: v if n in PER_RESPONSE else torch.where(valid, v, 0.0) for n, v in floats.items()}


def kept_responses(settings: ObjectiveCommand, given: dict[str, Tensor]) -> Tensor:
    """Which responses dynamic sampling leaves in, by the accuracy of their group."""
    kept = torch.ones(len(given["group"]), dtype=torch.bool)
    bounds = settings.rollouts.filter
    if not bounds or "accuracy" not in given:
        return kept
    for group in given["group"].unique():
        members = given["group"] == group
        kept[members] = bounds.low < given["accuracy"][members].mean().item() < bounds.high
    if not kept.any():
        raise UserError(
            f"every group's mean accuracy lies outside ({bounds.low}, {bounds.high}), so the filter of "
            f"method {settings.method} leaves nothing; give mixed groups or rollouts.filter=null"
        )
    return kept


def token_advantages(settings: ObjectiveCommand, given: dict[str, Tensor], kept: Tensor) -> Tensor:
    """[N, T] advantages of the responses that are kept, 0 elsewhere."""
    rows = kept.nonzero()[:, 0].tolist()
    valid_NT = given["mask"] > 0
    coef = settings.losses.reward_kl
    kl_rows = [k1(given["old_logp"][i], given["ref_logp"][i])[valid_NT[i]] for i in rows] if coef else None
    values = advantages(
        settings.advantage.kind, given["reward"][kept], given["group"][kept], valid_NT[kept].sum(1), kl_rows, coef
    )
    advantage_NT = torch.zeros_like(given["logp"])
    for row, value in zip(rows, values, strict=True):
        advantage_NT[row, valid_NT[row]] = value.to(advantage_NT.dtype)
    return advantage_NT


def batch_of(
    settings: ObjectiveCommand, given: dict[str, Tensor], kept: Tensor
) -> tuple[ScoredBatch, dict[str, Tensor]]:
    """The tensors as a batch, and its leaves: what may carry gradient, by name."""
    live = [name for name in given if name in ("logp", "entropy") or name.startswith("logp_")]
    leaves = {name: given[name].clone().requires_grad_() for name in live}
    batch = ScoredBatch(
        leaves["logp"],
        given["old_logp"],
        given["mask"] * kept[:, None],
        token_advantages(settings, given, kept),
        torch.ones_like(given["logp"]) * kept[:, None],
        given.get("ref_logp"),
        {name.removeprefix("logp_"): leaf for name, leaf in leaves.items() if name.startswith("logp_")},
        given.get("engine_logp"),
        leaves.get("entropy"),
        given.get("accuracy"),
    )
    return batch, leaves


def shares_of(settings: ObjectiveCommand, batch: ScoredBatch, kept: Tensor) -> Tensor:
    """What each token weighs in the loss; the responses that are kept are the mini-batch."""
    lengths = (batch.mask_NT[kept] > 0).sum(1).tolist()
    shares = token_shares(lengths, settings.losses.average, settings.rollouts.sampling.max_new_tokens)
    shares_NT = torch.zeros_like(batch.logp_NT)
    shares_NT[kept] = spread(shares, batch.mask_NT[kept]).to(shares_NT.dtype)
    return shares_NT


def objective(settings: ObjectiveCommand, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Everything the command writes."""
    kept = kept_responses(settings, given)
    batch, leaves = batch_of(settings, given, kept)
    shares_NT = shares_of(settings, batch, kept)
    terms, logged = token_losses(settings.losses, batch)
    loss = total_loss(terms, shares_NT)
    loss.backward()
    lengths_N = (batch.mask_NT > 0).sum(1)
    result = {
        "loss": loss.detach(),
        "weights": combined_weights(settings.losses, batch),
        "advantage": batch.advantage_NT.sum(1) / lengths_N.clamp(min=1),
        "advantage_tokens": batch.advantage_NT,
    }
    for name, leaf in leaves.items():
        result[f"grad_{name}"] = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
    result |= {f"loss/{name}": total_loss({name: value}, shares_NT).detach() for name, value in terms.items()}
    return result | {n: token_mean(v, batch.mask_NT, lengths_N.sum().clamp(min=1)) for n, v in logged.items()}


def run(settings: ObjectiveCommand) -> None:
    from safetensors.torch import save_file

    check_losses(settings.losses, settings.views)
    check_constant(settings.losses)
    if not settings.out:
        raise UserError("out= is empty; name the safetensors file to write")
    result = objective(settings, read_tensors(Path(settings.tensors), settings))
    save_file({name: value.contiguous() for name, value in result.items()}, settings.out)
    print(f"loss {result['loss'].item():.6f} -> {settings.out}")
