"""Which model a run trained: `python -m eval run=...` reads its pictures and prompts as that model does."""

from collections.abc import Sequence
from pathlib import Path

from common import UserError
from configs.compose import ROOT
from configs.groups import read_yaml


def model_of_run(arguments: Sequence[str]) -> dict[str, str]:
    """Return the model of the run that a command line names, as the default where it names none itself."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    config = Path(given.get("run", "")) / "config.yaml"
    if "run" not in given or {"model", "model.name"} & given.keys() or not config.is_file():
        return {}  # a run that is not there is refused later, with its own sentence
    model = read_yaml(config, str(config)).get("model", {})
    name, path = str(model.get("name", "")), str(model.get("path", ""))
    if (ROOT / "models" / f"{name}.yaml").is_file():
        return {"model": name}
    if (Path(path) / "config.json").is_file():
        return {"model": path}
    raise UserError(f"{config} names the model '{name}', which is no file of configs/models; give model=<name>")
