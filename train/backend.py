"""Who owns optimiser and sharding: plain torch in one process, or DeepSpeed in one or many.

Both take micro-batch losses that already hold their share of the mini-batch's mean, add their gradients up over
micro-batches and processes, and step once per mini-batch; so the result does not depend on how a mini-batch was cut.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from common import UserError
from models.loader import VisionLanguageModel
from models.weights import Gather
from train.distributed import Ranks
from train.settings import TrainSettings
from train.shards import Piece, whole_pieces

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Backend(Protocol):
    """What the updates need of an optimiser."""

    gather: Gather | None  # makes sharded parameters whole for a moment; None where they always are

    def backward(self, loss: Tensor, last: bool) -> None:
        """Add this micro-batch's gradient; `last` of a mini-batch lets the processes exchange theirs."""
        ...

    def step(self, rate: float) -> float:
        """One optimiser step; the gradient's norm before clipping."""
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
    """Weights and moments by their place in the optimiser."""
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


class TorchBackend:
    """One process, everything in its memory."""

    gather: Gather | None = None

    def __init__(self, model: VisionLanguageModel, settings: TrainSettings):
        if model.module.dtype != torch.float32:
            raise UserError(
                "parallel.backend=torch keeps no float32 copy of bfloat16 weights, and steps of 1e-6 would be lost; "
                "set parallel.backend=deepspeed, or model.dtype=float32"
            )
        self.names = {name: p for name, p in model.module.named_parameters() if p.requires_grad}
        self.parameters = list(self.names.values())
        self.optimizer = adamw(self.parameters, settings)
        self.clip = settings.optimiser.gradient_clip

    def backward(self, loss: Tensor, last: bool) -> None:
        loss.backward()

    def step(self, rate: float) -> float:
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.clip).item()
        if math.isfinite(norm):  # the caller stops the run on a norm that is not
            set_rate(self.optimizer, rate)
            self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def state(self) -> dict[str, Tensor]:
        return optimizer_state(self.parameters, self.optimizer)

    def load_state(self, state: dict[str, Tensor]) -> None:
        load_optimizer_state(self.parameters, self.optimizer, state)

    def pieces(self) -> list[Piece]:
        return whole_pieces({name: p.numel() for name, p in self.names.items()})


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def make_backend(model: VisionLanguageModel, settings: TrainSettings, ranks: Ranks) -> Backend:
    """The backend that the settings name; DeepSpeed is imported only where it is used."""
    if settings.parallel.backend == "torch":
        return TorchBackend(model, settings)
    from train.deepspeed_backend import DeepSpeedBackend

    return DeepSpeedBackend(model, settings, ranks)
