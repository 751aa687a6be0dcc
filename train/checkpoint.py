"""Checkpoints: complete or absent. A folder is written under another name and renamed when everything is on disk.

Each process writes its own shard of float32 weights and moments, and which numbers of which parameters they are, so
that another number of processes or another ZeRO stage can go on; process 0 adds the whole model as plain transformers
files. There is no RNG state to keep: all chance of a step is drawn from (seed, step).
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from common import UserError, atomic_write_text
from train.backend import Backend
from train.distributed import Ranks
from train.moving_average import MovingAverage
from train.settings import ParallelSettings
from train.shards import pieces_metadata, recut
from train.update import Updater

FORMAT = 3


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    updates: int = 0
    position: int = 0  # in the data


def checkpoint_folder(run: Path, step: int) -> Path:
    return run / "checkpoints" / f"step_{step:06d}"


def complete_checkpoints(run: Path) -> list[Path]:
    """Finished checkpoints, oldest first; half-written ones have another name."""
    return sorted((run / "checkpoints").glob("step_??????"))


def shard_name(ranks: Ranks) -> str:
    return f"shard_{ranks.rank:03d}_of_{ranks.size:03d}.safetensors"


@contextmanager
def disk_trouble(run: Path, step: int, work: Path) -> Iterator[None]:
    """Turn a full disk into one sentence that leaves nothing half-written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        shutil.rmtree(work, ignore_errors=True)
        raise UserError(
            f"the checkpoint of step {step} could not be written ({error}); free space in {run} and "
            "start the same command again, it goes on from the last complete checkpoint"
        ) from None


def save_checkpoint(
    run: Path, place: Progress, updater: Updater, ranks: Ranks, keep: int, average: MovingAverage | None = None
) -> None:
    """Write a checkpoint, then forget the oldest beyond `keep`. All processes take part."""
    target = checkpoint_folder(run, place.step)
    work = target.with_name(f".writing_{target.name}")
    with disk_trouble(run, place.step, work):
        if ranks.main:
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir(parents=True)
        ranks.wait()
        state = {name: value.cpu().contiguous() for name, value in updater.backend.state().items()}
        save_file(state, work / shard_name(ranks), pieces_metadata(updater.backend.pieces()))
        updater.model.save(work, gather=updater.backend.gather, writes=ranks.main)
        if average and ranks.main:
            average.save(work)
        ranks.wait()
        if ranks.main:
            parallel = asdict(updater.settings.parallel)
            record = {"format": FORMAT, **asdict(place), "processes": ranks.size, "parallel": parallel}
            atomic_write_text(work / "state.json", json.dumps(record))
            shutil.rmtree(target, ignore_errors=True)
            work.rename(target)
            for old in complete_checkpoints(run)[:-keep]:
                shutil.rmtree(old)
    ranks.wait()


def load_checkpoint(
    run: Path, backend: Backend, parallel: ParallelSettings, ranks: Ranks, average: MovingAverage | None = None
) -> Progress:
    """Put the newest checkpoint into weights and optimiser; the beginning where there is none."""
    found = complete_checkpoints(run)
    if not found:
        return Progress()
    folder = found[-1]
    record = json.loads((folder / "state.json").read_text())
    if record["format"] != FORMAT:
        raise UserError(f"{folder} has checkpoint format {record['format']}, this is {FORMAT}; start a new run")
    if record["processes"] == ranks.size and record["parallel"] == asdict(parallel):
        backend.load_state(load_file(folder / shard_name(ranks)))
    else:  # each rank takes what is now its own from the shards of all
        state = backend.state()
        shapes = {int(key.split(".")[0]): value.shape for key, value in state.items() if key.endswith(".value")}
        backend.load_state(recut(sorted(folder.glob("shard_*.safetensors")), backend.pieces(), shapes))
    if average:
        average.load(folder)
    return Progress(record["step"], record["updates"], record["position"])
