"""The processes of a run: who am I, and how do we exchange what is small. One process needs no launcher.

`torchrun` and `deepspeed` say through the environment how many processes there are (RANK, WORLD_SIZE, LOCAL_RANK).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch

from common import UserError
from models.settings import ModelSettings
from models.shape import read_shape

T = TypeVar("T")
GPU_DEVICE = Path("/dev/nvidia0")
LARGE = 500_000_000  # parameters
# One rank may download weights or compile while the others wait; NCCL's own ten minutes have ended such runs.
PATIENCE = timedelta(hours=1)


@dataclass(frozen=True)
class Ranks:
    """`size` processes of which this is number `rank`."""

    rank: int = 0
    size: int = 1
    group: Any = None  # the processes' connections; None = the default ones

    @property
    def main(self) -> bool:
        """Return the process that writes what is written once."""
        return self.rank == 0

    def mine(self, items: Sequence[T]) -> list[T]:
        """Return every size-th item, so that equal shares of each mini-batch lie on each process."""
        return list(items[self.rank :: self.size])

    def gather(self, items: list[T]) -> list[T]:
        """Everybody's items, those of process 0 first, the same on every process."""
        if self.size == 1:
            return items
        parts: list[list[T]] = [[] for _ in range(self.size)]
        torch.distributed.all_gather_object(parts, items, group=self.group)
        return [item for part in parts for item in part]

    def sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return values added up over the processes; all must hold the same names."""
        if self.size == 1:
            return dict(values)
        total = torch.tensor([values[name] for name in sorted(values)], dtype=torch.float64)
        if torch.distributed.get_backend() == "nccl":
            total = total.cuda()
        torch.distributed.all_reduce(total)
        return dict(zip(sorted(values), total.tolist(), strict=True))

    def wait(self) -> None:
        """Until every process is here."""
        if self.size > 1:
            torch.distributed.barrier(group=self.group)

    def apart(self) -> "Ranks":
        """Return the same processes with CPU connections of their own, for a thread beside the steps: what they send
        each other would otherwise meet in another order on each process.
        """
        if self.size == 1:
            return self
        return replace(self, group=torch.distributed.new_group(backend="gloo", timeout=PATIENCE))


def start_ranks(backend: str) -> Ranks:
    """Return the ranks that the launcher describes; a process group where DeepSpeed will want one."""
    size, local = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    refuse_idle_gpu()
    if torch.cuda.is_available():
        claim_gpu(local)
    if backend == "torch":
        if size > 1:
            raise UserError(
                f"{size} processes were started but parallel.backend is torch; set parallel.backend=deepspeed"
            )
        return Ranks()
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}.items():
        os.environ.setdefault(name, value)
    rank = int(os.environ["RANK"])
    if not torch.distributed.is_initialized():
        start_group(rank, size)
    return Ranks(rank, size)


def refuse_idle_gpu() -> None:
    """Refuse to train on the CPUs of a machine whose GPU this PyTorch cannot use, unless PERCEPT_CPU asks for it."""
    if torch.cuda.is_available() or os.environ.get("PERCEPT_CPU") or not GPU_DEVICE.exists():
        return
    why = (
        f"is built for CUDA {torch.version.cuda} and sees none: update the NVIDIA driver (CUDA 13 needs 580 or newer) "
        "or check CUDA_VISIBLE_DEVICES"
        if torch.version.cuda
        else "is built for CPUs: run make install GPU=1"
    )
    raise UserError(
        f"this machine has a GPU ({GPU_DEVICE}), but PyTorch {torch.__version__} {why}; set PERCEPT_CPU=1 to train on "
        "its CPUs"
    )


def refuse_large_on_cpus(model: ModelSettings) -> None:
    """Refuse bfloat16 on CPUs, which only emulate it, for a model that would take days; PERCEPT_CPU asks for it."""
    if torch.cuda.is_available() or os.environ.get("PERCEPT_CPU") or model.dtype != "bfloat16":
        return
    total = read_shape(model).total
    if total > LARGE:
        raise UserError(
            f"model {model.name} has {total / 1e9:.1f} B parameters in bfloat16 and PyTorch sees no GPU here; train "
            "where one is, ask what it costs with dry_run=true, or set PERCEPT_CPU=1 to train on CPUs all the same"
        )


def claim_gpu(local: int) -> None:
    """Choose this process's own GPU before anything runs on one: else each leaves half a GiB on the first."""
    if local >= torch.cuda.device_count():
        raise UserError(
            f"process {local} of this machine has no GPU of its own ({torch.cuda.device_count()} found); start "
            "as many processes as there are GPUs"
        )
    torch.cuda.set_device(local)
    check_kernels()


def start_group(rank: int, size: int) -> None:
    """NCCL where there are GPUs, gloo on CPUs."""
    kind = "nccl" if torch.cuda.is_available() else "gloo"
    if size == 1:  # alone: no port to agree on
        store = torch.distributed.HashStore()
        torch.distributed.init_process_group(kind, store=store, rank=0, world_size=1, timeout=PATIENCE)
    else:
        torch.distributed.init_process_group(kind, rank=rank, world_size=size, timeout=PATIENCE)


def check_kernels() -> None:
    """Run one kernel: a PyTorch not built for this GPU would fail only deep inside a model."""
    try:
        torch.ones(1, device="cuda").add_(1).item()
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise UserError(
            f"PyTorch {torch.__version__} cannot run on {torch.cuda.get_device_name()} ({why}); install a build for "
            "this GPU and its driver"
        ) from None


def stop_ranks() -> None:
    """Leave the process group, if there is one."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
