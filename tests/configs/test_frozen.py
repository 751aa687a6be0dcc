"""Settings do not change once they are composed."""

import dataclasses
import importlib
import pkgutil
from pathlib import Path

import pytest

from configs import compose
from train.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("data", "verify", "models", "train", "eval", "analysis", "notebooks")


def settings_classes() -> list[type]:
    """Every dataclass whose name says that it is settings or a command."""
    found = {}
    for room in ROOMS:
        for module in pkgutil.walk_packages([str(ROOT / room)], f"{room}."):
            if module.name.rpartition(".")[2].startswith("__") or "vllm" in module.name:
                continue
            for name, member in vars(importlib.import_module(module.name)).items():
                if dataclasses.is_dataclass(member) and name.endswith(("Settings", "Command")):
                    found[f"{member.__module__}.{name}"] = member
    return list(found.values())


def test_every_settings_class_is_frozen():
    classes = settings_classes()
    assert len(classes) > 30
    assert [one.__qualname__ for one in classes if not one.__dataclass_params__.frozen] == []


def test_a_composed_run_cannot_be_changed():
    settings = compose(TrainSettings, ["method=papo_g"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.losses.perception_kl.coef = 0.5
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.steps = 3
