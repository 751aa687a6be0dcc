"""What samples responses: the same calls whether transformers or vLLM does it."""

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from models.encode import Encoded
from models.loader import VisionLanguageModel, load
from models.response import Response
from models.settings import EngineSettings, SamplingSettings
from models.weights import named_weights

Weights = Iterable[tuple[str, Tensor]]
Progress = Callable[[int, str], None]
Finished = Callable[[Response], None]
Names = Collection[tuple[str, int]]  # sample id and number of a response


def silent(done: int, note: str) -> None:
    """Progress that nobody watches."""


def unheard(response: Response) -> None:
    """A response that nobody writes down before all are there."""


def forward(progress: Progress, before: int, done: int, note: str) -> None:
    """Progress of one part as progress of the whole."""
    progress(before + done, note)


@dataclasses.dataclass(frozen=True)
class EnginePrompt:
    """A prompt as an engine's own processor makes it."""

    ids: list[int]
    vision: dict[str, Tensor]  # by the names of `Encoded.vision`
    positions_3P: Tensor | None  # M-RoPE; None for families that simply count


class Engine(Protocol):
    """A sampler with weights that follow the policy's."""

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
        """`count` responses to each prompt, without those in `skip`; equal seeds give equal ones, however batched.

        `finished` gets each response as soon as it is there: whoever writes them down can stop and go on later.
        """
        ...

    def seen(self, prompt: Encoded) -> EnginePrompt | None:
        """What the engine makes of a prompt; None where it takes the trainer's tokens and pixels as they are."""
        ...

    def sync(self, weights: Weights) -> None:
        """Take over whole tensors by their names in a checkpoint on disk, as `named_weights` gives them."""
        ...

    def sleep(self) -> None:
        """Give GPU memory back while the policy learns."""
        ...

    def wake(self) -> None:
        """Be ready for new weights; `sync` brings them, and then the engine samples again."""
        ...


class HfEngine:
    """transformers' generate, with the policy itself or, where that is cut into pieces, with a copy of its own."""

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
        """Nothing to do without a copy: the policy's weights are the sampler's."""
        if not self.own:
            return
        missing = set(self.own)
        for name, tensor in weights:
            self.own[name].copy_(tensor)
            missing.discard(name)
        assert not missing, f"weights that never came: {sorted(missing)[:3]}"
        self.model.forget_pictures()

    def sleep(self) -> None:
        """The weights stay where they are."""

    def wake(self) -> None:
        """Always ready."""


def make_engine(
    model: VisionLanguageModel, settings: EngineSettings, sampling: SamplingSettings, own_copy: bool = False
) -> Engine:
    """The engine that the settings ask for; `sampling` says how long responses may become."""
    if settings.kind == "hf":
        return HfEngine(model, own_copy)
    from models.vllm_engine import VllmEngine

    return VllmEngine(model, settings, sampling)
