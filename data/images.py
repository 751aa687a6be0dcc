"""Where a picture comes from: a file, bytes inside a table, or the mini world; all open as upright RGB."""

import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from common import UserError

# Image processors of the Qwen family refuse a longer strip; real benchmarks stay below 20.
LONGEST_ASPECT = 200
JPEG_QUALITY = 85  # of pictures on pages and for judges


class ImageSource(Protocol):
    """Anything a `Sample` may hold in `images`."""

    def open(self) -> Image.Image:
        """Return the picture as RGB, at its raw size, upright."""
        ...


@dataclass(frozen=True)
class FileImage:
    """A picture on disk; `row` names the data row that asked for it, for the error sentence."""

    path: Path
    row: str = ""

    def open(self) -> Image.Image:
        where = f" (needed by {self.row})" if self.row else ""
        try:
            return _decoded(self.path)
        except FileNotFoundError:
            raise UserError(f"image file {self.path} does not exist{where}; check the data's image folder") from None
        except _Unusable as error:
            raise UserError(f"image file {self.path} cannot be read{where}: {error}") from None


@dataclass(frozen=True)
class BytesImage:
    """A picture stored inside a Parquet or hub row."""

    content: bytes
    row: str = ""

    def open(self) -> Image.Image:
        try:
            return _decoded(io.BytesIO(self.content))
        except _Unusable as error:
            raise UserError(f"the image bytes of {self.row or 'a row'} cannot be read: {error}") from None


@dataclass(frozen=True)
class PillowImage:
    """A picture that a `datasets` row has decoded already."""

    image: Image.Image

    def open(self) -> Image.Image:
        return _upright_rgb(self.image)


@dataclass(frozen=True)
class NoiseImage:
    """A square of random colours that depends on its seed alone, for text questions that need some picture."""

    seed: int
    side: int = 224

    def open(self) -> Image.Image:
        pixels = np.random.default_rng(self.seed).integers(0, 256, (self.side, self.side, 3), dtype=np.uint8)
        return Image.fromarray(pixels)


class _Unusable(Exception):
    """A picture that cannot be decoded within the limits."""


def _decoded(file: Path | io.BytesIO) -> Image.Image:
    try:
        with Image.open(file) as image:
            _check_size(image)
            return _upright_rgb(image)
    except FileNotFoundError:
        raise
    except UnidentifiedImageError:
        raise _Unusable("it is in no picture format that Pillow knows") from None
    # A damaged PNG chunk is a SyntaxError, a damaged EXIF block or header a ValueError or TypeError.
    except (OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError) as error:
        raise _Unusable(str(error)) from None


def _check_size(image: Image.Image) -> None:
    """Refuse before decoding; Pillow itself refuses what has more than twice `MAX_IMAGE_PIXELS`."""
    long, short = max(image.size), min(image.size)
    if long > LONGEST_ASPECT * short:
        raise _Unusable(
            f"{image.width} x {image.height} pixels are a strip more than {LONGEST_ASPECT} times as long as wide"
        )


def _upright_rgb(image: Image.Image) -> Image.Image:
    """Return the picture turned as its EXIF tag says, as `datasets` turns the pictures that it decodes."""
    turned = ImageOps.exif_transpose(image)
    if turned.mode == "P" and isinstance(turned.info.get("transparency"), bytes):
        turned = turned.convert("RGBA")  # the same colours; the direct way warns
    return turned.convert("RGB")


def png_bytes(image: Image.Image) -> bytes:
    """Return the picture as PNG, for reports and tables."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def small_picture(image: Image.Image, side: int, quality: int = JPEG_QUALITY) -> tuple[str, bytes]:
    """At most `side` pixels a side, in the smaller of PNG (drawings) and JPEG (photographs), and which it is."""
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    jpeg = io.BytesIO()
    small.save(jpeg, format="JPEG", quality=quality, optimize=True)
    return min(("png", png_bytes(small)), ("jpeg", jpeg.getvalue()), key=lambda pair: len(pair[1]))


def picture_uri(image: Image.Image, side: int, quality: int = JPEG_QUALITY) -> str:
    """`small_picture` as pages hold it."""
    kind, content = small_picture(image, side, quality)
    return f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"
