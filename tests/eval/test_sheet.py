"""The contact sheet of a benchmark: every kind of picture beside its twins, and what cannot be shown is named."""

from pathlib import Path

import pytest
from PIL import Image

from common import UserError
from data.contact_sheet import GAP, PICTURE
from data.views import AverageValues, Blank, Unchanged
from eval.sheet import SheetSettings, draw
from tests.odd_pictures import odd_benchmark


def settings(folder: Path, **changed: object) -> SheetSettings:
    views = {"blank": Blank(), "same": Unchanged()}
    given = {"bench": "mathvision_mini", "data": str(folder), "views": views, "per_row": 1, "out": f"{folder}/x/s.png"}
    return SheetSettings(**(given | changed))


def test_pictures_of_every_kind_stand_beside_their_twins(tmp_path, capsys):
    draw(settings(odd_benchmark(tmp_path)))
    assert "10 pictures, each beside blank, same" in capsys.readouterr().out
    with Image.open(tmp_path / "x" / "s.png") as sheet:
        clean, black, same = (
            sheet.crop((left, 0, left + PICTURE, sheet.height))
            for left in (GAP + place * (PICTURE + GAP) for place in range(3))
        )
        height = sheet.height // 10
    for row in range(10):
        box = (2, row * height + GAP, 5, row * height + GAP + 5)
        assert clean.crop(box).tobytes() == same.crop(box).tobytes() != black.crop(box).tobytes()
        assert black.crop(box).getextrema() == ((0, 0),) * 3
    top = 9 * height + GAP  # the turned picture: its blue edge is on top
    red, _, blue = clean.getpixel((80, top + 2))
    assert blue > 200 > 60 > red


def test_a_row_without_its_picture_and_a_closed_picture_are_named(tmp_path, capsys):
    odd_benchmark(tmp_path)
    images = tmp_path / "mathvision_mini" / "images"
    (images / "tiny.png").unlink()
    (images / "bits.png").write_text("no picture")
    draw(settings(tmp_path))
    told = capsys.readouterr().out
    assert "8 pictures" in told and told.count("not on the sheet:") == 2
    assert "tiny.png" in told and "bits.png" in told


def test_a_view_inside_the_model_is_refused_before_rows_are_read(tmp_path):
    with pytest.raises(UserError, match="view hidden needs a model"):
        draw(settings(tmp_path / "none", views={"hidden": AverageValues()}))
