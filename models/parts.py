"""The parts of a loaded model that scoring and sampling read; `models.loader` puts them together."""

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from models.encode import Encoded
from models.settings import ModelSettings


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
