"""Pictures of the mini world: 4 x 4 cells of 32 pixels, each holding one thing.

A cell is a tuple: () nothing, ("shape", shape, colour), ("glyph", character) in ink or ("glyph", character, colour),
("bar", colour, "full" or "half") or ("line", edges) with edges out of "nesw", "d" for the falling and "u" for the
rising diagonal. One cell is one image token of the tiny model (16-pixel patches merged 2 x 2), so everything visible
has an address.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

GRID = 4
CELL = 32
COLOURS = {
    "red": (214, 48, 49),
    "blue": (33, 97, 196),
    "green": (39, 160, 72),
    "yellow": (241, 196, 15),
    "purple": (136, 60, 178),
}
SHAPES = ("circle", "square", "triangle", "star")
INK = (25, 25, 25)
PAPER = (250, 250, 247)

# The seven segments of a pocket calculator, as lines between the corners of a 12 x 20 box.
SEGMENTS = {
    "a": (0, 0, 12, 0),
    "b": (12, 0, 12, 10),
    "c": (12, 10, 12, 20),
    "d": (0, 20, 12, 20),
    "e": (0, 10, 0, 20),
    "f": (0, 0, 0, 10),
    "g": (0, 10, 12, 10),
}
GLYPHS = {
    "0": "abcdef",
    "1": "bc",
    "2": "abged",
    "3": "abgcd",
    "4": "fgbc",
    "5": "afgcd",
    "6": "afgedc",
    "7": "abc",
    "8": "abcdefg",
    "9": "abcdfg",
    "A": "abcefg",
    "B": "cdefg",
    "C": "adef",
    "D": "bcdeg",
    "P": "abefg",
    "-": "g",
}

Cell = tuple[str, ...]
Cells = tuple[Cell, ...]
Place = tuple[int, int]  # row, column, from 0
PLACES: tuple[Place, ...] = tuple((row, column) for row in range(GRID) for column in range(GRID))


def draw_shape(draw: ImageDraw.ImageDraw, shape: str, colour: tuple[int, int, int]) -> None:
    """Draw one filled shape, centred in its cell."""
    if shape == "circle":
        draw.ellipse((5, 5, 26, 26), fill=colour)
    elif shape == "square":
        draw.rectangle((6, 6, 25, 25), fill=colour)
    elif shape == "triangle":
        draw.polygon([(16, 4), (27, 26), (4, 26)], fill=colour)
    else:
        angles = np.pi * (np.arange(10) / 5 - 0.5)
        radii = np.where(np.arange(10) % 2 == 0, 13.0, 5.0)
        points = zip(16 + radii * np.cos(angles), 16.5 + radii * np.sin(angles), strict=True)
        draw.polygon([(float(x), float(y)) for x, y in points], fill=colour)


def draw_glyph(draw: ImageDraw.ImageDraw, character: str, colour: tuple[int, int, int]) -> None:
    """Draw a digit, an option letter or an operation sign."""
    if character == "+":
        draw.line((8, 16, 24, 16), fill=colour, width=3)
        draw.line((16, 8, 16, 24), fill=colour, width=3)
    elif character == "?":
        draw.line([(10, 10), (14, 6), (21, 8), (21, 13), (16, 17), (16, 20)], fill=colour, width=3)
        draw.rectangle((15, 23, 17, 25), fill=colour)
    else:
        for segment in GLYPHS[character]:
            x0, y0, x1, y1 = SEGMENTS[segment]
            draw.line((10 + x0, 6 + y0, 10 + x1, 6 + y1), fill=colour, width=3)


def draw_lines(draw: ImageDraw.ImageDraw, edges: str) -> None:
    """Draw parts of an outline: the named edges of the cell, or one of its diagonals."""
    ends = {
        "n": (0, 1, 31, 1),
        "s": (0, 30, 31, 30),
        "w": (1, 0, 1, 31),
        "e": (30, 0, 30, 31),
        "d": (0, 0, 31, 31),
        "u": (0, 31, 31, 0),
    }
    for edge in edges:
        draw.line(ends[edge], fill=INK, width=2)


@lru_cache(maxsize=512)
def sprite(cell: Cell) -> np.ndarray:
    """Return the 32 x 32 pixels of one cell; cached, so a picture costs sixteen copies."""
    image = Image.new("RGB", (CELL, CELL), PAPER)
    draw = ImageDraw.Draw(image)
    if cell and cell[0] == "shape":
        draw_shape(draw, cell[1], COLOURS[cell[2]])
    elif cell and cell[0] == "glyph":
        draw_glyph(draw, cell[1], COLOURS[cell[2]] if len(cell) > 2 else INK)
    elif cell and cell[0] == "bar":
        draw.rectangle((6, 0 if cell[2] == "full" else 16, 25, 31), fill=COLOURS[cell[1]])
    elif cell:
        draw_lines(draw, cell[1])
    return np.asarray(image)


def describe_cell(cell: Cell) -> str:
    """Return what a reader would say stands in a cell (the answer of a probe question)."""
    if not cell:
        return "nothing"
    if cell[0] == "shape":
        return f"{cell[2]} {cell[1]}"
    if cell[0] == "bar":
        return f"{cell[1]} bar" if cell[2] == "full" else f"half {cell[1]} bar"
    if cell[0] == "glyph":
        return f"{cell[2]} {cell[1]}" if len(cell) > 2 else cell[1]
    return "line"


@dataclass(frozen=True)
class Scene:
    """One picture, known cell by cell; an `ImageSource`."""

    cells: Cells

    def pixels(self) -> np.ndarray:
        """Height x width x RGB, 0 to 255."""
        rows = [
            np.concatenate([sprite(c) for c in self.cells[r * GRID : (r + 1) * GRID]], axis=1) for r in range(GRID)
        ]
        return np.concatenate(rows, axis=0)

    def open(self) -> Image.Image:
        return Image.fromarray(self.pixels())

    def key(self) -> str:
        """Return a text that is equal for equal pictures only."""
        return "|".join("/".join(cell) for cell in self.cells)


def scene_from(placed: dict[Place, Cell]) -> Scene:
    """Return a scene from {(row, column): cell}; every other cell is empty."""
    return Scene(tuple(placed.get(place, ()) for place in PLACES))
