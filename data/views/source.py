"""Whose picture a view starts from: the sample's own, another problem's, one in a column, or none."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from common import UserError
from data.images import ImageSource
from data.mini.world import sample_by_id
from data.sample import IMAGE_PLACEHOLDER, Sample
from data.sources import image_source
from data.views.base import COLUMN, View

OTHER = 1 << 21  # beside the numbers of pictures: a draw's chance for another problem
PROBLEMS = 1 << 20  # of a column, among which another one is drawn
Others = Callable[[Sample, np.random.Generator], Sequence[ImageSource]]


def mini_pictures(sample: Sample, rng: np.random.Generator) -> Sequence[ImageSource]:
    """Return the picture of another problem of the same column and split of the mini world."""
    if sample.source != "mini":
        raise UserError(
            f"source unrelated knows other pictures of the mini world only, not of {sample.source}; put them in a "
            "column and use source column:<name>"
        )
    home, own = sample.id.rsplit("/", 1)
    number = int(rng.integers(PROBLEMS))
    return sample_by_id(f"{home}/{number + (number >= int(own))}").images


def in_column(sample: Sample, name: str, who: str = "a view") -> Sequence[ImageSource]:
    """Return the pictures in a column of the sample's row; `who` asks for them."""
    value: Any = sample.columns.get(name)
    if value is None:
        raise UserError(f"{who} shows the pictures in column '{name}', which sample {sample.id} lacks")
    values = value if isinstance(value, list | tuple) else [value]
    return [one if hasattr(one, "open") else image_source(one, Path(), sample.id) for one in values]


def shown(sample: Sample, view: View, seed: Sequence[int], others: Others) -> Sample:
    """Return the sample with the pictures that a view starts from; its id stays, as seeds depend on it."""
    if view.source == "own" or not sample.images:
        return sample
    if view.source == "none":
        return replace(sample, images=(), question=sample.question.replace(IMAGE_PLACEHOLDER, ""))
    if view.source.startswith(COLUMN):
        pictures = in_column(sample, view.source.removeprefix(COLUMN))
    else:
        pictures = others(sample, np.random.default_rng([*seed, OTHER]))
    if len(pictures) != len(sample.images):
        raise UserError(
            f"a view with source {view.source} has {len(pictures)} picture(s) for sample {sample.id}, which has "
            f"{len(sample.images)}; give it as many"
        )
    return replace(sample, images=tuple(pictures))
