"""Views that hide parts of a picture, all of it, or the picture itself from the model."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from common import UserError
from configs import setting
from data.mini.scene import GRID, PAPER
from data.parts import Part, Span, part_spans
from data.views.base import Draw, Look, ResizedView, View


@dataclass(frozen=True, kw_only=True)
class PatchBlack(View):
    """PAPO's random masking (arXiv 2507.06448), exact: squares counted from the top-left corner, each black or not.

    Border squares are smaller. VPPO draws one mask per response, at half the squares, after the resize.
    """

    kind: Literal["patch_black"] = "patch_black"
    size: int = setting(14, "side of a masked square in pixels; PAPO: 14", bounds="[1, inf)")
    ratio: float = setting(0.6, "probability that a square is masked; PAPO: 0.6", bounds="[0, 1]")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        pixels = np.array(image)
        height, width = pixels.shape[:2]
        drawn = look.rng.random((-(-height // self.size), -(-width // self.size))) < self.ratio
        masked = drawn.repeat(self.size, axis=0).repeat(self.size, axis=1)[:height, :width]
        pixels[masked] = 0
        return Image.fromarray(pixels)


@dataclass(frozen=True, kw_only=True)
class Blank(View):
    """All black: blind training and evaluation, the upper end of every mask.

    SeePhys Pro blackens in one of its modes and whitens in others, which are not of one strength: a white picture lies
    nearer to one that people draw.
    """

    kind: Literal["blank"] = "blank"
    colour: Literal["black", "white"] = setting("black", "what the whole picture is")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        return Image.new("RGB", image.size, self.colour)


@dataclass(frozen=True, kw_only=True)
class Gray(View):
    """All mid-gray, a blank picture near the mean of the processors' normalisation."""

    kind: Literal["gray"] = "gray"

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        return Image.new("RGB", image.size, (128, 128, 128))


@dataclass(frozen=True, kw_only=True)
class NoPicture(View):
    """The question alone, exact: no pixels and no image tokens, so the prompt is shorter; ToR's second view."""

    kind: Literal["none"] = "none"
    source: str = setting("none", "none: there is no picture to choose")

    def check(self, name: str) -> None:
        super().check(name)
        if self.source != "none":
            raise UserError(f"view '{name}' is of kind none and has no picture; leave its source out")


@dataclass(frozen=True, kw_only=True)
class Blind(View):
    """PGPO's blind pass (text cannot attend to image tokens), exact: a row without them, at unchanged positions.

    Nothing that is scored sees an image token, so leaving them out gives the numbers of a mask. Can be scored, not
    sampled from.
    """

    kind: Literal["blind"] = "blind"

    def check(self, name: str) -> None:
        super().check(name)
        if self.source != "own":
            raise UserError(f"view '{name}' is of kind blind and shows no picture; leave its source out")


@dataclass(frozen=True, kw_only=True)
class AverageValues(View):
    """CFPO's counterfactual (arXiv 2606.23206), inside the model: strong attention reads the picture's average value.

    The picture stays as it is (models/averaged.py). Depends on the response, so it is drawn for each; can be scored
    without gradient, not sampled from.
    """

    kind: Literal["average_values"] = "average_values"
    draw: Draw = setting("per_response", "per_response, as it depends on what the response attends to")
    sigmas: float = setting(
        2.0, "attention above its mean by so many standard deviations is strong; CFPO: 2", bounds="[0, inf)"
    )
    mean: Literal["scalar", "vector"] = setting(
        "scalar", "average over tokens and dimensions (code) or tokens (paper)"
    )
    rows: Literal["all", "question"] = setting(
        "all", "positions that it acts on: all behind the picture, or the prompt's"
    )
    in_model: ClassVar[bool] = True

    def check(self, name: str) -> None:
        super().check(name)
        if self.draw != "per_response":
            raise UserError(f"view '{name}' depends on each response; leave its draw out")


@dataclass(frozen=True, kw_only=True)
class Unread(View):
    """The response without the part that says what it sees, behind the same picture; SRPO's second context.

    What is left keeps its tokens, so the scores of the rest line up. Tokens that are left out have no score here: they
    take the clean one. Only weights may read it.
    """

    kind: Literal["unread"] = "unread"
    part: Part = setting("perception", "part that is left out, see data/parts.py")
    in_model: ClassVar[bool] = True
    leaves_out: ClassVar[bool] = True

    def left_out(self, text: str) -> list[Span]:
        return part_spans(text, self.part)


@dataclass(frozen=True, kw_only=True)
class Unchanged(View):
    """The picture as it is: with `source`, another picture as it is; Fine-R1's positives and negatives."""

    kind: Literal["unchanged"] = "unchanged"


@dataclass(frozen=True, kw_only=True)
class Salient(ResizedView):
    """Black on the share of image tokens that stand out most in the model's own features (models/salience.py).

    An idea in the place of PAPO's semantic masking, which ranks by the attention of a second encoder (DINOv2).
    """

    kind: Literal["salient"] = "salient"
    ratio: float = setting(0.6, "share of its tokens that are masked, rounded down; PAPO: 0.6", bounds="[0, 1]")
    reads_salience: ClassVar[bool] = True

    def check(self, name: str) -> None:
        super().check(name)
        if self.source != "own" or self.stage != "after_resize":
            raise UserError(f"view '{name}' masks the tokens of the sample's own picture; leave source and stage out")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        if look.salience is None:
            raise UserError("view salient ranks a picture's tokens by a model's features; it needs a model")
        order = (-look.salience).ravel().argsort(kind="stable")
        masked = np.zeros(look.salience.size, dtype=bool)
        masked[order[: int(self.ratio * masked.size + 1e-9)]] = True
        high, wide = look.salience.shape  # in tokens
        cells, pixels = masked.reshape(high, wide), np.array(image)
        rows = np.arange(image.height) * high // image.height
        columns = np.arange(image.width) * wide // image.width
        pixels[cells[rows][:, columns]] = 0
        return Image.fromarray(pixels)


@dataclass(frozen=True, kw_only=True)
class Occlude(ResizedView):
    """CPPO's removing view (arXiv 2601.00501): random black rectangles. Their sizes are our reading."""

    kind: Literal["occlude"] = "occlude"
    count: int = setting(50, "rectangles; CPPO: 50", bounds="[0, inf)")
    largest: float = setting(0.2, "largest side of a rectangle, as a share of the picture's side", bounds="[0, 1]")

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        pixels = np.array(image)
        sides = np.array(pixels.shape[:2])
        for _ in range(self.count):
            size = np.ceil(look.rng.random(2) * self.largest * sides).astype(int)
            top, left = look.rng.integers(0, sides - size + 1)
            pixels[top : top + size[0], left : left + size[1]] = 0
        return Image.fromarray(pixels)


@dataclass(frozen=True, kw_only=True)
class Evidence(View):
    """A control that only the mini world allows: the cells that the answer rests on, kept alone or masked alone."""

    kind: Literal["evidence"] = "evidence"
    show: bool = setting(False, "false: the evidence is covered; true: all other cells are")
    cover: Literal["black", "paper"] = setting("black", "covered cells: black, or as the world leaves an empty one")

    def columns(self) -> set[str]:
        return super().columns() | {"evidence"}

    def apply(self, image: Image.Image, look: Look) -> Image.Image:
        if "evidence" not in look.sample.columns:
            raise UserError(f"view evidence needs the column 'evidence', which sample {look.sample.id} lacks")
        pixels = np.array(image)
        hidden = np.full((GRID, GRID), self.show)
        for row, column in look.sample.columns["evidence"]:
            hidden[row, column] = not self.show
        rows, columns = (np.arange(side) * GRID // side for side in pixels.shape[:2])
        pixels[hidden[rows][:, columns]] = 0 if self.cover == "black" else PAPER
        return Image.fromarray(pixels)
