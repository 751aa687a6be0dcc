"""A teacher that follows the policy: after each step it takes over a share of the policy's weights.

    teacher <- (1 - rate) teacher + rate policy

Sums are float32 whatever the weights are: with bfloat16 a share of 0.05 would mostly round to nothing. They are
written with every checkpoint, so that a resumed run has the teacher that a straight one has. Buffers are not averaged.
Every rank holds the whole teacher and the whole sums, at ZeRO stage 3 too.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from common import UserError
from models.loader import VisionLanguageModel
from models.weights import Gather, all_here

NAME = "teacher.safetensors"  # in a checkpoint's folder


class MovingAverage:
    """The average, kept in the teacher's own weights; `gather` makes sharded ones of the policy whole for a moment."""

    def __init__(
        self, teacher: VisionLanguageModel, policy: VisionLanguageModel, rate: float, gather: Gather | None = None
    ) -> None:
        self.rate, self.gather = rate, gather or all_here
        self.policy, self.teacher = (dict(model.module.named_parameters()) for model in (policy, teacher))
        # Weights that are cut over ranks are empty, and DeepSpeed remembers their shape.
        shapes = {name: getattr(value, "ds_shape", value.shape) for name, value in self.policy.items()}
        if shapes != {name: value.shape for name, value in self.teacher.items()}:
            raise UserError(
                "the teacher cannot follow a policy of another architecture; leave `teacher` empty, or set "
                "teacher_follows=0"
            )
        self.sums = {name: value.detach().float().clone() for name, value in self.teacher.items()}

    @torch.no_grad()
    def follow(self) -> None:
        """Move the teacher towards the policy as it is now; every rank takes part."""
        for name, sum_ in self.sums.items():
            with self.gather([self.policy[name]]):
                sum_.lerp_(self.policy[name].detach().float(), self.rate)
        self.write_back()

    @torch.no_grad()
    def write_back(self) -> None:
        for name, sum_ in self.sums.items():
            self.teacher[name].copy_(sum_)

    def copied(self) -> dict[str, Tensor]:
        """Return the sums as a checkpoint keeps them."""
        return {name: value.to("cpu", copy=True).contiguous() for name, value in self.sums.items()}

    def load(self, folder: Path) -> None:
        """Put the sums of a checkpoint back."""
        found: dict[str, Tensor] = load_file(folder / NAME)
        for name, sum_ in self.sums.items():
            sum_.copy_(found[name])
        self.write_back()
