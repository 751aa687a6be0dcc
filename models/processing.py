"""Calls of a model's own processor: what it is told beyond the text, and many prompts or pictures in one call.

A call costs more than a small picture. Prompts pass together where pixels are rows and carry a grid (Qwen's processors
and their kin), so that each prompt's can be cut out again; elsewhere every prompt has a call of its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

GRID, PIXELS = "image_grid_thw", "pixel_values"
Key = tuple[int, ...]  # what tells a picture from others; its last three numbers are its grid


def makes_rows(processor: Any) -> bool:
    """Return whether pictures become rows of patches with a grid."""
    return hasattr(processor.image_processor, "merge_size")


def options(processor: Any, text: str, images: Sequence[Image.Image]) -> dict[str, Any]:
    """Return what the processor is told beyond the text."""
    # A list per prompt: LLaVA-OneVision cuts a picture into crops only where it is its prompt's only one.
    found: dict[str, Any] = {"images": [list(images)]} if images else {}
    # Qwen's processors and their kin read `size` as an area, and the pixels are within limits already; others read
    # it as a side and cut or scale as they were trained to.
    if images and makes_rows(processor):
        found["images_kwargs"] = {"size": {"shortest_edge": 1, "longest_edge": 1 << 40}}
    begin = processor.tokenizer.bos_token
    if begin and text.startswith(begin):  # the tokenizer would put a second one in front
        found["text_kwargs"] = {"add_special_tokens": False}
    return found


def inputs_of(processor: Any, text: str, images: Sequence[Image.Image]) -> Any:
    """Return all that the processor makes of one prompt."""
    return processor(text=[text], return_tensors="pt", **options(processor, text, images))


def inputs_of_all(processor: Any, prompts: Sequence[tuple[str, Sequence[Image.Image]]]) -> list[Mapping[str, Tensor]]:
    """Return what `inputs_of` gives for each text with its pictures."""
    told = [options(processor, text, images).get("text_kwargs") for text, images in prompts]
    if len(prompts) < 2 or not makes_rows(processor) or told != told[:1] * len(told):
        return [inputs_of(processor, text, images) for text, images in prompts]
    every = [image for _, images in prompts for image in images]
    more = options(processor, prompts[0][0], every) | ({"images": every} if every else {})
    made = processor(text=[text for text, _ in prompts], **more)
    pictures = cut_pictures(made, [len(images) for _, images in prompts])
    return [
        {"input_ids": torch.tensor([ids]), **picture} for ids, picture in zip(made["input_ids"], pictures, strict=True)
    ]


def pictures_of_all(processor: Any, pictures: Sequence[Sequence[Image.Image]]) -> list[dict[str, Tensor]]:
    """Return the rows and the grid of each prompt's pictures, made in one call."""
    every = [image for own in pictures for image in own]
    made = processor.image_processor(every, return_tensors="pt", **options(processor, "", every)["images_kwargs"])
    return cut_pictures(made, [len(own) for own in pictures])


def cut_pictures(made: Mapping[str, Tensor], counts: Sequence[int]) -> list[dict[str, Tensor]]:
    """Return what belongs to each prompt of the rows and grids of all; nothing where it has no picture."""
    if not sum(counts):
        return [{} for _ in counts]
    grids = made[GRID].split(list(counts))
    rows = made[PIXELS].split([int(grid.prod(-1).sum()) for grid in grids])
    parts = zip(rows, grids, counts, strict=True)
    return [{PIXELS: own, GRID: grid} if count else {} for own, grid, count in parts]
