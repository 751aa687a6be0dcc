"""The calls of what owns optimiser and sharding, and what plain torch and DeepSpeed share; `train.backends` makes one.

Backends take micro-batch losses that already hold their share of the mini-batch's mean, add their gradients up over
micro-batches and processes, and step once per mini-batch; so the result does not depend on how a mini-batch was cut.
"""

from typing import Protocol

import torch
from torch import Tensor

from common import UserError
from models.weights import Gather
from train.settings import TrainSettings
from train.shards import Piece

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Backend(Protocol):
    """The optimiser as the updates call it."""

    gather: Gather | None  # makes sharded parameters whole for a moment; None where they always are

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add this micro-batch's gradient; `last` of a mini-batch lets the processes exchange theirs."""
        ...

    def step(self, rate: float) -> float:
        """Return one optimiser step; the gradient's norm before clipping."""
        ...

    def state(self) -> dict[str, Tensor]:
        """This process's part of the trained weights (float32) and of the optimiser's moments."""
        ...

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""
        ...

    def pieces(self) -> list[Piece]:
        """Return which numbers of which parameters `state` holds on this rank."""
        ...


def adamw(parameters: list[Tensor], settings: TrainSettings) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        parameters, lr=settings.optimiser.learning_rate, weight_decay=settings.optimiser.weight_decay
    )


def optimizer_state(weights: list[Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return weights and moments by their place in the optimiser."""
    found: dict[str, Tensor] = {}
    for index, weight in enumerate(weights):
        found[f"{index}.value"] = weight.detach()
        for name in MOMENTS:
            if name in optimizer.state[weight]:  # DeepSpeed's CPU Adam counts its steps in plain integers
                found[f"{index}.{name}"] = torch.as_tensor(optimizer.state[weight][name], dtype=torch.float32)
    return found


def load_optimizer_state(weights: list[Tensor], optimizer: torch.optim.Optimizer, state: dict[str, Tensor]) -> None:
    """Put weights and moments back; refuse those of another model."""
    shapes = {int(key.split(".")[0]): value.shape for key, value in state.items() if key.endswith(".value")}
    if shapes != {index: weight.shape for index, weight in enumerate(weights)}:
        raise UserError(
            "the checkpoint belongs to another model (its weights have other shapes); use another run folder, or the "
            "model and parallel settings the run began with"
        )
    for index, weight in enumerate(weights):
        weight.data.copy_(state[f"{index}.value"])
        moments = {name: state[f"{index}.{name}"] for name in MOMENTS if f"{index}.{name}" in state}
        if moments:
            # The step number is a scalar that AdamW keeps on the CPU, and DeepSpeed's CPU Adam as an integer.
            moments = {n: v.to(weight.device) if v.dim() else v for n, v in moments.items()}
            if hasattr(optimizer, "ds_opt_adam"):
                moments["step"] = int(moments["step"])
            optimizer.state[weight] = moments


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
