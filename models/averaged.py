"""CFPO's intervention (arXiv 2606.23206, authors' code): what strong attention reads in a picture becomes its average.

In every language layer, for each picture of a row, with the attention weights P of all positions behind the picture
(rows) on its tokens (columns), over all heads:

    mu, s  = mean and standard deviation (n - 1) of the entries P > 1e-8: one threshold per layer, row and picture
    M      = 1 where P > mu + sigmas s, else 0
    Vbar   = mean of the values over the picture's tokens, and over the head's dimensions too where mean is `scalar`
    output = output + (P M) (Vbar - V);  nothing is renormalised, and later layers see what this one gave

`mean: scalar` is the released code, `vector` the paper's equation 12. The code pads nothing and passes no mask: there
P looks at tokens behind it and at other samples, and mu, s and Vbar run over several. Here every row has its own, and
P is causal; mu and s still run over all rows, those behind a token included. Rows of weights are made in chunks,
twice. What a vision tower injects into early layers beside the values (deepstack) stays. Shapes as in
models/watched.py; I tokens of a picture, R rows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from common import UserError
from data.views import AverageValues
from models.encode import Encoded
from models.watched import watching, weights_of_rows

SEEN = 1e-8  # a weight below counts as none
CHUNK_NUMBERS = 1 << 25  # weights that exist at the same time
Rows = Callable[[slice], Tensor]  # weights [H, R, L] of some positions


def picture_slices(prompt: Encoded) -> list[slice]:
    """Return where the tokens of each picture stand; refuse prompts that cut a picture's tokens apart."""
    kinds = [0, *prompt.token_kinds.tolist(), 0]
    edges = [n for n in range(len(kinds) - 1) if (kinds[n] > 0) != (kinds[n + 1] > 0)]
    found = [slice(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    if len(found) != len(prompt.images):
        raise UserError(
            "view average_values needs a picture's tokens side by side, and this family puts others between them; use "
            "another view, or a Qwen model"
        )
    return found


def threshold(weights: Rows, rows: Sequence[slice], columns: slice, sigmas: float) -> Tensor:
    """Return mu + sigmas s of the entries that count; infinite where fewer than two do."""
    count = total = squares = torch.zeros((), dtype=torch.float64)
    for chunk in rows:
        part = weights(chunk)[..., columns]
        kept = part[part > SEEN].double().cpu()
        count, total, squares = count + len(kept), total + kept.sum(), squares + kept.square().sum()
    if count < 2:
        return torch.tensor(torch.inf)
    mean = total / count
    return mean + sigmas * ((squares - count * mean**2).clamp(min=0) / (count - 1)).sqrt()


def correction(weights: Rows, value_ELD: Tensor, columns: slice, rows: Sequence[slice], view: AverageValues) -> Tensor:
    """Return (P M)(Vbar - V) of the rows, one chunk behind another [R, H, D]."""
    value_EID = value_ELD[:, columns].float()
    mean_E1D = value_EID.mean(1, keepdim=True)
    if view.mean == "scalar":
        mean_E1D = mean_E1D.mean(2, keepdim=True)
    least = float(threshold(weights, rows, columns, view.sigmas))
    found: list[Tensor] = []
    for chunk in rows:
        weights_HRI = weights(chunk)[..., columns]
        moved_HID = (mean_E1D - value_EID).repeat_interleave(len(weights_HRI) // len(value_EID), dim=0)
        found.append(torch.where(weights_HRI > least, weights_HRI, 0.0) @ moved_HID)
    return torch.cat(found, dim=1).transpose(0, 1)


@contextmanager
def averaged(module: Any, prompts: Sequence[Encoded], lengths: Sequence[int]) -> Iterator[None]:
    """Inside, a batch of padded rows of these prompts, and of these lengths, passes with its pictures' values
    averaged.

    Rows whose prompt has no such view pass as they are.
    """
    views = [prompt.inside if isinstance(prompt.inside, AverageValues) else None for prompt in prompts]
    places = [picture_slices(prompt) if view else [] for prompt, view in zip(prompts, views, strict=True)]
    layers = set[int]()

    def watcher(layer: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> Tensor:
        layers.add(layer)
        added_NLHD = query.new_zeros((len(query), query.shape[2], query.shape[1], value.shape[3]))
        size = max(1, CHUNK_NUMBERS // (query.shape[1] * query.shape[2]))
        for n, (prompt, view, pictures) in enumerate(zip(prompts, views, places, strict=True)):

            def weights(rows: slice, n: int = n) -> Tensor:
                return weights_of_rows(query, key, mask, scale, n, rows).to(query.dtype).float()

            for picture in pictures:
                assert view is not None
                last = len(prompt.ids) if view.rows == "question" else lengths[n]
                rows = [slice(at, min(at + size, last)) for at in range(picture.stop, last, size)]
                if rows:
                    found_RHD = correction(weights, value[n], picture, rows, view)
                    added_NLHD[n, picture.stop : last] += found_RHD.to(query.dtype)
        return added_NLHD

    with watching(module, watcher):
        yield
    if len(layers) != module.get_decoder().config.num_hidden_layers:
        raise UserError(
            f"not every layer of family {module.config.model_type} attends through transformers' interface, so view "
            "average_values cannot act; use another view"
        )
