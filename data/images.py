"""Where a picture comes from: a file, bytes inside a table, or the mini world; all open as RGB."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image, UnidentifiedImageError

from configs import UserError


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
