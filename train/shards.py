"""Where each parameter's numbers lie in a rank's optimiser state, so that a checkpoint fits any sharding.

A master is a tensor that AdamW steps on: a parameter, or a rank's flat float32 part of many of them.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from common import UserError

NUMBERS = ("value", "exp_avg", "exp_avg_sq")  # one each per number of a parameter; `step` is one per master


class Piece(NamedTuple):
    """`length` numbers of a parameter, from `start` on, that lie in a master from `at` on."""

    name: str
    start: int
    length: int
    master: int
    at: int


def whole_pieces(sizes: Mapping[str, int]) -> list[Piece]:
    """Return the parameters themselves as masters: plain torch, ZeRO 0."""
    return [Piece(name, 0, size, master, 0) for master, (name, size) in enumerate(sizes.items())]


def flat_pieces(
    sizes: Mapping[str, int], offsets: Sequence[int], part: int, rank: int, master: int = 0
) -> list[Piece]:
    """Return all parameters in a row, cut into equal parts, one per rank: ZeRO 1 and 2."""
    begin, pieces = rank * part, []
    for (name, size), offset in zip(sizes.items(), offsets, strict=True):
        first, last = max(offset, begin), min(offset + size, begin + part)
        if first < last:
            pieces.append(Piece(name, first - offset, last - first, master, first - begin))
    return pieces


def split_pieces(sizes: Mapping[str, int], parts: Sequence[int], rank: int, master: int = 0) -> list[Piece]:
    """Return every parameter cut into equal parts, a rank's parts in a row: ZeRO 3."""
    at, pieces = 0, []
    for (name, size), part in zip(sizes.items(), parts, strict=True):
        length = min(part, size - rank * part)
        if length > 0:
            pieces.append(Piece(name, rank * part, length, master, at))
        at += part
    return pieces


def pieces_metadata(pieces: Sequence[Piece]) -> dict[str, str]:
    """Return what a shard says of its content."""
    return {"pieces": json.dumps(pieces)}


def recut(shards: Sequence[Path], pieces: Sequence[Piece], shapes: Mapping[int, torch.Size]) -> dict[str, Tensor]:
    """Return the state of masters with these pieces and shapes, read from the shards of any other sharding."""
    with ExitStack() as open_files:
        files = [open_files.enter_context(safe_open(path, "pt")) for path in shards]
        sources: dict[str, dict[tuple[int, int], tuple[Any, Piece]]] = {}
        for file in files:
            for piece in (Piece(*values) for values in json.loads(file.metadata()["pieces"])):
                sources.setdefault(piece.name, {}).setdefault((piece.start, piece.length), (file, piece))
        state: dict[str, Tensor] = {}
        for master, shape in shapes.items():
            own = [piece for piece in pieces if piece.master == master]
            state |= {f"{master}.{what}": value for what, value in masters_of(own, sources, shape).items()}
        return state


def masters_of(own: Sequence[Piece], sources: Mapping[str, Any], shape: torch.Size) -> dict[str, Tensor]:
    """Return value and, once it has stepped, moments and step number of one master."""
    found = {what: torch.zeros(shape.numel()) for what in NUMBERS}
    steps: list[Tensor] = []
    for piece in own:
        here = 0
        for file, source in sources.get(piece.name, {}).values():
            first = max(piece.start, source.start)
            length = min(piece.start + piece.length, source.start + source.length) - first
            if length <= 0:
                continue
            here += length
            at, place = piece.at + first - piece.start, source.at + first - source.start
            for what in NUMBERS:
                if (key := f"{source.master}.{what}") in file.keys():  # noqa: SIM118 (a file is no mapping)
                    found[what][at : at + length] = numbers(file, key, place, length)
            if (key := f"{source.master}.step") in file.keys():  # noqa: SIM118
                steps.append(file.get_tensor(key))
        if here != piece.length:
            raise UserError(
                f"the checkpoint holds {here} of {piece.length} numbers of {piece.name}: it belongs to another model; "
                "use another run folder, or the model settings that the run began with"
            )
    result = {what: value.view(shape) for what, value in found.items() if what == "value" or steps}
    return result | ({"step": torch.stack(steps).amax()} if steps else {})


def numbers(file: Any, key: str, place: int, length: int) -> Tensor:
    """Return part of a stored tensor, as if it lay flat."""
    part = file.get_slice(key)
    if len(part.get_shape()) == 1:
        return part[place : place + length]
    return file.get_tensor(key).flatten()[place : place + length]
