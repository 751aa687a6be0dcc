"""Packed rows: one prefix (prompt with its picture) and several continuations that see the prefix and themselves only.

Legend of shapes: B rows, L tokens of a row, the three axes of M-RoPE come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PackedRow:
    """Token ids of a prefix and of its continuations; `wanted` marks, per continuation, where its answer begins."""

    prefix: Sequence[int]
    continuations: Sequence[Sequence[int]]
    wanted: Sequence[int]


@dataclass(frozen=True)
class PackedBatch:
    """What the language model needs to run packed rows, and which next tokens are asked for."""

    ids_BL: Tensor
    visible_B1LL: Tensor  # additive mask: 0 where a query may look, the lowest float elsewhere
    positions_3BL: Tensor
    query_BL: Tensor  # True where the next token's probability is wanted
    target_BL: Tensor  # that next token, 0 elsewhere


def pack(
    rows: Sequence[PackedRow], prefix_positions: Sequence[Tensor], pad_id: int, dtype: torch.dtype = torch.float32
) -> PackedBatch:
    """Lay rows side by side; every continuation's positions go on after the prefix's last one."""
    length = max(len(row.prefix) + sum(map(len, row.continuations)) for row in rows)
    ids_BL = torch.full((len(rows), length), pad_id, dtype=torch.long)
    segment_BL = torch.full((len(rows), length), -1, dtype=torch.long)
    positions_3BL = torch.zeros(3, len(rows), length, dtype=torch.long)
    query_BL = torch.zeros(len(rows), length, dtype=torch.bool)
    target_BL = torch.zeros(len(rows), length, dtype=torch.long)
    for b, (row, positions_3P) in enumerate(zip(rows, prefix_positions, strict=True)):
        at = len(row.prefix)
        ids_BL[b, :at] = torch.tensor(row.prefix)
        segment_BL[b, :at] = 0
        positions_3BL[:, b, :at] = positions_3P
        follow = int(positions_3P.max()) + 1
        for number, (tokens, start) in enumerate(zip(row.continuations, row.wanted, strict=True), start=1):
            end = at + len(tokens)
            ids_BL[b, at:end] = torch.tensor(tokens)
            segment_BL[b, at:end] = number
            positions_3BL[:, b, at:end] = torch.arange(follow, follow + len(tokens))
            query_BL[b, at + start - 1 : end - 1] = True
            target_BL[b, at + start - 1 : end - 1] = torch.tensor(tokens[start:])
            at = end
    return PackedBatch(ids_BL, visible_mask(segment_BL, dtype), positions_3BL, query_BL, target_BL)


def visible_mask(segment_BL: Tensor, dtype: torch.dtype) -> Tensor:
    """A token sees the prefix (segment 0) and its own segment, never what comes later; padding sees itself."""
    length = segment_BL.shape[1]
    own_BLL = segment_BL[:, :, None] == segment_BL[:, None, :]
    prefix_B1L = (segment_BL == 0)[:, None, :]
    causal_LL = torch.ones(length, length, dtype=torch.bool).tril()
    allowed_BLL = (own_BLL | (prefix_B1L & (segment_BL >= 0)[:, :, None])) & causal_LL
    mask_BLL = torch.zeros(allowed_BLL.shape, dtype=dtype).masked_fill(~allowed_BLL, torch.finfo(dtype).min)
    return mask_BLL[:, None]
