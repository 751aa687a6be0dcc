"""Optimiser state cut one way is read back cut any other way."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from common import UserError
from train.shards import Piece, flat_pieces, pieces_metadata, recut, split_pieces, whole_pieces

SHAPES = {"a": (2, 3), "b": (5,), "c": (1,), "d": (3, 3)}
SIZES = {name: torch.Size(shape).numel() for name, shape in SHAPES.items()}


def numbers(name: str, what: str) -> torch.Tensor:
    """Distinct numbers for every parameter and kind."""
    first = 100 * list(SHAPES).index(name) + 1000 * ["value", "exp_avg", "exp_avg_sq"].index(what)
    return torch.arange(float(SIZES[name])) + first


def whole(rank: int) -> tuple[list[Piece], list[torch.Size]]:
    return whole_pieces(SIZES), [torch.Size(shape) for shape in SHAPES.values()]


def flat(ranks: int):
    """ZeRO 2: 21 numbers in a row, padded to equal parts."""
    part = -(-21 // ranks)
    return lambda rank: (flat_pieces(SIZES, [0, 6, 11, 12], part, rank), [torch.Size([part])])


def split(ranks: int):
    """ZeRO 3: each parameter padded to equal parts."""
    parts = [-(-size // ranks) for size in SIZES.values()]
    return lambda rank: (split_pieces(SIZES, parts, rank), [torch.Size([sum(parts)])])


def state_of(pieces: list[Piece], shapes: list[torch.Size]) -> dict[str, torch.Tensor]:
    state = {
        f"{m}.{what}": torch.zeros(s.numel())
        for m, s in enumerate(shapes)
        for what in ("value", "exp_avg", "exp_avg_sq")
    }
    for name, start, length, master, at in pieces:
        for what in ("value", "exp_avg", "exp_avg_sq"):
            state[f"{master}.{what}"][at : at + length] = numbers(name, what)[start : start + length]
    state = {key: value.view(shapes[int(key.split(".")[0])]) for key, value in state.items()}
    return state | {f"{m}.step": torch.tensor(7.0) for m in range(len(shapes))}


LAYOUTS = {
    "torch": (1, whole),
    "zero 0": (2, whole),
    "zero 2 on 2": (2, flat(2)),
    "zero 2 on 4": (4, flat(4)),
    "zero 3 on 3": (3, split(3)),
    "zero 3 on 8": (8, split(8)),
}


@pytest.mark.parametrize("before", LAYOUTS)
@pytest.mark.parametrize("after", LAYOUTS)
def test_every_sharding_reads_every_other(tmp_path, before, after):
    ranks, layout = LAYOUTS[before]
    paths = [tmp_path / f"shard_{rank}.safetensors" for rank in range(ranks)]
    for rank, path in enumerate(paths):
        pieces, shapes = layout(rank)
        save_file(state_of(pieces, shapes), path, pieces_metadata(pieces))
    ranks, layout = LAYOUTS[after]
    for rank in range(ranks):
        pieces, shapes = layout(rank)
        found, wanted = recut(paths, pieces, dict(enumerate(shapes))), state_of(pieces, shapes)
        for key, value in wanted.items():
            own = int(key.split(".")[0])
            if key.endswith("step") and not any(piece.master == own for piece in pieces):
                continue  # nothing but padding
            assert torch.equal(found.get(key, torch.zeros(value.shape)), value), key


def test_another_models_checkpoint_is_refused(tmp_path):
    pieces = whole_pieces({"a": 6})
    save_file({"0.value": torch.zeros(6)}, tmp_path / "s.safetensors", pieces_metadata(pieces))
    assert set(load_file(tmp_path / "s.safetensors")) == set(
        recut([tmp_path / "s.safetensors"], pieces, {0: torch.Size([6])})
    )
    with pytest.raises(UserError, match="0 of 5 numbers of b: it belongs to another model"):
        recut([tmp_path / "s.safetensors"], whole_pieces({"b": 5}), {0: torch.Size([5])})
