"""Shared by all tests: their tiers, and a tiny random model, built once and loaded by the common loader."""

import os

os.environ.setdefault("WANDB_MODE", "offline")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# As many processes as there are cores, with a thread each; what a test starts inherits it.
os.environ["OMP_NUM_THREADS"] = "1"

import dataclasses
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from models.loader import VisionLanguageModel, load
from models.settings import ModelSettings
from models.tiny.build import build_config, build_model, build_processor, build_tokenizer
from tests import tiers
from tests.models.families import build_family
from tests.models.vllm_server import Server

torch.set_num_threads(1)
tiers.install()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tiers.arrange(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> tiers.Scheduling:
    return tiers.Scheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    with tiers.UNIT.watch(item):
        return (yield)


@pytest.fixture(scope="session")
def random_tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny architecture with random weights, as files."""
    folder = tmp_path_factory.mktemp("random_tiny")
    tokenizer = build_tokenizer()
    build_model(build_config(tokenizer), seed=0).save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    return folder


def tiny_settings(folder: Path) -> ModelSettings:
    return ModelSettings(
        name="tiny",
        path=str(folder),
        prompt="question_only",
        min_pixels=16384,
        max_pixels=65536,
        max_prompt_tokens=256,
    )


@pytest.fixture
def random_tiny(random_tiny_folder: Path) -> VisionLanguageModel:
    return load(tiny_settings(random_tiny_folder))


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny model, built when it is first asked for."""
    return cache(lambda name: build_family(name, tmp_path_factory.mktemp(name)))


@pytest.fixture
def load_family(family_folder: Callable[[str], Path]) -> Callable[..., VisionLanguageModel]:
    """Loads a family's tiny model, settings changed as asked."""
    return lambda name, **changes: load(dataclasses.replace(tiny_settings(family_folder(name)), **changes))


@pytest.fixture
def shipped_tiny() -> VisionLanguageModel:
    """The base that ships with the repository."""
    return load(tiny_settings(Path(__file__).parent.parent / "models" / "tiny" / "base"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped base behind `python -m models.serve`, started once."""
    running = Server(tmp_path_factory.mktemp("server"))
    try:
        running.wait()
        yield running
    finally:
        running.stop()
