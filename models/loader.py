"""THE common loader: `load(settings)` gives a model that encodes, scores and samples; nothing else touches a model."""

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import cache, cached_property, partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
from transformers.utils import logging as transformers_logging

from common import UserError
from data import Sample
from data.views import View
from models import windows
from models.adapters import adapters_off, add_adapters, save_adapter
from models.attention import install
from models.encode import Encoded, Encoder, batch_vision, check_template, distinct_vision
from models.families import (
    SHARED_PREFIX_FAMILIES,
    check_head,
    check_pictures,
    end_ids,
    image_token_id,
    picture_token_ids,
    token_kinds_name,
)
from models.inputs import positions_of
from models.parts import Group
from models.processing import inputs_of
from models.response import Response
from models.salience import salience_of
from models.sampling import sample_plain
from models.scoring import Scorer, Scores
from models.settings import ModelSettings, SamplingSettings
from models.shared_sampling import sample_shared
from models.vision import PictureTower, freeze_vision
from models.weights import Gather, adapter_weights, named_weights, write_config, write_weights

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class VisionLanguageModel:
    """A model with its processor."""

    def __init__(self, module: Any, processor: Any, settings: ModelSettings):
        self.module = module
        self.processor = processor
        self.settings = settings
        self.tokenizer = processor.tokenizer
        self.family = module.config.model_type
        self.scoring_path = choose_scoring_path(settings, self.family)
        self.token_kinds_name = token_kinds_name(module)
        self.image_token_id: int = image_token_id(module)
        self.eos_ids: list[int] = end_ids(module, self.tokenizer)
        self.pad_id: int = self.eos_ids[0] if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
        # A sampled image or padding token would be read as a picture or as nothing when the response is scored.
        self.forbidden_ids = sorted({*picture_token_ids(module, processor), self.pad_id} - {*self.eos_ids})
        self.encoder = Encoder(processor, settings, self.image_token_id)
        self.encoder.positions = partial(positions_of, self)
        self.encoder.salience = partial(salience_of, module)
        self.pictures: PictureTower | None = None
        if self.scoring_path == "shared":
            self.pictures = PictureTower(module.model.visual, keep=vision_is_fixed(settings))
            windows.install(module.model.visual)
            install(module)
        # Whoever shards the weights (DeepSpeed) puts an engine that wraps a Scorer in its place.
        self.scorer: Callable[..., Scores] = Scorer(self)

    @cached_property
    def blank_prompt(self) -> Encoded:
        """Return what rides along with a batch that has no picture."""
        return self.encoder.blank_prompt()

    def encode(self, samples: Iterable[Sample], view: View | None = None, seed: int = 0) -> list[Encoded]:
        return self.encoder.encode_all(samples, view, seed)

    def picture_inputs(self, prompts: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """Return the pictures of prompts as the model takes them: each distinct one once, where the tower is
        ready for it.
        """
        if self.pictures:
            vision, keys = distinct_vision(prompts)
            self.pictures.expect(keys)
        else:
            vision = batch_vision(prompts)
        return {name: value.to(self.module.device) for name, value in vision.items()}

    def score(self, groups: Sequence[Group], **options: Any) -> Scores:
        """Return log-probs of every response token; the options are those of `score_groups`."""
        return self.scorer(groups, **options)

    def sample(
        self,
        prompts: Sequence[Encoded],
        count: int,
        settings: SamplingSettings,
        seed: int,
        view: str = "clean",
        progress: Callable[[int, str], None] = lambda done, note: None,
        finished: Callable[[Response], None] = lambda response: None,
        numbers: Sequence[Sequence[int]] = (),
    ) -> list[Response]:
        """`count` responses to each prompt; each is fixed by seed, sample id and its number, not by its batch.

        `numbers`: those of each prompt's `count` responses, where they are not the first ones.
        """
        one_batch = sample_shared if self.scoring_path == "shared" else sample_plain
        responses: list[Response] = []
        ks_PG = numbers or [range(count)] * len(prompts)
        width = min(count, settings.batch)
        step = settings.batch // width
        for start, begin in product(range(0, len(prompts), step), range(0, count, width)):
            ks = [own[begin : begin + width] for own in ks_PG[start : start + step]]
            part = one_batch(self, prompts[start : start + step], ks, settings, seed, view)
            for response in part:
                finished(response)
            responses += part
            progress(len(responses), "")
        return responses

    def token_texts(self, ids: Sequence[int]) -> list[str]:
        """Return what each token adds to the text."""
        return [self.tokenizer.decode([token]) for token in ids]

    def forget_pictures(self) -> None:
        """Drop the kept features of a frozen vision tower; once a step, as the next one has other pictures."""
        if self.pictures:
            self.pictures.clear()

    def without_adapters(self) -> AbstractContextManager:
        """Inside, the model is the one that was loaded: the reference policy of a run with adapters."""
        return adapters_off(self.module)

    def save(self, folder: Path, gather: Gather | None = None, writes: bool = True) -> None:
        """Write plain transformers files: whole weights with adapters merged, configuration, processor.

        Adapters also lie in folder/adapter, as peft reads them. With sharded weights every process calls this with
        `gather`, and one has `writes` set.
        """
        weights = named_weights(self.module, gather)
        adapter = adapter_weights(self.module, gather)
        if writes:
            self.write(folder, weights, adapter)
        else:
            for _ in weights:  # takes part in the gathering
                pass

    def copied(self, gather: Gather | None = None, keeps: bool = True) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return copies of the weights, and of the adapters, in host memory, as `write` takes them.

        With sharded weights every process calls this with `gather`; one has `keeps` set, and for the others it is
        empty.
        """
        weights = {n: t.to("cpu", copy=True) for n, t in named_weights(self.module, gather) if keeps}
        adapter = adapter_weights(self.module, gather)
        return weights, adapter if keeps else {}

    def write(self, folder: Path, weights: Iterable[tuple[str, Tensor]], adapter: dict[str, Tensor]) -> None:
        """Write the files of `save` with these weights."""
        folder.mkdir(parents=True, exist_ok=True)
        write_weights(weights, folder)
        write_config(self.module, folder)
        self.processor.save_pretrained(folder)
        if adapter:
            save_adapter(self.module, adapter, self.settings.path, folder / "adapter")


def vision_is_fixed(settings: ModelSettings) -> bool:
    """Return whether the vision tower stays as it was loaded for a whole run."""
    return settings.freeze_vision or (settings.lora is not None and settings.lora.targets == "language")


def refuse_impossible(settings: ModelSettings) -> None:
    """Refuse settings that no model can be loaded with."""
    source = settings.path
    if not source:
        raise UserError(f"model '{settings.name}' has no path; set model.path to a folder or a hub id")
    local = Path(source)
    if not local.exists() and (local.is_absolute() or source.startswith((".", "models/", "runs/"))):
        raise UserError(
            f"the model folder {source} does not exist; check model.path (make base remakes the tiny base)"
        )
    if settings.freeze_vision and settings.lora and settings.lora.targets == "all":
        raise UserError("model.freeze_vision and model.lora.targets=all contradict each other; set targets=language")


def load(settings: ModelSettings, device: str | None = None) -> VisionLanguageModel:
    """Load any image-text-to-text model that transformers knows; safetensors only."""
    refuse_impossible(settings)
    transformers_logging.disable_progress_bar()
    options = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    processor = AutoProcessor.from_pretrained(settings.path, **options)
    module = AutoModelForImageTextToText.from_pretrained(
        settings.path, dtype=DTYPES[settings.dtype], attn_implementation="sdpa", use_safetensors=True, **options
    )
    encoder = Encoder(processor, settings, image_token_id(module))
    blank = check_template(encoder)
    if module.config.model_type not in SHARED_PREFIX_FAMILIES:
        check_head(module)
        check_pictures(module, inputs_of(processor, blank.text, blank.images))
    if settings.gradient_checkpointing:
        # The reentrant kind gives no gradients behind inputs that need none: adapters, frozen embeddings.
        module.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if settings.freeze_vision:
        freeze_vision(module)
    if settings.lora:
        add_adapters(module, settings.lora)
    module.to(device or ("cuda" if torch.cuda.is_available() and not os.environ.get("PERCEPT_CPU") else "cpu"))
    return VisionLanguageModel(module, processor, settings)


def without_weights(settings: ModelSettings, source: str = "") -> Any:
    """Return the module of a model's configuration, or of another source's, with shapes in place of weights."""
    options = {"trust_remote_code": settings.trust_remote_code}
    config = AutoConfig.from_pretrained(source or settings.path, revision=settings.revision, **options)
    with torch.device("meta"):
        return AutoModelForImageTextToText.from_config(config, **options)


@cache
def log_once(line: str) -> None:
    """Once in a run: by its first process, however many models are loaded."""
    if os.environ.get("RANK", "0") == "0":
        print(line, file=sys.stderr, flush=True)


def choose_scoring_path(settings: ModelSettings, family: str) -> str:
    """Shared where it is exact and wanted; the slow way is said aloud, with its reason."""
    exact = family in SHARED_PREFIX_FAMILIES
    only = f"sharing a group's prompt was shown to be exact for {', '.join(SHARED_PREFIX_FAMILIES)} only"
    if settings.scoring == "shared" and not exact:
        raise UserError(f"model.scoring=shared does not fit family {family}: {only}; set model.scoring=auto")
    if settings.scoring == "plain" or not exact:
        kept = "; its vision tower is fixed, but passes again on every use" if vision_is_fixed(settings) else ""
        log_once(
            f"model {settings.name}: family {family} is scored and sampled one row per response with its own prompt "
            f"and picture; {'model.scoring=plain asks for it' if exact else only}{kept}"
        )
        return "plain"
    return "shared"
