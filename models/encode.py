"""From samples to model inputs: one `Encoded` prompt per sample and view."""

import hashlib
import math
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jinja2 import TemplateError
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from common import UserError
from common.parallel import in_order
from data import Sample
from data.images import PillowImage
from data.prompts import chat_messages
from data.sample import IMAGE_PLACEHOLDER
from data.views import Blind, Look, View, apply_view, fit_pixels
from data.views.source import Others, mini_pictures, shown
from models.families import PER_TOKEN_KEYS
from models.processing import GRID, Key, inputs_of_all, pictures_of_all
from models.settings import ModelSettings

TOGETHER = 32  # prompts that pass the processor together: all their pixels exist twice for a moment
ROWS = 1 << 20  # beside the numbers of pictures: a draw's chance for pixel values


@dataclass(frozen=True)
class Encoded:
    """A prompt ready for the model: its tokens and whatever its pictures became, by the processor's own names."""

    sample_id: str
    ids: Tensor  # [P]
    token_kinds: Tensor  # [P], 1 where an image token stands
    vision: dict[str, Tensor]  # pixel_values, image_grid_thw ...: concatenated along axis 0 when batched
    text: str = ""  # the chat template's text, one placeholder per picture, for engines with a processor of their own
    images: tuple[Image.Image, ...] = ()  # the pictures as the processor got them: under the view, within the limits
    positions_3P: Tensor | None = None  # of a blind prompt: not those that the model counts for its tokens
    salt: int = 0  # of a draw that changed the pixel values and not the pictures
    inside: View | None = None  # a view that acts in the model's layers or on the response

    @cached_property
    def digests(self) -> list[int]:
        """By the pictures themselves: a pixel is 3 bytes there, and 24 in the rows that a processor makes of it."""
        return [int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=16).digest()) for image in self.images]

    @cached_property
    def picture_keys(self) -> list[Key]:
        """Return what tells its pictures from others; for families whose pixels carry a grid."""
        grids = self.vision[GRID].tolist() if self.vision else []
        return [(self.salt, digest, *grid) for digest, grid in zip(self.digests, grids, strict=True)]

    @cached_property
    def key(self) -> tuple:
        """Return equal for prompts of which a model sees the same."""
        positions = b"" if self.positions_3P is None else self.positions_3P.numpy().tobytes()
        return (self.ids.numpy().tobytes(), positions, self.salt, self.inside, *self.digests)


def view_seed(seed: int, sample_id: str, draw: int = 0) -> list[int]:
    """Return the seed of one corruption: the same sample gets the same mask again only under the same seed and
    draw.
    """
    return [seed, zlib.crc32(sample_id.encode()), draw]


@dataclass(frozen=True)
class Drawing:
    """One draw of a view: its chance and what it may depend on."""

    view: View | None
    seed: list[int]
    response: str | None = None
    progress: float = 0.0
    salience: tuple[np.ndarray, ...] = ()  # by picture, for a view that reads it

    def at(self, stage: str, image: Image.Image, sample: Sample, number: int) -> Image.Image:
        """Return picture `number` of the sample as it leaves a stage."""
        if self.view is None or self.view.stage != stage:
            return image
        salience = self.salience[number] if self.salience else None
        return apply_view(image, self.view, [*self.seed, number], sample, self.response, self.progress, salience)

    def on_rows(self, prompt: Encoded, sample: Sample) -> Encoded:
        """Return the prompt with pixel values of this draw, and a salt that tells them from others'."""
        if self.view is None or not self.view.changes_rows or not prompt.vision:
            return prompt
        look = Look(sample, self.response, self.progress, np.random.default_rng([*self.seed, ROWS]))
        changed = torch.from_numpy(self.view.apply_rows(prompt.vision["pixel_values"].numpy(), look))
        mark = hashlib.blake2b(repr((self.view, self.seed, self.progress)).encode(), digest_size=8).digest()
        vision = {**prompt.vision, "pixel_values": changed}
        return replace(prompt, vision=vision, salt=int.from_bytes(mark))


AS_IT_IS = Drawing(None, [])


@dataclass(frozen=True)
class Unmade:
    """A prompt before the processor: its text, and its pictures under the view."""

    sample: Sample
    text: str
    images: list[Image.Image]
    look: Drawing


class Encoder:
    """Processor, template and pixel limits of one model."""

    def __init__(self, processor: Any, settings: ModelSettings, image_token_id: int):
        self.processor = processor
        self.settings = settings
        self.image_token_id = image_token_id
        self.positions: Callable[[Encoded], Tensor] | None = None  # [3, P] of a prompt; needs the model
        self.salience: Callable[[Encoded], Sequence[np.ndarray]] | None = None  # by picture; needs the model
        self.others: Others = mini_pictures
        self.one_call = threading.Lock()  # tokenizers refuse to be called by two threads at once

    def encode(
        self,
        sample: Sample,
        view: View | None = None,
        seed: int = 0,
        draw: int = 0,
        *,
        response: str | None = None,
        progress: float = 0.0,
    ) -> Encoded:
        """Return one prompt with its pictures seen through a view (None = as they are)."""
        if isinstance(view, Blind):
            return self.blind(self.encode(sample))
        if view and view.in_model:
            return replace(self.encode(sample), inside=view)
        look = Drawing(view, view_seed(seed, sample.id, draw), response, progress)
        (prompt,) = self.make([self.prepare(sample, look)])
        return prompt

    def prepare_all(self, samples: Sequence[Sample]) -> list[Unmade | UserError]:
        """Return what `prepare` makes of each as it is, in threads, or why a sample cannot be used."""

        def one(sample: Sample) -> Unmade | UserError:
            try:
                return self.prepare(sample)
            except UserError as error:
                return error

        return in_order(one, samples)

    def prepare(self, sample: Sample, look: Drawing = AS_IT_IS) -> Unmade:
        """Write a prompt's text and open its pictures, which is where a sample can turn out to be unusable."""
        if view := look.view:
            sample = shown(sample, view, look.seed, self.others)
            if view.reads_salience and not look.salience:
                look = replace(look, salience=self.ranks(view, self.encode(sample)))
        messages = chat_messages(sample, self.settings.prompt)
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        return Unmade(sample, text, self.drawn(sample, look), look)

    def make(self, prompts: Sequence[Unmade]) -> list[Encoded]:
        """Let the processor make model inputs of prompts, in one call where it can."""
        found: list[Encoded] = []
        parts = [prompts[start : start + TOGETHER] for start in range(0, len(prompts), TOGETHER)]
        with self.one_call:
            made = [one for part in parts for one in inputs_of_all(self.processor, [(p.text, p.images) for p in part])]
        for prompt, inputs in zip(prompts, made, strict=True):
            ids = inputs["input_ids"][0]
            vision = {name: value for name, value in inputs.items() if name not in PER_TOKEN_KEYS}
            kinds = (ids == self.image_token_id).long()
            encoded = Encoded(prompt.sample.id, ids, kinds, vision, prompt.text, tuple(prompt.images))
            found.append(prompt.look.on_rows(encoded, prompt.sample))
        return found

    def encode_all(self, samples: Iterable[Sample], view: View | None = None, seed: int = 0) -> list[Encoded]:
        """Return one prompt per sample, as `encode` makes them."""
        if view and (isinstance(view, Blind) or view.in_model):
            return [self.encode(sample, view, seed) for sample in samples]

        def one(sample: Sample) -> Unmade:
            return self.prepare(sample, Drawing(view, view_seed(seed, sample.id)) if view else AS_IT_IS)

        # A view that reads salience asks the model, which has one user at a time.
        return self.make(list(map(one, samples)) if view and view.reads_salience else in_order(one, list(samples)))

    def blind(self, clean: Encoded) -> Encoded:
        """Return a prompt without its image tokens, the others at the positions that they had."""
        if not clean.token_kinds.any():
            return clean
        if self.positions is None:
            raise UserError("view blind scores prompts and cannot be sampled from; use kind none or blank here")
        kept_P = clean.token_kinds == 0
        positions_3P = self.positions(clean)[:, kept_P]
        return Encoded(clean.sample_id, clean.ids[kept_P], clean.token_kinds[kept_P], {}, positions_3P=positions_3P)

    def ranks(self, view: View, clean: Encoded) -> tuple[np.ndarray, ...]:
        """Return how much the tokens of every picture of a clean prompt stand out, for a view that reads it."""
        if not view.reads_salience or not clean.vision:
            return ()
        if self.salience is None:
            raise UserError("this view ranks a picture's tokens by a model's features; use another one here")
        return tuple(self.salience(clean))

    def see_all(
        self,
        asked: Sequence[tuple[Sample, Encoded, int]],
        view: View,
        seed: int = 0,
        *,
        responses: Sequence[str | None] | None = None,
        progress: float = 0.0,
    ) -> list[Encoded]:
        """Return each sample's prompt through a view, by the number of its draw.

        `responses`: what each was answered, for views that depend on it. Where pixels carry a grid, only the pictures
        are made anew.
        """
        if isinstance(view, Blind):
            return [self.blind(clean) for _, clean, _ in asked]
        if view.in_model:
            return [replace(clean, inside=view) for _, clean, _ in asked]
        texts = responses or [None] * len(asked)
        looks = [
            Drawing(view, view_seed(seed, sample.id, draw), text, progress, self.ranks(view, clean))
            for (sample, clean, draw), text in zip(asked, texts, strict=True)
        ]
        samples = [shown(one[0], view, look.seed, self.others) for one, look in zip(asked, looks, strict=True)]
        quick = [n for n, one in enumerate(asked) if GRID in one[1].vision and samples[n].images]
        seen = self.with_new_pictures([(samples[n], asked[n][1], looks[n]) for n in quick])
        found = {n: prompt for n, prompt in zip(quick, seen, strict=True) if prompt}
        others = [n for n in range(len(asked)) if n not in found]
        made = self.make([self.prepare(asked[n][0], replace(looks[n], salience=())) for n in others])
        found |= dict(zip(others, made, strict=True))
        return [found[n] for n in range(len(asked))]

    def with_new_pictures(self, asked: Sequence[tuple[Sample, Encoded, Drawing]]) -> list[Encoded | None]:
        """Make all pictures in one call of the processor, as a call costs more than a small picture.

        None where another picture has another size, and with it the prompt another length.
        """
        if not asked:
            return []
        pictures = in_order(lambda one: self.drawn(one[0], one[2]), asked)
        made = pictures_of_all(self.processor, pictures)
        found: list[Encoded | None] = []
        for (sample, clean, look), own, vision in zip(asked, pictures, made, strict=True):
            same = torch.equal(vision[GRID], clean.vision[GRID])
            assert same or look.view is None or look.view.source != "own", f"a view resized a picture of {sample.id}"
            seen = replace(clean, vision=vision, images=tuple(own))
            found.append(look.on_rows(seen, sample) if same else None)
        return found

    def pictures(self, sample: Sample, view: View | None, seed: int, draw: int) -> list[Image.Image]:
        """Return the pictures as the processor gets them: under the view, within the limits."""
        own = view_seed(seed, sample.id, draw)
        if view:
            sample = shown(sample, view, own, self.others)
        return self.drawn(sample, Drawing(view, own))

    def drawn(self, sample: Sample, look: Drawing) -> list[Image.Image]:
        """Return the pictures of a sample that shows what its view starts from; an error names the sample."""
        images = []
        try:
            for number, source in enumerate(sample.images):
                image = look.at("before_resize", source.open(), sample, number)
                image = fit_pixels(image, self.settings.min_pixels, self.settings.max_pixels)
                images.append(look.at("after_resize", image, sample, number))
        except (ArithmeticError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
            # In a thread, nothing else on the way says whose picture it was.
            error.add_note(f"picture {len(images)} of sample {sample.id}")
            raise
        return images

    def blank_prompt(self) -> Encoded:
        """Return a prompt with the smallest picture there is."""
        limits = replace(self.settings, min_pixels=1, prompt="question_only")
        picture = PillowImage(Image.new("RGB", (32, 32), (255, 255, 255)))
        sample = Sample("blank", "blank", IMAGE_PLACEHOLDER, (picture,), "")
        return Encoder(self.processor, limits, self.image_token_id).encode(sample)

    def fits(self, prompt: Encoded) -> bool:
        """Return whether a prompt is within the length limit; longer ones are left out, never cut."""
        return len(prompt.ids) <= self.settings.max_prompt_tokens

    def response_ids(self, sample_id: str, ids: Sequence[int]) -> Tensor:
        """Return token ids of a response from a file; image tokens in it would be read as pictures, so they
        are refused.
        """
        if self.image_token_id in ids:
            raise UserError(f"the response to {sample_id} contains an image token; remove that row or resample it")
        return torch.tensor(ids, dtype=torch.long)


def check_sampled(prompts: Sequence[Encoded], pixels: bool = True) -> None:
    """Refuse prompts that an engine cannot sample behind; `pixels`: whether it takes the trainer's pixel values."""
    if any(prompt.positions_3P is not None for prompt in prompts):
        raise UserError("view blind scores prompts and cannot be sampled from; use kind none or blank here")
    if inside := next((prompt.inside for prompt in prompts if prompt.inside), None):
        kind = inside.kind  # type: ignore[attr-defined]
        raise UserError(f"view {kind} scores responses and cannot be sampled from; use another view here")
    if not pixels and any(prompt.salt for prompt in prompts):
        raise UserError("this view changes pixel values, which only engine hf takes as they are; use another view")


def check_template(encoder: Encoder) -> Encoded:
    """Return a first prompt, or a sentence on why the model cannot be asked about a picture."""
    path = encoder.settings.path
    remedy = "put a chat_template.jinja that does beside its weights, or take another model"
    if not getattr(encoder.processor, "chat_template", None):
        raise UserError(
            f"the model {path} has no chat template, so that no question can be put to it; use its instruction-tuned "
            "version, or put that one's chat_template.jinja beside its weights"
        )
    try:
        asked = encoder.blank_prompt()
    except TemplateError as error:
        raise UserError(f"the chat template of {path} cannot make a prompt ({error}); {remedy}") from None
    if not asked.token_kinds.any():
        raise UserError(f"the chat template of {path} gives a picture no place in the prompt; {remedy}")
    return asked


def batch_vision(prompts: Sequence[Encoded]) -> dict[str, Tensor]:
    """Return the pictures of several prompts in order."""
    names = {name for prompt in prompts for name in prompt.vision}
    return {name: joined([p.vision[name] for p in prompts if name in p.vision]) for name in sorted(names)}


def distinct_vision(prompts: Sequence[Encoded]) -> tuple[dict[str, Tensor], list[Key]]:
    """Return the grids of all pictures, the pixels of each distinct one, and which picture stands where."""
    keys = [key for prompt in prompts for key in prompt.picture_keys]
    if not keys:
        return {}, []
    pixels: dict[Key, Tensor] = {}
    for prompt in prompts:
        if any(key not in pixels for key in prompt.picture_keys):
            rows = prompt.vision["pixel_values"].split([math.prod(key[-3:]) for key in prompt.picture_keys])
            pixels = dict(zip(prompt.picture_keys, rows, strict=True)) | pixels
    ordered = [pixels[key] for key in dict.fromkeys(keys)]
    return {"pixel_values": torch.cat(ordered), GRID: torch.tensor([key[-3:] for key in keys])}, keys


def joined(tensors: Sequence[Tensor]) -> Tensor:
    """Concatenate along axis 0; where later axes differ (crops per prompt), zeros fill up, which families skip."""
    shape = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
    filled = []
    for tensor in tensors:
        missing = [wanted - size for wanted, size in zip(shape, tensor.shape[1:], strict=True)]
        # torch counts axes from the last one.
        filled.append(pad(tensor, [n for gap in reversed(missing) for n in (0, gap)]) if any(missing) else tensor)
    return torch.cat(filled)
