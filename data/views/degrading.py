"""Views that add noise to a picture or take detail from it."""

import io
import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np
from PIL import Image, ImageFilter

from configs import setting
from data.views.base import Look, ResizedView, View


@dataclass(frozen=True, kw_only=True)
class Blur(View):
    """Gaussian blur, one of ROMA's families and of CPPO's preserving transforms (there a kernel of 3, sigma 1)."""

    kind: Literal["blur"] = "blur"
    strength: float = setting(6.0, "radius in pixels", bounds="[0, inf)")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        return image.filter(ImageFilter.GaussianBlur(self.strength))


@dataclass(frozen=True, kw_only=True)
class Gauss(View):
    """Independent noise on every pixel and colour; ROMA's unseen family in our reading."""

    kind: Literal["gauss"] = "gauss"
    strength: float = setting(6.0, "standard deviation on 0..255", bounds="[0, inf)")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        noisy = np.asarray(image, dtype=np.float32) + look.rng.normal(0, self.strength, np.asarray(image).shape)
        return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


@cache
def kept_signal() -> np.ndarray:
    """Return the variance of the picture that is left at each of 1,000 diffusion steps (sigmoid schedule)."""
    betas = (0.005 - 0.00001) / (1 + np.exp(-np.linspace(-6, 6, 1000))) + 0.00001
    return np.cumprod(1 - betas)


@dataclass(frozen=True, kw_only=True)
class DiffusionNoise(ResizedView):
    """NoisyRollout's noise (arXiv 2504.13055), as its code makes it: diffusion step k of a decaying schedule.

        x_k = sqrt(a_k) x + sqrt(1 - a_k) noise on [0, 1];  k = floor(steps (1 - sigmoid(sharpness (progress - turn))))

    Geometry3K: 500, 30, 2/3; K12: 450, 60, 1/3. The authors count steps from 1, so we are one step behind them. At
    k = 0 the picture stays as it is, where theirs has noise of about one in 255.
    """

    kind: Literal["vp_noise"] = "vp_noise"
    steps: float = setting(500.0, "diffusion steps at the beginning of training, of 1000", bounds="[0, 999]")
    sharpness: float = setting(30.0, "how suddenly the noise goes", bounds="[0, 500]")
    turn: float = setting(0.667, "progress at which half of the steps are left", bounds="[0, 1]")

    def step_at(self, progress: float) -> int:
        """Return k."""
        return math.floor(self.steps / (1 + math.exp(self.sharpness * (progress - self.turn))))

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        step = self.step_at(look.progress)
        if step == 0:
            return image
        kept, pixels = kept_signal()[step], np.asarray(image) / 255
        noisy = math.sqrt(kept) * pixels + math.sqrt(1 - kept) * look.rng.standard_normal(pixels.shape)
        return Image.fromarray((noisy.clip(0, 1) * 255).astype(np.uint8))


@dataclass(frozen=True, kw_only=True)
class FeatureNoise(View):
    """VEPO's noise on the processor's normalised pixel values (arXiv 2606.03937), as the paper means it.

    In the authors' code the noise of a prompt's responses adds up: 12 draws of 2.0 on one array are 6.93 at the end.
    """

    kind: Literal["feat_gauss"] = "feat_gauss"
    std: float = setting(2.0, "standard deviation in units of the normalised values; VEPO: 2.0", bounds="[0, inf)")
    changes_rows: ClassVar[bool] = True

    def apply_rows(self, values: np.ndarray, look: Look) -> np.ndarray:
        return values + look.rng.normal(0, self.std, values.shape).astype(values.dtype)


@dataclass(frozen=True, kw_only=True)
class Pixelate(ResizedView):
    """VA-OPD's coarse picture: bilinear down to a share of each side, nearest neighbour back up."""

    kind: Literal["pixelate"] = "pixelate"
    fraction: float = setting(0.1, "share of each side's pixels that is left; VA-OPD: 0.1", bounds="[0.0001, 1]")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        width, height = (max(1, int(side * self.fraction)) for side in image.size)
        return image.resize((width, height), Image.Resampling.BILINEAR).resize(image.size, Image.Resampling.NEAREST)


@dataclass(frozen=True, kw_only=True)
class Jpeg(ResizedView):
    """Compression, one of ROMA's families; the quality is our reading."""

    kind: Literal["jpeg"] = "jpeg"
    quality: int = setting(10, "JPEG quality", bounds="[1, 95]")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=self.quality)
        return Image.open(buffer).convert("RGB")
