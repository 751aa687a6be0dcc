"""Pictures found again: planted copies are, distinct pictures are not, and everything is counted."""

import io
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from common import UserError, write_jsonl
from data.contamination import ContaminationSettings, check, compare, pictures_of
from data.fingerprints import close_pairs, difference, fingerprint, variants
from data.mini import world
from data.sources import DataSettings

ROOT = Path(__file__).parent.parent.parent


def pictures(split: str, count: int) -> list[Image.Image]:
    """Distinct pictures of the mini world."""
    found = {world.picture_key(one): one.images[0] for one in islice(world.stream(split), 2 * count)}
    return [scene.open() for scene in islice(found.values(), count)]


def texture(seed: int) -> Image.Image:
    """Coloured clouds of several sizes, as far from each other as photographs are."""
    rng = np.random.default_rng(seed)
    total = np.zeros((180, 240, 3))
    for cells in (3, 6, 12, 24, 48):
        cloud = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(cloud.resize((240, 180), Image.Resampling.BICUBIC), dtype=float) / cells**0.8
    total = 255 * (total - total.min()) / (total.max() - total.min())
    return Image.fromarray(total.astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = round(share * image.width), round(share * image.height)
    return image.crop((x, y, image.width - x, image.height - y))


CHANGES = {
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "larger": lambda image: image.resize((300, 290), Image.Resampling.BICUBIC),
    "jpeg": lambda image: jpeg(image, 30),
    "small jpeg": lambda image: jpeg(image.resize((image.width // 2, image.height // 2)), 50),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "pale": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
}


def folder_of(path: Path, images: dict[str, Image.Image]) -> str:
    path.mkdir()
    for name, image in images.items():
        image.save(path / name)
    return str(path)


def run(tmp_path: Path, **settings) -> tuple[dict, list[dict]]:
    out = tmp_path / "out"
    check(ContaminationSettings(out=str(out), **settings))
    rows = [json.loads(line) for line in (out / "pairs.jsonl").read_text().splitlines()]
    return json.loads((out / "summary.json").read_text()), rows


@pytest.fixture(scope="module")
def train():
    return [fingerprint(image) for image in pictures("train", 400)]


@pytest.fixture(scope="module")
def test():
    return pictures("test", 40)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_among_many(train, test, change):
    copies = [fingerprint(CHANGES[change](image)) for image in test]
    found = compare(copies, [*train, *map(fingerprint, test)], 24, 0.12)
    hits = [
        any(twin == len(train) + place and kind == "near" for twin, kind, _, _ in found.get(place, []))
        for place in range(len(test))
    ]
    assert sum(hits) >= (len(test) - 4 if change in ("jpeg", "small jpeg", "bright") else len(test))


@pytest.mark.parametrize("share", [0.01, 0.02, 0.04])
def test_cropped_copies_are_found_always_among_textures_and_mostly_in_the_mini_world(train, test, share):
    for images, least in (([texture(seed) for seed in range(20)], 20), (test, {0.01: 34, 0.02: 20, 0.04: 8}[share])):
        found = compare(
            [fingerprint(cropped(image, share)) for image in images], [*train, *map(fingerprint, images)], 24, 0.12
        )
        hits = [
            any(twin == len(train) + place and kind == "near" for twin, kind, _, _ in found.get(place, []))
            for place in range(len(images))
        ]
        assert sum(hits) >= least


def test_distinct_pictures_are_rarely_called_near(train, test):
    found = compare([fingerprint(image) for image in test], train, 24, 0.12)
    kinds = [listed[0][1] for listed in found.values()]
    assert len(found) > 20  # the gradient bits alone would call most of them near
    assert kinds.count("near") <= 4 and kinds.count("same") == 0
    textures = [fingerprint(texture(seed)) for seed in range(30)]
    for place, one in enumerate(textures):
        others = compare([one], textures[:place] + textures[place + 1 :], 128, 0.12)
        assert others[0][0][1] == "apart" and others[0][0][3] > 0.5


def test_the_same_pixels_are_the_same_whatever_the_file(tmp_path, capsys):
    image, other = texture(1), texture(2)
    train_folder = folder_of(tmp_path / "train", {"a.png": image, "b.png": other, "c.jpg": texture(3)})
    test_folder = folder_of(tmp_path / "test", {"x.bmp": image, "y.png": texture(4)})
    (tmp_path / "test" / "notes.txt").write_text("no picture")
    summary, rows = run(tmp_path, train=train_folder, test=test_folder)
    assert summary["test_pictures"] == {"same": 1, "near": 0, "clean": 1}
    assert [(row["test_id"], row["train_id"], row["kind"], row["difference"]) for row in rows] == [
        ("x.bmp", "a.png", "same", 0.0)
    ]
    assert summary["pictures"] == {"train": 3, "test": 2} and summary["test_samples_touched"] == 1
    assert Image.open(tmp_path / "out" / "sheet.png").size[0] > 300
    assert "'same': 1" in capsys.readouterr().out


def test_rows_of_any_benchmark_will_do(tmp_path):
    images = [texture(seed) for seed in range(4)]
    folder_of(tmp_path / "images", {f"{number}.png": image for number, image in enumerate(images)})
    jpeg(images[2], 60).save(tmp_path / "images" / "copy.jpg")
    write_jsonl(
        tmp_path / "train.jsonl",
        [{"problem": "?", "answer": "1", "images": ["images/0.png", "images/1.png"]}, {"images": ["images/2.png"]}],
    )
    rows = [{"id": "q1", "image": "copy.jpg"}, {"id": "q2", "image": None}, {"id": "q3", "image": "3.png"}]
    write_jsonl(tmp_path / "test.jsonl", rows)
    summary, pairs = run(
        tmp_path,
        train=str(tmp_path / "train.jsonl"),
        test=str(tmp_path / "test.jsonl"),
        test_images=str(tmp_path / "images"),
    )
    assert summary["test_pictures"] == {"same": 0, "near": 1, "clean": 1}
    assert (pairs[0]["test_id"], pairs[0]["kind"]) == ("q1", "near") and pairs[0]["difference"] < 0.12
    assert pairs[0]["train_id"] == f"row 1 of {tmp_path / 'train.jsonl'}" and pairs[0]["train_picture"] == 0
    first = pictures_of(DataSettings(str(tmp_path / "train.jsonl")), 0)
    assert [(one.sample_id[:5], one.number) for one in first] == [("row 0", 0), ("row 0", 1), ("row 1", 0)]


def test_the_mini_worlds_splits_share_no_picture_and_itself_is_found(tmp_path):
    summary, _ = run(tmp_path, train="mini", test="mini", mini_samples=60)
    assert summary["test_pictures"]["same"] == 0
    summary, _ = run(tmp_path, train="mini", test="mini", test_split="train", mini_samples=60)
    assert summary["test_pictures"] == {"same": summary["pictures"]["test"], "near": 0, "clean": 0}


def test_pictures_of_one_colour_are_compared_by_pixels_and_counted(tmp_path):
    plain = {"white.png": Image.new("RGB", (60, 40), "white"), "gray.png": Image.new("RGB", (60, 40), "gray")}
    train_folder = folder_of(tmp_path / "train", {**plain, "t.png": texture(0)})
    other = {"white.png": plain["white.png"], "black.png": Image.new("RGB", (60, 40), "black")}
    summary, rows = run(tmp_path, train=train_folder, test=folder_of(tmp_path / "test", other), distance=128)
    assert summary["of_one_colour"] == {"train": 2, "test": 2}
    assert [(row["test_id"], row["train_id"]) for row in rows] == [("white.png", "white.png")]


def test_blocks_find_the_pairs_that_a_loop_finds(monkeypatch):
    rng = np.random.default_rng(0)
    test, train = (rng.integers(0, 1 << 6, (n, 2), dtype=np.uint64) for n in (23, 50))
    expected = {}
    for row, one in enumerate(test):
        apart = [sum(bin(int(a) ^ int(b)).count("1") for a, b in zip(one, other, strict=True)) for other in train]
        near = {place: bits for place, bits in enumerate(apart) if bits <= 2}
        expected |= {row: near} if near else {}
    for pairs_at_once in (1, 120, 1 << 22):
        monkeypatch.setattr("data.fingerprints.PAIRS_AT_ONCE", pairs_at_once)
        found = {
            row: dict(zip(places.tolist(), bits.tolist(), strict=True))
            for row, places, bits in close_pairs(test, train, 2)
        }
        assert found == expected and 5 < len(found) < 23


def test_the_difference_is_about_content_not_brightness():
    image = texture(5)
    ours = variants(fingerprint(image).small)
    assert difference(ours, ours) == pytest.approx(0, abs=3e-3)
    darker = variants(fingerprint(ImageEnhance.Brightness(image).enhance(0.5)).small)
    assert difference(ours, darker) < 0.05
    negative = variants(255 - fingerprint(image).small)
    assert difference(ours, negative) == 1
    turned = variants(fingerprint(image.transpose(Image.Transpose.ROTATE_90)).small)
    assert difference(ours, turned) > 0.5


def test_what_cannot_be_compared_gets_a_sentence(tmp_path):
    write_jsonl(tmp_path / "text.jsonl", [{"question": "?", "answer": "1"}])
    with pytest.raises(UserError, match=r"row 0 of .* has the columns answer, question; pictures are expected"):
        run(tmp_path, train="mini", test=str(tmp_path / "text.jsonl"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"test=.* holds no picture"):
        run(tmp_path, train="mini", test=str(tmp_path / "empty"), mini_samples=1)
    with pytest.raises(UserError, match="between 0 and 128"):
        run(tmp_path, train="mini", test="mini", distance=200)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"a\.png cannot be read"):
        run(tmp_path, train="mini", test=str(tmp_path / "broken"), mini_samples=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_command_says_what_it_cannot_do_and_a_dry_run_reads_nothing(tmp_path):
    line = [sys.executable, "-m", "data.contamination"]
    shown = subprocess.run([*line, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert shown.returncode == 0 and "cannot find a picture that was turned" in shown.stdout
    dry = [*line, "train=nowhere.jsonl", "test=mini", "dry_run=true", f"out={tmp_path / 'out'}"]
    done = subprocess.run(dry, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "distance: 24" in done.stdout and not (tmp_path / "out").exists()
    missing = subprocess.run([*line, "train=nowhere.jsonl", "test=mini"], cwd=ROOT, capture_output=True, text=True)
    assert (
        missing.returncode == 2
        and missing.stderr == "error: the data file nowhere.jsonl does not exist; check the path\n"
    )
