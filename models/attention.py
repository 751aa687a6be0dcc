"""Attention over a flat row of groups: a prefix sees itself, a continuation sees its prefix and itself.

Nothing of one group's work is spent on another, and no mask of the row's length squared exists: the prefix is ordinary
causal attention; the continuations of a group stand side by side behind their prefix's keys. Both are kernels that
torch has for CPUs and (flash) for GPUs. Shapes: L tokens of the row, P of a prefix, G continuations, T the longest,
M places of tokens side by side, K tokens of all continuations, H heads of queries, E of keys, D numbers per head.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where the tokens of a row stand for attention; all that depends on the layout alone, for every layer."""

    INDICES: ClassVar = ("token_K", "query_M", "query_K", "key_M", "key_K", "output_L")

    cuts: list[int]  # lengths of prefix, continuations, next prefix, next continuations ...
    shapes: list[tuple[int, int, int]]  # P, G and T of each group
    token_K: Tensor  # the tokens of all continuations in the row
    query_M: Tensor  # tokens of a group's continuations side by side; a continuation's last one fills up the place
    query_K: Tensor  # where each continuation's tokens are among them; those that it shares are another's
    key_M: Tensor  # the same with a copy of the prefix before each continuation
    key_K: Tensor
    output_L: Tensor  # where the row's tokens are among the outputs: a group's prefix, then its places of queries


@lru_cache(maxsize=8)
def plan_of(layout: Layout, device: torch.device) -> Plan:
    """Return the plan of a layout, built group by group from the numbers of tokens and places so far."""
    cuts, shapes = list[int](), list[tuple[int, int, int]]()
    found: dict[str, list[np.ndarray]] = {name: [] for name in Plan.INDICES}
    begin = queries = keys = outputs = 0
    for group, (prefix, lengths) in enumerate(layout.groups):
        count, longest = len(lengths), max(lengths, default=0)
        tokens_GT, first_GT = places_of(begin + prefix, lengths, layout.shared_of(group))
        rest = int(first_GT.sum())
        before_GP = np.broadcast_to(np.arange(begin, begin + prefix), (count, prefix))
        places_GT = np.arange(count * longest).reshape(count, longest)
        columns_GT = np.arange(count * (prefix + longest)).reshape(count, prefix + longest)[:, prefix:]
        found["token_K"].append(tokens_GT[first_GT])
        found["query_M"].append(tokens_GT.ravel())
        found["query_K"].append(queries + places_GT[first_GT])
        found["key_M"].append(np.concatenate([before_GP, tokens_GT], axis=1).ravel())
        found["key_K"].append(keys + columns_GT[first_GT])
        found["output_L"] += [outputs + np.arange(prefix), outputs + prefix + places_GT[first_GT]]
        cuts += [prefix, rest]
        shapes.append((prefix, count, longest))
        begin, queries = begin + prefix + rest, queries + count * longest
        keys, outputs = keys + count * (prefix + longest), outputs + prefix + count * longest
    indices = {name: torch.from_numpy(np.concatenate(parts)).to(device) for name, parts in found.items()}
    return Plan(cuts=cuts, shapes=shapes, **indices)


def places_of(begin: int, lengths: Sequence[int], shared: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return [G, T]: where in the row the tokens of continuations stand, and which of them stand there first."""
    columns_T = np.arange(max(lengths, default=0))
    tokens_GT = np.zeros((len(lengths), len(columns_T)), dtype=np.int64)
    first_GT = np.zeros(tokens_GT.shape, dtype=bool)
    for n, (length, same) in enumerate(zip(lengths, shared, strict=True)):
        first_GT[n] = (columns_T >= same) & (columns_T < length)
        tokens_GT[n] = np.minimum(begin + columns_T - same, begin + length - same - 1)
        tokens_GT[n, :same] = tokens_GT[n - 1, :same]
        begin += length - same
    return tokens_GT, first_GT


class Moved(torch.autograd.Function):
    """Rows of a tensor by number; gradients go back without the slow sum over equal numbers of `index_select`.

    Of the result only the rows `back_from` have a gradient, and it belongs to the rows `back_to`; copies of prefixes
    add theirs up where `copies` gives the groups' shapes.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, taken: Tensor, back_to: Tensor, back_from: Tensor | None, copies: Plan | None
    ) -> Tensor:
        ctx.shape, ctx.places = rows.shape, (back_to, back_from, copies)
        return rows.index_select(0, taken)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, (back_to, back_from, copies) = gradients[0], ctx.places
        found = gradient.new_zeros(ctx.shape)
        found.index_copy_(0, back_to, gradient if back_from is None else gradient.index_select(0, back_from))
        at = begin = 0
        for (prefix, count, longest), rest in zip(copies.shapes, copies.cuts[1::2], strict=True) if copies else ():
            size = count * (prefix + longest)
            if count:
                of_copies = gradient[begin : begin + size].unflatten(0, (count, -1))[:, :prefix]
                torch.sum(of_copies, 0, out=found[at : at + prefix])
            at, begin = at + prefix + rest, begin + size
        return found, None, None, None, None


@torch.compiler.disable  # else every layout would be compiled anew
def grouped_attention(
    query_1HLD: Tensor, key_1ELD: Tensor, value_1ELD: Tensor, layout: Layout, scale: float
) -> Tensor:
    """[1, L, H, D]. The row is cut once, as the gradient of a cut is as long as what was cut."""
    plan = plan_of(layout, query_1HLD.device)
    rows = [x[0].transpose(0, 1) for x in (query_1HLD, key_1ELD, value_1ELD)]
    prefixes = zip(*(row.split(plan.cuts)[::2] for row in rows), strict=True)
    places = [Moved.apply(rows[0], plan.query_M, plan.token_K, plan.query_K, None)]
    places += [Moved.apply(row, plan.key_M, plan.token_K, plan.key_K, plan) for row in rows[1:]]
    sizes = [[count * longest for _, count, longest in plan.shapes]]
    sizes += 2 * [[count * (prefix + longest) for prefix, count, longest in plan.shapes]]
    behind = zip(*(place.split(size) for place, size in zip(places, sizes, strict=True)), strict=True)
    outputs: list[Tensor] = []
    for prefix, continuations, (_, count, _) in zip(prefixes, behind, plan.shapes, strict=True):
        outputs.append(prefix_attention(prefix, scale))
        if count:
            outputs.append(continuation_attention(continuations, count, scale))
    return Moved.apply(torch.cat(outputs), plan.output_L, plan.output_L, None, None)[None]


def prefix_attention(rows: Sequence[Tensor], scale: float) -> Tensor:
    """Return [P, H, D] of queries, keys and values."""
    query, key, value = (x[None].transpose(1, 2) for x in rows)
    gqa = query.shape[1] != key.shape[1]
    found = scaled_dot_product_attention(query, key, value, is_causal=True, scale=scale, enable_gqa=gqa)
    return found[0].transpose(0, 1)


def continuation_attention(rows: Sequence[Tensor], count: int, scale: float) -> Tensor:
    """Return [G T, H, D] of queries, keys and values, G of each one behind another."""
    query, key, value = (x.unflatten(0, (count, -1)).transpose(1, 2) for x in rows)
    # torch's masked kernels want as many heads of keys as of queries.
    key, value = (repeat_kv(x, query.shape[1] // x.shape[1]) for x in (key, value))
    visible = sees_before(query.shape[2], key.shape[2], query.device, query.dtype)
    found = scaled_dot_product_attention(query, key, value, attn_mask=visible, scale=scale)
    return found.transpose(1, 2).flatten(0, 1)


@lru_cache(maxsize=256)
def sees_before(queries: int, keys: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return the last query sees all keys, each earlier one a key less; on GPUs a sign for flash attention, no
    mask.
    """
    if device.type == "cuda":
        return causal_lower_right(queries, keys)
    hidden = torch.ones(queries, keys, dtype=torch.bool, device=device).triu(keys - queries + 1)
    return torch.zeros(queries, keys, dtype=dtype, device=device).masked_fill(hidden, -torch.inf)
