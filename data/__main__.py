"""`python -m data`: draw samples and views to a contact sheet, or corrupt one image."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from common import UserError
from configs import command, setting
from data.views import AnyView, PatchBlack, apply_view

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class DataCommand:
    """Draw samples and views, or corrupt one image."""

    view: AnyView = setting(factory=PatchBlack, help="the corruption")
    views: dict[str, AnyView] = setting(factory=dict, help="further corruptions by name, on the sheet of a folder")
    image: str | None = setting(
        None, "an image to corrupt, or a folder to draw on a sheet; None = a sheet of the mini world"
    )
    out: str = setting("build/contact_sheet.png", "PNG to write")
    seed: int = setting(0, "seed of the corruption and of the samples drawn", bounds="[0, inf)")
    columns: list[str] = setting(factory=list, help="columns of the mini world; none = all")
    count: int = setting(
        6, "samples per column on the sheet; of a folder, pictures per row and rows", bounds="[1, inf)"
    )


def run(settings: DataCommand) -> None:
    from data.contact_sheet import check_views

    check_views({"view": settings.view, **settings.views})
    drawn = drawing(settings)
    out = Path(settings.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    drawn.save(out, format="PNG")
    print(out)


def drawing(settings: DataCommand) -> "Image.Image":
    """Return what `image` asks for."""
    from data.contact_sheet import contact_sheet, folder_pictures, picture_sheet
    from data.images import FileImage
    from data.mini.columns import COLUMNS

    view, seed, count = settings.view, settings.seed, settings.count
    if settings.image and Path(settings.image).is_dir():
        found = folder_pictures(Path(settings.image), count * count, seed)
        sheet, unusable = picture_sheet(found, count, {view.kind: view, **settings.views}, seed)
        for sentence in unusable:
            print(f"not on the sheet: {sentence}")
        if sheet is None:
            raise UserError(f"{settings.image} holds no picture that opens; give a folder with pictures")
        return sheet
    if settings.views:
        raise UserError("views are drawn on the sheet of a folder; give image=<folder>, or one view=")
    if settings.image:
        return apply_view(FileImage(Path(settings.image)).open(), view, seed)
    unknown = [name for name in settings.columns if name not in COLUMNS]
    if unknown:
        raise UserError(f"the mini world has no column '{unknown[0]}'; use some of {', '.join(COLUMNS)}")
    return contact_sheet(settings.columns or list(COLUMNS), count, view, seed)


if __name__ == "__main__":
    sys.exit(command(DataCommand, run, sys.argv[1:], prog="python -m data", summary=__doc__))
