"""THE common loader: `load(settings)` gives a model that encodes, scores and samples; nothing else touches a model."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging as transformers_logging

from configs import UserError
from data import Sample
from data.views import ViewSettings
from models.encode import Encoded, Encoder
from models.response import Response
from models.sampling import sample_batch
from models.scoring import Group, Scores, score_groups
from models.settings import ModelSettings, SamplingSettings

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# Families whose packed rows were shown to equal plain ones (positions, deepstack); others take the plain path.
SHARED_PREFIX_FAMILIES = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")


class VisionLanguageModel:
    """A model with its processor."""

    def __init__(self, module: Any, processor: Any, settings: ModelSettings):
        self.module = module
        self.processor = processor
        self.settings = settings
        self.tokenizer = processor.tokenizer
        self.family = module.config.model_type
        self.path = "shared" if self.family in SHARED_PREFIX_FAMILIES else "plain"
        self.uses_token_kinds = self.family in SHARED_PREFIX_FAMILIES
        self.image_token_id: int = module.config.image_token_id
        self.pad_id: int = self.tokenizer.pad_token_id
        self.eos_ids: list[int] = [self.tokenizer.eos_token_id]
        # A sampled image or padding token would be read as a picture or as nothing when the response is scored.
        names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
        ids = {getattr(module.config, name, None) for name in names} | {self.pad_id}
        self.forbidden_ids = sorted(i for i in ids if isinstance(i, int) and i not in self.eos_ids)
        self.encoder = Encoder(processor, settings, self.image_token_id)

    def encode(self, samples: Iterable[Sample], view: ViewSettings | None = None, seed: int = 0) -> list[Encoded]:
        return [self.encoder.encode(sample, view, seed) for sample in samples]

    def score(self, groups: Sequence[Group], **options: Any) -> Scores:
        return score_groups(self, groups, **{"path": self.path, **options})

    def sample(
        self, prompts: Sequence[Encoded], count: int, settings: SamplingSettings, seed: int, view: str = "clean",
        progress: Callable[[int, str], None] = lambda done, note: None,
    ) -> list[Response]:  # fmt: skip
        """`count` responses to each prompt; equal seeds and batches give equal responses."""
        responses: list[Response] = []
        step = max(1, settings.batch // count)
        for start in range(0, len(prompts), step):
            chunk = prompts[start : start + step]
            responses += sample_batch(self, chunk, count, settings, seed * 1_000_003 + start, view)
            progress(len(responses), "")
        return responses

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """What each token adds to the text."""
        return [self.tokenizer.decode([token]) for token in ids]

    def save(self, folder: Path) -> None:
        """Weights (safetensors) and processor as plain transformers files."""
        self.module.save_pretrained(folder)
        self.processor.save_pretrained(folder)


def load(settings: ModelSettings, device: str | None = None) -> VisionLanguageModel:
    """Load any image-text-to-text model that transformers knows; safetensors only."""
    source = settings.path
    if not source:
        raise UserError(f"model '{settings.name}' has no path; set model.path to a folder or a hub id")
    if settings.dtype not in DTYPES:
        raise UserError(f"model.dtype is '{settings.dtype}'; use {' or '.join(DTYPES)}")
    local = Path(source)
    if not local.exists() and (local.is_absolute() or source.startswith((".", "models/", "runs/"))):
        raise UserError(
            f"the model folder {source} does not exist; check model.path (make base remakes the tiny base)"
        )
    transformers_logging.disable_progress_bar()
    options = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    processor = AutoProcessor.from_pretrained(source, **options)
    module = AutoModelForImageTextToText.from_pretrained(
        source, dtype=DTYPES[settings.dtype], attn_implementation="sdpa", use_safetensors=True, **options
    )
    module.to(device or ("cuda" if torch.cuda.is_available() and not os.environ.get("PERCEPT_CPU") else "cpu"))
    return VisionLanguageModel(module, processor, settings)
