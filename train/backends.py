"""Optimisers: plain torch in one process, and the factory that also knows DeepSpeed."""

import math

import torch
from torch import Tensor

from common import UserError
from models.loader import VisionLanguageModel
from models.weights import Gather
from train.backend import Backend, adamw, load_optimizer_state, optimizer_state, set_rate
from train.distributed import Ranks
from train.settings import TrainSettings
from train.shards import Piece, whole_pieces


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


def make_backend(model: VisionLanguageModel, settings: TrainSettings, ranks: Ranks) -> Backend:
    """Return the backend that the settings name; DeepSpeed is imported only if used."""
    if settings.parallel.backend == "torch":
        return TorchBackend(model, settings)
    from train.deepspeed_backend import DeepSpeedBackend

    return DeepSpeedBackend(model, settings, ranks)
