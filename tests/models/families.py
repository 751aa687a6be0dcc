"""Tiny random models of every tested family and of some that are refused, built offline.

The tokenizer is the mini world's, all else each family's own.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    CLIPImageProcessor,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    GotOcr2ImageProcessor,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionImageProcessor,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    LlavaProcessor,
    MllamaConfig,
    MllamaForConditionalGeneration,
    MllamaImageProcessor,
    MllamaProcessor,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    SiglipImageProcessor,
)

from models.tiny.build import (
    CHAT_TEMPLATE,
    TOKENIZER_FILE,
    build_config,
    build_model,
    build_processor,
    build_tokenizer,
)

QWEN_IDS = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}


def token_ids(tokenizer: PreTrainedTokenizerFast, names: dict[str, str]) -> dict[str, int]:
    return {name: tokenizer.convert_tokens_to_ids(token) for name, token in names.items()}


def text_settings(tokenizer: PreTrainedTokenizerFast, **more: Any) -> dict[str, Any]:
    """A language model of 2 layers, 4 heads that share 2 key heads, and 16 numbers per head."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        **more,
    }


def tower_settings() -> dict[str, Any]:
    """A vision tower of 2 layers for pictures of 64 pixels, which become 16 patches."""
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
    }


def named_tokenizer(names: dict[str, str], **more: Any) -> PreTrainedTokenizerFast:
    """The same tokenizer, some of whose tokens have names that a family's processor asks for."""
    return PreTrainedTokenizerFast(
        tokenizer_file=str(TOKENIZER_FILE),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        model_max_length=1024,
        extra_special_tokens=names,
        **more,
    )


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
    vision = {
        "depth": 2,
        "embed_dim": 32,
        "hidden_size": 64,
        "num_heads": 2,
        "mlp_ratio": 2,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    }
    config = Qwen2VLConfig(
        text_config=text_settings(tokenizer, rope_parameters=rope),
        vision_config=vision,
        tie_word_embeddings=False,
        **token_ids(tokenizer, QWEN_IDS),
    )
    return Qwen2VLForConditionalGeneration(config), qwen_processor(Qwen2VLProcessor, tokenizer)


def qwen2_5_vl() -> tuple[Any, Any]:
    """Windows of 2 x 2 merged patches, so that a picture has several; tied, as in the 3B."""
    tokenizer = build_tokenizer()
    rope = {"rope_type": "default", "rope_theta": 1000.0, "mrope_section": [2, 3, 3]}
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
        "out_hidden_size": 64,
        "window_size": 64,
        "fullatt_block_indexes": [1],
    }
    config = Qwen2_5_VLConfig(
        text_config=text_settings(tokenizer, rope_parameters=rope, tie_word_embeddings=True),
        vision_config=vision,
        tie_word_embeddings=True,
        **token_ids(tokenizer, QWEN_IDS),
    )
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
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
    }
    config = Idefics3Config(
        text_config=text_settings(tokenizer, model_type="llama"),
        vision_config=vision,
        scale_factor=2,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )
    return Idefics3ForConditionalGeneration(config), processor


def llava_onevision() -> tuple[Any, Any]:
    """One picture: itself and crops of 64 pixels, side by side with a new line after each row; several: one crop each.

    Pixels count pictures, then crops; sizes stand beside them, and how many pictures each prompt has.
    """
    tokenizer = build_tokenizer()
    sizes = [[64, 64], [64, 128], [128, 64], [128, 128]]
    images = LlavaOnevisionImageProcessor(size={"height": 64, "width": 64}, image_grid_pinpoints=sizes)
    processor = LlavaOnevisionProcessor(
        images,
        tokenizer,
        LlavaOnevisionVideoProcessor(),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
    )
    vision = {"model_type": "siglip_vision_model", **tower_settings(), "vision_use_head": False}
    ids = {"image_token_index": "<|image_pad|>", "video_token_index": "<|video_pad|>"}
    config = LlavaOnevisionConfig(
        text_config=text_settings(tokenizer, model_type="qwen2"),
        vision_config=vision,
        image_grid_pinpoints=sizes,
        **token_ids(tokenizer, ids),
    )
    return LlavaOnevisionForConditionalGeneration(config), processor


def internvl() -> tuple[Any, Any]:
    """A picture is cut into up to four crops of 64 pixels and itself; pixels count the crops of all pictures."""
    tokenizer = named_tokenizer(
        {
            "start_image_token": "<|vision_start|>",
            "end_image_token": "<|vision_end|>",
            "context_image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
        }
    )
    images = GotOcr2ImageProcessor(size={"height": 64, "width": 64}, max_patches=4)
    processor = InternVLProcessor(
        images,
        tokenizer,
        InternVLVideoProcessor(),
        image_seq_length=4,
        chat_template=CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<|image_pad|>"),
    )
    config = InternVLConfig(
        text_config=text_settings(tokenizer, model_type="qwen2"),
        vision_config=tower_settings(),
        image_seq_length=4,
        tie_word_embeddings=False,
        **token_ids(tokenizer, {"image_token_id": "<|image_pad|>"}),
    )
    return InternVLForConditionalGeneration(config), processor


def gemma3() -> tuple[Any, Any]:
    """A picture's tokens see each other in both directions; every second layer looks back 32 tokens only."""
    tokenizer = named_tokenizer(
        {"boi_token": "<|vision_start|>", "eoi_token": "<|vision_end|>", "image_token": "<|image_pad|>"}
    )
    images = Gemma3ImageProcessor(size={"height": 64, "width": 64})
    processor = Gemma3Processor(
        images,
        tokenizer,
        image_seq_length=4,
        chat_template=CHAT_TEMPLATE.replace("<|vision_start|><|image_pad|><|vision_end|>", "<|vision_start|>"),
    )
    ids = {
        "boi_token_index": "<|vision_start|>",
        "eoi_token_index": "<|vision_end|>",
        "image_token_index": "<|image_pad|>",
    }
    layers = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 32}
    config = Gemma3Config(
        text_config=text_settings(tokenizer, **layers),
        mm_tokens_per_image=4,
        vision_config={**tower_settings(), "vision_use_head": False},
        **token_ids(tokenizer, ids),
    )
    module = Gemma3ForConditionalGeneration(config)
    # It begins at zero, and pictures would not matter.
    torch.nn.init.normal_(module.model.multi_modal_projector.mm_input_projection_weight)
    return module, processor


def llava() -> tuple[Any, Any]:
    """LLaVA-1.5: features of the vision tower's last layer but one, without the token of the whole picture."""
    tokenizer = build_tokenizer()
    images = CLIPImageProcessor(size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        chat_template=CHAT_TEMPLATE,
        image_token="<|image_pad|>",
        num_additional_image_tokens=1,
    )
    vision = {"model_type": "clip_vision_model", **tower_settings()}
    config = LlavaConfig(
        text_config=text_settings(tokenizer, model_type="llama"),
        vision_config=vision,
        image_seq_length=16,
        **token_ids(tokenizer, {"image_token_index": "<|image_pad|>"}),
    )
    return LlavaForConditionalGeneration(config), processor


def paligemma(template: str | None = CHAT_TEMPLATE) -> tuple[Any, Any]:
    """A prompt's tokens all see each other: 0 marks the prompt, 1 the answer, and image tokens are not told apart."""
    tokenizer = named_tokenizer({"image_token": "<|image_pad|>"}, bos_token="<|im_start|>")
    images = SiglipImageProcessor(size={"height": 64, "width": 64})
    images.image_seq_length = 16
    processor = PaliGemmaProcessor(images, tokenizer, chat_template=template)
    config = PaliGemmaConfig(
        text_config=text_settings(tokenizer, model_type="gemma"),
        projection_dim=64,
        vision_config={"model_type": "siglip_vision_model", **tower_settings(), "vision_use_head": False},
        **token_ids(tokenizer, {"image_token_index": "<|image_pad|>"}),
    )
    return PaliGemmaForConditionalGeneration(config), processor


def mllama() -> tuple[Any, Any]:
    """Pictures are read by layers of cross attention, with a mask over tokens and crops."""
    tokenizer = named_tokenizer({"image_token": "<|image_pad|>"}, bos_token="<|im_start|>")
    images = MllamaImageProcessor(size={"height": 64, "width": 64}, max_image_tiles=4)
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_global_layers": 1,
        "attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
        "max_num_tiles": 4,
        "vision_output_dim": 64,
        "intermediate_layers_indices": [0],
        "supported_aspect_ratios": [[1, 1], [2, 2]],
    }
    rope = {"rope_type": "default", "rope_theta": 1000.0}
    config = MllamaConfig(
        text_config=text_settings(tokenizer, bos_token_id=1, cross_attention_layers=[1], rope_parameters=rope),
        vision_config=vision,
        **token_ids(tokenizer, {"image_token_index": "<|image_pad|>"}),
    )
    return MllamaForConditionalGeneration(config), MllamaProcessor(images, tokenizer, chat_template=CHAT_TEMPLATE)


BUILDERS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
    "idefics3": idefics3,
    "llava_onevision": llava_onevision,
    "internvl": internvl,
    "gemma3": gemma3,
    "llava": llava,
}
SHARING = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
USUAL = ("qwen2_5_vl", "qwen3_vl", "idefics3")  # those of the paper, and one without a fast path; the others nightly


def of_families(names: Iterable[str]) -> pytest.MarkDecorator:
    """Return the parametrization of a test by family."""
    marks = {name: () if name in USUAL else pytest.mark.nightly for name in names}
    return pytest.mark.parametrize("family", [pytest.param(name, marks=marks[name]) for name in marks])


every_family = of_families(BUILDERS)
every_sharing_family = of_families(SHARING)


# What the common loader refuses, and why.
REFUSED: dict[str, tuple[Callable[[], tuple[Any, Any]], str]] = {
    "without template": (
        partial(paligemma, template=None),
        "has no chat template, so that no question can be put to it",
    ),
    "paligemma": (paligemma, "family paligemma means something else by token_type_ids"),
    "mllama": (mllama, "family mllama takes cross_attention_mask together with the text"),
}


def is_used(family: str, name: str) -> bool:
    """Whether a parameter has a part in a family's features; some lie behind the layer that is taken."""
    last = {"llava": ".vision_tower.encoder.layers.1."}
    return ".post_layernorm." not in name and last.get(family, " ") not in name


def write_family(builder: Callable[[], tuple[Any, Any]], folder: Path) -> Path:
    """A tiny model and its processor as plain transformers files."""
    torch.manual_seed(0)
    module, processor = builder()
    module.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def build_family(name: str, folder: Path) -> Path:
    return write_family(BUILDERS[name], folder)
