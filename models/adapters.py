"""Low-rank adapters inside the model, every part at its old path; switched off they give the reference policy."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from models.families import is_language, language_path
from models.settings import LoraSettings

ADAPTER = "default"
SEED = 0


def target_layers(module: Any, targets: str) -> list[str]:
    """Full paths of the linear layers that get an adapter; bare names would also hit the vision tower's q_proj."""
    language = language_path(module)
    head = module.get_output_embeddings()
    return [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, torch.nn.Linear)
        and layer is not head
        and (targets == "all" or is_language(name, language))
    ]


def add_adapters(module: Any, settings: LoraSettings) -> None:
    """Adapters that change nothing yet; from here on they alone learn. The same numbers in every process and run."""
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        bias="none",
        target_modules=target_layers(module, settings.targets),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        inject_adapter_in_model(config, module, adapter_name=ADAPTER)
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(is_adapter(name))
    module.train(module.training)  # new layers begin in training mode


def is_adapter(name: str) -> bool:
    return ".lora_A." in name or ".lora_B." in name


def adapted_layers(module: Any) -> dict[str, Any]:
    """Return layers that carry an adapter, by path."""
    return {name: layer for name, layer in module.named_modules() if hasattr(layer, "lora_A")}


@contextmanager
def adapters_off(module: Any) -> Iterator[None]:
    """Yield the weights as they were loaded: the reference policy, without a second copy of the model."""
    layers = adapted_layers(module).values()
    # peft's own switch also changes requires_grad, which an optimiser that hooks into gradients does not survive.
    for layer in layers:
        layer._disable_adapters = True
    try:
        yield
    finally:
        for layer in layers:
            layer._disable_adapters = False


def save_adapter(module: Any, weights: dict[str, Tensor], base: str, folder: Path) -> None:
    """Write the adapter alone in peft's own format; `weights` by their names in the module."""
    config = copy.copy(module.peft_config[ADAPTER])
    config.inference_mode = True
    config.base_model_name_or_path = base
    config.save_pretrained(folder)
    plain = {f"base_model.model.{name.replace(f'.{ADAPTER}', '')}": value for name, value in weights.items()}
    save_file(plain, folder / "adapter_model.safetensors", metadata={"format": "pt"})
