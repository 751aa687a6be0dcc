"""Compare the settings that a paper prints with those that our recipes resolve to at each scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import atomic_write_text
from configs import compose, to_dict
from configs.run import check_clean, in_results
from eval.output import MISSING, markdown
from train.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One printed setting of one recipe; None where a side has no such term."""

    method: str
    scale: str
    name: str
    ours: float | None
    printed: float | None

    @property
    def agrees(self) -> bool:
        return self.ours == self.printed

    def text(self) -> str:
        ours, printed = (MISSING if one is None else f"{one:g}" for one in (self.ours, self.printed))
        return ours if self.agrees else f"{ours} (paper: {printed})"


def setting_at(settings: Mapping[str, Any], path: str) -> float | None:
    """Return a resolved setting; None where its term is not there, or has coefficient 0."""
    found: Any = settings
    for name in path.split("."):
        found = found.get(name) if found else None
    return float(found) if found else None


def compared(table: Mapping[str, Any]) -> list[Compared]:
    """Compose every printed recipe at its scale and set its settings beside the printed ones."""
    found = []
    for row in table["printed"]:
        settings = to_dict(compose(TrainSettings, [f"method={row['method']}", f"scale={row['scale']}"]))
        for name, path in table["settings"].items():
            ours, printed = setting_at(settings, path), row["values"].get(name)
            found.append(Compared(method=row["method"], scale=row["scale"], name=name, ours=ours, printed=printed))
    return found


def page(number: str, table: Mapping[str, Any], found: Sequence[Compared]) -> str:
    """Return the table: a line per recipe, ours, and the paper's where it differs."""
    names = list(table["settings"])
    cells = {(one.method, one.scale, one.name): one.text() for one in found}
    recipes = dict.fromkeys((one.method, one.scale) for one in found)
    rows = [[method, scale, *(cells[method, scale, name] for name in names)] for method, scale in recipes]
    differ = [one for one in found if not one.agrees]
    return (
        f"# Table {number}: settings\n\n"
        f"What `python -m train method=<method> scale=<scale> dry_run=true` resolves to. {len(found) - len(differ)} "
        f"of {len(found)} settings are those of {table['source']['paper']}, Table {table['source']['table']}; "
        f"where one differs, the paper's stands in brackets.\n\n{markdown(['method', 'scale', *names], rows)}\n"
    )


def write_recipes(number: str, table: Mapping[str, Any], out: Path) -> None:
    """Print the comparison and write it."""
    if in_results(out):
        check_clean()
    text = page(number, table, compared(table))
    atomic_write_text(out / "table.md", text)
    print(f"{text}table: {out / 'table.md'}")
