"""A checkpoint is written beside the run: what it holds, what lies there until it is complete, who hears of errors."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from common import UserError
from train import checkpoint
from train.checkpoint import CheckpointWriter, Progress, complete_checkpoints, load_checkpoint
from train.distributed import Ranks
from train.settings import KeepSettings, ParallelSettings, TrainSettings
from train.shards import whole_pieces

LONG_S = 10.0


class Disk:
    """Writes shards once it is let, and says what is under way."""

    def __init__(self) -> None:
        self.may_write, self.began = threading.Event(), threading.Event()
        self.error: OSError | None = None

    def save_file(self, tensors: dict, path: Path, metadata: dict) -> None:
        self.began.set()
        assert self.may_write.wait(LONG_S)
        if self.error:
            raise self.error
        written(tensors, path, metadata)


written = checkpoint.save_file


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    found = Disk()
    monkeypatch.setattr(checkpoint, "save_file", found.save_file)
    return found


class Backend:
    """One parameter of two numbers."""

    gather = None

    def __init__(self) -> None:
        self.weight = torch.tensor([1.0, 2.0])

    def state(self) -> dict[str, torch.Tensor]:
        return {"0.value": self.weight}

    def pieces(self) -> list[Any]:
        return whole_pieces({"weight": 2})

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        self.weight.copy_(state["0.value"])


def writer_of(run: Path, keep: int = 1) -> tuple[CheckpointWriter, Backend]:
    backend = Backend()
    model: Any = SimpleNamespace(
        copied=lambda gather, keeps: ({"weight": backend.weight.clone()}, {}),
        write=lambda folder, weights, adapter: written(dict(weights), folder / "model.safetensors", {}),
    )
    policy: Any = backend
    settings = TrainSettings(keep=KeepSettings(checkpoints=keep))
    return CheckpointWriter(run, model, policy, settings, Ranks()), backend


def stood_at(run: Path) -> tuple[int, list[float]]:
    """Return the step and the weights that a run would go on from."""
    backend: Any = Backend()
    return load_checkpoint(run, backend, ParallelSettings(), Ranks()).step, backend.weight.tolist()


def test_training_goes_on_while_a_checkpoint_is_written_and_it_holds_what_was(tmp_path, disk):
    writer, backend = writer_of(tmp_path)
    disk.may_write.set()
    writer.save(Progress(step=1))
    writer.wait()
    disk.may_write.clear()
    backend.weight.fill_(5.0)
    writer.save(Progress(step=2))  # comes back, although nothing may be written
    backend.weight.fill_(9.0)
    # A kill now would leave the checkpoint before.
    assert stood_at(tmp_path) == (1, [1.0, 2.0]) and len(complete_checkpoints(tmp_path)) == 1
    disk.may_write.set()
    writer.wait()
    assert stood_at(tmp_path) == (2, [5.0, 5.0]) and len(complete_checkpoints(tmp_path)) == 1
    model = load_file(complete_checkpoints(tmp_path)[0] / "model.safetensors")
    assert model["weight"].tolist() == [5.0, 5.0]


def test_the_next_checkpoint_waits_for_the_one_before(tmp_path, disk):
    writer, _ = writer_of(tmp_path, keep=2)
    writer.save(Progress(step=1))
    assert disk.began.wait(LONG_S)
    second = threading.Thread(target=writer.save, args=[Progress(step=2)])
    second.start()
    second.join(0.2)
    assert second.is_alive() and [path.name for path in (tmp_path / "checkpoints").iterdir()] == [
        ".writing_step_000001"
    ]
    disk.may_write.set()
    second.join(LONG_S)
    writer.wait()
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["step_000001", "step_000002"]


def test_a_full_disk_is_said_at_the_next_checkpoint_and_leaves_the_one_before(tmp_path, disk):
    writer, _ = writer_of(tmp_path)
    disk.may_write.set()
    writer.save(Progress(step=1))
    writer.wait()
    disk.error = OSError("No space left on device")
    writer.save(Progress(step=2))
    with pytest.raises(UserError, match=r"checkpoint of step 2 could not be written \(No space left on device\)"):
        writer.save(Progress(step=3))
    assert stood_at(tmp_path) == (1, [1.0, 2.0])
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step_000001"]


def test_no_rank_names_a_checkpoint_that_another_could_not_write(tmp_path, disk):
    writer, _ = writer_of(tmp_path)
    disk.may_write.set()
    writer.apart = SimpleNamespace(gather=lambda own: [*own, "disk quota exceeded"])  # type: ignore[assignment]
    writer.save(Progress(step=1))
    with pytest.raises(UserError, match="disk quota exceeded"):
        writer.wait()
    assert complete_checkpoints(tmp_path) == []
