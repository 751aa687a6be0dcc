"""Checkpoints: complete or absent. A folder is written under another name and renamed when everything is on disk.

Each process writes its own shard of float32 weights and moments, and which numbers of which parameters they are, so
that another number of processes or another ZeRO stage can go on; process 0 adds the whole model as plain transformers
files. There is no RNG state to keep: all chance of a step is drawn from (seed, step).

The run waits for copies in host memory only; a thread writes them while it goes on.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from common import UserError, atomic_write_text
from models.loader import VisionLanguageModel
from train.backend import Backend
from train.distributed import Ranks
from train.moving_average import NAME, MovingAverage
from train.settings import ParallelSettings, TrainSettings
from train.shards import pieces_metadata, recut

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


@dataclass(frozen=True, kw_only=True)
class Copies:
    """What this process writes of a checkpoint, in host memory."""

    shard: Mapping[str, Tensor]
    pieces: Mapping[str, str]
    weights: Mapping[str, Tensor]  # of the whole model, on the process that writes them
    adapter: dict[str, Tensor]
    average: Mapping[str, Tensor]  # of a teacher that follows the policy
    record: Mapping[str, Any]


class CheckpointWriter:
    """Writes one checkpoint at a time in a thread, and forgets the oldest beyond `keep.checkpoints`."""

    def __init__(
        self,
        run: Path,
        model: VisionLanguageModel,
        backend: Backend,
        settings: TrainSettings,
        ranks: Ranks,
        average: MovingAverage | None = None,
    ):
        self.run, self.model, self.backend, self.settings = run, model, backend, settings
        self.ranks, self.average = ranks, average
        self.apart = ranks.apart()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self.writing: Future[None] | None = None

    def save(self, place: Progress) -> None:
        """Begin to write a checkpoint once the one before is written. All processes take part."""
        self.wait()
        target = checkpoint_folder(self.run, place.step)
        work = target.with_name(f".writing_{target.name}")
        with disk_trouble(self.run, place.step, work):
            if self.ranks.main:
                shutil.rmtree(work, ignore_errors=True)
                work.mkdir(parents=True)
        self.ranks.wait()
        self.writing = self.thread.submit(self.write, self.copies(place), target, work)

    def copies(self, place: Progress) -> Copies:
        """Copy what the next step will change. All processes take part."""
        backend, main = self.backend, self.ranks.main
        weights, adapter = self.model.copied(backend.gather, keeps=main)
        return Copies(
            shard={name: value.to("cpu", copy=True).contiguous() for name, value in backend.state().items()},
            pieces=pieces_metadata(backend.pieces()),
            weights=weights,
            adapter=adapter,
            average=self.average.copied() if self.average and main else {},
            record={
                "format": FORMAT,
                **asdict(place),
                "processes": self.ranks.size,
                "parallel": asdict(self.settings.parallel),
            },
        )

    def wait(self) -> None:
        """Wait until the last checkpoint is written; raises what went wrong with it."""
        if self.writing:
            self.writing.result()
        self.writing = None

    def write(self, copies: Copies, target: Path, work: Path) -> None:
        """Write this process's files; the first process names the folder once everybody's are there."""
        trouble = ""
        try:
            save_file(dict(copies.shard), work / shard_name(self.ranks), dict(copies.pieces))
            if self.ranks.main:
                self.model.write(work, copies.weights.items(), copies.adapter)
            if copies.average:
                save_file(dict(copies.average), work / NAME)
        except (OSError, SafetensorError) as error:
            trouble = str(error)
        troubles = [one for one in self.apart.gather([trouble]) if one]
        with disk_trouble(self.run, copies.record["step"], work):
            if troubles:
                raise OSError(troubles[0])
            if self.ranks.main:
                atomic_write_text(work / "state.json", json.dumps(copies.record))
                shutil.rmtree(target, ignore_errors=True)
                work.rename(target)
                for old in complete_checkpoints(self.run)[: -self.settings.keep.checkpoints]:
                    shutil.rmtree(old)


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
