"""Find finished trainings by their settings, and refuse finished work of other settings than a table asks for."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from common import UserError
from configs import Run, compose, difference, load_resolved, to_dict
from eval.settings import EvalSettings
from eval.tasks import with_items
from train.settings import PLACE, TrainSettings

# What an evaluation writes and where it runs; its numbers do not follow from these.
EVALUATION_PLACE = frozenset({"model", "run", "out", "page", "engine", "memory_share", "gpus", "server"})


# What a run from outside says of itself in origin.json, each a text.
ORIGIN = ("by", "code", "command", "data", "hardware")
ITS_OWN = frozenset({"name", "path", "revision"})  # of the model; all else decides what it is shown


def read_origin(folder: Path) -> dict[str, str]:
    """Return where a run from outside comes from; refuse one that does not say."""
    path = folder / "origin.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is no JSON ({error}); write {', '.join(ORIGIN)} as texts") from None
    texts = found if isinstance(found, dict) else {}
    lacking = [name for name in ORIGIN if not isinstance(texts.get(name), str) or not texts[name].strip()]
    if lacking:
        raise UserError(
            f"{path} lacks {', '.join(lacking)}; a run from outside says so in one text each (docs/record.md)"
        )
    return {name: texts[name] for name in ORIGIN}


def refuse_other_model(evaluation: Path, overrides: list[str]) -> None:
    """Refuse answers to other pictures or prompts than the table's: size and template are settings of the model."""
    before, now = load_resolved(EvalSettings, evaluation / "config.yaml"), compose(EvalSettings, overrides)
    if found := difference(to_dict(before)["model"], to_dict(now)["model"], ITS_OWN):
        raise UserError(f"{evaluation} was made with model.{found} as the table asks; evaluate its weights again")


def is_finished(folder: Path) -> bool:
    return (folder / "finished.json").exists()


def finished_training(own: Path, asked: TrainSettings) -> Path:
    """Return the folder of a finished training of these settings: a row's own, else another row's beside it.

    Where there is none, it is the row's own, in which the training is to be.
    """
    others = [folder for folder in sorted(own.parent.parent.glob(f"*/{own.name}")) if folder != own]
    numbers = settled(to_dict(asked))
    for folder in filter(is_finished, [own, *others]):
        if may_equal(first_settings(folder), json.loads(json.dumps(numbers))) and recorded(folder) == numbers:
            return folder
    return own


def settled(settings: dict[str, Any]) -> dict[str, Any]:
    """Return what a training's numbers follow from: without its place, and without a term that adds nothing."""
    found = {name: value for name, value in settings.items() if name not in PLACE and name != "method"}
    losses = found.get("losses", {})
    entropy = losses.get("entropy") or {}
    is_off = not entropy.get("coef") and not entropy.get("masked_coef")
    return found | {"losses": losses | {"entropy": None}} if is_off else found


def key_of(asked: TrainSettings) -> str:
    """Return a text that is equal for trainings whose numbers must be."""
    return json.dumps(settled(to_dict(asked)), sort_keys=True)


@cache
def recorded(folder: Path) -> dict[str, Any] | None:
    """Return a finished training's settings; None where they are of another version, which no row can equal."""
    try:
        return settled(to_dict(load_resolved(TrainSettings, folder / "config.yaml")))
    except UserError:
        return None


@cache
def first_settings(folder: Path) -> dict[str, Any]:
    """Return the settings a training was begun with: quick to read, without what may have changed."""
    path = folder / "run.json"
    found = settled(Run.load(path).config) if path.exists() else {}
    return {name: value for name, value in found.items() if name != "steps"}


def may_equal(before: Any, now: Any) -> bool:
    """Return whether settings that both know are equal, which is quick, so that few folders are read whole."""
    if isinstance(before, dict) and isinstance(now, dict):
        return all(may_equal(before[name], now[name]) for name in before.keys() & now.keys())
    return before == now


def refuse_other_training(folder: Path, asked: TrainSettings) -> None:
    """Refuse a training of other settings than those of its row."""
    before = load_resolved(TrainSettings, folder / "config.yaml")
    refuse(difference(settled(to_dict(before)), settled(to_dict(asked))), folder)


def refuse_other_evaluation(folder: Path, overrides: Sequence[str]) -> None:
    """Refuse an evaluation of other items, responses, views or graders than those of the table."""
    before, now = load_resolved(EvalSettings, folder / "config.yaml"), compose(EvalSettings, overrides)
    refuse(difference(to_dict(with_items(before)), to_dict(with_items(now)), EVALUATION_PLACE), folder)


def refuse(found: str, folder: Path) -> None:
    if found:
        raise UserError(
            f"{folder} was made with {found} as the table asks; give the same settings (train=[...], eval=[...]), "
            "another folder=<runs>, or remove it"
        )
