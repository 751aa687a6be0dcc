"""A model's shape: parameter counts and the widths that activations depend on, read without any weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import UserError
from configs.compose import ROOT
from models.adapters import target_layers
from models.families import SHARED_PREFIX_FAMILIES, is_language, language_path
from models.loader import refuse_impossible, without_weights
from models.settings import ModelSettings


@dataclass(frozen=True)
class Shape:
    """Parameter counts and the widths that activations depend on."""

    source: str
    vision: int
    language: int  # without embeddings and head
    embeddings: int
    trainable: int
    layers: int
    width: int
    query_width: int
    key_width: int
    inner: int
    vocabulary: int
    vision_layers: int
    vision_width: int
    vision_inner: int  # as often as the MLP keeps it
    patch: int
    merge: int
    shares_prefix: bool

    @property
    def total(self) -> int:
        return self.vision + self.language + self.embeddings


def config_source(model: ModelSettings) -> str:
    """Return a folder with config.json, our own shape of a published model, or the hub id itself."""
    refuse_impossible(model)
    if not Path(model.path).exists():
        for file in sorted((ROOT / "models" / "shapes").glob("*.json")):
            if model.path in json.loads(file.read_text())["hub_ids"]:
                return str(file)
    return model.path


def module_of(model: ModelSettings) -> Any:
    """Return the module that a model's configuration describes, without its weights."""
    try:
        return without_weights(model, config_source(model))
    except (OSError, ValueError):
        raise UserError(
            f"no shape of {model.path} to read; give a folder with config.json, connect to the "
            "hub, or add a file to configs/models/shapes"
        ) from None


def read_shape(model: ModelSettings) -> Shape:
    """Build the model without weights and count."""
    source, module = config_source(model), module_of(model)
    config = module.config
    text, eyes = config.get_text_config(), getattr(config, "vision_config", None)
    if eyes is None:
        raise UserError(f"the configuration of {model.path} has no vision_config; it cannot be estimated")
    language = language_path(module)
    sizes = {name: parameter.numel() for name, parameter in module.named_parameters()}
    vision = sum(size for name, size in sizes.items() if not is_language(name, language))
    embeddings = sum(size for name, size in sizes.items() if "embed_tokens" in name or name.startswith("lm_head."))
    head_width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    eye_width = getattr(eyes, "embed_dim", None) or eyes.hidden_size
    eye_inner = getattr(eyes, "intermediate_size", None) or int(eye_width * eyes.mlp_ratio)
    gated = any("gate_proj" in name for name in sizes if not is_language(name, language))
    return Shape(
        Path(source).relative_to(ROOT.parent).as_posix() if source.startswith(str(ROOT)) else source,
        vision,
        sum(sizes.values()) - vision - embeddings,
        embeddings,
        trainable(module, model),
        text.num_hidden_layers,
        text.hidden_size,
        text.num_attention_heads * head_width,
        text.num_key_value_heads * head_width,
        text.intermediate_size,
        text.vocab_size,
        getattr(eyes, "depth", None) or eyes.num_hidden_layers,
        eye_width,
        eye_inner * (4 if gated else 2),
        eyes.patch_size,
        getattr(eyes, "spatial_merge_size", 1),
        config.model_type in SHARED_PREFIX_FAMILIES,
    )


def trainable(module: Any, model: ModelSettings) -> int:
    """Parameters that learn: all, all but vision, or the adapters alone."""
    if model.lora:
        layers = [module.get_submodule(name) for name in target_layers(module, model.lora.targets)]
        return sum(model.lora.rank * (layer.in_features + layer.out_features) for layer in layers)
    path = language_path(module)
    learning = (p for name, p in module.named_parameters() if not model.freeze_vision or is_language(name, path))
    return sum(parameter.numel() for parameter in learning)
