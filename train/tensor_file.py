"""Tensors of an objective from a file: read, named, checked, made zero at padding."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from common import UserError, did_you_mean

PER_RESPONSE = ("reward", "group", "accuracy", "role", "prompt")
WHOLE = ("group", "role", "prompt")  # numbers of groups, roles and problems
SCALARS = ("progress",)
SHARES = ("accuracy", "progress")
LOG_PROBS = ("logp", "old_logp", "ref_logp", "engine_logp", "teacher_logp")
DIVERGENCES = ("kl_teacher", "kl_teacher_steered", "kl_prior", "kl_sharpened", "jsd_teacher")
STATES = tuple(f"{old}{name}" for old in ("", "old_") for name in ("entropy", "focus", "prior"))
IDS = "token_ids"
NAMES = (*PER_RESPONSE, *SCALARS, *LOG_PROBS, *DIVERGENCES, *STATES, "mask", IDS)
# Of a view, a span of tokens or a reward term, whose names are the settings' own:
STEMS = tuple(f"{old}{name}_" for old in ("", "old_") for name in ("logp", "entropy", "js", "kl", "focus", "prior"))
STEMS += ("teacher_", "mark_", "reward_")


def is_per_response(name: str) -> bool:
    return name in PER_RESPONSE or name.startswith("reward_")


def is_flag(name: str) -> bool:
    return name == "mask" or name.startswith("mark_")


def read_tensors(
    path: Path, wanted: Sequence[str], method: str, stand_ins: Mapping[str, str] | None = None
) -> dict[str, Tensor]:
    """Return the given tensors, checked; 0 at padding, so that whatever stands there cannot spread.

    `prompt` is `group` and `role` is 0 where the file has none. `stand_ins` names a second name of a wanted tensor.
    """
    given = load(path)
    check_names(given, path)
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
    check_kinds(given, path)
    check_values(given, path)
    given = {name: fitted(name, value) for name, value in given.items()}
    given.setdefault("prompt", given["group"])
    given.setdefault("role", torch.zeros(shape[0], dtype=torch.long))
    valid = given["mask"] > 0
    return {
        name: value if is_per_response(name) or name in SCALARS else torch.where(valid, value, torch.zeros_like(value))
        for name, value in given.items()
    }


def fitted(name: str, value: Tensor) -> Tensor:
    """Return a tensor in float32 or float64, numbers of groups and tokens as whole numbers."""
    if name in (*WHOLE, IDS):
        return value.long()
    return value if value.dtype == torch.float64 else value.float()


def load(path: Path) -> dict[str, Tensor]:
    """Return the file's tensors as they are."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UserError(f"tensors={path} does not exist; give a safetensors file")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(f"{path} is not a safetensors file: {error}") from None


def check_names(given: Mapping[str, Tensor], path: Path) -> None:
    """Refuse a tensor that no method reads: a misspelt `accuracy` would switch the filter off without a word."""
    for name in given:
        if name not in NAMES and not name.startswith(STEMS):
            raise UserError(f"{path} holds {name}, which no method reads; {did_you_mean(name, NAMES)}")


def check_kinds(given: Mapping[str, Tensor], path: Path) -> None:
    """Refuse whole numbers where a score or log-prob must be, and fractions for numbers of groups."""
    for name, value in given.items():
        if name == IDS:
            if value.is_floating_point():  # bfloat16 cannot tell large ids apart
                raise UserError(f"{name} in {path} holds {value.dtype}; give int64 or int32")
        elif not (is_per_response(name) or is_flag(name) or value.is_floating_point()):
            raise UserError(f"{name} in {path} holds {value.dtype}; give float32 or float64")
        if name in WHOLE and (odd := value != value.round()).any():
            raise UserError(f"{name} in {path} is not a whole number in row {first_row(odd)}; number every {name}")
        if name == "role" and (odd := value < 0).any():
            raise UserError(f"role in {path} is below 0 in row {first_row(odd)}; answers have 0, other branches 1 on")


def check_values(given: Mapping[str, Tensor], path: Path) -> None:
    """Refuse values that no run could produce, naming tensor and row: NaN, infinities, positive log-probs."""
    check_mask(given["mask"], path)
    mask_NT = given["mask"]
    for name, value in given.items():
        wrong = ~value.isfinite()
        if value.ndim == 2:
            wrong &= mask_NT > 0
        if wrong.any():
            raise UserError(f"{name} in {path} is not finite{in_row(wrong)}; give finite numbers at every valid token")
        is_log_prob = name in LOG_PROBS or name.startswith(("logp_", "old_logp_", "teacher_logp_"))
        if is_log_prob and (high := (value > 0) & (mask_NT > 0)).any():
            raise UserError(f"{name} in {path} is above 0 in row {first_row(high)}; log-probs are at most 0")
        if name in SHARES and (outside := (value < 0) | (value > 1)).any():
            raise UserError(f"{name} in {path} is outside [0, 1]{in_row(outside)}; give a share")
        if name == IDS and (odd := (value < 0) & (mask_NT > 0)).any():
            raise UserError(f"{name} in {path} is below 0 in row {first_row(odd)}; give the id of every valid token")
        if name.startswith("mark_") and (odd := (value != 0) & (value != 1) & (mask_NT > 0)).any():
            raise UserError(f"{name} in {path} is not 0 or 1 in row {first_row(odd)}; mark the span's tokens with 1")


def check_mask(mask_NT: Tensor, path: Path) -> None:
    """Refuse a mask that is not 1 on a response's tokens and 0 behind them: positions are counted from its start."""
    odd = ~((mask_NT == 0) | (mask_NT == 1))
    if odd.any():
        raise UserError(f"mask in {path} is not 0 or 1 in row {first_row(odd)}; mark valid tokens with 1")
    empty = (mask_NT == 0).all(1)
    if empty.any():
        raise UserError(f"mask in {path} marks no token in row {first_row(empty)}; leave that response out")
    late = mask_NT[:, 1:] > mask_NT[:, :-1]
    if late.any():
        raise UserError(f"mask in {path} has padding before a token in row {first_row(late)}; put padding last")


def in_row(wrong: Tensor) -> str:
    """Return words for the first row in which anything is wrong, none for a scalar."""
    return f" in row {first_row(wrong)}" if wrong.ndim else ""


def first_row(wrong: Tensor) -> int:
    """Return the first row in which anything is wrong."""
    return int(wrong.reshape(len(wrong), -1).any(1).nonzero()[0])
