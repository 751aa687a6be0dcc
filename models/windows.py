"""Attention of a vision tower over all its windows in one call a layer; transformers calls once per window.

Legend: S patches of all pictures in a row, W windows of equal length T, H heads, D numbers per head.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

# transformers hands the windows' borders over only to implementations with "flash" in their name.
NAME = "percept_flash_windows"
FLASH_TYPES = (torch.bfloat16, torch.float16)


def install(tower: Any) -> None:
    """Let a Qwen vision tower attend to all windows of a layer together."""
    AttentionInterface.register(NAME, attention)
    tower.config._attn_implementation = NAME


def attention(
    module: Any,
    query_1HSD: Tensor,
    key_1HSD: Tensor,
    value_1HSD: Tensor,
    attention_mask: None,
    scaling: float,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    **options: Any,
) -> tuple[Tensor, None]:
    """Return [1, S, H, D]: every patch sees its own window."""
    tensors = [x[0].transpose(0, 1) for x in (query_1HSD, key_1HSD, value_1HSD)]
    if query_1HSD.is_cuda and query_1HSD.dtype in FLASH_TYPES:
        return flash_windows(tensors, cu_seq_lens_q, max_length_q, scaling)[None], None
    return equal_windows(tensors, cu_seq_lens_q, scaling)[None], None


def flash_windows(tensors: list[Tensor], borders: Tensor, longest: int, scale: float) -> Tensor:
    """Return one kernel for windows of any length, from torch itself."""
    from torch.nn.attention.varlen import varlen_attn

    borders = borders.to(torch.int32)
    output: Tensor = varlen_attn(*(x.contiguous() for x in tensors), borders, borders, longest, longest, scale=scale)
    return output


def equal_windows(tensors: list[Tensor], borders: Tensor, scale: float) -> Tensor:
    """Return one call for each length that windows have: those of one length are a batch."""
    lengths = borders.diff()
    kinds, counts = (found.tolist() for found in lengths.unique(return_counts=True))
    order_S = lengths.repeat_interleave(lengths).argsort(stable=True) if len(kinds) > 1 else None
    if order_S is not None:
        tensors = [x.index_select(0, order_S) for x in tensors]
    sizes = [length * count for length, count in zip(kinds, counts, strict=True)]
    outputs = []
    for length, *parts in zip(kinds, *(x.split(sizes) for x in tensors), strict=True):
        query_WHTD, key_WHTD, value_WHTD = (x.unflatten(0, (-1, length)).transpose(1, 2) for x in parts)
        found_WHTD = scaled_dot_product_attention(query_WHTD, key_WHTD, value_WHTD, scale=scale)
        outputs.append(found_WHTD.transpose(1, 2).flatten(0, 1))
    output_SHD = torch.cat(outputs)
    return output_SHD if order_S is None else output_SHD.index_select(0, order_S.argsort())
