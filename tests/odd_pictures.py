"""Pictures of the kinds that real benchmarks hold and the mini world does not."""

import json
from pathlib import Path

from PIL import Image, ImageDraw

QUARTER_TURN = 6  # EXIF: shown after a quarter turn clockwise


def drawing(size: tuple[int, int]) -> Image.Image:
    """Return a red ellipse on white with a blue bar on its left edge, which tells a turned picture."""
    picture = Image.new("RGB", size, "white")
    width, height = size
    pen = ImageDraw.Draw(picture)
    pen.ellipse((width // 4, height // 4, 3 * width // 4, 3 * height // 4), fill="red")
    pen.rectangle((0, 0, width // 10, height), fill="blue")
    return picture


def odd_pictures(folder: Path) -> list[str]:
    """Write ten pictures and return their names: modes, thin strips, tiny ones and one turned by its EXIF tag."""
    folder.mkdir(parents=True, exist_ok=True)
    turned = Image.Exif()
    turned[0x112] = QUARTER_TURN
    plain = drawing((120, 90))
    clear = plain.convert("RGBA")
    clear.putalpha(plain.convert("L"))
    made = {
        "palette.png": (plain.convert("P"), {}),
        "clear_palette.png": (plain.convert("P"), {"transparency": bytes([0, 255])}),
        "clear.png": (clear, {}),
        "gray_clear.png": (clear.convert("LA"), {}),
        "bits.png": (plain.convert("1"), {}),
        "cmyk.jpg": (plain.convert("CMYK"), {}),
        "strip.png": (drawing((187, 18)), {}),
        "wide.png": (drawing((640, 40)), {}),
        "tiny.png": (drawing((9, 7)), {}),
        "turned.jpg": (plain, {"exif": turned}),
    }
    for name, (picture, options) in made.items():
        picture.save(folder / name, **options)
    return list(made)


def odd_benchmark(folder: Path) -> Path:
    """Write a local copy of MATH-Vision's small split whose ten rows show the pictures, and return its folder."""
    home = folder / "mathvision_mini"
    rows = [
        {
            "id": str(number),
            "question": "Is it true that the picture shows a red shape ? <image1>",
            "options": [],
            "image": f"images/{name}",
            "answer": str(number),
            "level": 1,
            "subject": "counting",
        }
        for number, name in enumerate(odd_pictures(home / "images"))
    ]
    (home / "default-testmini.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder
