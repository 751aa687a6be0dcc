"""Samplers: the model itself, and the factory that also knows vLLM."""

import dataclasses
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from models.encode import Encoded
from models.engine import Engine, EnginePrompt, Finished, Names, Progress, Weights, forward, silent, unheard
from models.loader import VisionLanguageModel, load
from models.response import Response
from models.settings import EngineSettings, SamplingSettings
from models.weights import named_weights


class HfEngine:
    """Sample with the policy itself or, if that is sharded, with an own copy."""

    def __init__(self, model: VisionLanguageModel, own_copy: bool = False):
        self.model = model
        self.own: dict[str, Tensor] = {}
        if own_copy:
            # What comes in is merged, so the copy has no adapters.
            settings = dataclasses.replace(model.settings, lora=None)
            self.model = load(settings, device=str(model.module.device))
            self.own = dict(named_weights(self.model.module))

    def sample(
        self,
        prompts: Sequence[Encoded],
        count: int,
        settings: SamplingSettings,
        seed: int,
        view: str = "clean",
        progress: Progress = silent,
        finished: Finished = unheard,
        skip: Names = frozenset(),
    ) -> list[Response]:
        alike: dict[tuple[int, ...], list[Encoded]] = {}  # prompts that lack the same numbers share batches
        for prompt in prompts:
            missing = tuple(k for k in range(count) if (prompt.sample_id, k) not in skip)
            alike.setdefault(missing, []).append(prompt)
        found: list[Response] = []
        for missing, part in alike.items():
            if missing:
                onward = partial(forward, progress, len(found))
                found += self.model.sample(part, count, settings, seed, view, onward, finished, missing)
        return found

    def seen(self, prompt: Encoded) -> EnginePrompt | None:
        return None

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

    def sleep(self) -> None:
        """No-op: the weights stay where they are."""

    def wake(self) -> None:
        """No-op: it is always ready."""


def make_engine(
    model: VisionLanguageModel, settings: EngineSettings, sampling: SamplingSettings, own_copy: bool = False
) -> Engine:
    """Return the engine of the settings; `sampling` limits the length of responses. vLLM is imported only if used."""
    if settings.kind == "hf":
        return HfEngine(model, own_copy)
    from models.vllm_engine import VllmEngine

    return VllmEngine(model, settings, sampling)
