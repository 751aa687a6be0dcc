"""What scoring and sampling read: responses to a prompt, and the parts of a model that the loader puts together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from models.encode import Encoded
from models.settings import ModelSettings


@dataclass(frozen=True)
class Group:
    """Responses to one prompt."""

    prompt: Encoded
    responses: Sequence[Sequence[int]]


class ModelParts(Protocol):
    """A model with its processor, as far as a batch needs it."""

    module: Any
    tokenizer: Any
    settings: ModelSettings
    scoring_path: str
    token_kinds_name: str | None
    pad_id: int
    eos_ids: list[int]
    forbidden_ids: list[int]

    @property
    def blank_prompt(self) -> Encoded:
        """Return a prompt with a blank picture, for batches that have none."""
        ...

    def picture_inputs(self, prompts: Sequence[Encoded]) -> dict[str, Tensor]:
        """Return the pictures of prompts as arguments of the model."""
        ...
