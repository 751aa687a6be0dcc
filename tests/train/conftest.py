"""A run small enough for a test: four prompts, four responses, from the shipped base."""

from pathlib import Path

import pytest


@pytest.fixture
def small_run(tmp_path: Path) -> list[str]:
    """Settings of a small run in a folder of its own."""
    return [
        "scale=mini",
        "rollouts.prompts=4",
        "rollouts.group=4",
        "rollouts.sampling.max_new_tokens=24",
        "optimiser.minibatch_prompts=2",
        "keep.wandb=disabled",
        "keep.checkpoint_every=2",
        "steps=5",
        f"run={tmp_path}/run",
    ]
