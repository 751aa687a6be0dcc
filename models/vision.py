"""Each distinct picture passes the vision tower once: within a call always, within a step where the tower is frozen.

"Vision" is all that is neither language model nor output head: for Qwen `model.visual`, its merger included.
Legend of shapes: S pixel rows (patches) of all pictures of a call, P pictures.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.families import is_language, language_path
from models.processing import Key

KEPT_BYTES = 4 << 30  # features that are kept at most; about 450 pictures of a million pixels for a 7B model


def freeze_vision(module: Any) -> None:
    """Freeze the vision tower and what joins it to the language model."""
    language = language_path(module)
    for name, parameter in module.named_parameters():
        if not is_language(name, language):
            parameter.requires_grad_(False)


def cut_patches_by_one_product(layer: torch.nn.Conv3d) -> None:
    """Replace a convolution whose windows do not overlap by a matrix product, several times as fast."""

    def forward(patches_SCTHW: Tensor) -> Tensor:
        return torch.nn.functional.linear(patches_SCTHW.flatten(1), layer.weight.flatten(1), layer.bias)

    layer.forward = forward


@dataclass(frozen=True)
class Features:
    """What the tower makes of one picture."""

    merged: Tensor
    deepstack: tuple[Tensor, ...]  # Qwen3-VL: features of early layers, added again inside the language model

    @property
    def size_bytes(self) -> int:
        return sum(part.numel() * part.element_size() for part in (self.merged, *self.deepstack))

    def copy(self) -> "Features":
        """Storage of its own, so that dropping one picture frees its memory."""
        return Features(self.merged.clone(), tuple(part.clone() for part in self.deepstack))


class PictureTower:
    """Stands in front of a Qwen vision tower's forward; the tower keeps its place and its parameters' names."""

    def __init__(self, tower: Any, keep: bool, limit_bytes: int = KEPT_BYTES):
        self.tower, self.keep, self.limit_bytes = tower, keep, limit_bytes
        self.run = tower.forward
        tower.forward = self.forward
        self.expected: list[Key] | None = None
        cut_patches_by_one_product(tower.patch_embed.proj)
        self.kept: OrderedDict[Key, Features] = OrderedDict()
        self.kept_bytes = 0
        self.passed = 0  # pictures that went through the tower so far
        self.output_type: Any = None

    def clear(self) -> None:
        self.kept.clear()
        self.kept_bytes = 0

    def expect(self, keys: list[Key]) -> None:
        """Announce the pictures of the coming call, which brings the pixels of each distinct one in order."""
        self.expected = keys

    def forward(self, hidden_states: Tensor, grid_thw: Tensor, **options: Any) -> Any:
        """Features of all pictures of a call in their order, as the tower itself would give them."""
        keys, self.expected = self.expected, None
        if not keys:  # the call named no pictures
            return self.run(hidden_states, grid_thw=grid_thw, **options)
        brought = list(dict.fromkeys(keys))
        rows = hidden_states.split([math.prod(key[-3:]) for key in brought])
        pixels = dict(zip(brought, rows, strict=True))
        found = {key: self.kept[key] for key in pixels if key in self.kept}
        new = [key for key in pixels if key not in found]
        if self.anyone_needs(bool(new), hidden_states.device):
            # Where only another process has a new picture, this one goes along with one that it knows.
            wanted = new or brought[:1]
            # All that came is all there is to run, most often: then it need not be put together again.
            all_rows = hidden_states if len(wanted) == len(brought) else torch.cat([pixels[key] for key in wanted])
            found |= self.through(wanted, all_rows, options)
        merged = torch.cat([found[key].merged for key in keys])
        layers = zip(*(found[key].deepstack for key in keys), strict=True)
        deepstack = {"deepstack_features": [torch.cat(layer) for layer in layers]} if found[keys[0]].deepstack else {}
        return self.output_type(pooler_output=merged, **deepstack)

    def through(self, keys: Sequence[Key], rows: Tensor, options: Any) -> dict[Key, Features]:
        """Run the tower on the rows of these pictures, and keep their features where it is frozen."""
        grid_P3 = torch.tensor([key[-3:] for key in keys], device=rows.device)
        with torch.no_grad() if self.keep else nullcontext():
            output = self.run(rows, grid_thw=grid_P3, **options)
        self.output_type = type(output)
        self.passed += len(keys)
        sizes = [math.prod(key[-3:]) // self.tower.spatial_merge_size**2 for key in keys]
        parts = [output.pooler_output, *(getattr(output, "deepstack_features", None) or ())]
        pictures = zip(*(part.split(sizes) for part in parts), strict=True)
        made = {key: Features(own[0], own[1:]) for key, own in zip(keys, pictures, strict=True)}
        if self.keep:
            for key, features in made.items():
                self.remember(key, features.copy())
        return made

    def remember(self, key: Key, features: Features) -> None:
        """Keep a picture's features; the oldest go where there are too many."""
        if key in self.kept:
            return
        self.kept[key] = features
        self.kept_bytes += features.size_bytes
        while self.kept_bytes > self.limit_bytes:
            self.kept_bytes -= self.kept.popitem(last=False)[1].size_bytes

    def anyone_needs(self, here: bool, device: torch.device) -> bool:
        """Return where the tower's weights are cut over processes (ZeRO-3), all run it as soon as one of them must."""
        sharded = any(hasattr(p, "ds_id") for p in self.tower.parameters())
        if not (self.keep and sharded and torch.distributed.get_world_size() > 1):
            return here
        flag = torch.tensor(float(here), device=device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MAX)
        return bool(flag)
