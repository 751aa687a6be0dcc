"""Tensors of an objective from a file: read, named, checked, made zero at padding."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from common import UserError

PER_RESPONSE = ("reward", "group", "accuracy", "role", "prompt")
WHOLE = ("group", "role", "prompt")  # numbers of groups, roles and problems
SCALARS = ("progress",)
LOG_PROBS = ("logp", "old_logp", "ref_logp", "engine_logp", "teacher_logp")


def is_per_response(name: str) -> bool:
    return name in PER_RESPONSE or name.startswith("reward_")


def read_tensors(
    path: Path, wanted: Sequence[str], method: str, stand_ins: Mapping[str, str] | None = None
) -> dict[str, Tensor]:
    """Return the given tensors, checked; 0 at padding, so that whatever stands there cannot spread.

    `prompt` is `group` and `role` is 0 where the file has none. `stand_ins` names a second name of a wanted tensor.
    """
    given = load(path)
    missing = [name for name in wanted if name not in given and (stand_ins or {}).get(name) not in given]
    if missing:
        raise UserError(f"{path} lacks {', '.join(missing)}, which method {method} asks for")
    shape = given["logp"].shape
    if len(shape) != 2:
        raise UserError(f"logp in {path} has shape {list(shape)}; it must be [N, T], responses x tokens")
    if not shape[0]:
        raise UserError(f"logp in {path} has no responses; give at least one")
    for name, value in given.items():
        fitting = shape[:1] if is_per_response(name) else shape[:0] if name in SCALARS else shape
        if value.shape != fitting:
            raise UserError(f"{name} in {path} has shape {list(value.shape)}; beside logp it must be {list(fitting)}")
    check_values(given, path)
    given.setdefault("prompt", given["group"])
    given.setdefault("role", torch.zeros(shape[0], dtype=torch.long))
    valid = given["mask"] > 0
    return {
        name: value if is_per_response(name) or name in SCALARS else torch.where(valid, value, 0.0)
        for name, value in given.items()
    }


def load(path: Path) -> dict[str, Tensor]:
    """Return the file's tensors in float32 or float64, numbers of groups as whole numbers."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UserError(f"tensors={path} does not exist; give a safetensors file")
    try:
        given = load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is not a safetensors file: {error}") from None
    return {n: v if v.dtype == torch.float64 or n in WHOLE else v.float() for n, v in given.items()}


def check_values(given: dict[str, Tensor], path: Path) -> None:
    """Refuse values that no run could produce, naming tensor and row: NaN, infinities, positive log-probs."""
    mask_NT = given["mask"]
    odd = ~((mask_NT == 0) | (mask_NT == 1))
    if odd.any():
        raise UserError(f"mask in {path} is not 0 or 1 in row {first_row(odd)}; mark valid tokens with 1")
    for name, value in given.items():
        if not value.is_floating_point():
            continue
        wrong = ~value.isfinite()
        if value.ndim == 2:
            wrong &= mask_NT > 0
        if wrong.any():
            where = f" in row {first_row(wrong)}" if value.ndim else ""
            raise UserError(f"{name} in {path} is not finite{where}; give finite numbers at every valid token")
        is_log_prob = name in LOG_PROBS or name.startswith(("logp_", "old_logp_", "teacher_logp_"))
        if is_log_prob and (high := (value > 0) & (mask_NT > 0)).any():
            raise UserError(f"{name} in {path} is above 0 in row {first_row(high)}; log-probs are at most 0")


def first_row(wrong: Tensor) -> int:
    """Return the first row in which anything is wrong."""
    return int(wrong.reshape(len(wrong), -1).any(1).nonzero()[0])
