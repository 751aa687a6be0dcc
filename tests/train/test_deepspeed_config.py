"""What DeepSpeed is asked for that no run of the tiny model shows."""

from types import SimpleNamespace

import torch

from configs import compose
from train.deepspeed_backend import KEPT_WHOLE, SMALL_MODEL, sharded_config
from train.settings import TrainSettings


def threshold(numbers: int) -> int:
    module = torch.nn.ParameterList([torch.nn.Parameter(torch.empty(numbers, device="meta"))])
    settings = compose(TrainSettings, ["scale=mini", "parallel.backend=deepspeed", "parallel.zero_stage=3"])
    config = sharded_config(settings, SimpleNamespace(module=module))
    return config["zero_optimization"]["stage3_param_persistence_threshold"]


def test_small_models_are_sharded_to_the_last_weight_and_large_ones_as_deepspeed_would():
    assert threshold(SMALL_MODEL - 1) == 0
    assert threshold(SMALL_MODEL) == KEPT_WHOLE == 100_000
