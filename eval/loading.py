"""From a benchmark's rows, on disk or on the hub, to checked samples.

Local copies: `<folder>/<benchmark name>/<Part.file_name>` with the ending .parquet, .jsonl or .tsv; readings that
share one data set may also share `<folder>/<last part of the hub id>/`. Paths of pictures start there too.
"""

import hashlib
import json
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from common import UserError, read_jsonl
from data import Sample
from data.images import FileImage
from data.sample import IMAGE_PLACEHOLDER
from eval.benchmark import Benchmark, Part, Row, Where
from eval.rows import inline_options, lettered

ENDINGS = (".parquet", ".jsonl", ".tsv")
_LETTERS = re.compile(r"[A-Z](?:, [A-Z])*")
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Loaded:
    """What a benchmark's rows became; `samples` may be a subset, everything else is always of all rows."""

    benchmark: Benchmark
    samples: list[Sample]
    left_out: Counter[str]  # reason -> rows
    rows: int
    files: list[str]
    pictures: list[Path]  # files that kept rows name, each once
    doubtful_golds: list[str]  # rows whose gold letter is none of the options that their question lists

    @property
    def kept(self) -> int:
        """Rows that became samples, before a subset was drawn."""
        return self.rows - self.left_out.total()

    @property
    def deviation(self) -> str:
        """A sentence where the number of kept rows is not what the authors publish, else nothing."""
        expected = self.benchmark.rows
        if expected is None or self.kept == expected:
            return ""
        return f"{self.benchmark.name}: {self.kept} rows after filtering, its authors publish {expected}"


def load(
    benchmark: Benchmark, folder: Path | None, items: int | None = None, seed: int = 0, gone_pictures: bool = False
) -> Loaded:
    """All samples of a benchmark, or a random subset of whole clusters that holds at least `items` of them.

    A picture file that does not exist is refused here unless `gone_pictures`: then opening it says so.
    """
    samples: list[Sample] = []
    left_out: Counter[str] = Counter()
    files: list[str] = []
    pictures: dict[Path, None] = {}
    doubtful_golds: list[str] = []
    places: dict[str, Where] = {}
    rows = 0
    for part in benchmark.parts:
        table, origin, home = _hub_rows(benchmark, part) if folder is None else _local_rows(benchmark, part, folder)
        files += origin
        for number, row in enumerate(table):
            where = Where(benchmark.name, part, number, home)
            rows += 1
            sample = _sample(benchmark, row, where, gone_pictures)
            if isinstance(sample, str):
                left_out[sample] += 1
                continue
            if sample.id in places:
                raise UserError(f"{where} repeats the id {sample.id} of {places[sample.id]}; remove one of the two")
            places[sample.id] = where
            samples.append(sample)
            pictures |= {image.path: None for image in sample.images if isinstance(image, FileImage)}
            doubtful_golds += doubt_about_gold(sample, where)
    if not samples:
        reasons = "; ".join(f"{count} left out: {reason}" for reason, count in left_out.items()) or "it has no rows"
        raise UserError(f"benchmark {benchmark.name} holds no item to answer ({reasons}); check {', '.join(files)}")
    return Loaded(
        benchmark,
        samples if items is None else subset(benchmark, samples, items, seed),
        left_out,
        rows,
        files,
        list(pictures),
        doubtful_golds,
    )


def cluster_of(benchmark: Benchmark, sample: Sample) -> str:
    """What the items of one problem share; an item's own id where every item stands alone."""
    return sample.tags[benchmark.cluster] if benchmark.cluster else sample.id


def subset(benchmark: Benchmark, samples: list[Sample], items: int, seed: int) -> list[Sample]:
    """Whole clusters in a seeded order until `items` samples are reached, returned in their first order.

    The order hangs on the cluster's name alone: more items only add to fewer, and the order of the rows is no matter.
    """
    if items < 1:
        raise UserError(f"items={items} leaves nothing of {benchmark.name}; ask for at least 1")
    sizes = Counter(cluster_of(benchmark, sample) for sample in samples)
    chosen: set[str] = set()
    count = 0
    for cluster in sorted(sizes, key=lambda name: hashlib.blake2b(f"{seed}/{name}".encode()).digest()):
        if count >= items:
            break
        chosen.add(cluster)
        count += sizes[cluster]
    return [sample for sample in samples if cluster_of(benchmark, sample) in chosen]


def _sample(benchmark: Benchmark, row: Row, where: Where, gone_pictures: bool) -> Sample | str:
    missing = [column for column in benchmark.columns if column not in row]
    if missing:
        raise UserError(
            f"{where} lacks the column(s) {', '.join(missing)} and has {', '.join(map(str, row))}; "
            f"rename its columns to those of {benchmark.hub or benchmark.title}"
        )
    try:
        sample = benchmark.read(row, where)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reader = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{where} has a cell of another form than {benchmark.hub or benchmark.title} has: {error!r} in "
            f"{Path(reader.filename).name} at `{reader.line}`; correct the row"
        ) from error
    if isinstance(sample, Sample):
        _check_pictures(benchmark, sample, where, gone_pictures)
        _check_gold(sample, where)
    return sample


def _check_pictures(benchmark: Benchmark, sample: Sample, where: Where, gone_pictures: bool) -> None:
    places = sample.question.count(IMAGE_PLACEHOLDER)
    if places != len(sample.images):
        raise UserError(
            f"{where} has {places} {IMAGE_PLACEHOLDER} placeholder(s) for {len(sample.images)} picture(s); make the "
            "two equal"
        )
    if len(sample.images) > benchmark.max_images:
        raise UserError(
            f"{where} has {len(sample.images)} pictures where {benchmark.name} has {benchmark.max_images} at most; "
            "correct the row"
        )
    for image in sample.images:
        if isinstance(image, FileImage) and not gone_pictures and not image.path.is_file():
            raise UserError(
                f"{where} names the picture {image.path}, which does not exist; unpack the pictures of "
                f"{benchmark.hub or benchmark.title} beside a local copy of its rows and give that folder"
            )


def _check_gold(sample: Sample, where: Where) -> None:
    if not sample.answer.strip():
        raise UserError(f"{where} has no gold answer; fill it or remove the row")
    if sample.answer_type != "choice":
        return
    allowed = lettered(sample.choices)
    golds = sample.answer.split(", ")
    if not _LETTERS.fullmatch(sample.answer) or (allowed and not all(gold in allowed for gold in golds)):
        options = f"one of {', '.join(allowed)}" if allowed else "a capital letter"
        raise UserError(f"{where} has the gold answer {sample.answer!r}, which is not {options}; correct the row")


def doubt_about_gold(sample: Sample, where: Where) -> list[str]:
    """The row, where its gold is no letter of the options that its question lists.

    Only told: the list is read out of free text, and one that is misread must not stop a benchmark.
    """
    if sample.answer_type != "choice" or sample.choices:
        return []
    listed = lettered(inline_options(sample.question))
    if not listed or set(sample.answer.split(", ")) <= set(listed):
        return []
    return [f"{where}: {sample.answer}, not one of {', '.join(listed)}; correct the row"]


def _local_rows(benchmark: Benchmark, part: Part, folder: Path) -> tuple[Iterable[Row], list[str], Path]:
    """Rows of a local copy, the file they are from, and the folder where picture paths start."""
    shared = benchmark.hub.rpartition("/")[2]
    homes = [folder / name for name in (benchmark.name, shared) if name]
    for home in homes:
        paths = [path for ending in ENDINGS if (path := home / f"{part.file_name}{ending}").exists()]
        if len(paths) > 1:
            raise UserError(f"{home} holds {' and '.join(path.name for path in paths)}; keep one of them")
        if paths:
            return _file_rows(paths[0]), [str(paths[0])], home
    wanted = " or ".join(str(home / part.file_name) for home in homes)
    raise UserError(f"no local copy of {benchmark.name}: expected {wanted} with one of {', '.join(ENDINGS)}")


def _file_rows(path: Path) -> Iterable[Row]:
    if path.suffix == ".jsonl":
        return read_jsonl(path)
    if path.suffix == ".tsv":
        return _tsv_rows(path)
    return _parquet_rows(path)


def _tsv_rows(path: Path) -> list[Row]:
    """Every cell as text, except those that hold a JSON list or object."""
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


def _hub_rows(benchmark: Benchmark, part: Part) -> tuple[Iterable[Row], list[str], Path]:
    """Rows of the hub data set, its files with their revision where known, and the folder for picture paths."""
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
    return (row for batch in batches for row in batch.to_pylist()), origin, Path()
