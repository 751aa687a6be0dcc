"""Flat rows: groups one after another without padding, each a prefix and continuations that see it and themselves.

Legend of shapes: L tokens of the row, K wanted next tokens; the three axes of M-RoPE come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedGroup:
    """Token ids of a prefix and of its continuations; `wanted` marks, per continuation, where its answer begins."""

    prefix: Sequence[int]
    continuations: Sequence[Sequence[int]]
    wanted: Sequence[int]


@dataclass(frozen=True)
class Layout:
    """Lengths of each group's prefix and continuations, in the order of the row; empty continuations are left out."""

    groups: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def sizes(self) -> list[int]:
        return [size for prefix, continuations in self.groups for size in (prefix, *continuations)]

    @property
    def starts(self) -> list[int]:
        """Return where each prefix begins."""
        return [0, *accumulate(prefix + sum(continuations) for prefix, continuations in self.groups)][:-1]


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """What the language model needs to run a flat row, and which next tokens are asked for."""

    ids_1L: Tensor
    positions_31L: Tensor
    layout: Layout
    source_K: Tensor  # the position of the row whose output predicts the wanted token
    target_K: Tensor
    token_K: Tensor  # the position of the wanted token itself; of a last token only in a whole row


def pack(groups: Sequence[PackedGroup], prefix_positions: Sequence[Tensor], *, whole: bool = False) -> PackedBatch:
    """Lay groups one behind another; every continuation's positions go on after the prefix's last one.

    A continuation's last token predicts nothing that is wanted, so it is not in the row unless that is `whole`, for
    passes that read the state at a token; and where the answer begins with the continuation, the prefix's last token
    predicts its first, for all continuations together.
    """
    ids: list[int] = []
    source: list[int] = []
    target: list[int] = []
    place_of_token: list[int] = []
    positions, layout = [], []
    for group, positions_3P in zip(groups, prefix_positions, strict=True):
        ids += group.prefix
        positions.append(positions_3P)
        last, follow = len(ids) - 1, int(positions_3P.max()) + 1
        for tokens, start in zip(group.continuations, group.wanted, strict=True):
            begin, length = len(ids), len(tokens) if whole else len(tokens) - 1
            ids += tokens[:length]
            positions.append(torch.arange(follow, follow + length).expand(3, -1))
            source += [begin + place - 1 if place else last for place in range(start, len(tokens))]
            target += tokens[start:]
            place_of_token += range(begin + start, begin + len(tokens))
        lengths = [len(tokens) if whole else len(tokens) - 1 for tokens in group.continuations]
        layout.append((len(group.prefix), tuple(length for length in lengths if length > 0)))
    return PackedBatch(
        ids_1L=torch.tensor([ids]),
        positions_31L=torch.cat(positions, dim=1)[:, None],
        layout=Layout(tuple(layout)),
        source_K=torch.tensor(source),
        target_K=torch.tensor(target),
        token_K=torch.tensor(place_of_token),
    )
