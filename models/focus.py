"""How near the state of a response token lies to the states of its prompt's picture, from the pass that scores it.

With h_t the state at the position of response token t (not the one that predicts it, so the last token has one) and
p_i the states at the prompt's image tokens:

    focus  cos(h_t, mean of p_i) in the last layer, after the final norm: VGPO (arXiv 2604.09349), before its offset
    prior  mean over layers and image tokens of cos(h_t, p_i): PEPO (arXiv 2603.22847)

The layers of `prior` are those of transformers' `hidden_states`: the embeddings, every block's output, and for the
last block its output after the final norm. The mean over image tokens of cosines is the unit state times the mean of
unit image states, so one layer's cosines are made while it runs and no state is kept. All in float32, without
gradient. A prompt without a picture gives 0, where PEPO's code takes all tokens but the first for the picture.
Shapes: S positions of a call (rows flattened), K response tokens, I image tokens, C copies of prompts, D hidden width.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from common import UserError

STATES = ("focus", "prior")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Which positions hold response tokens and pictures, and of which copy of a prompt they are."""

    token_K: Tensor
    copy_K: Tensor
    image_I: Tensor
    copy_I: Tensor
    copies: int

    def image_mean(self, states_ID: Tensor) -> Tensor:
        """Return the mean image state of each copy [C, D]; zeros where it has no picture."""
        sums_CD = states_ID.new_zeros(self.copies, states_ID.shape[1]).index_add(0, self.copy_I, states_ID)
        return sums_CD / self.copy_I.bincount(minlength=self.copies).clamp(min=1)[:, None]

    def focus(self, states_SD: Tensor) -> Tensor:
        """[K], of the last layer."""
        image_CD = self.image_mean(states_SD[self.image_I].float())
        return cosine_similarity(states_SD[self.token_K].float(), image_CD[self.copy_K], dim=-1)

    def mean_cosine(self, states_SD: Tensor) -> Tensor:
        """[K], of any layer."""
        image_CD = self.image_mean(normalize(states_SD[self.image_I].float(), dim=-1))
        return (normalize(states_SD[self.token_K].float(), dim=-1) * image_CD[self.copy_K]).sum(-1)


@contextmanager
def watching_layers(module: Any, places: Places) -> Iterator[list[Tensor]]:
    """Inside, a pass adds the cosines [K] of the embeddings and of every block but the last."""
    layers, found = module.get_decoder().layers, []

    @torch.no_grad()
    def add(states: Any) -> None:
        found.append(places.mean_cosine((states[0] if isinstance(states, tuple) else states).flatten(0, 1)))

    handles = [
        layers[0].register_forward_pre_hook(
            lambda layer, args, kwargs: add(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
        ),
        *(layer.register_forward_hook(lambda layer, args, output: add(output)) for layer in layers[:-1]),
    ]
    try:
        yield found
    finally:
        for handle in handles:  # before the backward pass, in which blocks may run once more
            handle.remove()


@torch.no_grad()
def states_of(wanted: Collection[str], last_SD: Tensor, below: list[Tensor], places: Places) -> dict[str, Tensor]:
    """Return the wanted numbers of all response tokens; `below`: what `watching_layers` found."""
    made = {
        "focus": lambda: places.focus(last_SD),
        "prior": lambda: torch.stack([*below, places.mean_cosine(last_SD)]).mean(0),
    }
    return {name: made[name]() for name in wanted}


def check_states(module: Any) -> None:
    """Refuse a family whose blocks cannot be watched."""
    layers = getattr(module.get_decoder(), "layers", None)
    if not isinstance(layers, torch.nn.ModuleList) or module.config.is_encoder_decoder:
        raise UserError(
            f"family {module.config.model_type} does not keep its blocks in one list of layers, so focus and prior "
            "cannot be read from it; choose another model, or weights of tokens that need no states"
        )
