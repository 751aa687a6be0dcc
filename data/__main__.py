"""`python -m data`: draw samples and views to a contact sheet, or corrupt one image."""

import sys
from dataclasses import dataclass
from pathlib import Path

from common import UserError
from configs import command, setting
from data.views import AnyView, PatchBlack, apply_view


@dataclass(frozen=True)
class DataCommand:
    """Draw samples and views, or corrupt one image."""

    view: AnyView = setting(factory=PatchBlack, help="the corruption")
    image: str | None = setting(
        None, "an image to corrupt, or a folder to draw on a sheet; None = a sheet of the mini world"
    )
    out: str = setting("build/contact_sheet.png", "PNG to write")
    seed: int = setting(0, "seed of the corruption and of the samples drawn")
    columns: list[str] = setting(factory=list, help="columns of the mini world; none = all")
    count: int = setting(6, "samples per column on the sheet; of a folder, pictures per row and rows")


def run(settings: DataCommand) -> None:
    view = settings.view
    view.check("view")
    if view.in_model:
        raise UserError(f"view {view.kind} acts inside a model and changes no picture; draw another one")
    if settings.count < 1 or settings.seed < 0:
        raise UserError(f"count must be at least 1 and seed at least 0, not {settings.count} and {settings.seed}")
    out = Path(settings.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    if settings.image and Path(settings.image).is_dir():
        from data.contact_sheet import picture_sheet

        sheet, unusable = picture_sheet(Path(settings.image), settings.count, view, settings.seed)
        sheet.save(out, format="PNG")
        for sentence in unusable:
            print(f"not on the sheet: {sentence}")
    elif settings.image:
        from data.images import FileImage

        apply_view(FileImage(Path(settings.image)).open(), view, settings.seed).save(out, format="PNG")
    else:
        from data.contact_sheet import contact_sheet
        from data.mini.columns import COLUMNS

        unknown = [name for name in settings.columns if name not in COLUMNS]
        if unknown:
            raise UserError(f"the mini world has no column '{unknown[0]}'; use some of {', '.join(COLUMNS)}")
        sheet = contact_sheet(settings.columns or list(COLUMNS), settings.count, view, settings.seed)
        sheet.save(out, format="PNG")
    print(out)


if __name__ == "__main__":
    sys.exit(command(DataCommand, run, sys.argv[1:], prog="python -m data", summary=__doc__))
