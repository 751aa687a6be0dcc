"""What all views have in common: when they are drawn, at which stage, and whose picture they start from."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from PIL import Image

from common import UserError
from configs import setting
from data.parts import Span
from data.sample import Sample

Draw = Literal["per_prompt", "per_response"]
Stage = Literal["before_resize", "after_resize"]
COLUMN = "column:"


class Look(NamedTuple):
    """What a view may depend on, beside its picture and its options."""

    sample: Sample
    response: str | None  # the text of the response behind the view; None where the view is not drawn for one
    progress: float  # share of the steps that are done: 0 in the first one, below 1
    rng: np.random.Generator
    salience: np.ndarray | None = None  # [rows, columns] of the picture's tokens, for views that read it


@dataclass(frozen=True, kw_only=True)
class View:
    """One way of corrupting a picture. A kind that keeps the size keeps the tokens of the prompt in place."""

    draw: Draw = setting("per_prompt", "one draw per_prompt (PAPO) or per_response (VPPO)")
    stage: Stage = setting("before_resize", "corrupt before_resize (PAPO: the raw picture) or after_resize")
    source: str = setting("own", "whose picture: own, unrelated (another problem's), column:<name>, or none at all")

    changes_rows: ClassVar[bool] = False  # `apply_rows` acts on what the processor makes of the picture
    reads_salience: ClassVar[bool] = False  # needs how much each image token stands out, which a model says
    in_model: ClassVar[bool] = False  # acts in the model's layers or on the response: scored alone, without gradient
    leaves_out: ClassVar[bool] = False  # `left_out` takes parts of the response away

    def check(self, name: str) -> None:
        """Refuse options that no picture can be made with."""
        if self.source not in ("own", "unrelated", "none") and not self.source.startswith(COLUMN):
            raise UserError(f"view '{name}' has source '{self.source}'; use own, unrelated, none or column:<name>")

    def columns(self) -> set[str]:
        """Return the columns of samples that it reads."""
        return {self.source.removeprefix(COLUMN)} if self.source.startswith(COLUMN) else set()

    def left_out(self, text: str) -> list[Span]:
        """Return where a response's text is left out, in characters."""
        return []

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        """Return the corrupted picture: RGB like the given one, and of its size."""
        return image

    def apply_rows(self, values: np.ndarray, look: Look) -> np.ndarray:
        """Return the corrupted pixel values of all pictures of a prompt, as the processor normalised them."""
        return values


@dataclass(frozen=True, kw_only=True)
class ResizedView(View):
    """Acts on the picture that the model's limits leave, as all methods but PAPO do."""

    stage: Stage = setting("after_resize", "corrupt before_resize (the raw picture) or after_resize")


def fit_pixels(image: Image.Image, min_pixels: int, max_pixels: int) -> Image.Image:
    """Return a picture scaled, shape kept, so that its area lies within the limits (before the processor rounds)."""
    area = image.width * image.height
    if min_pixels <= area <= max_pixels:
        return image
    limit, whole = (min_pixels, math.ceil) if area < min_pixels else (max_pixels, math.floor)
    scale = (limit / area) ** 0.5
    width, height = (max(1, whole(side * scale)) for side in image.size)  # to the nearest might cross the limit
    return image.resize((width, height), Image.Resampling.BICUBIC)
