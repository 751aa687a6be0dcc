"""Image views: ways of spoiling a picture without changing its size, so that its tokens stay in place.

Every maker takes an RGB picture and a seeded generator; the size never changes. `patch_black` is PAPO's random
masking: squares counted from the top-left corner, each black with probability `ratio` (border squares are smaller).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from common import UserError
from configs import setting

Maker = Callable[[Image.Image, "ViewSettings", np.random.Generator], Image.Image]


@dataclass
class ViewSettings:
    """How a view is made."""

    kind: str = setting("patch_black", "patch_black, blank, gray, blur, gauss or none")
    size: int = setting(14, "side of a masked square in pixels (patch_black); PAPO: 14")
    ratio: float = setting(0.6, "probability that a square is masked (patch_black); PAPO: 0.6")
    strength: float = setting(6.0, "radius in pixels (blur) or standard deviation on 0..255 (gauss)")
    draw: str = setting("per_prompt", "one draw per_prompt (PAPO) or per_response")
    stage: str = setting("before_resize", "corrupt before_resize (PAPO: the raw picture) or after_resize")


def patch_black(image: Image.Image, view: ViewSettings, rng: np.random.Generator) -> Image.Image:
    pixels = np.array(image)
    height, width = pixels.shape[:2]
    drawn = rng.random((-(-height // view.size), -(-width // view.size))) < view.ratio
    masked = drawn.repeat(view.size, axis=0).repeat(view.size, axis=1)[:height, :width]
    pixels[masked] = 0
    return Image.fromarray(pixels)


def blank(image: Image.Image, view: ViewSettings, rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", image.size, (0, 0, 0))


def gray(image: Image.Image, view: ViewSettings, rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", image.size, (128, 128, 128))


def blur(image: Image.Image, view: ViewSettings, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(view.strength))


def gauss(image: Image.Image, view: ViewSettings, rng: np.random.Generator) -> Image.Image:
    noisy = np.asarray(image, dtype=np.float32) + rng.normal(0, view.strength, np.asarray(image).shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def unchanged(image: Image.Image, view: ViewSettings, rng: np.random.Generator) -> Image.Image:
    return image


MAKERS: dict[str, Maker] = {
    "patch_black": patch_black,
    "blank": blank,
    "gray": gray,
    "blur": blur,
    "gauss": gauss,
    "none": unchanged,
}


def check_view(name: str, view: ViewSettings) -> None:
    """Refuse a view that cannot be made, by name."""
    if view.kind not in MAKERS:
        raise UserError(f"view '{name}' has kind '{view.kind}'; use one of {', '.join(MAKERS)}")
    if view.draw not in ("per_prompt", "per_response"):
        raise UserError(f"view '{name}' has draw '{view.draw}'; use per_prompt or per_response")
    if view.stage not in ("before_resize", "after_resize"):
        raise UserError(f"view '{name}' has stage '{view.stage}'; use before_resize or after_resize")
    if view.size < 1 or not 0 <= view.ratio <= 1:
        raise UserError(f"view '{name}' needs size >= 1 and ratio between 0 and 1, not {view.size} and {view.ratio}")
    if view.strength < 0:
        raise UserError(f"view '{name}' needs strength >= 0, not {view.strength}")


def apply_view(image: Image.Image, view: ViewSettings, seed: int | list[int]) -> Image.Image:
    """The corrupted picture, always RGB and of the same size; equal seeds give equal pictures."""
    return MAKERS[view.kind](image.convert("RGB"), view, np.random.default_rng(seed))


def fit_pixels(image: Image.Image, min_pixels: int, max_pixels: int) -> Image.Image:
    """Scale a picture, keeping its shape, so that its area lies within the limits (before the processor rounds)."""
    area = image.width * image.height
    if min_pixels <= area <= max_pixels:
        return image
    limit, whole = (min_pixels, math.ceil) if area < min_pixels else (max_pixels, math.floor)
    scale = (limit / area) ** 0.5
    width, height = (max(1, whole(side * scale)) for side in image.size)  # to the nearest might cross the limit
    return image.resize((width, height), Image.Resampling.BICUBIC)
