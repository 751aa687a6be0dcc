"""A contact sheet: samples of the mini world, or pictures of a folder, beside their corrupted twins."""

import random
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from common import UserError
from data.images import FileImage
from data.mini.world import sample
from data.sample import IMAGE_PLACEHOLDER
from data.views import View, apply_view

PICTURE, GAP, TEXT_LINES, LINE = 128, 10, 5, 13


def tile(column: str, index: int, view: View, seed: int) -> Image.Image:
    """Return one sample: picture, corrupted picture, question and answer below."""
    drawn = sample("train", column, index)
    picture = drawn.images[0].open()
    text = f"{drawn.question.replace(IMAGE_PLACEHOLDER, '')} -> {drawn.answer}  [{drawn.tags['vision_need']}]"
    return pair(picture, apply_view(picture, view, [seed, index], drawn), f"{column}: {text}")


def pair(clean: Image.Image, corrupted: Image.Image, text: str) -> Image.Image:
    """Return two pictures side by side, scaled to fit, with a text below."""
    sheet = Image.new("RGB", (2 * PICTURE + 3 * GAP, PICTURE + 2 * GAP + TEXT_LINES * LINE), "white")
    for place, picture in enumerate((clean, corrupted)):
        if max(picture.size) > PICTURE:
            picture = ImageOps.contain(picture, (PICTURE, PICTURE))
        sheet.paste(picture, (GAP + place * (PICTURE + GAP), GAP))
    lines = textwrap.wrap(text, 44)[:TEXT_LINES]
    ImageDraw.Draw(sheet).multiline_text((GAP, PICTURE + GAP + 4), "\n".join(lines), fill="black", spacing=2)
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


def picture_sheet(folder: Path, count: int, view: View, seed: int) -> tuple[Image.Image, list[str]]:
    """`count` rows of `count` pictures drawn from a folder, and a sentence for each that does not open."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in Image.registered_extensions())
    tiles, unusable = [], []
    for index, path in enumerate(random.Random(seed).sample(paths, min(count * count, len(paths)))):
        try:
            picture = FileImage(path).open()
        except UserError as error:
            unusable.append(str(error))
            continue
        text = f"{path.relative_to(folder)} {picture.width} x {picture.height}"
        tiles.append(pair(picture, apply_view(picture, view, [seed, index]), text))
    if not tiles:
        raise UserError(f"{folder} holds no picture that opens; give a folder with pictures")
    return grid(tiles, count), unusable
