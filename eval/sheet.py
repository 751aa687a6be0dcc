"""`python -m eval.sheet bench=wemath data=<folder>`: pictures of a benchmark beside their corrupted twins, on one PNG.

Rows are read as an evaluation reads them; pictures are as they lie, before a model scales them. The PNG shows what
belongs to others: it is for looking, not for passing on.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from common import UserError
from configs import command, setting
from data.views import AnyView, Blank, Blur, PatchBlack

ITEMS_OF_A_PROBLEM = 10  # so many share a picture in DynaMath; one of them is shown


@dataclass(frozen=True)
class SheetSettings:
    """A contact sheet of benchmarks."""

    bench: str = setting(help="a benchmark, a suite, or a,b,c")
    data: str = setting("auto", "hub, a folder of local copies, or mini; auto: mini for the mini world, else hub")
    views: dict[str, AnyView] = setting(
        factory=lambda: {"masked": PatchBlack(), "blurred": Blur(), "blank": Blank()}, help="corruptions by name"
    )
    pictures: int = setting(12, "pictures of each benchmark, at most", bounds="[1, inf)")
    per_row: int = setting(2, "pictures, each with its twins, in one row", bounds="[1, inf)")
    seed: int = setting(0, "seed of the corruptions", bounds="[0, inf)")
    out: str = setting("build/benchmark_pictures.png", "PNG to write")


def draw(settings: SheetSettings) -> None:
    """Read the rows, draw, and name every row and picture that cannot be shown."""
    from data.contact_sheet import Shown, check_views, picture_sheet
    from eval.items import question_text
    from eval.settings import EvalSettings
    from eval.tasks import tasks_of

    check_views(settings.views)
    shown: list[Shown] = []
    unusable: list[str] = []
    items = settings.pictures * ITEMS_OF_A_PROBLEM
    for task in tasks_of(EvalSettings(bench=settings.bench, data=settings.data, items=items, preset="neutral")):
        unusable += task.unusable
        problems = {task.cluster(sample): sample for sample in task.samples}.values()
        pairs = [(sample, image) for sample in problems for image in sample.images]
        for sample, image in pairs[: settings.pictures]:
            shown.append((f"{sample.id} -> {sample.answer}: {question_text(sample)}", image, sample))
    sheet, closed = picture_sheet(shown, settings.per_row, settings.views, settings.seed)
    for sentence in unusable + closed:
        print(f"not on the sheet: {sentence}")
    if sheet is None:
        raise UserError(f"the rows of {settings.bench} have no picture; name a benchmark with pictures")
    out = Path(settings.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out, format="PNG")
    print(f"{out}: {len(shown) - len(closed)} pictures, each beside {', '.join(settings.views)}")


if __name__ == "__main__":
    sys.exit(command(SheetSettings, draw, sys.argv[1:], prog="python -m eval.sheet", summary=str(__doc__)))
