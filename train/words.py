"""Kinds of words, by a token's own text: a rough cut that needs no sentence and fits every tokenizer."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

KINDS = ("number", "word", "sign")  # with a digit; else with a letter; else


def kind_of(text: str) -> int:
    """Return the place in KINDS."""
    return 0 if any(map(str.isnumeric, text)) else 1 if any(map(str.isalpha, text)) else 2


class WordKinds:
    """Tells tokens' kinds, reading each token of the vocabulary once."""

    def __init__(self, token_texts: Callable[[Sequence[int]], list[str]]):
        self.token_texts = token_texts
        self.known: dict[int, int] = {}

    def of(self, ids: Sequence[int]) -> Tensor:
        """Return each token's place in KINDS."""
        new = sorted(set(ids) - self.known.keys())
        self.known |= zip(new, map(kind_of, self.token_texts(new)), strict=True)
        return torch.tensor([self.known[token] for token in ids], dtype=torch.long)
