"""Samplers: the model itself, and the factory that also knows vLLM."""

import dataclasses
from functools import partial

import torch
from torch import Tensor

from models.engine import Asked, Engine, Weights, forward
from models.loader import VisionLanguageModel, load
from models.response import Response
from models.settings import EngineSettings, SamplingSettings
from models.weights import named_weights


class HfEngine(Engine):
    """Sample with the policy itself or, if that is sharded, with an own copy."""

    def __init__(self, model: VisionLanguageModel, own_copy: bool = False):
        self.model = model
        self.own: dict[str, Tensor] = {}
        if own_copy:
            # What comes in is merged, so the copy has no adapters.
            settings = dataclasses.replace(model.settings, lora=None)
            self.model = load(settings, device=str(model.module.device))
            self.own = dict(named_weights(self.model.module))

    def answer(self, asked: Asked) -> list[Response]:
        prompts = list(asked.prompts)
        alike: dict[int, list[int]] = {}  # prompts that lack as many responses share batches
        for place, (_, numbers) in enumerate(prompts):
            alike.setdefault(len(numbers), []).append(place)
        found: list[list[Response]] = [[] for _ in prompts]
        done = 0
        for count, places in alike.items():
            onward = partial(forward, asked.progress, done)
            how = (asked.settings, asked.seed, asked.view, onward, asked.finished)
            part, numbers_PG = zip(*(prompts[place] for place in places), strict=True)
            made = self.model.sample(part, count, *how, numbers_PG)
            for number, place in enumerate(places):
                found[place] = made[number * count : (number + 1) * count]
            done += len(made)
        return [response for own in found for response in own]

    @torch.no_grad()
    def sync(self, weights: Weights) -> None:
        """Copy the weights; a no-op without a copy, as the sampler then shares the policy's."""
        if not self.own:
            return
        missing = set(self.own)
        for name, tensor in weights:
            self.own[name].copy_(tensor)
            missing.discard(name)
        assert not missing, f"weights that never came: {sorted(missing)[:3]}"
        self.model.forget_pictures()


def make_engine(
    model: VisionLanguageModel, settings: EngineSettings, sampling: SamplingSettings, own_copy: bool = False
) -> Engine:
    """Return the engine of the settings; `sampling` limits the length of responses. vLLM is imported only if used."""
    if settings.kind == "hf":
        return HfEngine(model, own_copy)
    from models.vllm_engine import VllmEngine

    return VllmEngine(model, settings, sampling)
