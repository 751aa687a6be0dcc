"""Say whether a finished training or evaluation was made with the settings that a table asks for."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from common import UserError
from configs import compose, load_resolved, to_dict
from eval.settings import EvalSettings
from eval.tasks import with_items
from train.settings import TrainSettings

# What a run writes and where it runs; its numbers do not follow from these.
TRAINING_PLACE = frozenset({"run", "keep", "parallel"})
EVALUATION_PLACE = frozenset({"model", "run", "out", "page", "engine", "memory_share", "gpus", "server"})


def difference(before: dict[str, Any], now: dict[str, Any], place: Collection[str]) -> str:
    """Return the first setting, with both its values, in which two resolved settings differ; empty where none does."""
    for key, value in now.items():
        if key not in place and before[key] != value:
            return named_difference(key, before[key], value)
    return ""


def named_difference(key: str, before: Any, now: Any) -> str:
    """Return where two unequal values differ, as deep as both are dicts: "losses.perception_kl.coef=0.5, not 0.02"."""
    if isinstance(before, dict) and isinstance(now, dict):
        deeper = next(name for name in [*now, *before] if before.get(name) != now.get(name))
        return named_difference(f"{key}.{deeper}", before.get(deeper), now.get(deeper))
    return f"{key}={before}, not {now}"


def refuse_other(before: Any, now: Any, folder: Path, place: Collection[str]) -> None:
    found = difference(to_dict(before), to_dict(now), place)
    if found:
        raise UserError(
            f"{folder} was made with {found} as the table asks; give the same settings (train=[...], eval=[...]), "
            "another folder=<runs>, or remove it"
        )


def refuse_other_training(folder: Path, overrides: Sequence[str]) -> None:
    """Refuse a training of other settings than those of its row."""
    before = load_resolved(TrainSettings, folder / "config.yaml")
    refuse_other(before, compose(TrainSettings, overrides), folder, TRAINING_PLACE)


def refuse_other_evaluation(folder: Path, overrides: Sequence[str]) -> None:
    """Refuse an evaluation of other items, responses, views or graders than those of the table."""
    before, now = load_resolved(EvalSettings, folder / "config.yaml"), compose(EvalSettings, overrides)
    refuse_other(with_items(before), with_items(now), folder, EVALUATION_PLACE)
