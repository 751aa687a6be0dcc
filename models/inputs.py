"""Responses behind their prompts as a call of the model takes them: a row per response, or one flat row.

Shapes: N responses, L tokens of a row, K all response tokens in a row, S positions of a call (rows as one), D width.
"""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from models.attention import NO_MASK
from models.averaged import averaged
from models.encode import GRID, Encoded
from models.families import prompt_positions
from models.focus import Places, check_states, states_of, watching_layers
from models.packing import PackedGroup, pack
from models.parts import Group, ModelParts


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a call of the model takes, and what is where in its states when all its rows are one."""

    arguments: dict[str, Any]
    source_K: Tensor  # the position that predicts a response token
    target_K: Tensor  # the token
    token_K: Tensor  # its own position
    copies: Sequence[Encoded]  # the prompts as they stand in the rows
    starts: Sequence[int]  # where each of them begins
    tokens: Sequence[int]  # how many response tokens belong to each of them

    def places(self) -> Places:
        """Return where response tokens and pictures are."""
        images = [
            copy.token_kinds.nonzero()[:, 0] + start for copy, start in zip(self.copies, self.starts, strict=True)
        ]
        numbers, sizes = torch.arange(len(self.copies)), torch.tensor([len(own) for own in images])
        device = self.source_K.device
        return Places(
            token_K=self.token_K,
            copy_K=numbers.repeat_interleave(torch.tensor(self.tokens)).to(device),
            image_I=torch.cat(images).to(device),
            copy_I=numbers.repeat_interleave(sizes).to(device),
            copies=len(self.copies),
        )


def positions_of(model: ModelParts, prompt: Encoded) -> Tensor:
    """Return [3, P]: a prompt's own positions, or those that the model counts."""
    if prompt.positions_3P is not None:
        return prompt.positions_3P
    return prompt_positions(model.module, prompt.ids, prompt.token_kinds, prompt.vision.get(GRID))


def row_positions(model: ModelParts, rows: Sequence[tuple[Encoded, list[int]]], length: int) -> Tensor:
    """Return positions of padded rows, [3, N, L] or, where a family counts tokens, [N, L]."""
    found_3NL = torch.zeros(3, len(rows), length, dtype=torch.long)
    for n, (prompt, ids) in enumerate(rows):
        positions_3P, start = positions_of(model, prompt), len(prompt.ids)
        follow = int(positions_3P.max()) + 1
        found_3NL[:, n, :start] = positions_3P
        found_3NL[:, n, start : start + len(ids)] = torch.arange(follow, follow + len(ids))
    return found_3NL if hasattr(model.module.model, "get_rope_index") else found_3NL[0]


def plain_inputs(model: ModelParts, groups: Sequence[Group]) -> Inputs:
    """Return one row per response, each with its own copy of prompt and picture."""
    rows = [(group.prompt, list(ids)) for group in groups for ids in group.responses]
    length = max(len(prompt.ids) + len(ids) for prompt, ids in rows)
    ids_NL = torch.full((len(rows), length), model.pad_id, dtype=torch.long)
    mask_NL, kinds_NL = torch.zeros_like(ids_NL), torch.zeros_like(ids_NL)
    source: list[int] = []
    for n, (prompt, ids) in enumerate(rows):
        start, end = len(prompt.ids), len(prompt.ids) + len(ids)
        ids_NL[n, :end] = torch.cat([prompt.ids, torch.tensor(ids)])
        mask_NL[n, :end], kinds_NL[n, :start] = 1, prompt.token_kinds
        source += range(n * length + start - 1, n * length + end - 1)
    inputs = {"input_ids": ids_NL, "attention_mask": mask_NL}
    if model.token_kinds_name:
        inputs[model.token_kinds_name] = kinds_NL
    if any(prompt.positions_3P is not None for prompt, _ in rows):
        inputs["position_ids"] = row_positions(model, rows, length)
    device, prompts = model.module.device, [prompt for prompt, _ in rows]
    source_K = torch.tensor(source, dtype=torch.long, device=device)
    return Inputs(
        arguments={name: value.to(device) for name, value in inputs.items()} | model.picture_inputs(prompts),
        source_K=source_K,
        target_K=torch.cat([torch.tensor(ids, dtype=torch.long) for _, ids in rows]).to(device),
        token_K=source_K + 1,
        copies=prompts,
        starts=range(0, len(rows) * length, length),
        tokens=[len(ids) for _, ids in rows],
    )


def shared_inputs(model: ModelParts, groups: Sequence[Group], whole: bool = False, merge: bool = False) -> Inputs:
    """Return one flat row: each prompt once, its responses behind it, each blind to the others; no padding.

    `merge`: what a response has in common with the one before it passes once; gradients of such rows are not defined.
    """
    rows, positions = [], []
    known: dict[int, Tensor] = {}
    for group in groups:
        rows.append(PackedGroup(group.prompt.ids.tolist(), group.responses, [0] * len(group.responses)))
        if id(group.prompt.ids) not in known:  # views of one prompt have its ids
            known[id(group.prompt.ids)] = positions_of(model, group.prompt)
        positions.append(known[id(group.prompt.ids)])
    batch = pack(rows, positions, whole=whole, merge=merge)
    device, prompts = model.module.device, [group.prompt for group in groups]
    arguments = {
        "input_ids": batch.ids_1L.to(device),
        "attention_mask": NO_MASK.to(device),
        "layout": batch.layout,
        "position_ids": batch.positions_31L.to(device),
        **model.picture_inputs(prompts),
    }
    return Inputs(
        arguments=arguments,
        source_K=batch.source_K.to(device),
        target_K=batch.target_K.to(device),
        token_K=batch.token_K.to(device),
        copies=prompts,
        starts=batch.layout.starts[:-1],
        tokens=[sum(map(len, group.responses)) for group in groups],
    )


class Passed(NamedTuple):
    """What one pass gives of all response tokens in a row."""

    hidden_KD: Tensor  # the states that predict them
    targets_K: Tensor
    states: dict[str, Tensor]  # [K] each, by name; see models/focus.py


def run(model: ModelParts, inputs: Inputs, states: Collection[str] = ()) -> Passed:
    """Return one pass of the model's trunk."""
    if states:
        check_states(model.module)
    places = inputs.places() if states else None
    watched: AbstractContextManager[list[Tensor]] = nullcontext([])
    if places and "prior" in states:
        watched = watching_layers(model.module, places)
    prompts = inputs.copies
    acting: AbstractContextManager[None] = nullcontext()
    if any(prompt.inside for prompt in prompts):
        lengths = inputs.arguments["attention_mask"].sum(1).tolist()
        acting = averaged(model.module, prompts, lengths)
    with watched as below, acting:
        last_SD = model.module.model(**inputs.arguments, use_cache=False).last_hidden_state.flatten(0, 1)
    found = states_of(states, last_SD, below, places) if places else {}
    return Passed(last_SD.index_select(0, inputs.source_K), inputs.target_K, found)
