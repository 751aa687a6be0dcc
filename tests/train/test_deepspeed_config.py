"""What DeepSpeed is asked for that no run of the tiny model shows."""

import sys
from types import SimpleNamespace

import pytest
import torch

import train.deepspeed_backend
from configs import compose
from train.backend import load_optimizer_state, optimizer_state
from train.deepspeed_backend import (
    KEPT_WHOLE,
    SMALL_MODEL,
    make_optimizer,
    sharded_config,
)
from train.settings import TrainSettings


def threshold(numbers: int) -> int:
    module = torch.nn.ParameterList([torch.nn.Parameter(torch.empty(numbers, device="meta"))])
    settings = compose(TrainSettings, ["scale=mini", "parallel.backend=deepspeed", "parallel.zero_stage=3"])
    config = sharded_config(settings, SimpleNamespace(module=module))
    return config["zero_optimization"]["stage3_param_persistence_threshold"]


def test_small_models_are_sharded_to_the_last_weight_and_large_ones_as_deepspeed_would():
    assert threshold(SMALL_MODEL - 1) == 0
    assert threshold(SMALL_MODEL) == KEPT_WHOLE == 100_000


@pytest.mark.parametrize("builds", [True, False])
def test_an_offloaded_optimiser_is_deepspeeds_with_all_cores(monkeypatch, builds):
    made = {}

    class Adam(torch.optim.AdamW):
        ds_opt_adam = True

        def __init__(self, parameters, *, adamw_mode, **options):
            made.update(options, adamw_mode=adamw_mode)
            super().__init__(parameters, **options)

    helper, compiled = SimpleNamespace(is_compatible=lambda: builds), list[SimpleNamespace]()
    builder = SimpleNamespace(CPUAdamBuilder=lambda: helper)
    monkeypatch.setattr(train.deepspeed_backend, "compile_once", compiled.append)
    for name, stub in {"adam": SimpleNamespace(DeepSpeedCPUAdam=Adam), "op_builder": builder}.items():
        monkeypatch.setitem(sys.modules, f"deepspeed.ops.{name}", stub)
    for name in ("deepspeed", "deepspeed.ops"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(train.deepspeed_backend.os, "sched_getaffinity", lambda _: set(range(96)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    threads: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    settings = compose(TrainSettings, ["scale=3b", "parallel.offload=optimizer"])
    optimizer = make_optimizer([torch.nn.Parameter(torch.zeros(2))], settings)
    assert compiled == [helper] * builds
    assert threads == [12] and isinstance(optimizer, Adam) == builds
    assert made == ({"lr": 1e-6, "weight_decay": 0.01, "adamw_mode": True} if builds else {})
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert type(make_optimizer([torch.nn.Parameter(torch.zeros(2))], settings)) is torch.optim.AdamW


def test_step_numbers_are_kept_as_the_optimiser_counts_them():
    weight = torch.nn.Parameter(torch.ones(2))
    moments = {"exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)}
    optimizer = torch.optim.AdamW([weight])
    optimizer.state[weight] = {"step": 7, **moments}
    state = optimizer_state([weight], optimizer)
    assert state["0.step"].item() == 7
    for flag in (True, False):
        if flag:
            optimizer.ds_opt_adam = None
        else:
            del optimizer.ds_opt_adam
        load_optimizer_state([weight], optimizer, state)
        assert isinstance(optimizer.state[weight]["step"], int if flag else torch.Tensor)
