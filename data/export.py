"""`python -m data.export split=test out=build/mini_world`: a split of the mini world as files, for any other program.

Writes `<split>.jsonl` with a row per problem (`data.source=<file>` trains on it here), its pictures as PNG, and
`croissant.json`, a card in the Croissant format of ML Commons that names every file by its SHA-256. The same split is
the same bytes everywhere.
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import UserError, atomic_write_text, write_jsonl
from common.progress import progress
from configs import command, setting
from data.mini.columns import COLUMNS
from data.mini.world import HELD_OUT, WORLD_VERSION, find_problem, samples
from data.sample import Sample

SPEC = "http://mlcommons.org/croissant/1.0"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
} | {name: f"cr:{name}" for name in ("column", "extract", "field", "fileObject", "includes", "recordSet", "source")}
FIELDS = {
    "id": "mini/<world version>/<split>/<column>/<number>, from which the world makes the problem again",
    "problem": "the question, with <image> where its picture belongs",
    "answer": "the right answer",
    "image": "the picture, a PNG",
    "column": "the kind of problem",
    "suggestion": "whether the question's suggestion is right (aligned), wrong (broken) or missing (empty)",
    "facts": "what a correct reading of the picture says, as a JSON object",
    "solution": "the operations that lead from the facts to the answer",
}


@dataclass(frozen=True)
class ExportSettings:
    """One split as files."""

    split: str = setting("test", "test, validation, train (or train~0.5 for tau), twin or near")
    count: int = setting(HELD_OUT, f"problems of each column; test and validation have {HELD_OUT}", bounds="[1, inf)")
    columns: list[str] = setting(factory=list, help="columns of the mini world; none = all")
    out: str = setting("build/mini_world", "folder to write")


def row_of(sample: Sample, folder: Path) -> dict[str, Any]:
    """Write a sample's picture and return its row."""
    name = f"images/{'_'.join(sample.id.split('/')[2:])}.png"
    sample.images[0].open().save(folder / name, format="PNG")
    return {
        "id": sample.id,
        "problem": sample.question,
        "answer": sample.answer,
        "image": name,
        "images": [name],
        "column": sample.tags["column"],
        "suggestion": sample.tags.get("hint", ""),
        "facts": json.dumps(sample.facts),
        "solution": sample.solution,
    }


def card(split: str, rows: list[dict[str, Any]], table: Path, pictures: str) -> dict[str, Any]:
    """Return the Croissant card; `pictures` is the digest over all pictures in the order of the rows."""
    name = table.name
    files = [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "encodingFormat": "application/jsonlines",
            "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
        },
        {
            "@type": "cr:FileSet",
            "@id": "pictures",
            "name": "pictures",
            "description": f"one PNG per problem; SHA-256 over all of them in the order of the rows: {pictures}",
            "encodingFormat": "image/png",
            "includes": "images/*.png",
        },
    ]
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"problems/{field}",
            "name": field,
            "description": meaning,
            "dataType": "sc:Text",
            "source": {"fileObject": {"@id": name}, "extract": {"column": field}},
        }
        for field, meaning in FIELDS.items()
    ]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": SPEC,
        "name": f"mini_world_{split.replace('~', '_tau_')}",
        "description": (
            f"{len(rows)} problems about small drawn pictures, every fact of which is known: the split {split} of the "
            "mini world, which asks whether an answer looks or believes what the question suggests"
        ),
        "version": f"{WORLD_VERSION}.0.0",
        "license": "https://opensource.org/license/mit",
        "distribution": files,
        "recordSet": [{"@type": "cr:RecordSet", "@id": "problems", "name": "problems", "field": fields}],
    }


def run(settings: ExportSettings) -> None:
    """Write rows, pictures and card."""
    unknown = [name for name in settings.columns if name not in COLUMNS]
    if unknown:
        raise UserError(f"the mini world has no column '{unknown[0]}'; use some of {', '.join(COLUMNS)}")
    columns, folder = settings.columns or list(COLUMNS), Path(settings.out)
    find_problem(settings.split, columns[0], settings.count - 1)  # refuses split or count before anything is drawn
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with progress(f"export {settings.split}", len(columns)) as advance:
        for number, column in enumerate(columns, start=1):
            rows += [row_of(one, folder) for one in samples(settings.split, column, settings.count)]
            advance(number, column)
    table = folder / f"{settings.split}.jsonl"
    write_jsonl(table, rows)
    pictures = hashlib.sha256(b"".join((folder / row["image"]).read_bytes() for row in rows)).hexdigest()
    text = json.dumps(card(settings.split, rows, table, pictures), indent=2)
    atomic_write_text(folder / "croissant.json", text + "\n")
    print(f"{folder}: {len(rows)} problems, {table.name}, images/ and croissant.json")


if __name__ == "__main__":
    sys.exit(command(ExportSettings, run, sys.argv[1:], prog="python -m data.export", summary=str(__doc__)))
