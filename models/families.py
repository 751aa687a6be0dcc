"""What differs between families: where their parts lie, their special tokens, the fast paths they allow."""

import inspect
from typing import Any

import torch

from configs import UserError

# Families whose packed rows were shown to equal plain ones (positions, deepstack); others take the plain path.
SHARED_PREFIX_FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
# Tokens that stand for pictures or frame them, by the names that configs and processors give their ids.
PICTURE_TOKENS = (
    "image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id", "fake_image_token_id",
    "start_image_token_id", "end_image_token_id", "boi_token_id", "eoi_token_id",
)  # fmt: skip


def image_token_id(module: Any) -> int:
    """The token that stands, many times over, where a picture is."""
    found = getattr(module.config, "image_token_id", None)
    if not isinstance(found, int):
        raise UserError(
            f"the configuration of family {module.config.model_type} names no image_token_id; choose another model"
        )
    return found


def takes_token_kinds(module: Any) -> bool:
    """Whether the model must be told which tokens are image tokens."""
    return "mm_token_type_ids" in inspect.signature(module.model.forward).parameters


def end_ids(module: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: the tokenizer's, then what the weights' authors add (a turn may end otherwise)."""
    more = getattr(module.generation_config, "eos_token_id", None)
    listed = more if isinstance(more, list) else [more]
    return list(dict.fromkeys(i for i in (tokenizer.eos_token_id, *listed) if isinstance(i, int)))


def picture_token_ids(module: Any, processor: Any) -> set[int]:
    """Tokens that must not be sampled: they would be read as pictures when the response is scored."""
    found = {getattr(owner, name, None) for owner in (module.config, processor) for name in PICTURE_TOKENS}
    return {i for i in found if isinstance(i, int)}


def language_path(module: Any) -> str:
    """Where the language model lies inside the module, as a dotted path."""
    decoder = module.get_decoder()
    path = next(name for name, part in module.named_modules() if part is decoder)
    if path in ("", "model"):
        raise UserError(
            f"family {module.config.model_type} keeps its language model and its vision tower together; "
            "freeze_vision and lora cannot tell them apart, leave them off"
        )
    return path


def is_language(name: str, language: str) -> bool:
    """Whether a parameter or layer belongs to the language model or the output head; the rest is vision."""
    return name.startswith((language + ".", "lm_head."))


@torch.no_grad()
def check_head(module: Any) -> None:
    """Refuse a family whose logits are not simply the output layer's: its scores would be wrong without notice."""
    family = module.config.model_type
    head = module.get_output_embeddings()
    if not hasattr(module, "model") or head is None:
        raise UserError(f"family {family} is not a base model and an output layer; the common loader cannot score it")
    ids = torch.arange(4, device=module.device)[None]
    plain = module(input_ids=ids, use_cache=False).logits
    ours = head(module.model(input_ids=ids, use_cache=False).last_hidden_state)
    if not torch.equal(plain, ours):
        raise UserError(
            f"family {family} changes its logits after the output layer; the common loader cannot score it"
        )
