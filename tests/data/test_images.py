"""Pictures from files, bytes and decoded rows: turned alike, limited alike."""

import io

import pytest
from PIL import Image

from common import UserError
from data.contact_sheet import folder_pictures, picture_sheet
from data.images import BytesImage, FileImage, PillowImage
from data.views import Blank, PatchBlack


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def halves(mode: str = "RGB") -> Image.Image:
    """Return a picture of 40 x 20 pixels whose left half is red."""
    image = Image.new("RGB", (40, 20), "blue")
    image.paste("red", (0, 0, 20, 20))
    return image.convert(mode)


def test_the_exif_turn_is_the_same_on_every_path(tmp_path):
    tag = Image.Exif()
    tag[0x112] = 6  # a quarter turn clockwise shows it upright
    content = encoded(halves(), "JPEG", quality=95, exif=tag)
    (tmp_path / "a.jpg").write_bytes(content)
    sources = FileImage(tmp_path / "a.jpg"), BytesImage(content), PillowImage(Image.open(io.BytesIO(content)))
    opened = [source.open() for source in sources]
    assert {image.size for image in opened} == {(20, 40)} and len({image.tobytes() for image in opened}) == 1
    red, _, blue = opened[0].getpixel((10, 5))
    assert red > 200 > 60 > blue  # the left half came on top


@pytest.mark.filterwarnings("error")
def test_palette_and_transparent_pictures_open_as_rgb():
    for mode in ("P", "RGBA", "LA", "1", "CMYK"):
        content = encoded(halves(mode), "TIFF" if mode == "CMYK" else "PNG")
        assert BytesImage(content).open().mode == "RGB"
    content = encoded(halves("P"), transparency=bytes([0, 255, 255]))
    assert BytesImage(content).open().getpixel((3, 3)) == halves("P").convert("RGB").getpixel((3, 3))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (encoded(Image.new("1", (3000, 4))), "3000 x 4 pixels are a strip"),
        (encoded(Image.new("1", (20_000, 20_000))), "400000000 pixels"),
        (encoded(Image.effect_noise((64, 64), 50))[:2000], "truncated"),
        (b"no picture at all", "in no picture format"),
        (b"", "in no picture format"),
    ],
    ids=["strip", "bomb", "cut", "text", "empty"],
)
def test_what_cannot_be_opened_is_one_sentence(content, said, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    for source in (BytesImage(content, "row 7"), FileImage(tmp_path / "a.png", "row 7")):
        with pytest.raises(UserError, match=said) as error:
            source.open()
        assert "row 7" in str(error.value)


def test_long_strips_that_processors_take_open():
    assert BytesImage(encoded(Image.new("1", (800, 4)))).open().size == (800, 4)
    assert BytesImage(encoded(Image.new("RGB", (187, 18)))).open().size == (187, 18)


def test_a_sheet_shows_pictures_of_a_folder_beside_their_corrupted_twins(tmp_path):
    (tmp_path / "deep").mkdir()
    halves().save(tmp_path / "deep" / "a.png")
    halves().resize((640, 320)).save(tmp_path / "b.jpg")
    (tmp_path / "c.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    views = {"blank": Blank(), "patch_black": PatchBlack(ratio=0.0)}
    sheet, unusable = picture_sheet(folder_pictures(tmp_path, 4, seed=0), 2, views, seed=0)
    assert sheet and len(unusable) == 1 and "c.png" in unusable[0]
    width, height = 3 * 128 + 4 * 10, 128 + 2 * 10 + 5 * 13
    assert sheet.size == (2 * width, height)
    for left in (0, width):
        for clean in (10, 286):
            assert (
                sheet.crop((left + clean + 2, 12, left + clean + 10, 20)).getextrema()[0][1] > 200
            )  # red on the left
        assert sheet.crop((left + 148, 10, left + 180, 26)).getextrema() == ((0, 0),) * 3
    assert picture_sheet(folder_pictures(tmp_path / "none", 4, seed=0), 2, views, seed=0) == (None, [])
