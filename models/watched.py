"""Watch a model's language layers attend, or add to what they give; in models that run SDPA.

SDPA keeps no weights. Inside `watching`, every language layer calls `sdpa` for its output as before and shows a
watcher its queries, keys, values and mask; what the watcher returns is added to the output. Shapes: N rows of L
tokens, H heads of queries, E of keys, D numbers per head.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, eager_mask

from common import UserError

NAME = "watched"
UNKNOWN_OPTIONS = ("softcap", "s_aux")  # bend the weights of some families in ways that are not redone here
# Number of the layer, queries [N, H, L, D], keys and values [N, E, L, D], mask [N, 1, L, L], scale -> [N, L, H, D] to
# add to the output, or None.
Watcher = Callable[[int, Tensor, Tensor, Tensor, Tensor, float], Tensor | None]


def check_watchable(module: Any) -> None:
    """Refuse a family whose language layers do not attend through transformers' interface, or bend their weights."""
    decoder, family = module.get_decoder(), module.config.model_type
    if not decoder._supports_attention_backend:
        raise UserError(
            f"family {family} does not attend through transformers' interface, so views inside the model cannot act; "
            "use another view, or another model"
        )
    if getattr(decoder.config, "attn_logit_softcapping", None):
        raise UserError(f"the attention of family {family} uses softcap, which cannot be watched yet")


@contextmanager
def watching(module: Any, watcher: Watcher) -> Iterator[None]:
    """Inside, every language layer of a transformers module shows itself to the watcher."""
    family = module.config.model_type

    def attention(
        layer: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
    ) -> tuple[Tensor, None]:
        bent = [name for name in UNKNOWN_OPTIONS if options.get(name) is not None]
        if bent:
            raise UserError(f"the attention of family {family} uses {bent[0]}, which cannot be watched yet")
        assert attention_mask is not None  # eager_mask always makes one for a causal layer
        added = watcher(layer.layer_idx, query, key, value, attention_mask, options["scaling"])
        found, _ = sdpa_attention_forward(layer, query, key, value, attention_mask, **options)
        return (found if added is None else found + added), None

    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    config = module.get_decoder().config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def weights_of_rows(
    query_NHLD: Tensor, key_NELD: Tensor, mask_N1LL: Tensor, scale: float, n: int, rows: slice
) -> Tensor:
    """Return attention weights [H, rows, L] of some positions of row n of a batch, as an eager layer computes them."""
    query_HRD, key_ELD = query_NHLD[n, :, rows], key_NELD[n]
    key_HLD = key_ELD.repeat_interleave(len(query_HRD) // len(key_ELD), dim=0)
    logits_HRL = query_HRD @ key_HLD.transpose(1, 2) * scale + mask_N1LL[n, :, rows]
    return logits_HRL.softmax(-1, dtype=torch.float32)
