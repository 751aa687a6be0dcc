"""From a benchmark's rows, on disk or on the hub, to checked samples.

A row that cannot be used is named and counted, and the benchmark goes on with the others.
"""

import hashlib
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from common import UserError
from data import Sample
from data.images import FileImage
from data.sample import IMAGE_PLACEHOLDER
from eval.benchmark import Benchmark, Part, Row, Where
from eval.row_files import Table, rows_of
from eval.rows import inline_options, lettered

UNUSABLE = "rows that cannot be used"
_LETTERS = re.compile(r"[A-Z](?:, [A-Z])*")
_OPENING_THREADS = 4


@dataclass(kw_only=True)
class Loaded:
    """What a benchmark's rows became; `samples` may be a subset, everything else is always of all rows."""

    benchmark: Benchmark
    samples: list[Sample] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)  # reason -> rows, unusable ones included
    unusable: list[str] = field(default_factory=list)  # a sentence for each row that cannot be used, and its remedy
    rows: int = 0
    files: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)  # shards that are not there
    pictures: list[Path] = field(default_factory=list)  # files that kept rows name, each once
    doubtful_golds: list[str] = field(default_factory=list)  # rows whose gold is no letter that their question lists

    @property
    def kept(self) -> int:
        """Return rows that became samples, before a subset was drawn."""
        return self.rows - self.left_out.total()

    @property
    def deviation(self) -> str:
        """Return a sentence where the number of kept rows is not what the authors publish, else nothing."""
        expected = self.benchmark.rows
        if expected is None or self.kept == expected:
            return ""
        said = f"{self.benchmark.name}: {self.kept} of {expected} items that its authors publish"
        return "; ".join([said, *self.missing])

    def refuse(self, reason: str) -> None:
        """Count a row that cannot be used, and keep the sentence about it."""
        self.unusable.append(reason)
        self.left_out[UNUSABLE] += 1


def load(benchmark: Benchmark, folder: Path | None, items: int | None = None, gone_pictures: bool = False) -> Loaded:
    """Return all samples of a benchmark, or a random subset of whole clusters that holds at least `items` of them.

    A picture that does not exist or does not open makes its row unusable, unless `gone_pictures`.
    """
    tables = ((part, rows_of(benchmark, part, folder)) for part in benchmark.parts)
    loaded = read_tables(benchmark, tables, gone_pictures)
    if loaded.samples and items is not None:
        loaded.samples = subset(benchmark, loaded.samples, items)
    if not gone_pictures:
        _open_pictures(loaded)
    if not loaded.samples:
        reasons = "; ".join(f"{count} left out: {reason}" for reason, count in loaded.left_out.items())
        reasons += f", the first: {loaded.unusable[0]}" if loaded.unusable else ""
        raise UserError(
            f"benchmark {benchmark.name} holds no item to answer ({reasons or 'it has no rows'}); check "
            f"{', '.join(loaded.files)}"
        )
    return loaded


def read_tables(benchmark: Benchmark, tables: Iterable[tuple[Part, Table]], gone_pictures: bool = False) -> Loaded:
    """Return what the rows of a benchmark's parts become; no picture is opened here."""
    loaded = Loaded(benchmark=benchmark)
    loaded.samples = list(_samples(loaded, tables, gone_pictures))
    images = (image for sample in loaded.samples for image in sample.images)
    loaded.pictures = list({image.path: None for image in images if isinstance(image, FileImage)})
    return loaded


def _samples(loaded: Loaded, tables: Iterable[tuple[Part, Table]], gone_pictures: bool) -> Iterator[Sample]:
    """Read every row of every part, and record in `loaded` what does not become a sample."""
    benchmark = loaded.benchmark
    places: dict[str, Where] = {}
    for part, table in tables:
        loaded.files += table.files
        loaded.missing += [table.missing] if table.missing else []
        for number, row in enumerate(table.rows):
            where = Where(benchmark.name, part, number, table.home)
            loaded.rows += 1
            try:
                sample = _sample(benchmark, row, where, gone_pictures)
                if not isinstance(sample, str) and sample.id in places:
                    raise UserError(
                        f"{where} repeats the id {sample.id} of {places[sample.id]}; remove one of the two"
                    )
            except UserError as error:
                loaded.refuse(str(error))
                continue
            if isinstance(sample, str):
                loaded.left_out[sample] += 1
                continue
            places[sample.id] = where
            loaded.doubtful_golds += doubt_about_gold(sample, where)
            yield sample


def _open_pictures(loaded: Loaded) -> None:
    """Decode every picture of the chosen samples once, so that none stops the evaluation later."""
    with ThreadPoolExecutor(_OPENING_THREADS) as threads:
        problems = list(threads.map(_picture_problem, loaded.samples))
    for problem in problems:
        if problem:
            loaded.refuse(problem)
    loaded.samples = [sample for sample, problem in zip(loaded.samples, problems, strict=True) if not problem]


def _picture_problem(sample: Sample) -> str:
    try:
        for image in sample.images:
            image.open()
    except UserError as error:
        return str(error)
    return ""


def cluster_of(benchmark: Benchmark, sample: Sample) -> str:
    """Return what the items of one problem share; an item's own id where every item stands alone."""
    return sample.tags[benchmark.cluster] if benchmark.cluster else sample.id


def subset(benchmark: Benchmark, samples: list[Sample], items: int) -> list[Sample]:
    """Return whole clusters in a shuffled order until `items` samples are reached, in their first order.

    The order hangs on the cluster's name alone: runs of all seeds answer the same items, more items only add to fewer,
    and the order of the rows is no matter.
    """
    if items < 1:
        raise UserError(f"items={items} leaves nothing of {benchmark.name}; ask for at least 1")
    sizes = Counter(cluster_of(benchmark, sample) for sample in samples)
    chosen: set[str] = set()
    count = 0
    for cluster in sorted(sizes, key=lambda name: hashlib.blake2b(f"0/{name}".encode()).digest()):
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
    assert benchmark.read, f"{benchmark.name} has no rows"
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
    if not _LETTERS.fullmatch(sample.answer):
        raise UserError(f"{where} has the gold answer {sample.answer!r}, which is no capital letter; correct the row")


def doubt_about_gold(sample: Sample, where: Where) -> list[str]:
    """Return a sentence where the gold is no letter of the options that the row has or its question lists.

    The row stays: its authors count it (as never right), and a list that is misread from free text must not cost one.
    """
    if sample.answer_type != "choice":
        return []
    listed = lettered(sample.choices or inline_options(sample.question))
    if not listed or set(sample.answer.split(", ")) <= set(listed):
        return []
    return [f"{where}: {sample.answer}, not one of {', '.join(listed)}; correct the row"]
