"""Random weights of a published shape with the tiny model's tokenizer, as a folder that every command loads."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from common import UserError, did_you_mean
from configs.compose import ROOT
from models.tiny.build import CHAT_TEMPLATE, build_tokenizer

SHAPES = ROOT / "models" / "shapes"
TOKENS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
NORM_FACTOR = 3.0  # on the last norm: random weights then give next-token distributions with some shape


def shape_config(name: str) -> Any:
    """Return the configuration of a published shape of the one family that the builder knows."""
    known = [path.stem for path in sorted(SHAPES.glob("qwen2_5_vl_*.json"))]
    if name not in known:
        raise UserError(f"no shape '{name}' to check with; {did_you_mean(name, known)}")
    return AutoConfig.from_pretrained(SHAPES / f"{name}.json")


def build(config: Any, folder: Path, device: str) -> Path:
    """Write weights, tokenizer and processor; a folder that is complete stays."""
    if (folder / "preprocessor_config.json").exists() or (folder / "processor_config.json").exists():
        return folder
    tokenizer = build_tokenizer()
    for name, token in TOKENS.items():
        setattr(config, name, tokenizer.convert_tokens_to_ids(token))
    text = config.text_config
    text.eos_token_id, text.pad_token_id, text.bos_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id, None
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            module = AutoModelForImageTextToText.from_config(config)
    finally:
        torch.set_default_dtype(default)
    module.model.language_model.norm.weight.data.mul_(NORM_FACTOR)
    half, sizes = [0.5] * 3, {"patch_size": 14, "merge_size": 2, "temporal_patch_size": 2}
    pictures = Qwen2VLImageProcessor(**sizes, image_mean=half, image_std=half)
    videos = Qwen2VLVideoProcessor(**sizes, image_mean=half, image_std=half)
    module.save_pretrained(folder)
    Qwen2_5_VLProcessor(pictures, tokenizer, videos, chat_template=CHAT_TEMPLATE).save_pretrained(folder)
    return folder
