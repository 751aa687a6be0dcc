"""Views on pictures small enough to check by eye, and the area limits."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from common import UserError
from configs import compose
from configs.settings import options_of
from data import Sample
from data.__main__ import DataCommand
from data.images import PillowImage
from data.mini.scene import PAPER
from data.mini.world import sample
from data.views import (
    VIEWS,
    AverageValues,
    Blank,
    Blind,
    Blur,
    DiffusionNoise,
    Evidence,
    FeatureNoise,
    Gauss,
    Gray,
    Look,
    NoPicture,
    PatchBlack,
    Perspective,
    Pixelate,
    Salient,
    Unchanged,
    View,
    apply_view,
    fit_pixels,
)
from data.views.degrading import kept_signal
from data.views.source import mini_pictures, shown

SAMPLE = Sample("a", "test", "", (), "", columns={"evidence": [[0, 1], [3, 3]]})


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
    masked = pixels(apply_view(white(31, 17), PatchBlack(size=7, ratio=0.5), seed=3))
    cut = squares(masked, 7)
    assert [part.shape[:2] for part in cut[0]] == [(7, 7)] * 4 + [(7, 3)]
    assert [line[0].shape[:2] for line in cut] == [(7, 7), (7, 7), (3, 7)]
    shades = [int(part.min()) for line in cut for part in line]
    assert all((part == shade).all() for part, shade in zip([p for line in cut for p in line], shades, strict=True))
    assert set(shades) == {0, 255}
    # The border squares are drawn on their own, not as a copy of their neighbours.
    borders = [apply_view(white(31, 17), PatchBlack(size=7, ratio=0.5), seed) for seed in range(20)]
    assert any(pixels(one)[0, 27, 0] != pixels(one)[0, 28, 0] for one in borders)
    assert any(pixels(one)[13, 0, 0] != pixels(one)[14, 0, 0] for one in borders)


def test_patch_black_leaves_the_rest_and_the_original_alone() -> None:
    image = coloured()
    before = pixels(image)
    masked = pixels(apply_view(image, PatchBlack(size=6, ratio=0.5), seed=0))
    black = (masked == 0).all(axis=2)
    assert 0 < black.sum() < black.size
    assert (masked[~black] == before[~black]).all()
    assert (pixels(image) == before).all()


@pytest.mark.parametrize("ratio", [0.1, 0.6, 0.9])
def test_patch_black_masks_about_its_ratio(ratio: float) -> None:
    masked = pixels(apply_view(white(400, 400), PatchBlack(size=4, ratio=ratio), seed=1))
    share = (masked == 0).all(axis=2).mean()
    assert abs(share - ratio) < 0.02  # 10,000 squares: four standard deviations of a half are 0.02


def test_patch_black_at_the_ends_of_its_ratio() -> None:
    image = coloured()
    assert (pixels(apply_view(image, PatchBlack(ratio=0.0), seed=0)) == pixels(image)).all()
    assert (pixels(apply_view(image, PatchBlack(ratio=1.0), seed=0)) == 0).all()


def test_squares_larger_than_the_picture_are_one_square() -> None:
    seen = {pixels(apply_view(white(5, 3), PatchBlack(size=100, ratio=0.5), seed)).tobytes() for seed in range(20)}
    assert seen == {bytes(45), b"\xff" * 45}


def test_plain_views_by_hand() -> None:
    image = coloured()
    assert (pixels(apply_view(image, Blank(), 0)) == 0).all()
    assert (pixels(apply_view(image, Blank(colour="white"), 0)) == 255).all()
    assert (pixels(apply_view(image, Gray(), 0)) == 128).all()
    assert (pixels(apply_view(image, Unchanged(), 0)) == pixels(image)).all()


def test_blur_spreads_a_dot_by_its_radius() -> None:
    dot = Image.new("RGB", (41, 41))
    dot.putpixel((20, 20), (255, 255, 255))
    narrow, wide = (pixels(apply_view(dot, Blur(strength=s), 0))[20, 20, 0] for s in (1.0, 3.0))
    assert 255 > narrow > wide > 0


def test_gauss_has_its_standard_deviation_and_stays_in_range() -> None:
    middle = Image.new("RGB", (100, 100), (128, 128, 128))
    noise = pixels(apply_view(middle, Gauss(strength=20.0), 0)).astype(float) - 128
    assert abs(noise.std() - 20) < 0.5
    assert abs(noise.mean()) < 1  # cutting to whole numbers takes away a half on average
    bright = pixels(apply_view(white(100, 100), Gauss(strength=20.0), 0))
    assert bright.max() == 255
    assert bright.min() > 128  # nothing wraps around


ALONE = [kind for kind, member in VIEWS.items() if not member.reads_salience]  # the others need a model


@pytest.mark.parametrize("kind", ALONE)
@pytest.mark.parametrize("size", [(1, 1), (13, 29), (64, 48)])
def test_every_view_keeps_the_size_and_gives_rgb(kind: str, size: tuple[int, int]) -> None:
    spoiled = apply_view(coloured(*size), VIEWS[kind](), 0, SAMPLE)
    assert (spoiled.size, spoiled.mode) == (size, "RGB")


@pytest.mark.parametrize("kind", ALONE)
@pytest.mark.parametrize("mode", ["P", "1", "L", "LA", "RGBA", "CMYK"])
def test_pictures_in_other_modes_go_through_rgb_first(kind: str, mode: str) -> None:
    image = coloured(64, 48).filter(ImageFilter.GaussianBlur(2)).convert(mode)
    view = VIEWS[kind]()
    spoiled = apply_view(image, view, 2, SAMPLE)
    assert spoiled.mode == "RGB"
    assert (pixels(spoiled) == pixels(apply_view(image.convert("RGB"), view, 2, SAMPLE))).all()


def test_blurring_a_palette_picture_mixes_colours_not_palette_numbers() -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, *([0] * 297), 255, 0, 0, *([0] * 465)])  # 0 and 100 are red, 50 would be black
    image.paste(100, (10, 0, 20, 20))
    blurred = pixels(apply_view(image, Blur(strength=3.0), 0))
    assert (blurred == [255, 0, 0]).all()


def test_the_tokens_that_stand_out_most_are_masked_ties_in_order() -> None:
    """Six tokens over a picture of 9 by 4 pixels: half of them, rounded down, the highest first."""
    salience, image = np.array([[1.0, 5.0, 2.0], [5.0, 2.0, 2.0]]), white(9, 4)
    for ratio, hidden in {0.5: [(0, 1), (1, 0), (0, 2)], 0.49: [(0, 1), (1, 0)], 0.0: []}.items():
        found = pixels(apply_view(image, Salient(ratio=ratio), 0, salience=salience))
        wanted = np.full((4, 9, 3), 255)
        for row, column in hidden:
            wanted[2 * row : 2 * row + 2, 3 * column : 3 * column + 3] = 0
        assert (found == wanted).all()
    with pytest.raises(UserError, match="needs a model"):
        apply_view(image, Salient(), 0)


RANDOM = ["patch_black", "gauss", "vp_noise", "occlude", "jitter", "rotate", "zoom_crop"]


@pytest.mark.parametrize("kind", RANDOM)
def test_equal_seeds_give_equal_pictures(kind: str) -> None:
    image, view = coloured(), VIEWS[kind]()
    first, again, other = (pixels(apply_view(image, view, seed)) for seed in ([1, 7], [1, 7], [1, 8]))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize(
    ("view", "named"),
    [
        (PatchBlack(source="ours"), "source 'ours'; use own"),
        (Blind(source="unrelated"), "shows no picture"),
        (NoPicture(source="own"), "has no picture"),
        (Salient(source="unrelated"), "own picture; leave source and stage out"),
        (AverageValues(draw="per_prompt"), "depends on each response"),
    ],
)
def test_a_view_that_cannot_be_made_is_refused_by_name(view: View, named: str) -> None:
    with pytest.raises(UserError, match=f"view 'masked' .*{named}"):
        view.check("masked")


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("kind: patch_black, size: 0", r"view.size is 0; it must lie in [1, inf)"),
        ("kind: patch_black, ratio: 1.01", "view.ratio is 1.01; it must lie in [0, 1]"),
        ("kind: patch_black, ratio: -0.1", "view.ratio is -0.1; it must lie in [0, 1]"),
        ("kind: blur, strength: -1", "view.strength is -1.0; it must lie in [0, inf)"),
        ("kind: jpeg, quality: 0", "view.quality is 0; it must lie in [1, 95]"),
    ],
)
def test_an_option_outside_its_bounds_is_refused_as_it_is_read(view: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        compose(DataCommand, [f"view={{{view}}}"])
    assert str(refused.value) == said


def test_known_views_pass_and_have_few_options() -> None:
    for kind, member in VIEWS.items():
        assert member().kind == kind
        member().check("masked")
        assert len(options_of(member)) <= 9
    PatchBlack(source="column:positive").check("masked")


def test_diffusion_noise_follows_its_schedule() -> None:
    """k and the noise of steps as the authors' code gives them, t counted from 1 there (Geometry3K, 60 steps)."""
    view = DiffusionNoise(steps=500, sharpness=30, turn=2 / 3)
    assert [view.step_at(t / 60) for t in (1, 30, 36, 40, 45, 50)] == [499, 496, 440, 250, 37, 3]
    assert [round(float((1 - kept_signal()[k]) ** 0.5), 3) for k in (100, 200, 300, 400, 450, 500)] == [
        0.058,
        0.110,
        0.194,
        0.327,
        0.413,
        0.505,
    ]
    gray = Image.new("RGB", (100, 100), (128, 128, 128))
    early, late = (pixels(apply_view(gray, view, 0, progress=p)).astype(float).std() for p in (0.0, 1.0))
    assert early > 60 and late == 0


def test_pixelate_shows_as_many_blocks_as_it_leaves_pixels() -> None:
    coarse = pixels(apply_view(coloured(40, 20), Pixelate(fraction=0.1), 0))
    assert len(np.unique(coarse.reshape(-1, 3), axis=0)) == 4 * 2
    assert (coarse[:10, :10] == coarse[0, 0]).all()


def test_evidence_is_masked_or_kept_alone() -> None:
    """Cells (0, 1) and (3, 3) of four by four."""
    hidden = (pixels(apply_view(white(40, 80), Evidence(), 0, SAMPLE)) == 0).all(axis=2)
    expected = np.zeros((80, 40), dtype=bool)
    expected[:20, 10:20] = expected[60:, 30:] = True
    assert (hidden == expected).all()
    shown = (pixels(apply_view(white(40, 80), Evidence(show=True), 0, SAMPLE)) == 0).all(axis=2)
    assert (shown == ~expected).all()
    picture = coloured(40, 80)
    kept = pixels(apply_view(picture, Evidence(show=True, cover="paper"), 0, SAMPLE))
    assert (kept[expected] == pixels(picture)[expected]).all() and (kept[~expected] == PAPER).all()
    with pytest.raises(UserError, match="column 'evidence'"):
        apply_view(white(4, 4), Evidence(), 0)


def test_perspective_that_moves_nothing_is_the_picture_and_one_that_does_keeps_the_middle() -> None:
    image = Image.new("RGB", (60, 40), "red")
    assert (pixels(apply_view(image, Perspective(distortion=0.0, chance=1.0), 0)) == pixels(image)).all()
    moved = pixels(apply_view(image, Perspective(distortion=0.5, chance=1.0), 0))
    assert (moved[10:30, 15:45] == [255, 0, 0]).all() and (moved == 0).all(axis=2).any()
    assert (pixels(apply_view(image, Perspective(distortion=0.5, chance=0.0), 0)) == pixels(image)).all()


def test_noise_on_pixel_values_has_its_deviation() -> None:
    values = np.zeros((100, 100), dtype=np.float32)
    look = Look(SAMPLE, None, 0.0, np.random.default_rng(0))
    noisy = FeatureNoise(std=2.0).apply_rows(values, look)
    assert noisy.dtype == np.float32 and abs(noisy.std() - 2) < 0.05


def test_another_problems_picture_and_a_column_s() -> None:
    own = sample("train", "counting", 1)
    other = shown(own, Unchanged(source="unrelated"), [1, 2, 3], mini_pictures)
    assert other.id == own.id and other.images != own.images
    assert other.images == shown(own, Unchanged(source="unrelated"), [1, 2, 3], mini_pictures).images
    twin = PillowImage(white(5, 5))
    with_column = replace(own, columns={"positive": twin})
    assert shown(with_column, Unchanged(source="column:positive"), [1], mini_pictures).images == (twin,)
    bare = shown(own, NoPicture(), [1], mini_pictures)
    assert not bare.images and "<image>" not in bare.question
    with pytest.raises(UserError, match="column 'close_up'"):
        shown(own, Unchanged(source="column:close_up"), [1], mini_pictures)


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
