"""Views that shift colours or move what a picture shows: CPPO's transforms (arXiv 2601.00501) with its numbers.

The published code takes them from torchvision; here they follow its definitions with draws of our own.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageEnhance

from configs import setting
from data.views.base import Look, ResizedView


@dataclass(frozen=True, kw_only=True)
class Jitter(ResizedView):
    """Brightness, contrast and saturation each times a random factor, in random order."""

    kind: Literal["jitter"] = "jitter"
    low: float = setting(0.2, "smallest factor; CPPO: 0.2", bounds="[0, inf)")
    brightness: float = setting(1.3, "largest factor of brightness; CPPO: 1.3", bounds="[0, inf)")
    contrast: float = setting(1.8, "largest factor of contrast; CPPO: 1.8", bounds="[0, inf)")
    saturation: float = setting(1.8, "largest factor of saturation; CPPO: 1.8", bounds="[0, inf)")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        changes = [
            (ImageEnhance.Brightness, self.brightness),
            (ImageEnhance.Contrast, self.contrast),
            (ImageEnhance.Color, self.saturation),
        ]
        for number in look.rng.permutation(len(changes)):
            change, high = changes[number]
            image = change(image).enhance(look.rng.uniform(self.low, max(self.low, high)))
        return image


def perspective_coefficients(corners: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Return the eight numbers by which Pillow finds, for a point of the result, its point in the picture."""
    rows, values = [], []
    for (x, y), (u, v) in zip(moved, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows, dtype=float), np.array(values, dtype=float))


@dataclass(frozen=True, kw_only=True)
class Perspective(ResizedView):
    """Every corner moves inwards by up to half the distortion of its side; black beside the picture."""

    kind: Literal["perspective"] = "perspective"
    distortion: float = setting(0.2, "share of half a side that corners move at most; CPPO: 0.2", bounds="[0, 0.99]")
    chance: float = setting(0.5, "probability that anything moves; CPPO: 0.5", bounds="[0, 1]")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        if look.rng.random() >= self.chance:
            return image
        right, low = image.width - 1, image.height - 1
        corners = np.array([(0, 0), (right, 0), (right, low), (0, low)], dtype=float)
        inwards = np.array([(1, 1), (-1, 1), (-1, -1), (1, -1)])
        shift = look.rng.random((4, 2)) * self.distortion * np.array([image.width, image.height]) / 2
        numbers = perspective_coefficients(corners, corners + inwards * shift)
        return image.transform(
            image.size, Image.Transform.PERSPECTIVE, tuple(numbers), resample=Image.Resampling.BILINEAR
        )


@dataclass(frozen=True, kw_only=True)
class Rotate(ResizedView):
    """Turned about the middle by a random angle; black where nothing is left."""

    kind: Literal["rotate"] = "rotate"
    degrees: float = setting(10.0, "largest angle either way; CPPO: 10, NoisyRollout: 15", bounds="[0, 180]")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        return image.rotate(look.rng.uniform(-self.degrees, self.degrees), resample=Image.Resampling.BILINEAR)


@dataclass(frozen=True, kw_only=True)
class ZoomCrop(ResizedView):
    """A random window of the picture, stretched to its size."""

    kind: Literal["zoom_crop"] = "zoom_crop"
    low: float = setting(0.6, "smallest share of each side; CPPO: 0.6", bounds="[0.01, 1]")
    high: float = setting(0.7, "largest share of each side; CPPO: 0.7", bounds="[0.01, 1]")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        share = look.rng.uniform(self.low, max(self.low, self.high))
        width, height = (max(1, round(side * share)) for side in image.size)
        left, top = (int(look.rng.integers(0, free + 1)) for free in (image.width - width, image.height - height))
        window = image.crop((left, top, left + width, top + height))
        return window.resize(image.size, Image.Resampling.BICUBIC)
