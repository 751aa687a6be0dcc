"""Which device a rank takes and in what order; nothing here needs a GPU."""

from dataclasses import replace

import pytest
import torch

from common import UserError
from configs import compose
from train import distributed
from train.settings import TrainSettings


@pytest.fixture
def gpus(monkeypatch) -> list[str]:
    """A machine with eight GPUs: what is done to them, in its order."""
    done: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "set_device", lambda number: done.append(f"set_device {number}"))
    monkeypatch.setattr(distributed, "check_kernels", lambda: done.append("first kernel"))
    return done


@pytest.mark.parametrize("backend", ["torch", "deepspeed"])
def test_a_rank_chooses_its_gpu_before_the_first_kernel(gpus, monkeypatch, backend):
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "1")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    distributed.start_ranks(backend)
    assert gpus == ["set_device 3", "first kernel"]


def test_a_rank_without_a_gpu_of_its_own_is_refused(gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "8")
    with pytest.raises(UserError, match="process 8 of this machine has no GPU"):
        distributed.start_ranks("torch")
    assert not gpus


@pytest.mark.parametrize(("cuda", "mend"), [(None, "make install GPU=1"), ("13.0", "580 or newer")])
def test_a_machine_with_a_gpu_never_trains_on_its_cpus_unasked(monkeypatch, tmp_path, cuda, mend):
    monkeypatch.delenv("PERCEPT_CPU", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(distributed, "GPU_DEVICE", tmp_path / "nvidia0")
    distributed.refuse_idle_gpu()  # no such device: a laptop
    (tmp_path / "nvidia0").touch()
    with pytest.raises(UserError, match=mend):
        distributed.refuse_idle_gpu()
    monkeypatch.setenv("PERCEPT_CPU", "1")
    distributed.refuse_idle_gpu()


def test_a_large_model_in_bfloat16_is_not_trained_on_cpus_unasked(monkeypatch):
    monkeypatch.delenv("PERCEPT_CPU", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    large, tiny = (compose(TrainSettings, [f"scale={scale}"]).model for scale in ("3b", "mini"))
    with pytest.raises(UserError, match=r"has 3\.8 B parameters in bfloat16 and PyTorch sees no GPU here"):
        distributed.refuse_large_on_cpus(large)
    distributed.refuse_large_on_cpus(replace(tiny, dtype="bfloat16"))
    distributed.refuse_large_on_cpus(replace(large, dtype="float32"))
    monkeypatch.setenv("PERCEPT_CPU", "1")
    distributed.refuse_large_on_cpus(large)
    monkeypatch.delenv("PERCEPT_CPU")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    distributed.refuse_large_on_cpus(large)


def test_slow_ranks_are_waited_for(monkeypatch):
    asked = {}
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda kind, **options: asked.update(options))
    for size in (1, 2):
        distributed.start_group(0, size)
        assert asked["timeout"].total_seconds() >= 3600


def test_vllm_compiles_no_sampler_at_its_start():
    from models.vllm_host import ENVIRONMENT

    assert ENVIRONMENT["VLLM_USE_FLASHINFER_SAMPLER"] == "0"
