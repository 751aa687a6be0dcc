"""The objective: loss terms of a method put together on one batch. The loop and the command line share it.

`python -m train.objective method=papo_g tensors=in.safetensors out=out.safetensors` computes loss and gradients of
any method on given tensors: `logp`, `old_logp`, `mask` [N,T], `reward`, `group` [N] and, where the method asks for
them, `ref_logp` and `logp_<view>` [N,T]. It writes `loss`, `grad_logp`, `grad_logp_<view>`, `advantage`, `weights`
and one scalar per metric.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from configs import UserError, command, setting
from train.advantages import ADVANTAGES
from train.losses.kl import k3, perception_k3
from train.losses.ppo import ppo_loss
from train.settings import LossSettings, TrainSettings, check_losses


@dataclass(frozen=True)
class ScoredBatch:
    """N responses of up to T tokens with everything a loss may ask for; padding has mask 0."""

    logp_NT: Tensor
    old_logp_NT: Tensor
    mask_NT: Tensor
    advantage_N: Tensor
    weights_NT: Tensor
    ref_logp_NT: Tensor | None = None
    view_logp_NT: dict[str, Tensor] = field(default_factory=dict)


def token_losses(losses: LossSettings, batch: ScoredBatch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Every enabled term as coefficient x per-token value [N, T], and per-token quantities worth logging."""
    advantage_NT = batch.advantage_N[:, None].expand_as(batch.logp_NT)
    policy_NT, logged = ppo_loss(
        batch.logp_NT, batch.old_logp_NT, advantage_NT, clip_low=losses.ppo.clip_low, clip_high=losses.ppo.clip_high,
        dual_clip=losses.ppo.dual_clip,
    )  # fmt: skip
    terms = {"ppo": policy_NT * batch.weights_NT.detach()}
    logged["actor/pg_loss"] = terms["ppo"]
    logged["actor/entropy_loss"] = -batch.logp_NT  # sampled surprisal, the name the field uses
    if losses.reference_kl and losses.reference_kl.coef:
        assert batch.ref_logp_NT is not None
        reference_NT = k3(batch.logp_NT, batch.ref_logp_NT)
        terms["reference_kl"] = losses.reference_kl.coef * reference_NT
        logged["actor/kl_loss"] = reference_NT
    if losses.perception_kl:
        term = losses.perception_kl
        masked_NT = batch.view_logp_NT[term.view]
        perception_NT = perception_k3(batch.logp_NT, masked_NT, term.gradient)
        terms["perception_kl"] = -term.coef * perception_NT
        logged["actor/kl_prcp_loss"] = -perception_NT  # negative, as PAPO's curves show it: it falls as KL grows
        logged["actor/masked_entropy_loss"] = -masked_NT
    if losses.entropy:
        terms["entropy"] = losses.entropy.coef * -batch.logp_NT
        if losses.entropy.masked_coef and losses.perception_kl:
            terms["masked_entropy"] = losses.entropy.masked_coef * -batch.view_logp_NT[losses.perception_kl.view]
    return terms, {name: value.detach() for name, value in logged.items()}


def token_mean(values_NT: Tensor, mask_NT: Tensor, denominator: Tensor | float) -> Tensor:
    """Masked sum over a fixed number of tokens: the mini-batch's, so that micro-batches add up to the same result."""
    return torch.where(mask_NT > 0, values_NT, 0.0).sum() / denominator


@dataclass
class ObjectiveCommand(TrainSettings):
    """A method's settings with two files; the coefficients are the paper's 3B rows unless a scale is named."""

    scale: str = setting("3b", "whose coefficients, a file of configs/scales")
    tensors: str = setting("", "safetensors file to read")
    out: str = setting("", "safetensors file to write")


def read_batch(path: Path, settings: ObjectiveCommand) -> tuple[ScoredBatch, dict[str, Tensor]]:
    """The given tensors as a batch; log-probs that carry gradient are leaves."""
    from safetensors.torch import load_file

    if not path.exists():
        raise UserError(f"tensors={path} does not exist; give a safetensors file")
    given = load_file(path)
    term = settings.losses.perception_kl
    wanted = ["logp", "old_logp", "mask", "reward", "group"] + ([f"logp_{term.view}"] if term else [])
    if settings.losses.reference_kl and settings.losses.reference_kl.coef:
        wanted.append("ref_logp")
    missing = [name for name in wanted if name not in given]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}, which method {settings.method} asks for")
    leaves = {n: v.clone().requires_grad_() for n, v in given.items() if n == "logp" or n.startswith("logp_")}
    batch = ScoredBatch(
        leaves["logp"], given["old_logp"], given["mask"].float(),
        ADVANTAGES[settings.advantage.kind](given["reward"].float(), given["group"]),
        torch.ones_like(given["logp"]), given.get("ref_logp"),
        {name.removeprefix("logp_"): leaf for name, leaf in leaves.items() if name != "logp"},
    )  # fmt: skip
    return batch, leaves


def run(settings: ObjectiveCommand) -> None:
    from safetensors.torch import save_file

    check_losses(settings.losses, settings.views)
    if not settings.out:
        raise UserError("out= is empty; name the safetensors file to write")
    batch, leaves = read_batch(Path(settings.tensors), settings)
    terms, logged = token_losses(settings.losses, batch)
    tokens = batch.mask_NT.sum()
    loss = sum(token_mean(value, batch.mask_NT, tokens) for value in terms.values())
    loss.backward()
    result = {"loss": loss.detach(), "advantage": batch.advantage_N, "weights": batch.weights_NT}
    result |= {
        f"grad_{n}": leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for n, leaf in leaves.items()
    }
    result |= {name: token_mean(value, batch.mask_NT, tokens) for name, value in logged.items()}
    save_file({name: value.contiguous() for name, value in result.items()}, settings.out)
    print(f"loss {loss.item():.6f} -> {settings.out}")


if __name__ == "__main__":
    sys.exit(command(ObjectiveCommand, run, sys.argv[1:], prog="python -m train.objective", summary=str(__doc__)))
