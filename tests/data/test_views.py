"""Views on pictures small enough to check by eye, and the area limits."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from common import UserError
from data.views import MAKERS, ViewSettings, apply_view, check_view, fit_pixels


def white(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), "white")


def coloured(width: int = 30, height: int = 20) -> Image.Image:
    """Random pixels, none of them black."""
    return Image.fromarray(np.random.default_rng(5).integers(1, 256, (height, width, 3), dtype=np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    return np.array(image)


def squares(image: np.ndarray, size: int) -> list[list[np.ndarray]]:
    """The picture cut into squares from the top-left corner, smaller at the right and bottom border."""
    height, width = image.shape[:2]
    return [[image[y : y + size, x : x + size] for x in range(0, width, size)] for y in range(0, height, size)]


def test_patch_black_masks_whole_squares_from_the_top_left() -> None:
    masked = pixels(apply_view(white(31, 17), ViewSettings(size=7, ratio=0.5), seed=3))
    cut = squares(masked, 7)
    assert [part.shape[:2] for part in cut[0]] == [(7, 7)] * 4 + [(7, 3)]
    assert [line[0].shape[:2] for line in cut] == [(7, 7), (7, 7), (3, 7)]
    shades = [int(part.min()) for line in cut for part in line]
    assert all((part == shade).all() for part, shade in zip([p for line in cut for p in line], shades, strict=True))
    assert set(shades) == {0, 255}
    # The border squares are drawn on their own, not as a copy of their neighbours.
    borders = [apply_view(white(31, 17), ViewSettings(size=7, ratio=0.5), seed) for seed in range(20)]
    assert any(pixels(one)[0, 27, 0] != pixels(one)[0, 28, 0] for one in borders)
    assert any(pixels(one)[13, 0, 0] != pixels(one)[14, 0, 0] for one in borders)


def test_patch_black_leaves_the_rest_and_the_original_alone() -> None:
    image = coloured()
    before = pixels(image)
    masked = pixels(apply_view(image, ViewSettings(size=6, ratio=0.5), seed=0))
    black = (masked == 0).all(axis=2)
    assert 0 < black.sum() < black.size
    assert (masked[~black] == before[~black]).all()
    assert (pixels(image) == before).all()


@pytest.mark.parametrize("ratio", [0.1, 0.6, 0.9])
def test_patch_black_masks_about_its_ratio(ratio: float) -> None:
    masked = pixels(apply_view(white(400, 400), ViewSettings(size=4, ratio=ratio), seed=1))
    share = (masked == 0).all(axis=2).mean()
    assert abs(share - ratio) < 0.02  # 10,000 squares: four standard deviations of a half are 0.02


def test_patch_black_at_the_ends_of_its_ratio() -> None:
    image = coloured()
    assert (pixels(apply_view(image, ViewSettings(ratio=0.0), seed=0)) == pixels(image)).all()
    assert (pixels(apply_view(image, ViewSettings(ratio=1.0), seed=0)) == 0).all()


def test_squares_larger_than_the_picture_are_one_square() -> None:
    seen = {pixels(apply_view(white(5, 3), ViewSettings(size=100, ratio=0.5), seed)).tobytes() for seed in range(20)}
    assert seen == {bytes(45), b"\xff" * 45}


def test_plain_views_by_hand() -> None:
    image = coloured()
    assert (pixels(apply_view(image, ViewSettings("blank"), 0)) == 0).all()
    assert (pixels(apply_view(image, ViewSettings("gray"), 0)) == 128).all()
    assert (pixels(apply_view(image, ViewSettings("none"), 0)) == pixels(image)).all()


def test_blur_spreads_a_dot_by_its_radius() -> None:
    dot = Image.new("RGB", (41, 41))
    dot.putpixel((20, 20), (255, 255, 255))
    narrow, wide = (pixels(apply_view(dot, ViewSettings("blur", strength=s), 0))[20, 20, 0] for s in (1.0, 3.0))
    assert 255 > narrow > wide > 0


def test_gauss_has_its_standard_deviation_and_stays_in_range() -> None:
    middle = Image.new("RGB", (100, 100), (128, 128, 128))
    noise = pixels(apply_view(middle, ViewSettings("gauss", strength=20.0), 0)).astype(float) - 128
    assert abs(noise.std() - 20) < 0.5
    assert abs(noise.mean()) < 1  # cutting to whole numbers takes away a half on average
    bright = pixels(apply_view(white(100, 100), ViewSettings("gauss", strength=20.0), 0))
    assert bright.max() == 255
    assert bright.min() > 128  # nothing wraps around


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("size", [(1, 1), (13, 29), (64, 48)])
def test_every_view_keeps_the_size_and_gives_rgb(kind: str, size: tuple[int, int]) -> None:
    spoiled = apply_view(coloured(*size), ViewSettings(kind), seed=0)
    assert (spoiled.size, spoiled.mode) == (size, "RGB")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "RGBA", "CMYK"])
def test_pictures_in_other_modes_go_through_rgb_first(kind: str, mode: str) -> None:
    image = coloured(64, 48).filter(ImageFilter.GaussianBlur(2)).convert(mode)
    view = ViewSettings(kind, size=5, strength=3.0)
    spoiled = apply_view(image, view, seed=2)
    assert spoiled.mode == "RGB"
    assert (pixels(spoiled) == pixels(apply_view(image.convert("RGB"), view, seed=2))).all()


def test_blurring_a_palette_picture_mixes_colours_not_palette_numbers() -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, *([0] * 297), 255, 0, 0, *([0] * 465)])  # 0 and 100 are red, 50 would be black
    image.paste(100, (10, 0, 20, 20))
    blurred = pixels(apply_view(image, ViewSettings("blur", strength=3.0), 0))
    assert (blurred == [255, 0, 0]).all()


@pytest.mark.parametrize("kind", ["patch_black", "gauss"])
def test_equal_seeds_give_equal_pictures(kind: str) -> None:
    image, view = coloured(), ViewSettings(kind, size=3)
    first, again, other = (pixels(apply_view(image, view, seed)) for seed in ([1, 7], [1, 7], [1, 8]))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "patch_white"}, "kind 'patch_white'; use one of patch_black"),
        ({"draw": "per_token"}, "draw 'per_token'"),
        ({"stage": "never"}, "stage 'never'"),
        ({"size": 0}, "size >= 1"),
        ({"ratio": 1.01}, "ratio between 0 and 1"),
        ({"ratio": -0.1}, "ratio between 0 and 1"),
        ({"strength": -1.0}, "strength >= 0"),
    ],
)
def test_a_view_that_cannot_be_made_is_refused_by_name(change: dict, named: str) -> None:
    with pytest.raises(UserError, match=f"view 'masked' .*{named}"):
        check_view("masked", replace(ViewSettings(), **change))


@pytest.mark.parametrize("kind", MAKERS)
def test_known_views_pass(kind: str) -> None:
    check_view("masked", ViewSettings(kind))


def test_fit_pixels_by_hand() -> None:
    assert fit_pixels(white(100, 50), 1000, 10_000).size == (100, 50)
    assert fit_pixels(white(100, 50), 5000, 5000).size == (100, 50)
    assert fit_pixels(white(200, 100), 1000, 5000).size == (100, 50)
    assert fit_pixels(white(50, 25), 5000, 10_000).size == (100, 50)
    assert fit_pixels(white(300, 300), 1, 10_000).size == (100, 100)  # a third is no binary fraction


@pytest.mark.parametrize("size", [(101, 103), (333, 97), (20, 7), (3, 2), (500, 499), (64, 65), (61, 1000)])
@pytest.mark.parametrize("limits", [(3136, 4000), (900, 1100), (40_000, 50_000)])
def test_fit_pixels_keeps_within_the_limits_and_the_shape(size: tuple[int, int], limits: tuple[int, int]) -> None:
    low, high = limits
    width, height = fit_pixels(white(*size), low, high).size
    assert low <= width * height <= high
    assert abs(width / height / (size[0] / size[1]) - 1) < 1.5 / min(width, height)
