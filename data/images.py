"""Where a picture comes from: a file, bytes inside a table, or the mini world; all open as RGB."""

import io
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from common import UserError


class ImageSource(Protocol):
    """Anything a `Sample` may hold in `images`."""

    def open(self) -> Image.Image:
        """The picture as RGB, at its raw size."""
        ...


@dataclass(frozen=True)
class FileImage:
    """A picture on disk; `row` names the data row that asked for it, for the error sentence."""

    path: Path
    row: str = ""

    def open(self) -> Image.Image:
        where = f" (needed by {self.row})" if self.row else ""
        try:
            with Image.open(self.path) as image:
                return image.convert("RGB")
        except FileNotFoundError:
            raise UserError(f"image file {self.path} does not exist{where}; check the data's image folder") from None
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"image file {self.path} cannot be read{where}: {error}") from None


@dataclass(frozen=True)
class BytesImage:
    """A picture stored inside a Parquet or hub row."""

    content: bytes
    row: str = ""

    def open(self) -> Image.Image:
        try:
            with Image.open(io.BytesIO(self.content)) as image:
                return image.convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"the image bytes of {self.row or 'a row'} cannot be read: {error}") from None


@dataclass(frozen=True)
class PillowImage:
    """A picture that a `datasets` row has decoded already."""

    image: Image.Image

    def open(self) -> Image.Image:
        return self.image.convert("RGB")


def png_bytes(image: Image.Image) -> bytes:
    """The picture as PNG, for reports and tables."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def small_picture(image: Image.Image, side: int, quality: int) -> tuple[str, bytes]:
    """At most `side` pixels a side, in the smaller of PNG (drawings) and JPEG (photographs), and which it is."""
    small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    jpeg = io.BytesIO()
    small.save(jpeg, format="JPEG", quality=quality, optimize=True)
    return min(("png", png_bytes(small)), ("jpeg", jpeg.getvalue()), key=lambda pair: len(pair[1]))


def picture_uri(image: Image.Image, side: int, quality: int) -> str:
    """`small_picture` as pages hold it."""
    kind, content = small_picture(image, side, quality)
    return f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"
