"""From samples to model inputs: one `Encoded` prompt per sample and view."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from configs import UserError
from data import Sample
from data.prompts import chat_messages
from data.views import ViewSettings, apply_view, fit_pixels
from models.settings import ModelSettings

PER_TOKEN_KEYS = ("input_ids", "attention_mask", "mm_token_type_ids", "token_type_ids")


@dataclass(frozen=True)
class Encoded:
    """A prompt ready for the model: its tokens and whatever its pictures became, by the processor's own names."""

    sample_id: str
    ids: Tensor  # [P]
    token_kinds: Tensor  # [P], 1 where an image token stands
    vision: dict[str, Tensor]  # pixel_values, image_grid_thw ...: concatenated along axis 0 when batched


def view_seed(seed: int, sample_id: str, draw: int = 0) -> list[int]:
    """The seed of one corruption: the same sample gets the same mask again only under the same seed and draw."""
    return [seed, zlib.crc32(sample_id.encode()), draw]


class Encoder:
    """Processor, template and pixel limits of one model."""

    def __init__(self, processor: Any, settings: ModelSettings, image_token_id: int):
        self.processor = processor
        self.settings = settings
        self.image_token_id = image_token_id

    def encode(self, sample: Sample, view: ViewSettings | None = None, seed: int = 0, draw: int = 0) -> Encoded:
        """One prompt with its pictures seen through a view (None = as they are)."""
        messages = chat_messages(sample, self.settings.prompt)
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        images = []
        for number, source in enumerate(sample.images):
            picture_seed = [*view_seed(seed, sample.id, draw), number]
            image = source.open()
            if view and view.stage == "before_resize":
                image = apply_view(image, view, picture_seed)
            image = fit_pixels(image, self.settings.min_pixels, self.settings.max_pixels)
            if view and view.stage == "after_resize":
                image = apply_view(image, view, picture_seed)
            images.append(image)
        # The pixels are within limits already; the processor must not apply limits of its own.
        limits = {"shortest_edge": 1, "longest_edge": 1 << 40}
        extra = {"images": images, "images_kwargs": {"size": limits}} if images else {}
        inputs = self.processor(text=[text], return_tensors="pt", **extra)
        ids = inputs["input_ids"][0]
        vision = {name: value for name, value in inputs.items() if name not in PER_TOKEN_KEYS}
        return Encoded(sample.id, ids, (ids == self.image_token_id).long(), vision)

    def encode_within_limit(
        self, samples: Sequence[Sample], view: ViewSettings | None = None, seed: int = 0
    ) -> tuple[list[Sample], list[Encoded], list[str]]:
        """Encode samples; those whose prompt is too long are left out and named, never cut."""
        kept, encoded, too_long = [], [], []
        for sample in samples:
            prompt = self.encode(sample, view, seed)
            if len(prompt.ids) > self.settings.max_prompt_tokens:
                too_long.append(sample.id)
            else:
                kept.append(sample)
                encoded.append(prompt)
        return kept, encoded, too_long

    def response_ids(self, sample_id: str, ids: Sequence[int]) -> Tensor:
        """Token ids of a response from a file; image tokens in it would be read as pictures, so they are refused."""
        if self.image_token_id in ids:
            raise UserError(f"the response to {sample_id} contains an image token; remove that row or resample it")
        return torch.tensor(ids, dtype=torch.long)


def batch_vision(prompts: Sequence[Encoded], repeat: int = 1) -> dict[str, Tensor]:
    """The pictures of several prompts, each prompt's `repeat` times, in order."""
    names = {name for prompt in prompts for name in prompt.vision}
    return {
        name: torch.cat([p.vision[name] for p in prompts for _ in range(repeat) if name in p.vision])
        for name in sorted(names)
    }
