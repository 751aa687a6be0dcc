"""The calls of a sampler, the same for transformers and vLLM; `models.engines` makes one."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from models.encode import Encoded
from models.response import Response
from models.settings import SamplingSettings

Weights = Iterable[tuple[str, Tensor]]
Progress = Callable[[int, str], None]
Finished = Callable[[Response], None]
Names = Collection[tuple[str, int]]  # sample id and number of a response


def silent(done: int, note: str) -> None:
    """No-op progress callback."""


def unheard(response: Response) -> None:
    """No-op callback for a finished response."""


def forward(progress: Progress, before: int, done: int, note: str) -> None:
    """Report the progress of a part as that of the whole."""
    progress(before + done, note)


@dataclass(frozen=True)
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
        """Return `count` responses to each prompt but those in `skip`; equal seeds give equal ones, however batched.

        `finished` is called with each response as soon as it ends, so that a caller can store it and resume.
        """
        ...

    def seen(self, prompt: Encoded) -> EnginePrompt | None:
        """Return the engine's own version of a prompt; None if it takes the trainer's tokens and pixels."""
        ...

    def sync(self, weights: Weights) -> None:
        """Load whole tensors by their names in a checkpoint on disk, as `named_weights` gives them."""
        ...

    def sleep(self) -> None:
        """Release GPU memory while the policy is trained."""
        ...

    def wake(self) -> None:
        """Be ready for new weights; `sync` brings them, and then the engine samples again."""
        ...
