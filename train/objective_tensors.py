"""The objective on tensors from a file: reads them, filters, computes, writes. See train/objective_command.py."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from common import UserError, atomic_path
from models.kl import k1
from train.advantages import advantages
from train.checks import check_losses
from train.losses.averages import spread
from train.losses.batch import ScoredBatch
from train.needs import Needs, check_pieces, needs_of
from train.objective import Measure, measured, row_shares, token_losses, token_mean, total_loss
from train.objective_command import ObjectiveCommand
from train.scoring.weighing import channels, weigh
from train.table.columns import CLEAN, ENGINE, POLICY, REFERENCE, TEACHER, ScoreName, summed
from train.table.step_table import Table
from train.tensor_file import IDS, read_tensors


def tensor_name(score: ScoreName, live: bool) -> str:
    """Return the name under which a file holds a score."""
    view = "" if score.view == CLEAN else f"_{score.view}"
    if score.model == TEACHER:
        return f"teacher_{score.quantity}{view}"
    if score.model in (REFERENCE, ENGINE):
        return f"{ {REFERENCE: 'ref', ENGINE: 'engine'}[score.model] }_{score.quantity}"
    if score.view == CLEAN and score.quantity in ("logp", "entropy") and not live:
        return f"old_{score.quantity}"
    return f"{score.quantity}{view}"


def live_names(needs: Needs) -> set[str]:
    """Return the names of the tensors through which a method may learn."""
    return {"logp", *(tensor_name(score, live=True) for score in needs.live)}


def fixed_name(score: ScoreName, needs: Needs) -> str:
    """Return the name of a score from before the step, apart from that of the live one."""
    name = tensor_name(score, live=False)
    return f"old_{name}" if name in live_names(needs) else name


def stand_ins(needs: Needs) -> dict[str, str]:
    """Return under which second name a file may hold a score from before the step: with or without `old_`."""
    names = [fixed_name(score, needs) for score in needs.fixed if score.model == POLICY]
    other = {name: name.removeprefix("old_") if name.startswith("old_") else f"old_{name}" for name in names}
    return {name: second for name, second in other.items() if second not in live_names(needs)}


def wanted_tensors(settings: ObjectiveCommand, needs: Needs) -> list[str]:
    """Return the names of all tensors that a method needs."""
    names = ["logp", "old_logp", "mask", "reward", "group"]
    names += [fixed_name(score, needs) for score in sorted(needs.fixed)]
    names += [tensor_name(score, live=True) for score in sorted(needs.live)]
    names += sorted(needs.divergences)
    by_term = [term.needs_accuracy() for term in settings.losses.enabled()]
    if any(by_term) or any(piece.needs_accuracy() for piece in settings.weights.values()):
        names.append("accuracy")
    if settings.advantage.channels == "per_term":
        names += [f"reward_{name}" for name, piece in settings.rewards.items() if piece.weight]
    names += [f"reward_{name}" for piece in settings.weights.values() for name in sorted(piece.terms())]
    names += [f"mark_{name}" for piece in settings.weights.values() for name in sorted(piece.marks())]
    names += [IDS] if needs.token_ids else []
    return list(dict.fromkeys(names))


def kept_responses(settings: ObjectiveCommand, given: dict[str, Tensor]) -> Tensor:
    """Return which responses dynamic sampling leaves in, by the mean of the reward terms that the filter names."""
    kept = torch.ones(len(given["group"]), dtype=torch.bool)
    bounds = settings.rollouts.filter
    if not bounds:
        return kept
    terms = {name: "accuracy" if name == "accuracy" else f"reward_{name}" for name in bounds.by}
    judged = [given[name] for name in terms.values() if name in given]
    if not judged:
        return kept
    prompt_N = given["prompt"]
    for prompt in prompt_N.unique():
        members = prompt_N == prompt
        kept[members] = any(bounds.low < value[members].mean().item() < bounds.high for value in judged)
    if not kept.any():
        raise UserError(
            f"every group's mean accuracy lies outside ({bounds.low}, {bounds.high}), so the filter of "
            f"method {settings.method} leaves nothing; give mixed groups or rollouts.filter=null"
        )
    return kept


def token_advantages(settings: ObjectiveCommand, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Return advantages [N, T], one tensor per reward channel."""
    valid_NT = given["mask"] > 0
    coef = settings.losses.reward_kl
    kl_rows = None
    if coef:
        pairs = zip(given["old_logp"], given["ref_logp"], valid_NT, strict=True)
        kl_rows = [k1(old, ref)[valid] for old, ref, valid in pairs]
    terms = {name: given.get(f"reward_{name}", given["reward"]) for name in settings.rewards}
    found = []
    for reward_N in channels(settings, given["reward"], terms):
        rules, lengths_N = settings.advantage, valid_NT.sum(1)
        rows = advantages(rules.kind, reward_N, given["group"], lengths_N, kl_rows, coef, rules.epsilon)
        advantage_NT = torch.zeros_like(given["logp"])
        for row, value in enumerate(rows):
            advantage_NT[row, valid_NT[row]] = value.to(advantage_NT.dtype)
        found.append(advantage_NT)
    return tuple(found)


def scores_of(needs: Needs, given: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the fixed scores by name, and the leaves that may carry gradient by tensor name."""
    leaves = {
        name: given[name].clone().requires_grad_()
        for name in given
        if name in ("logp", "entropy", "prior", *needs.divergences) or name.startswith("logp_")
    }
    fixed, second = {}, stand_ins(needs)
    for score in needs.fixed:
        name = fixed_name(score, needs)
        names = sorted({name, second.get(name, name)}, key=lambda name: not name.startswith("old_"))
        fixed[str(score)] = next(given[name] for name in names if name in given)
    shown = {f"logp@{name.removeprefix('logp_')}": value for name, value in given.items() if name.startswith("logp_")}
    return {**shown, **fixed, "logp": given["old_logp"]}, leaves


def batch_of(
    settings: ObjectiveCommand, needs: Needs, given: dict[str, Tensor]
) -> tuple[ScoredBatch, Table, dict[str, Tensor]]:
    """Return the tensors as a batch, as a step's table, and the leaves of the batch."""
    fixed, leaves = scores_of(needs, given)
    live = {str(score): leaves[tensor_name(score, live=True)] for score in needs.live}
    found = token_advantages(settings, given)
    progress = float(given["progress"]) if "progress" in given else 0.0
    batch = ScoredBatch(
        logp_NT=leaves["logp"],
        mask_NT=given["mask"],
        advantages=found,
        scores=fixed,
        live=live,
        divergences={name: leaves[name] for name in needs.divergences},
        accuracy_N=given.get("accuracy"),
        progress=progress,
    )
    table = Table(
        mask_NT=given["mask"],
        prompt_N=given["prompt"],
        group_N=given["group"],
        role_N=given["role"],
        reward_N=given["reward"],
        accuracy_N=given.get("accuracy", torch.zeros_like(given["reward"])),
        terms={name: given[f"reward_{name}"] for name in settings.rewards if f"reward_{name}" in given},
        advantage_NT=summed(found),
        scores=fixed,
        marks={name.removeprefix("mark_"): value for name, value in given.items() if name.startswith("mark_")},
        token_ids_NT=given.get(IDS),
        progress=progress,
        seed=settings.seed,
    )
    return batch, table, leaves


def measure_of(settings: ObjectiveCommand, table: Table, by_term: Mapping[str, Tensor]) -> Measure:
    """Return share and W of every token; the file is the mini-batch."""
    roles = table.role_N.tolist()
    known = list(settings.rollouts.plan.coefs().values())
    coefs = known + [1.0] * (max(roles) + 1 - len(known))
    lengths, limit = table.length_N.tolist(), settings.rollouts.sampling.max_new_tokens
    shares = row_shares(lengths, roles, coefs, settings.losses.average, limit)
    shares_NT = spread(shares, table.mask_NT, table.advantage_NT.dtype)
    return measured(settings.losses, shares_NT, by_term, table.role_N, table.prompt_N)


def objective(settings: ObjectiveCommand, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return everything the command writes."""
    needs = needs_of(settings)
    kept = kept_responses(settings, given)
    rows = kept.nonzero()[:, 0]
    inside = {name: value if value.ndim == 0 else value[rows] for name, value in given.items()}
    batch, table, leaves = batch_of(settings, needs, inside)
    by_piece, by_term = weigh(settings.weights, table)
    measure = measure_of(settings, table, by_term)
    batch = batch.with_weights(measure.weights)
    terms, logged = token_losses(settings.losses, batch)
    loss = total_loss(terms, measure.shares)
    loss.backward()
    lengths_N = table.length_N
    weight_NT = shown_weights(measure, table) * logged.get("actor/importance_weight", 1.0)
    result = {
        "weights": weight_NT,
        "advantage": table.advantage_NT.sum(1) / lengths_N.clamp(min=1),
        "advantage_tokens": table.advantage_NT,
        **{f"weights/{name}": value for name, value in by_piece.items()},
    }
    for name, leaf in leaves.items():
        result[f"grad_{name}"] = leaf.grad if leaf.grad is not None else torch.zeros_like(leaf)
    result = {name: scattered(value, kept) for name, value in result.items()} | {"loss": loss.detach()}
    result |= {f"loss/{name}": total_loss({name: value}, measure.shares).detach() for name, value in terms.items()}
    return result | {n: token_mean(v, batch.mask_NT, lengths_N.sum().clamp(min=1)) for n, v in logged.items()}


def shown_weights(measure: Measure, table: Table) -> Tensor:
    """Return W of the clipped loss, or of the weighted term of a method without one, denominator included.

    It is 1 where that has no weight, and 0 at padding.
    """
    name = "ppo" if "ppo" in measure.shares else next(iter(measure.weights), "")
    ones_NT = (table.mask_NT > 0).to(table.advantage_NT.dtype)
    return ones_NT * measure.weights.get(name, ones_NT)


def scattered(value: Tensor, kept: Tensor) -> Tensor:
    """Return rows at their places in the file, 0 where the filter left one out."""
    found = value.new_zeros((len(kept), *value.shape[1:]))
    found[kept] = value
    return found


def run(settings: ObjectiveCommand) -> None:
    """Read, compute, write."""
    from safetensors.torch import save_file

    check_losses(settings.losses, settings.views)
    check_pieces(settings)
    if not settings.out:
        raise UserError("out= is empty; name the safetensors file to write")
    if Path(settings.out).resolve() == Path(settings.tensors).resolve():
        raise UserError("out= is the file of tensors= itself; name another file to write")
    needs = needs_of(settings)
    wanted = wanted_tensors(settings, needs)
    given = read_tensors(Path(settings.tensors), wanted, settings.method, stand_ins(needs))
    result = objective(settings, given)
    try:
        with atomic_path(Path(settings.out)) as path:
            save_file({name: value.contiguous() for name, value in result.items()}, path)
    except OSError as error:
        raise UserError(f"out={settings.out} cannot be written ({error.strerror}); choose another place") from None
    print(f"loss {result['loss'].item():.6f} -> {settings.out}")
