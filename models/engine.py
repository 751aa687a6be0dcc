"""The calls of a sampler, the same for transformers and vLLM; `models.engines` makes one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

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


@dataclass(frozen=True)
class Wanted:
    """A prompt with the numbers of the responses that it shall get, and the name of the view that it shows."""

    prompt: Encoded
    numbers: Sequence[int]
    view: str = "clean"


@dataclass(frozen=True)
class Asked:
    """Prompts with the numbers of the responses that each of them lacks, how they are drawn, and who hears of it.

    The prompts come once, in order, and may be made only as they are taken.
    """

    prompts: Iterable[tuple[Encoded, list[int]]]
    settings: SamplingSettings
    seed: int
    view: str
    progress: Progress
    finished: Finished


class Engine(ABC):
    """A sampler with weights that follow the policy's."""

    streams = False  # whether it begins the next prompts while the last ones are still answered

    def sample(
        self,
        prompts: Iterable[Encoded],
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
        lacking = ((prompt, [k for k in range(count) if (prompt.sample_id, k) not in skip]) for prompt in prompts)
        asked = ((prompt, numbers) for prompt, numbers in lacking if numbers)
        return self.answer(Asked(asked, settings, seed, view, progress, finished))

    def sample_each(self, wanted: Sequence[Wanted], settings: SamplingSettings, seed: int) -> list[list[Response]]:
        """Return each prompt's responses, asked in one call, so that no engine waits for one view to end."""
        asked = ((one.prompt, list(one.numbers)) for one in wanted)
        answers = iter(self.answer(Asked(asked, settings, seed, "clean", silent, unheard)))
        return [[replace(next(answers), view=one.view) for _ in one.numbers] for one in wanted]

    def sample_parts(
        self,
        parts: Iterable[Sequence[Encoded]],
        count: int,
        settings: SamplingSettings,
        seed: int,
        view: str,
        progress: Progress,
        finished: Finished,
        skip: Names = frozenset(),
    ) -> int:
        """Answer prompts that are made part by part, one after another or, where an engine can, as one stream.

        Returns the number of responses, each of which `finished` has heard of.
        """
        before = 0
        for part in [chain.from_iterable(parts)] if self.streams else parts:
            onward = partial(forward, progress, before)
            before += len(self.sample(part, count, settings, seed, view, onward, finished, skip))
        return before

    @abstractmethod
    def answer(self, asked: Asked) -> list[Response]:
        """Return the responses that are asked for, prompt by prompt."""

    def seen(self, prompt: Encoded) -> EnginePrompt | None:
        """Return the engine's own version of a prompt; None if it takes the trainer's tokens and pixels."""
        return None

    def sync(self, weights: Weights) -> None:
        """Load whole tensors by their names in a checkpoint on disk, as `named_weights` gives them."""
        raise NotImplementedError(f"{type(self).__name__} samples with weights that it cannot be given")

    def sleep(self) -> None:  # noqa: B027 (an engine that holds no memory of its own has nothing to do)
        """Release GPU memory while the policy is trained."""

    def wake(self) -> None:  # noqa: B027
        """Be ready for new weights; `sync` brings them, and then the engine samples again."""
