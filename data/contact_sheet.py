"""A contact sheet: samples of the mini world, or any pictures, beside their corrupted twins."""

import random
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from common import UserError
from data.images import FileImage, ImageSource
from data.mini.world import sample
from data.sample import IMAGE_PLACEHOLDER, Sample
from data.views import BARE, View, apply_view

PICTURE, GAP, TEXT_LINES, LINE = 128, 10, 5, 13
CHARACTERS = 22  # of text below one picture's width
CLEAN = "clean"

# What stands below a picture, the picture, and the problem it belongs to.
Shown = tuple[str, ImageSource, Sample]


def check_views(views: Mapping[str, View]) -> None:
    """Refuse views that no picture shows."""
    for name, view in views.items():
        view.check(name)
        if view.in_model or view.reads_salience:
            raise UserError(f"view {name} needs a model and shows on no picture; draw another one")


def tile(column: str, index: int, view: View, seed: int) -> Image.Image:
    """Return one sample: picture, corrupted picture, question and answer below."""
    drawn = sample("train", column, index)
    picture = drawn.images[0].open()
    text = f"{drawn.question.replace(IMAGE_PLACEHOLDER, '')} -> {drawn.answer}  [{drawn.tags['vision_need']}]"
    return strip([picture, apply_view(picture, view, [seed, index], drawn)], f"{column}: {text}")


def strip(pictures: Sequence[Image.Image], text: str, names: Sequence[str] = ()) -> Image.Image:
    """Return pictures side by side, scaled to fit, with their names on them and a text below."""
    sheet = Image.new("RGB", (len(pictures) * (PICTURE + GAP) + GAP, PICTURE + 2 * GAP + TEXT_LINES * LINE), "white")
    pen = ImageDraw.Draw(sheet)
    for place, picture in enumerate(pictures):
        if max(picture.size) > PICTURE:
            picture = ImageOps.contain(picture, (PICTURE, PICTURE))
        sheet.paste(picture, (GAP + place * (PICTURE + GAP), GAP))
    for place, name in enumerate(names):
        pen.text((GAP + place * (PICTURE + GAP), PICTURE + GAP + 2), name, fill="gray")
    below = PICTURE + GAP + 4 + (LINE if names else 0)
    lines = textwrap.wrap(text, CHARACTERS * len(pictures))[: TEXT_LINES - bool(names)]
    pen.multiline_text((GAP, below), "\n".join(lines), fill="black", spacing=2)
    return sheet


def contact_sheet(columns: list[str], count: int, view: View, seed: int) -> Image.Image:
    """Return one row per column of the mini world, `count` samples each."""
    return grid([tile(column, seed * count + i, view, seed) for column in columns for i in range(count)], count)


def grid(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    width, height = tiles[0].size
    sheet = Image.new("RGB", (width * columns, height * -(-len(tiles) // columns)), "white")
    for place, one in enumerate(tiles):
        sheet.paste(one, (place % columns * width, place // columns * height))
    return sheet


def folder_pictures(folder: Path, count: int, seed: int) -> list[Shown]:
    """Return at most `count` pictures drawn from a folder."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in Image.registered_extensions())
    chosen = random.Random(seed).sample(paths, min(count, len(paths)))
    return [(str(path.relative_to(folder)), FileImage(path), BARE) for path in chosen]


def picture_sheet(
    pictures: Iterable[Shown], columns: int, views: Mapping[str, View], seed: int
) -> tuple[Image.Image | None, list[str]]:
    """Return each picture beside its corrupted twins, if one opens, and a sentence for each that does not."""
    tiles, unusable = [], []
    for index, (text, image, problem) in enumerate(pictures):
        try:
            picture = image.open()
        except UserError as error:
            unusable.append(str(error))
            continue
        twins = [apply_view(picture, view, [seed, index], problem) for view in views.values()]
        tiles.append(strip([picture, *twins], f"{picture.width} x {picture.height} {text}", [CLEAN, *views]))
    return (grid(tiles, columns) if tiles else None), unusable
