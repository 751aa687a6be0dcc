"""What is said of a model: where it lies and how its prompts and pictures are made."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from common import UserError, did_you_mean
from configs import setting
from data.prompts import TEMPLATES

HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class LoraSettings:
    """Low-rank adapters in place of full training."""

    rank: int = setting(64, "rank of every adapter", bounds="[1, inf)")
    alpha: int = setting(128, "scale: alpha / rank", bounds="[1, inf)")
    targets: Literal["language", "all"] = setting("language", "linear layers of the language model, or vision too")


@dataclass(frozen=True)
class ModelSettings:
    """A model for the common loader."""

    name: str = setting("tiny", "a file of configs/models, or a folder that transformers can load")
    path: str = setting("", "folder or hub id of the weights")
    revision: str | None = setting(None, "hub revision; None = newest")
    dtype: Literal["float32", "bfloat16"] = setting("float32", "of weights and arithmetic")
    prompt: str = setting("papo", "prompt template of data/prompts.py")
    min_pixels: int = setting(
        200704, "pictures with fewer pixels are scaled up before the processor; PAPO: 256 * 28^2", bounds="[1, inf)"
    )
    max_pixels: int = setting(
        1003520, "pictures with more pixels are scaled down; PAPO: 1280 * 28^2", bounds="[1, inf)"
    )
    max_prompt_tokens: int = setting(4096, "longer prompts are left out and counted, never cut", bounds="[1, inf)")
    trust_remote_code: bool = setting(False, "run Python code that comes with the weights")
    scoring: Literal["auto", "shared", "plain"] = setting(
        "auto",
        "a group's prompt passes once (shared), or one row per response (plain), in scoring and in engine hf; auto: "
        "shared where it is exact",
    )
    gradient_checkpointing: bool = setting(False, "trade time for memory: recompute activations in the backward pass")
    freeze_vision: bool = setting(False, "the vision tower does not learn; its features are kept within a step")
    lora: LoraSettings | None = setting(None, "train adapters instead of the weights")

    def check(self, name: str = "model") -> None:
        """Refuse a prompt template that is not there, and bounds that no picture can meet."""
        if self.prompt not in TEMPLATES:
            raise UserError(f"{name}.prompt={self.prompt} is no template; {did_you_mean(self.prompt, TEMPLATES)}")
        if self.min_pixels > self.max_pixels:
            raise UserError(
                f"{name}.min_pixels={self.min_pixels} is above {name}.max_pixels={self.max_pixels}; lower the first "
                "or raise the second"
            )

    def check_place(self, name: str = "model") -> None:
        """Refuse weights that do not lie where they should, before a hub is asked for them."""
        if Path(self.path).is_file():
            raise UserError(f"{name}.path={self.path} is a file; give the folder that holds it")
        if self.path and not Path(self.path).is_dir() and not HUB_ID.fullmatch(self.path):
            raise UserError(f"there is no folder {self.path}; check {name}.path")


@dataclass(frozen=True)
class SamplingSettings:
    """Neutral by default and always explicit: nothing is taken from a model's generation_config."""

    temperature: float = setting(1.0, "0 = greedy", bounds="[0, inf)")
    top_p: float = setting(1.0, "nucleus sampling; PAPO trains with 0.99", bounds="(0, 1]")
    top_k: int = setting(0, "0 = off; PAPO-Eval hides 50", bounds="[0, inf)")
    max_new_tokens: int = setting(
        2048, "responses that reach it are cut and count as finish_reason length", bounds="[1, inf)"
    )
    batch: int = setting(256, "responses sampled side by side", bounds="[1, inf)")


@dataclass(frozen=True)
class EngineSettings:
    """What samples responses."""

    kind: Literal["hf", "vllm"] = setting("hf", "the model itself, or vLLM in the same process")
    memory_share: float = setting(0.6, "share of a GPU's memory that vLLM may take; PAPO: 0.6", bounds="(0, 1]")
    gap_bound: float | None = setting(
        None,
        "mean difference per token between the sampler's and the trainer's log-prob above which a run does not start, "
        "or stops; None = 0.05 in float32, 0.1 in bfloat16",
        bounds="(0, inf)",
    )
