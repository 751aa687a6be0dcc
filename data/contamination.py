"""`python -m data.contamination train=<source> test=<source>`: which test pictures stand in the training data too.

A picture is the same as a training picture if all its pixels are, and near one if that lies within `distance` gradient
bits and leaves at most `difference` of its contrast unexplained. Both defaults are measured, on 200 test and 1500
training pictures of the mini world (all apart in two cells or more) and on 150 random textures, where all are found:

- copies found in the mini world: scaled by 0.5 to 3, brightness, contrast 0.7: all; brightness 1.1: 99 %, 1.25: 29 %
  (white is cut off); JPEG at quality 30: 98 %, at half size 97 %; 1, 2, 4 % cut off at every edge: 92, 56, 28 % (thin
  lines move)
- distinct pictures called near: none in both (the closest textures: 0.82)

It cannot find a picture that was turned, mirrored, recoloured, framed, pasted into a larger one or cut at one edge
only; it cannot tell a copy from a drawing with one small part changed; it compares pictures, not questions; and
pictures of one colour are compared by their pixels alone.
"""

import json
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from common import UserError, atomic_path, atomic_write_text, write_jsonl
from common.parallel import as_finished
from common.progress import progress
from configs import command, setting
from data.fingerprints import BITS, Fingerprint, close_pairs, difference, fingerprint, glance, nearest, variants
from data.images import FileImage, ImageSource
from data.mini import world
from data.sources import DataSettings, image_source, read_rows

COLUMNS = ("images", "image", "decoded_image")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MOST_PER_PICTURE = 8  # training pictures looked at closely, and listed, for one test picture
SHOWN, TILE, GAP, TEXT = 24, 160, 8, 44


@dataclass(frozen=True)
class ContaminationSettings:
    """Two sources and when their pictures count as near."""

    train: str = setting(help="mini, a .jsonl or .parquet file, a folder of pictures, or a hub id")
    test: str = setting(help="the same kinds")
    train_split: str = setting("train", "split of the mini world or of a hub data set")
    test_split: str = setting("test", "split of the mini world or of a hub data set")
    train_images: str | None = setting(None, "where relative image paths of train start; None = beside the file")
    test_images: str | None = setting(None, "where relative image paths of test start; None = beside the file")
    mini_samples: int = setting(2000, "samples taken from the endless mini world", bounds="[0, inf)")
    distance: int = setting(24, f"of {BITS} gradient bits that may differ before pictures are compared closely")
    difference: float = setting(0.12, "share of contrast that may stay unexplained in a near picture")
    out: str = setting("build/contamination", "folder for summary.json, pairs.jsonl and sheet.png")


@dataclass(frozen=True)
class Picture:
    """A picture and whose it is."""

    sample_id: str
    number: int  # among the sample's pictures
    source: ImageSource


@dataclass(frozen=True)
class Pair:
    """A test picture and one of the training pictures most like it."""

    test_id: str
    test_picture: int
    train_id: str
    train_picture: int
    kind: str  # same, near, or apart for the closest of a picture that is neither
    bits: int  # of the gradient bits that differ
    difference: float


def pictures_of(source: DataSettings, mini_samples: int) -> list[Picture]:
    """Return every picture of a source, by row; answers and questions are not looked at, so any benchmark will do."""
    folder = Path(source.source)
    if source.source == "mini":
        samples = islice(world.stream(source.split), mini_samples)
        first = {world.picture_key(one): one for one in samples}
        return [Picture(one.id, 0, one.images[0]) for one in first.values()]
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
        return [Picture(str(path.relative_to(folder)), 0, FileImage(path)) for path in files]
    rows, image_folder = read_rows(source)
    found = []
    for row_number, row in enumerate(rows):
        where = f"row {row_number} of {source.source}"
        name = where if row.get("id") is None else str(row["id"])
        for number, value in enumerate(image_values(row, where)):
            found.append(Picture(name, number, image_source(value, image_folder, where)))
    return found


def image_values(row: dict[str, Any], where: str) -> list[Any]:
    """Return what stands in a row's column of pictures."""
    column = next((name for name in COLUMNS if name in row), None)
    if column is None:
        raise UserError(f"{where} has the columns {', '.join(sorted(row))}; pictures are expected in images or image")
    value = row[column]
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def fingerprints(pictures: Sequence[Picture], title: str) -> list[Fingerprint]:
    """Read every picture once; decoding runs beside itself in threads."""
    found: dict[int, Fingerprint] = {}
    with progress(f"reading {title}", len(pictures)) as advance:
        work = as_finished(
            lambda place: fingerprint(pictures[place].source.open()),
            range(len(pictures)),
            min(16, os.cpu_count() or 1),
        )
        for done, (place, print_) in enumerate(work, start=1):
            found[place] = print_
            advance(done, "")
    return [found[place] for place in range(len(pictures))]


def compare(
    test: Sequence[Fingerprint], train: Sequence[Fingerprint], distance: int, limit: float
) -> dict[int, list[tuple[int, str, int, float]]]:
    """By test picture: train picture, kind, bits, difference; what is the same or near, else the closest apart."""
    found: dict[int, list[tuple[int, str, int, float]]] = {}
    places: dict[bytes, list[int]] = {}
    for place, print_ in enumerate(train):
        places.setdefault(print_.digest, []).append(place)
    for place, print_ in enumerate(test):
        if print_.digest in places:
            found[place] = [(twin, "same", 0, 0.0) for twin in places[print_.digest][:MOST_PER_PICTURE]]
    # Pictures of one colour are near each other all, and say nothing.
    rows = [place for place, print_ in enumerate(test) if not print_.flat and place not in found]
    columns = np.array([place for place, print_ in enumerate(train) if not print_.flat], dtype=int)
    if not rows or not len(columns):
        return found
    train_bits = np.stack([train[place].bits for place in columns])
    train_glances = np.stack([glance(train[place].small) for place in columns])
    test_bits = np.stack([test[place].bits for place in rows])
    with progress("comparing", len(rows)) as advance:
        for row, candidates, bits in close_pairs(test_bits, train_bits, distance):
            small, by_place = test[rows[row]].small, dict(zip(candidates.tolist(), bits.tolist(), strict=True))
            ours = variants(small)
            closest = sorted(
                (difference(ours, variants(train[columns[place]].small)), place)
                for place in nearest(glance(small), train_glances, candidates, MOST_PER_PICTURE)
            )
            near = [one for one in closest if one[0] <= limit]
            kind = "near" if near else "apart"
            found[rows[row]] = [
                (int(columns[place]), kind, by_place[place], apart) for apart, place in near or closest[:1]
            ]
            advance(row + 1, "")
    return found


def sheet(pairs: Sequence[tuple[Pair, Picture, Picture]]) -> Image.Image:
    """Test picture left, training picture right, what was found below; the most alike first."""
    columns = min(3, len(pairs)) or 1
    width, height = 2 * TILE + 3 * GAP, TILE + TEXT + 2 * GAP
    drawn = Image.new("RGB", (columns * width, -(-len(pairs) // columns) * height or 1), "white")
    for place, (pair, *pictures) in enumerate(pairs):
        left, top = place % columns * width, place // columns * height
        for side, picture in enumerate(pictures):
            tile = ImageOps.contain(picture.source.open(), (TILE, TILE))
            drawn.paste(tile, (left + GAP + side * (TILE + GAP), top + GAP))
        lines = [f"{pair.kind}: {pair.bits} bits, difference {pair.difference:.3f}", pair.test_id, pair.train_id]
        text = "\n".join(textwrap.shorten(line, 54, placeholder="...") for line in lines)
        ImageDraw.Draw(drawn).multiline_text((left + GAP, top + TILE + GAP + 3), text, fill="black", spacing=1)
    return drawn


def summary_of(
    settings: ContaminationSettings, prints: dict[str, list[Fingerprint]], pairs: Sequence[Pair]
) -> dict[str, Any]:
    """Return the counts; a test picture is the same, near or clean."""
    kinds = {(pair.test_id, pair.test_picture): pair.kind for pair in pairs}
    counts = Counter(kinds.values())
    touched = counts["same"] + counts["near"]
    return {
        "settings": asdict(settings),
        "pictures": {name: len(found) for name, found in prints.items()},
        "of_one_colour": {name: sum(one.flat for one in found) for name, found in prints.items()},
        "distinct": {name: len({one.digest for one in found}) for name, found in prints.items()},
        "test_pictures": {"same": counts["same"], "near": counts["near"], "clean": len(prints["test"]) - touched},
        "test_samples_touched": len({pair.test_id for pair in pairs if pair.kind != "apart"}),
        "pairs": sum(pair.kind != "apart" for pair in pairs),
    }


def check(settings: ContaminationSettings) -> None:
    """Compare two sources, write what was found, and say it."""
    if not 0 <= settings.distance <= BITS or not 0 <= settings.difference < 1:
        raise UserError(f"distance lies between 0 and {BITS} and difference between 0 and 1; change them")
    pictures = {
        "train": pictures_of(
            DataSettings(settings.train, settings.train_split, settings.train_images), settings.mini_samples
        ),
        "test": pictures_of(
            DataSettings(settings.test, settings.test_split, settings.test_images), settings.mini_samples
        ),
    }
    for name, found in pictures.items():
        if not found:
            raise UserError(f"{name}={getattr(settings, name)} holds no picture; there is nothing to compare")
    prints = {name: fingerprints(found, name) for name, found in pictures.items()}
    matches = compare(prints["test"], prints["train"], settings.distance, settings.difference)
    shown = sorted(paired(matches, pictures["test"], pictures["train"]), key=lambda one: one[0].difference)
    pairs = [pair for pair, _, _ in shown]
    summary, out = summary_of(settings, prints, pairs), Path(settings.out)
    write_jsonl(out / "pairs.jsonl", (asdict(pair) for pair in pairs if pair.kind != "apart"))
    closest: dict[tuple[str, int], tuple[Pair, Picture, Picture]] = {}
    for one in shown:
        closest.setdefault((one[0].test_id, one[0].test_picture), one)
    with atomic_path(out / "sheet.png") as path:
        sheet(list(closest.values())[:SHOWN]).save(path, format="PNG")
    atomic_write_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    print(f"{out}: {summary['test_pictures']} of {len(pictures['test'])} test pictures")


def paired(
    matches: dict[int, list[tuple[int, str, int, float]]], test: Sequence[Picture], train: Sequence[Picture]
) -> Iterator[tuple[Pair, Picture, Picture]]:
    """Yield the matches with their pictures."""
    for place, listed in matches.items():
        for twin, kind, bits, apart in listed:
            ours, theirs = test[place], train[twin]
            pair = Pair(ours.sample_id, ours.number, theirs.sample_id, theirs.number, kind, bits, round(apart, 4))
            yield pair, ours, theirs


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(
        command(ContaminationSettings, check, arguments, prog="python -m data.contamination", summary=str(__doc__))
    )
