"""How much of a token's attention falls on the picture, and how spread it is there; in models that run SDPA.

For the position whose output predicts response token t, in one layer and head, with weights a over everything it sees:

    mass    = sum of a over the image tokens
    entropy = - sum q log q / log I,  q = a / mass on the I image tokens; 1 = spread evenly, 0 = on one token

both averaged over heads. This is the normalised entropy of attention from response to image tokens of PAPO's Table 9
(arXiv 2507.06448), and the mass is what its Figure 7 shows by example. Which layers and heads the paper averages,
and in which order, is not known to us, so values here compare models with each other and not with its table.

While a model is watched, the rows of weights of the response's positions are made beside SDPA from the layer's own
queries and keys; no more than one
response's rows of one layer exist at a time. Shapes: S watched layers, T tokens of a response, I image tokens,
L tokens of a row, H heads of queries, E of keys, D numbers per head.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from common import UserError
from models.inputs import plain_inputs, run
from models.loader import VisionLanguageModel
from models.parts import Group
from models.watched import watching, weights_of_rows


@dataclass(frozen=True)
class AttentionMass:
    """One response; not a number for the entropy where the prompt has fewer than two image tokens."""

    layers: tuple[int, ...]
    mass_ST: Tensor
    entropy_ST: Tensor


def mass_and_entropy(weights_HRL: Tensor, is_image_L: Tensor) -> tuple[Tensor, Tensor]:
    """Per position, averaged over heads; heads whose mass rounds to nothing have no entropy and are left out of it."""
    on_image_HRI = weights_HRL[..., is_image_L]
    mass_HR = on_image_HRI.sum(-1)
    share_HRI = on_image_HRI / mass_HR[..., None]
    tokens = on_image_HRI.shape[-1]
    if tokens < 2:
        return mass_HR.mean(0), torch.full_like(mass_HR[0], torch.nan)
    entropy_HR = torch.special.entr(share_HRI).sum(-1) / torch.tensor(float(tokens)).log()
    return mass_HR.mean(0), entropy_HR.nanmean(0)


@torch.no_grad()
def attention_mass(
    model: VisionLanguageModel, groups: Sequence[Group], layers: Sequence[int] | None = None
) -> list[AttentionMass]:
    """Of every response of every group; they pass together, one row each. `layers`: numbers from 0, None = all."""
    count = model.module.get_decoder().config.num_hidden_layers
    wanted = tuple(range(count)) if layers is None else tuple(layers)
    outside = [layer for layer in wanted if not 0 <= layer < count]
    if outside or not wanted:
        raise UserError(f"model {model.settings.name} has layers 0 to {count - 1}; asked for {outside or 'none'}")
    rows = [(group.prompt.token_kinds > 0, ids) for group in groups for ids in group.responses]
    found: dict[int, list[tuple[Tensor, Tensor]]] = {}

    def watcher(layer: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scale: float) -> None:
        if layer not in wanted:
            return
        if layer in found:
            raise UserError(f"family {model.family} has two layers of number {layer}; it cannot be watched yet")
        found[layer] = []
        for n, (is_image_P, ids) in enumerate(rows):
            places = slice(len(is_image_P) - 1, len(is_image_P) - 1 + len(ids))
            is_image_L = torch.nn.functional.pad(is_image_P, (0, key.shape[2] - len(is_image_P))).to(key.device)
            weights_HRL = weights_of_rows(query, key, mask, scale, n, places)
            found[layer].append(mass_and_entropy(weights_HRL, is_image_L))

    with watching(model.module, watcher):
        run(model, plain_inputs(model, groups))
    if set(found) != set(wanted):
        raise UserError(f"family {model.family} does not attend through transformers' interface; it cannot be watched")
    return [
        AttentionMass(wanted, *(torch.stack([found[layer][n][part] for layer in wanted]).cpu() for part in (0, 1)))
        for n in range(len(rows))
    ]
