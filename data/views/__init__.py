"""Views: ways of corrupting a picture, or of taking it from the model; a setting's `kind` names one of `VIEWS`."""

from typing import get_args

import numpy as np
from PIL import Image

from data.sample import Sample
from data.views.base import Look, View, fit_pixels
from data.views.degrading import Blur, DiffusionNoise, FeatureNoise, Gauss, Jpeg, Pixelate
from data.views.hiding import (
    AverageValues,
    Blank,
    Blind,
    Evidence,
    Gray,
    NoPicture,
    Occlude,
    PatchBlack,
    Salient,
    Unchanged,
    Unread,
)
from data.views.moving import Jitter, Perspective, Rotate, ZoomCrop

AnyView = (
    PatchBlack
    | Blank
    | Gray
    | NoPicture
    | Blind
    | AverageValues
    | Unread
    | Salient
    | Unchanged
    | Occlude
    | Evidence
    | Blur
    | Gauss
    | DiffusionNoise
    | FeatureNoise
    | Pixelate
    | Jpeg
    | Jitter
    | Perspective
    | Rotate
    | ZoomCrop
)
VIEWS: dict[str, type[View]] = {member.kind: member for member in get_args(AnyView)}
BARE = Sample("", "", "", (), "")  # for pictures without a problem

__all__ = [
    "VIEWS",
    "AnyView",
    "AverageValues",
    "Blank",
    "Blind",
    "Blur",
    "DiffusionNoise",
    "Evidence",
    "FeatureNoise",
    "Gauss",
    "Gray",
    "Jitter",
    "Jpeg",
    "Look",
    "NoPicture",
    "Occlude",
    "PatchBlack",
    "Perspective",
    "Pixelate",
    "Rotate",
    "Salient",
    "Unchanged",
    "Unread",
    "View",
    "ZoomCrop",
    "apply_view",
    "fit_pixels",
]


def apply_view(
    image: Image.Image,
    view: View,
    seed: int | list[int],
    sample: Sample = BARE,
    response: str | None = None,
    progress: float = 0.0,
    salience: np.ndarray | None = None,
) -> Image.Image:
    """Return the corrupted picture, always RGB and of the same size; equal seeds give equal pictures."""
    return view.apply(image.convert("RGB"), Look(sample, response, progress, np.random.default_rng(seed), salience))
