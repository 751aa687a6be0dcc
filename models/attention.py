"""Attention over a flat row of groups: a prefix sees itself, a continuation sees its prefix and itself.

Nothing of one group's work is spent on another, and no mask of the row's length squared exists: the prefix is ordinary
causal attention; the continuations of a group stand side by side behind their prefix's keys. Both are kernels that
torch has for CPUs and (flash) for GPUs. Shapes: L tokens, P of a prefix, G continuations, T the longest, H heads of
queries, E of keys, D numbers per head.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import pad, scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from models.packing import Layout
from models.prefix_cache import PrefixCache

NAME = "shared_prefix"
NO_MASK = torch.zeros(1, 1, 1, 1)  # four axes: transformers makes no mask of its own; the layout says who sees whom


def install(module: Any) -> None:
    """Let the language model take a `layout` and a `cache`; without them it attends as before (sdpa)."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    module.get_decoder().config._attn_implementation = NAME


def attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    layout: Layout | None = None,
    cache: PrefixCache | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attend in a layer, called by transformers; a cache keeps what prompts give and lets sampled rows go on."""
    if layout is None and cache is not None:
        return cache.attend(module.layer_idx, query, key, value, options["scaling"]), None
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if cache is not None:
        cache.begin(module.layer_idx, key, value)
    return grouped_attention(query, key, value, layout, options["scaling"]), None


@torch.compiler.disable  # else every layout would be compiled anew
def grouped_attention(
    query_1HLD: Tensor, key_1ELD: Tensor, value_1ELD: Tensor, layout: Layout, scale: float
) -> Tensor:
    """[1, L, H, D]. The row is cut once, as the gradient of a cut is as long as what was cut."""
    cuts = [x[0].transpose(0, 1).split(layout.sizes) for x in (query_1HLD, key_1ELD, value_1ELD)]
    outputs: list[Tensor] = []
    at = 0
    for _, continuations in layout.groups:
        end = at + 1 + len(continuations)
        queries, keys, values = (cut[at:end] for cut in cuts)
        outputs += group_attention(queries, keys, values, scale)
        at = end
    return torch.cat(outputs)[None]


def group_attention(
    queries: Sequence[Tensor], keys: Sequence[Tensor], values: Sequence[Tensor], scale: float
) -> list[Tensor]:
    """Outputs [length, H, D] of a prefix and of its continuations."""
    query, key, value = (side_by_side(pieces[:1]) for pieces in (queries, keys, values))
    gqa = queries[0].shape[1] != keys[0].shape[1]
    own_HPD = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=gqa)[0]
    if len(queries) == 1:
        return [own_HPD.transpose(0, 1)]
    query_GHTD = side_by_side(queries[1:])
    # torch's masked kernels want as many heads of keys as of queries.
    heads = queries[0].shape[1] // keys[0].shape[1]
    key, value = (
        repeat_kv(torch.cat([first.expand(len(queries) - 1, -1, -1, -1), side_by_side(pieces[1:])], dim=2), heads)
        for first, pieces in ((key, keys), (value, values))
    )
    visible = sees_before(query_GHTD.shape[2], key.shape[2], query_GHTD.device)
    found = scaled_dot_product_attention(query_GHTD, key, value, attn_mask=visible, scale=scale)
    rows = [row[:, : len(piece)].transpose(0, 1) for row, piece in zip(found.unbind(), queries[1:], strict=True)]
    return [own_HPD.transpose(0, 1), *rows]


def side_by_side(pieces: Sequence[Tensor]) -> Tensor:
    """[length, heads, D] each -> [G, heads, T, D], zeros on the right, which no earlier token attends to."""
    longest = max(map(len, pieces))
    filled = [pad(x, (0, 0, 0, 0, 0, longest - len(x))) if len(x) < longest else x for x in pieces]
    return torch.stack(filled).transpose(1, 2)


@lru_cache(maxsize=256)
def sees_before(queries: int, keys: int, device: torch.device) -> Tensor:
    """Return the last query sees all keys, each earlier one a key less; on GPUs a sign for flash attention, no
    mask.
    """
    if device.type == "cuda":
        return causal_lower_right(queries, keys)
    return torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)
