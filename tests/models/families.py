"""Tiny random models of every tested family, built offline: the mini world's tokenizer, each family's own parts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
)

from models.tiny.build import CHAT_TEMPLATE, build_config, build_model, build_processor, build_tokenizer

QWEN_IDS = {
    "image_token_id": "<|image_pad|>", "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>", "vision_end_token_id": "<|vision_end|>",
}  # fmt: skip


def token_ids(tokenizer: PreTrainedTokenizerFast, names: dict[str, str]) -> dict[str, int]:
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def text_settings(tokenizer: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    """A language model of 2 layers, 4 heads that share 2 key heads, and 16 numbers per head."""
    return {
        "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 1024,
        "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None, **more,
    }  # fmt: skip


def qwen_processor(kind: type, tokenizer: PreTrainedTokenizerFast) -> Any:
    half = [0.5, 0.5, 0.5]
    sizes = {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2, "image_mean": half, "image_std": half}
    limits = {"shortest_edge": 128 * 128, "longest_edge": 256 * 256}
    images, videos = Qwen2VLImageProcessor(**sizes, size=limits), Qwen2VLVideoProcessor(**sizes)
    return kind(images, tokenizer, videos, chat_template=CHAT_TEMPLATE)


def qwen2_vl() -> tuple[Any, Any]:
    """Head and embedding apart, as in the 7B."""
    tokenizer = build_tokenizer()
    rope = {"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2, "patch_size": 16,
              "spatial_merge_size": 2, "temporal_patch_size": 2}  # fmt: skip
    config = Qwen2VLConfig(
        text_config=text_settings(tokenizer, rope_parameters=rope), vision_config=vision, tie_word_embeddings=False,
        **token_ids(tokenizer, QWEN_IDS),
    )  # fmt: skip
    return Qwen2VLForConditionalGeneration(config), qwen_processor(Qwen2VLProcessor, tokenizer)


def qwen2_5_vl() -> tuple[Any, Any]:
    """Windows of 2 x 2 merged patches, so that a picture has several; tied, as in the 3B."""
    tokenizer = build_tokenizer()
    rope = {"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [2, 3, 3]}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 16,
              "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 64, "window_size": 64,
              "fullatt_block_indexes": [1]}  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=text_settings(tokenizer, rope_parameters=rope, tie_word_embeddings=True), vision_config=vision,
        tie_word_embeddings=True, **token_ids(tokenizer, QWEN_IDS),
    )  # fmt: skip
    return Qwen2_5_VLForConditionalGeneration(config), qwen_processor(Qwen2_5_VLProcessor, tokenizer)


def qwen3_vl() -> tuple[Any, Any]:
    """The tiny model of the repository: tied, features of an early vision layer added again (deepstack)."""
    tokenizer = build_tokenizer()
    return build_model(build_config(tokenizer), seed=0), build_processor(tokenizer)


def idefics3() -> tuple[Any, Any]:
    """Pictures are cut into crops of 64 pixels; pixels carry a batch axis, a padded axis of crops and a mask."""
    tokenizer = build_tokenizer()
    template = CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")
    half = [0.5, 0.5, 0.5]
    images = Idefics3ImageProcessor(
        size={"longest_edge": 128}, max_image_size={"longest_edge": 64}, image_mean=half, image_std=half
    )
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template)
    tokenizer = processor.tokenizer
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 64, "patch_size": 16}  # fmt: skip
    config = Idefics3Config(
        text_config=text_settings(tokenizer, model_type="llama"), vision_config=vision, scale_factor=2,
        tie_word_embeddings=False, pad_token_id=tokenizer.pad_token_id,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    return Idefics3ForConditionalGeneration(config), processor


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "qwen2_vl": qwen2_vl, "qwen2_5_vl": qwen2_5_vl, "qwen3_vl": qwen3_vl, "idefics3": idefics3,
}  # fmt: skip
SHARING = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


def build_family(name: str, folder: Path) -> Path:
    """Write a family's tiny model and processor as plain transformers files."""
    torch.manual_seed(0)
    module, processor = BUILDERS[name]()
    module.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
