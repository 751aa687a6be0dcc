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
    """Lengths of each group's prefix and continuations, in the order of the row; empty continuations are left out.

    `shared` says how many tokens each continuation has in common with the one before it, at their beginning: these
    stand in the row once. Without it there are none.
    """

    groups: tuple[tuple[int, tuple[int, ...]], ...]
    shared: tuple[tuple[int, ...], ...] = ()

    def shared_of(self, group: int) -> tuple[int, ...]:
        return self.shared[group] if self.shared else (0,) * len(self.groups[group][1])

    @property
    def starts(self) -> list[int]:
        """Return where each prefix begins; the last number is the length of the row."""
        sizes = [prefix + sum(own) - sum(self.shared_of(n)) for n, (prefix, own) in enumerate(self.groups)]
        return [0, *accumulate(sizes)]


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """What the language model needs to run a flat row, and which next tokens are asked for."""

    ids_1L: Tensor
    positions_31L: Tensor
    layout: Layout
    source_K: Tensor  # the position of the row whose output predicts the wanted token
    target_K: Tensor
    token_K: Tensor  # the position of the wanted token itself; of a last token only in a whole row


def pack(
    groups: Sequence[PackedGroup], prefix_positions: Sequence[Tensor], *, whole: bool = False, merge: bool = False
) -> PackedBatch:
    """Lay groups one behind another; every continuation's positions go on after the prefix's last one.

    A continuation's last token predicts nothing that is wanted, so it is not in the row unless that is `whole`, for
    passes that read the state at a token; and where the answer begins with the continuation, the prefix's last token
    predicts its first, for all continuations together. `merge`: what a continuation has in common with the one before
    it stands in the row once.
    """
    ids: list[int] = []
    source: list[int] = []
    target: list[int] = []
    place_of_token: list[int] = []
    positions, layout, shared = [], [], []
    for group, positions_3P in zip(groups, prefix_positions, strict=True):
        ids += group.prefix
        positions.append(positions_3P)
        last, follow = len(ids) - 1, int(positions_3P.max()) + 1
        lengths, common, before, path = list[int](), list[int](), list[int](), list[int]()
        for tokens, start in zip(group.continuations, group.wanted, strict=True):
            present = list(tokens if whole else tokens[:-1])
            begin, length = len(ids), len(present)
            same = common_length(before, present) if merge else 0
            places = [*path[:same], *range(begin, begin + len(tokens) - same)]  # one too many if not whole
            ids += present[same:]
            positions.append(torch.arange(follow + same, follow + length).expand(3, -1))
            source += [places[place - 1] if place else last for place in range(start, len(tokens))]
            target += tokens[start:]
            place_of_token += places[start : len(tokens)]
            if length:
                lengths.append(length)
                common.append(same)
                before, path = present, places
        layout.append((len(group.prefix), tuple(lengths)))
        shared.append(tuple(common))
    return PackedBatch(
        ids_1L=torch.tensor([ids]),
        positions_31L=torch.cat(positions, dim=1)[:, None],
        layout=Layout(tuple(layout), tuple(shared) if merge else ()),
        source_K=torch.tensor(source, dtype=torch.long),
        target_K=torch.tensor(target, dtype=torch.long),
        token_K=torch.tensor(place_of_token, dtype=torch.long),
    )


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Return how many tokens two sequences have in common at their beginning."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
