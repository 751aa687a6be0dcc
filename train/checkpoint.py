"""Checkpoints: complete or absent. A folder is written under another name and renamed when everything is on disk.

There is no RNG state to keep: all chance of a step is drawn from (seed, step), and AdamW's state, the weights and the
step number are the whole of a run.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from configs import UserError, atomic_write_text
from train.update import Updater

FORMAT = 1


def checkpoint_folder(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step_{step:06d}"


def complete_checkpoints(run: Path) -> list[Path]:
    """Finished checkpoints, oldest first; half-written ones have another name."""
    return sorted((run / "checkpoints").glob("step_??????"))


def save_checkpoint(run: Path, step: int, updater: Updater, keep: int) -> None:
    """Write a checkpoint, then forget the oldest beyond `keep`."""
    target = checkpoint_folder(run, step)
    work = target.with_name(f".writing_{target.name}")
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(parents=True)
        updater.model.save(work)
        save_file(optimizer_tensors(updater), work / "optimizer.safetensors")
        state = {"format": FORMAT, "step": step, "updates": updater.updates}
        atomic_write_text(work / "state.json", json.dumps(state))
        shutil.rmtree(target, ignore_errors=True)
        work.rename(target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(work, ignore_errors=True)
        raise UserError(
            f"the checkpoint of step {step} could not be written ({error}); free space in {run} and "
            "start the same command again, it goes on from the last complete checkpoint"
        ) from None
    for old in complete_checkpoints(run)[:-keep]:
        shutil.rmtree(old)


def optimizer_tensors(updater: Updater) -> dict[str, torch.Tensor]:
    """AdamW's state by parameter number and name of the quantity."""
    state = updater.optimizer.state_dict()["state"]
    return {f"{index}.{name}": value.contiguous() for index, values in state.items() for name, value in values.items()}


def load_checkpoint(run: Path, updater: Updater) -> int:
    """Put the newest checkpoint into model and optimiser; 0 where there is none."""
    found = complete_checkpoints(run)
    if not found:
        return 0
    folder = found[-1]
    state = json.loads((folder / "state.json").read_text())
    if state["format"] != FORMAT:
        raise UserError(f"{folder} has checkpoint format {state['format']}, this is {FORMAT}; start a new run")
    weights = load_file(folder / "model.safetensors")
    missing, unexpected = updater.model.module.load_state_dict(weights, strict=False)
    tied = set(updater.model.module.all_tied_weights_keys)
    if unexpected or set(missing) - tied:
        raise UserError(f"{folder} belongs to another model; use another run folder or the model it began with")
    updater.model.module.tie_weights()
    restored: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_file(folder / "optimizer.safetensors").items():
        index, name = key.split(".", 1)
        restored.setdefault(int(index), {})[name] = value
    whole = updater.optimizer.state_dict()
    updater.optimizer.load_state_dict({**whole, "state": restored})
    updater.updates = state["updates"]
    return state["step"]
