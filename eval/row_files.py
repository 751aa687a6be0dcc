"""Where a benchmark's rows lie, and how they are read: local copies, snapshots of the hub as downloaded, the hub.

Local copies: `<folder>/<benchmark name>/<Part.file_name>` with the ending .parquet, .jsonl, .json or .tsv; readings
that share one data set may also share `<folder>/<last part of the hub id>/`. A downloaded snapshot of the hub goes
into such a folder as it is: `data/test-00000-of-00002.parquet`, `<config>/val-00000-of-00001.parquet`,
`testmini.parquet`, `mmstar.parquet`. Paths of pictures start there too.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common import UserError, read_jsonl
from data.shards import SHARD, missing_shards
from eval.benchmark import Benchmark, Part, Row

ENDINGS = (".parquet", ".jsonl", ".json", ".tsv")
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Table:
    """The rows of one part, the files they are from, and the folder where picture paths start."""

    rows: Iterable[Row]
    files: list[str]
    home: Path
    missing: str = ""  # which shards of a snapshot are not there


def rows_of(benchmark: Benchmark, part: Part, folder: Path | None) -> Table:
    """Return the rows of a part from a folder, or from the hub where none is given."""
    return _hub_table(benchmark, part) if folder is None else _local_table(benchmark, part, folder)


def _local_table(benchmark: Benchmark, part: Part, folder: Path) -> Table:
    shared = benchmark.hub.rpartition("/")[2]
    homes = [folder / name for name in (benchmark.name, shared) if name]
    for home in homes:
        paths = [path for ending in ENDINGS if (path := home / f"{part.file_name}{ending}").exists()]
        if len(paths) > 1:
            raise UserError(f"{home} holds {' and '.join(path.name for path in paths)}; keep one of them")
        if paths:
            return Table(_file_rows(paths[0]), [str(paths[0])], home)
        shards = _shards(benchmark, part, home)
        if shards:
            rows = (row for path in shards for row in _parquet_rows(path))
            return Table(rows, [str(path) for path in shards], home, missing_shards(shards))
    wanted = " or ".join(str(home / part.file_name) for home in homes)
    raise UserError(
        f"no local copy of {benchmark.name}: expected {wanted} with one of {', '.join(ENDINGS)}, or a downloaded "
        "snapshot of the hub in that folder"
    )


def _shards(benchmark: Benchmark, part: Part, home: Path) -> list[Path]:
    """Return the Parquet files of a snapshot that hold a part, in order."""
    folders = [home / (part.config or "default")]
    if len({other.config for other in benchmark.parts}) == 1:  # else data/ could hold another configuration
        folders += [home / "data", home]
    for folder in folders:
        files = sorted(folder.glob("*.parquet"))
        found = [path for path in files if (match := SHARD.fullmatch(path.name)) and match["split"] == part.split]
        if not found and folder == home and len(files) == len(benchmark.parts) == 1:
            found = files
        if found:
            return found
    return []


def _file_rows(path: Path) -> Iterable[Row]:
    readers = {".jsonl": read_jsonl, ".json": _json_rows, ".tsv": _tsv_rows, ".parquet": _parquet_rows}
    return readers[path.suffix](path)


def _json_rows(path: Path) -> Sequence[Row]:
    """Read a list of rows, or an object of rows by id, as repositories keep them; some are JSON lines in fact."""
    try:
        table = json.loads(path.read_bytes())
    except ValueError:  # no JSON, or no UTF-8: the reader of JSON lines says which
        return read_jsonl(path)
    if isinstance(table, dict):
        by_id = all(isinstance(row, dict) for row in table.values())
        table = [{"id": key} | row for key, row in table.items()] if by_id else [table]
    if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
        raise UserError(f"{path} holds neither a list of rows nor an object of rows by id; write it so")
    return table


def _tsv_rows(path: Path) -> list[Row]:
    """Return every cell as text, except those that hold a JSON list or object."""
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    except (ValueError, OSError) as error:  # the parser's own errors and wrong encodings are ValueErrors
        raise UserError(f"{path} cannot be read as tab-separated text: {error}") from None
    return [{str(key): _cell(value) for key, value in row.items()} for row in table.to_dict("records")]


def _cell(text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text  # a formula such as [0, 1) or the text form of a Python list, which `read` understands


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    try:
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(_ROWS_AT_ONCE):
            yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as Parquet: {error}") from None


def _hub_table(benchmark: Benchmark, part: Part) -> Table:
    if not benchmark.hub:
        raise UserError(f"{benchmark.name} has no hub copy; give the folder of a local one")
    import datasets

    try:
        data = datasets.load_dataset(benchmark.hub, part.config, split=part.split)
    except (OSError, ValueError, RuntimeError) as error:  # wrong name, no connection; a loading script is RuntimeError
        raise UserError(
            f"hub data set {benchmark.hub} ({part.file_name}) cannot be loaded: {error}; check the connection or give "
            "the folder of a local copy"
        ) from None
    origin = sorted(data.info.download_checksums or ()) or [f"{benchmark.hub} {part.file_name}"]
    # Arrow batches hold pictures as they are stored; the plain format would decode every one of them here.
    batches = data.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE)
    return Table((row for batch in batches for row in batch.to_pylist()), origin, Path())
