"""`python -m data.build visual_facts out=facts.jsonl`: add a column to rows of a source and write them as JSONL.

The mini world knows its own columns; pictures in them are written beside the file. For any other source `values` names
a JSONL file of {"id": ..., "<column>": ...}, for example from a model that read the pictures. Every row must get a
value that fits the column.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import UserError, read_jsonl, write_jsonl
from configs import command, setting
from data.columns import COLUMNS, check_column
from data.sources import DataSettings, Samples


@dataclass(frozen=True)
class BuildSettings:
    """Add a column to rows."""

    column: str = setting("visual_facts", "the column to build, see data/columns.py", group=False)
    data: DataSettings = setting(factory=DataSettings, help="the rows")
    values: str = setting("", "JSONL file of {id, <column>}; empty = the source knows the column itself")
    count: int = setting(100, "rows of an endless source", bounds="[1, inf)")
    out: str = setting("build/column.jsonl", "JSONL file to write: id, problem, answer, the column")


def values_by_id(settings: BuildSettings) -> dict[str, Any]:
    """Return the given values by sample id."""
    rows = read_jsonl(Path(settings.values)) if settings.values else []
    return {str(row["id"]): row[settings.column] for row in rows if "id" in row and settings.column in row}


def written(value: Any, name: str, out: Path) -> Any:
    """Return a value as JSON holds it: pictures are written into a folder beside `out`, and stand as their paths."""
    if not (isinstance(value, list | tuple) and value and all(hasattr(one, "open") for one in value)):
        return value
    folder, paths = out.with_suffix(""), list[str]()
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(value):
        paths.append(str(folder / f"{name.replace('/', '_')}_{number}.png"))
        picture.open().save(paths[-1])
    return paths


def run(settings: BuildSettings) -> None:
    """Write the rows with the column."""
    if settings.column not in COLUMNS:
        raise UserError(f"no column '{settings.column}' is known; use one of {', '.join(COLUMNS)}")
    samples, values = Samples(settings.data, 0), values_by_id(settings)
    wanted = [samples.sample(place) for place in range(len(samples))] or samples.take(0, settings.count)
    rows = []
    for sample in wanted:
        value = values.get(sample.id, sample.columns.get(settings.column))
        if value is None:
            raise UserError(
                f"sample {sample.id} has no {settings.column}; give values=<JSONL of id and {settings.column}>"
            )
        check_column(settings.column, value, f"sample {sample.id}")
        kept = written(value, sample.id, Path(settings.out))
        rows.append({"id": sample.id, "problem": sample.question, "answer": sample.answer, settings.column: kept})
    write_jsonl(Path(settings.out), rows)
    print(f"{settings.out}: {len(rows)} rows with {settings.column}")


if __name__ == "__main__":
    given = sys.argv[1:]
    if given and "=" not in given[0] and not given[0].startswith("-"):
        given[0] = f"column={given[0]}"
    sys.exit(command(BuildSettings, run, given, prog="python -m data.build", summary=str(__doc__)))
