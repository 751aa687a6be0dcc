"""Statistics over tokens that several pieces share: top shares, min-max, masked means. Padding never counts."""

from common.lazy import Tensor, torch

FLAT = 1e-6  # a range below this is none


def top_tokens(score_NT: Tensor, mask_NT: Tensor, share: float) -> Tensor:
    """Return where a token is among the ceil(share T), at least 1, of highest score in its response; ties in order."""
    valid_NT = mask_NT > 0
    # In float64 and less a trifle: 10 x 0.3 is 3 tokens, not the 4 that rounding errors would make of it.
    count_N1 = (valid_NT.sum(1, keepdim=True).double() * share - 1e-6).ceil().clamp(min=1)
    order_NT = score_NT.detach().masked_fill(~valid_NT, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return valid_NT & (order_NT.argsort(dim=1) < count_N1)


def top_overall(score_NT: Tensor, mask_NT: Tensor, share: float, seed: int | None = None) -> Tensor:
    """Return where a token is among the ceil(share sum T) of highest score over all responses together; ties in
    order, or drawn where there is a seed. The draw does not depend on the width of the padding.
    """
    valid_NT = mask_NT > 0
    score_M = score_NT[valid_NT]
    order_M = torch.arange(len(score_M))
    if seed is not None:
        order_M = torch.randperm(len(score_M), generator=torch.Generator().manual_seed(seed))
    best_M = torch.zeros(len(score_M), dtype=torch.bool)
    best_M[order_M] = top_tokens(score_M[order_M][None], torch.ones(1, len(score_M)), share)[0]
    return torch.zeros_like(valid_NT).masked_scatter(valid_NT, best_M)


def masked_mean(value_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """Return the mean over each response's tokens [N]; 0 for a response without tokens."""
    valid_NT = mask_NT > 0
    return torch.where(valid_NT, value_NT, 0.0).sum(1) / valid_NT.sum(1).clamp(min=1)


def min_max(value_NT: Tensor, mask_NT: Tensor, flat: float = 0.0) -> Tensor:
    """Return values scaled to [0, 1] within each response; `flat` everywhere where a response has no range."""
    valid_NT = mask_NT > 0
    low_N1 = value_NT.masked_fill(~valid_NT, torch.inf).amin(1, keepdim=True)
    high_N1 = value_NT.masked_fill(~valid_NT, -torch.inf).amax(1, keepdim=True)
    range_N1 = high_N1 - low_N1
    scaled_NT = (value_NT - low_N1) / torch.where(range_N1 < FLAT, 1.0, range_N1)
    return torch.where(valid_NT, torch.where(range_N1 < FLAT, flat, scaled_NT), 0.0)


def min_max_overall(value_NT: Tensor, mask_NT: Tensor, flat: float = 0.0) -> Tensor:
    """Return values scaled to [0, 1] over the valid tokens of all responses together."""
    return min_max(value_NT.reshape(1, -1), mask_NT.reshape(1, -1), flat).reshape(value_NT.shape)


def centred(value_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """Return values less their response's mean, 0 at padding."""
    return torch.where(mask_NT > 0, value_NT - masked_mean(value_NT, mask_NT)[:, None], 0.0)


def row_quantile(value_NT: Tensor, mask_NT: Tensor, share: float) -> Tensor:
    """Return the quantile of each response's values [N], interpolated; 0 for a response without tokens."""
    rows = [value_T[mask_T > 0] for value_T, mask_T in zip(value_NT, mask_NT, strict=True)]
    return torch.stack([row.quantile(share) if len(row) else value_NT.new_zeros(()) for row in rows])
