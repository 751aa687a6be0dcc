"""What differs between families: where their parts lie, their special tokens, the fast paths they allow."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from common import UserError

# Families whose packed rows were shown to equal plain ones (positions, deepstack); others take the plain path.
SHARED_PREFIX_FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
# Tokens that stand for pictures or frame them, by the names that configs and processors give their ids.
PICTURE_TOKENS = (
    "image_token_id",
    "video_token_id",
    "vision_start_token_id",
    "vision_end_token_id",
    "fake_image_token_id",
    "start_image_token_id",
    "end_image_token_id",
    "boi_token_id",
    "eoi_token_id",
)
# Names under which a model is told which tokens are image tokens.
TOKEN_KINDS = ("mm_token_type_ids", "token_type_ids")
PER_TOKEN_KEYS = ("input_ids", "attention_mask", *TOKEN_KINDS)


def image_token_id(module: Any) -> int:
    """Return the token that stands, many times over, where a picture is."""
    found = getattr(module.config, "image_token_id", None)
    if not isinstance(found, int):
        raise UserError(
            f"the configuration of family {module.config.model_type} names no image_token_id; choose another model"
        )
    return found


def token_kinds_name(module: Any) -> str | None:
    """Return how the model wants to be told which tokens are image tokens; None where it need not be."""
    taken = inspect.signature(module.model.forward).parameters
    return next((name for name in TOKEN_KINDS if name in taken), None)


def prompt_positions(module: Any, ids_P: torch.Tensor, kinds_P: torch.Tensor, grid: Any) -> torch.Tensor:
    """Return the positions [3, P] that the model counts for a prompt; families without M-RoPE count tokens."""
    if not hasattr(module.model, "get_rope_index"):
        return torch.arange(len(ids_P)).expand(3, -1)
    found, _ = module.model.get_rope_index(ids_P[None], kinds_P[None], grid)
    return found[:, 0]


def end_ids(module: Any, tokenizer: Any) -> list[int]:
    """Return tokens that end an answer: the tokenizer's, then what the weights' authors add (a turn may end
    otherwise).
    """
    more = getattr(module.generation_config, "eos_token_id", None)
    listed = more if isinstance(more, list) else [more]
    return list(dict.fromkeys(i for i in (tokenizer.eos_token_id, *listed) if isinstance(i, int)))


def picture_token_ids(module: Any, processor: Any) -> set[int]:
    """Return tokens that must not be sampled: they would be read as pictures when the response is scored."""
    found = {getattr(owner, name, None) for owner in (module.config, processor) for name in PICTURE_TOKENS}
    return {i for i in found if isinstance(i, int)}


def language_path(module: Any) -> str:
    """Return where the language model lies inside the module, as a dotted path."""
    decoder = module.get_decoder()
    path = next(name for name, part in module.named_modules() if part is decoder)
    if path in ("", "model"):
        raise UserError(
            f"family {module.config.model_type} keeps its language model and its vision tower together; "
            "freeze_vision and lora cannot tell them apart, leave them off"
        )
    return path


def is_language(name: str, language: str) -> bool:
    """Return whether a parameter or layer belongs to the language model or the output head; the rest is vision."""
    return name.startswith((language + ".", "lm_head."))


@torch.no_grad()
def check_head(module: Any) -> None:
    """Refuse a family whose logits are not simply the output layer's: its scores would be wrong without notice."""
    family = module.config.model_type
    head = module.get_output_embeddings()
    if not hasattr(module, "model") or head is None or module.config.is_encoder_decoder:
        raise UserError(f"family {family} is not a decoder and an output layer; the common loader cannot score it")
    ids = torch.arange(4, device=module.device)[None]
    plain = module(input_ids=ids, use_cache=False).logits
    ours = head(module.model(input_ids=ids, use_cache=False).last_hidden_state)
    if not torch.equal(plain, ours):
        raise UserError(
            f"family {family} changes its logits after the output layer; the common loader cannot score it"
        )


def check_pictures(module: Any, inputs: Mapping[str, Any]) -> None:
    """Refuse a family whose prompts cannot share a batch; `inputs`: what its processor makes of one with a picture.

    Pictures of several prompts are joined, and `generate` gives each response its own prompt's: that works where their
    features are made before the text is read, from all that comes with the pictures.
    """
    family, name, ids = module.config.model_type, token_kinds_name(module), inputs["input_ids"]
    if name and name in inputs and not torch.equal(inputs[name], (ids == image_token_id(module)).to(inputs[name])):
        raise UserError(
            f"family {family} means something else by {name} than which tokens are image tokens; "
            "the common loader cannot score it"
        )
    tower = getattr(module.base_model, "get_image_features", None)
    taken = inspect.signature(tower).parameters if tower else {}
    late = [key for key in inputs if key not in PER_TOKEN_KEYS and key not in taken]
    if late or "mm_encoder_outputs" not in inspect.signature(module.forward).parameters:
        raise UserError(
            f"family {family} takes {late[0] if late else 'pictures'} together with the text and not before it; "
            "the common loader cannot batch its prompts"
        )
