"""Sweep files: what W&B's agent would call is our command, with settings that exist."""

import shlex
from itertools import product
from pathlib import Path

import pytest
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from configs import compose
from configs.groups import read_yaml
from train.checks import check
from train.settings import TrainSettings

ROOT = Path(__file__).resolve().parents[2]
SWEEPS = sorted((ROOT / "configs" / "sweeps").glob("*.yaml"))


def called(sweep: dict, chosen: dict) -> list[str]:
    """Return the words that the shell hands to our command, as W&B's agent fills them in."""
    filled = create_sweep_command_args({"args": {name: {"value": value} for name, value in chosen.items()}})
    words = create_sweep_command(sweep["command"])
    assert words[-1] == "${args_no_hyphens}"
    shell, flag, script, _, *given = [*words[:-1], *filled["args_no_hyphens"]]
    assert (shell, flag) == ("sh", "-c") and '"$@"' in script
    words = shlex.split(script.replace('"$@"', shlex.join(given)).replace("$WANDB_RUN_ID", "abc123"))
    assert words[:4] == ["exec", ".venv/bin/python", "-m", "train"]
    return words[4:]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_run_of_a_sweep_has_settings_that_can_run_and_a_folder_of_its_own(path):
    sweep = read_yaml(path, path.name)
    parameters = {name: one["values"] for name, one in sweep["parameters"].items()}
    every = [dict(zip(parameters, values, strict=True)) for values in product(*parameters.values())]
    assert sweep["method"] == "grid" and len(every) == 60
    for chosen in (every[0], every[-1]):
        settings = compose(TrainSettings, called(sweep, chosen))
        check(settings)
        assert settings.run.endswith("/abc123") and settings.keep.wandb == "online" and settings.seed == chosen["seed"]
        assert settings.losses.perception_kl.coef == chosen["losses.perception_kl.coef"]
        assert settings.views["masked"].ratio == chosen["views.masked.ratio"]
        assert sweep["metric"]["name"] == "validation/accuracy" and settings.validate is not None
