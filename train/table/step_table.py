"""The table of a step: N rows (responses) with named columns, equal on every rank and without gradient.

Weight pieces read it and nothing else, so their statistics run over the whole step: after the filter, before the
mini-batches, whatever ranks and micro-batches there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from common.lazy import Tensor, torch
from train.table.columns import score_of


@dataclass(frozen=True, kw_only=True)
class Table:
    """Everything that is known of a step's rows before the first update. Shapes [N] and [N, T]."""

    mask_NT: Tensor
    prompt_N: Tensor  # whose problem
    group_N: Tensor  # who is compared with whom
    role_N: Tensor  # which branch of the loss; 0 = answer
    reward_N: Tensor
    accuracy_N: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)  # reward terms [N]
    advantage_NT: Tensor
    scores: Mapping[str, Tensor] = field(default_factory=dict)  # [N, T] by name, see train/table/columns.py
    marks: Mapping[str, Tensor] = field(default_factory=dict)  # [N, T] 0 or 1: "fact", "perception" ...
    token_ids_NT: Tensor | None = None  # where a weight needs them, 0 at padding; `ids` returns them
    progress: float = 0.0  # (step - 1) / steps
    seed: int = 0  # of the step, for pieces that draw

    def score(self, name: str) -> Tensor:
        """Return a score [N, T], derived from others where it is one of those."""
        return score_of(self.scores, name)

    def ids(self) -> Tensor:
        """Return the token ids [N, T] of a step of which a weight needs them."""
        assert self.token_ids_NT is not None, "no weight of the method says needs_token_ids"
        return self.token_ids_NT

    @property
    def length_N(self) -> Tensor:
        return (self.mask_NT > 0).sum(1)


def padded(rows: Sequence[Tensor], width: int) -> Tensor:
    """Return rows of unequal length as [N, width], zeros at the end."""
    found = rows[0].new_zeros((len(rows), width))
    for n, row_T in enumerate(rows):
        found[n, : len(row_T)] = row_T
    return found


def mask_of(lengths: Sequence[int]) -> Tensor:
    """Return 1 at tokens and 0 at padding."""
    width = max(lengths, default=0)
    return (torch.arange(width)[None] < torch.tensor(list(lengths))[:, None]).float()
