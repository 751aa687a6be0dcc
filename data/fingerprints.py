"""What is kept of a picture to find it again: a digest of its pixels, 128 bits of its gradients, a small copy.

The bits say whether brightness rises from each of 8 x 8 fields to the next, rightwards and downwards. They move less
under recompression, scaling and other brightness than signs of a cosine transform, where flat drawings have many
values near the border (measured: at JPEG quality 30 at most 5 of 128, against 76 of 255). They tell photographs
apart, but not drawings that differ in one object or a colour, so the small copies have the last word.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

FIELDS = 8
BITS = 2 * FIELDS * FIELDS
SIDE = 32  # of the small copy
FLAT = 2.0  # standard deviation of the small copy on 0..255 below which a picture shows nothing to compare
CROPS = tuple(0.005 * step for step in range(1, 11))  # shares of a side that may be cut off at each edge
PAIRS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Fingerprint:
    """One picture's."""

    digest: bytes  # of size and RGB pixels: equal for equal files, and for other files with the same pixels
    bits: np.ndarray  # two 64-bit words
    small: np.ndarray  # SIDE x SIDE x RGB, 0..255

    @property
    def flat(self) -> bool:
        return float(self.small.std()) < FLAT


def fingerprint(image: Image.Image) -> Fingerprint:
    picture = image.convert("RGB")
    digest = hashlib.blake2b(f"{picture.width}x{picture.height}:".encode() + picture.tobytes(), digest_size=16)
    small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    soft = small.filter(ImageFilter.GaussianBlur(1))  # thin lines fall between pixels otherwise
    return Fingerprint(digest.digest(), gradient_bits(small), np.asarray(soft))


def gradient_bits(small: Image.Image) -> np.ndarray:
    """Return the signs of the brightness steps between neighbouring fields, packed."""
    gray = small.convert("L")
    wide = fields(gray, FIELDS + 1, FIELDS)
    high = fields(gray, FIELDS, FIELDS + 1)
    signs = np.concatenate([(wide[:, 1:] > wide[:, :-1]).ravel(), (high[1:] > high[:-1]).ravel()])
    return np.packbits(signs).view(np.uint64)


def fields(gray: Image.Image, columns: int, rows: int) -> np.ndarray:
    return np.asarray(gray.resize((columns, rows), Image.Resampling.LANCZOS), dtype=np.int16)


def close_pairs(test: np.ndarray, train: np.ndarray, distance: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """For each row of `test` that has any: its number, the rows of `train` within `distance` bits, how many bits."""
    step = max(1, PAIRS_AT_ONCE // max(1, len(train)))
    for start in range(0, len(test), step):
        block = test[start : start + step, None]
        apart = np.bitwise_count(block ^ train[None]).sum(axis=-1, dtype=np.uint8)
        rows, columns = np.nonzero(apart <= distance)
        for row in np.unique(rows):
            found = columns[rows == row]
            yield start + int(row), found, apart[row, found]


def variants(small: np.ndarray) -> np.ndarray:
    """Return the small copy as it is and with its edges cut off, each as a vector of mean 0 and length 1."""
    copy = Image.fromarray(small)
    cut = [
        copy.resize(
            (SIDE, SIDE), Image.Resampling.BILINEAR, box=(SIDE * c, SIDE * c, SIDE - SIDE * c, SIDE - SIDE * c)
        )
        for c in CROPS
    ]
    flat = np.stack([np.asarray(one, dtype=np.float32).ravel() for one in (copy, *cut)])
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Return how much of one picture's contrast the other does not explain, from the `variants` of both.

    0 = the same up to brightness, contrast and a small crop of either; 1 = nothing in common.
    """
    alike = max(float((one @ other[0]).max()), float((other @ one[0]).max()))
    return float(np.sqrt(max(0.0, 1 - max(0.0, alike) ** 2)))


def glance(small: np.ndarray) -> np.ndarray:
    """Return the small copy at a quarter of its side, as a vector of mean 0 and length 1."""
    coarse = small.reshape(SIDE // 4, 4, SIDE // 4, 4, 3).mean(axis=(1, 3), dtype=np.float32).ravel()
    coarse -= coarse.mean()
    return coarse / np.linalg.norm(coarse)


def nearest(ours: np.ndarray, others: np.ndarray, candidates: np.ndarray, most: int) -> list[int]:
    """Return the candidates that look most alike at a glance, best first; brightness and contrast do not matter."""
    alike = others[candidates] @ ours
    return [int(candidates[place]) for place in np.argsort(-alike, kind="stable")[:most]]
