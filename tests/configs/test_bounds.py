"""Every number that a user may set says where it may lie, so that a wrong one is refused before anything is loaded."""

import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from common import UserError
from configs import compose
from configs.settings import children
from train.settings import TrainSettings

ROOT = Path(__file__).parents[2]
ROOMS = ("common", "configs", "data", "verify", "models", "eval", "train", "analysis")
# Factors of a sum, whose sign may be turned, and seeds may be any number.
FREE = ("coef", "weight", "seed", "config_version")
# Numbers of which only a check of several settings together can tell, and which may be negative.
CHECKED = {
    "RolloutSettings.group",
    "SlurmCommand.nodes",
    "SlurmCommand.gpus",
    "SlurmCommand.cpus",
    "SlurmCommand.grace_s",
    "SlurmCommand.requeues",
    "Checklist.gate",
    "Scaled.low",
    "Scaled.high",
    "ContaminationSettings.distance",
    "ContaminationSettings.difference",
    "JudgeSettings.workers",
    "JudgeSettings.timeout_s",
    "JudgeSettings.total_s",
    "Metric.steps",
    "Claim.beyond",
}


def numbers() -> Iterator[tuple[str, str]]:
    """Yield every setting that is a number, as class.name, with its bounds."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            if " = setting(" not in path.read_text(encoding="utf-8"):
                continue
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for one in vars(module).values():
                if dataclasses.is_dataclass(one) and isinstance(one, type) and one.__module__ == module.__name__:
                    yield from numbers_of(one)


def numbers_of(schema: type) -> Iterator[tuple[str, str]]:
    own = [
        one for one in dataclasses.fields(schema) if "bounds" in one.metadata and one.name in schema.__annotations__
    ]
    for field in own:
        kind = children(schema)[field.name]
        if {int, float} & {kind, *get_args(kind)}:
            yield f"{schema.__name__}.{field.name}", field.metadata["bounds"]


def test_every_number_has_bounds_or_a_reason_for_none():
    found = dict(numbers())
    open_ones = {name for name, bounds in found.items() if not bounds and not name.endswith(FREE)}
    assert open_ones == CHECKED
    assert len(found) > 150


@pytest.mark.parametrize(
    ("setting", "interval"),
    [
        ("losses.ppo.clip_low=-0.1", r"\[0, 1\]"),
        ("weights.tokens.share=0", r"\(0, 1\]"),
        ("weights.trajectory.low=2", r"\[0, 1\]"),
        ("views.masked.ratio=1.5", r"\[0, 1\]"),
    ],
)
def test_a_number_outside_its_bounds_is_refused_with_them(setting, interval):
    name, value = setting.split("=")
    with pytest.raises(UserError, match=rf"{name} is {float(value)}; it must lie in {interval}"):
        compose(TrainSettings, ["method=vppo", "scale=mini", setting])
