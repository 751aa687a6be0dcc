"""A contact sheet: samples of the mini world beside their corrupted twins, with question and answer."""

import textwrap

from PIL import Image, ImageDraw

from data.mini.world import sample
from data.sample import IMAGE_PLACEHOLDER
from data.views import ViewSettings, apply_view

PICTURE, GAP, TEXT_LINES, LINE = 128, 10, 5, 13


def tile(column: str, index: int, view: ViewSettings, seed: int) -> Image.Image:
    """One sample: picture, corrupted picture, question and answer below."""
    drawn = sample("train", column, index)
    picture = drawn.images[0].open()
    sheet = Image.new("RGB", (2 * PICTURE + 3 * GAP, PICTURE + 2 * GAP + TEXT_LINES * LINE), "white")
    sheet.paste(picture, (GAP, GAP))
    sheet.paste(apply_view(picture, view, [seed, index]), (2 * GAP + PICTURE, GAP))
    text = f"{drawn.question.replace(IMAGE_PLACEHOLDER, '')} -> {drawn.answer}  [{drawn.tags['vision_need']}]"
    lines = textwrap.wrap(f"{column}: {text}", 44)[:TEXT_LINES]
    ImageDraw.Draw(sheet).multiline_text((GAP, PICTURE + GAP + 4), "\n".join(lines), fill="black", spacing=2)
    return sheet


def contact_sheet(columns: list[str], count: int, view: ViewSettings, seed: int) -> Image.Image:
    """One row per column of the mini world, `count` samples each."""
    tiles = [[tile(column, seed * count + i, view, seed) for i in range(count)] for column in columns]
    width, height = tiles[0][0].size
    sheet = Image.new("RGB", (width * count, height * len(columns)), "white")
    for row, line in enumerate(tiles):
        for column, one in enumerate(line):
            sheet.paste(one, (column * width, row * height))
    return sheet
