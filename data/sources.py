"""Where samples come from: the mini world, JSONL or Parquet files, `datasets` hub ids; two row schemas are known.

- problem / answer / images: as EasyR1 and PAPO use it; `<image>` placeholders stand in the problem
- messages / images: a user turn, then an assistant turn that is the gold answer
Images in a row are paths (beside the file), bytes, {"bytes", "path"} structs or decoded pictures.
"""

import random
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import isnan
from pathlib import Path
from typing import Any

from PIL import Image

from common import UserError, read_jsonl, sha256_of
from configs import setting
from data.columns import check_column, check_columns
from data.images import BytesImage, FileImage, ImageSource, PillowImage
from data.known import Diagnosis
from data.mini import world
from data.mini.diagnosis import diagnose
from data.mini.known import NAMES
from data.sample import IMAGE_PLACEHOLDER, Sample
from data.shards import missing_shards

PROBLEM_KEYS, MESSAGE_KEYS = {"problem", "answer"}, {"messages"}
OWN_KEYS = {"id", "images", "source", "answer_type", *PROBLEM_KEYS, *MESSAGE_KEYS}  # all others become columns
STRETCH = 1024  # positions of the mini world's stream that are searched for one sample of a stage
ROWS_AT_ONCE = 1000
FEW = 10  # so many broken samples stop no run, as a share of few means nothing
NO_ROWS = "data.source '{}' has no rows; there is nothing to learn from"
BLANK = b"-"  # stands for a picture where only their number counts


@dataclass(frozen=True)
class StageSettings:
    """A part of the training that learns from some of the samples."""

    until: float = setting(1.0, "progress at which it ends: 0.3 = after three tenths of the steps", bounds="(0, 1]")
    where: dict[str, str] = setting(
        factory=dict, help="what samples must have: a tag, column, answer_type or source; `chart|word` is either"
    )


@dataclass(frozen=True)
class DataSettings:
    """The samples a run learns from."""

    source: str = setting("mini", "mini, a .jsonl or .parquet file, a downloaded folder, or a hub id (owner/name)")
    split: str = setting("train", "split of the mini world, of a hub data set or of a downloaded folder")
    image_folder: str | None = setting(None, "where relative image paths start; None = beside the file")
    revision: str | None = setting(None, "revision of a hub data set")
    unusable_share: float = setting(
        0.02,
        "share of rows or pictures that may be unusable: they are left out and counted; above it the run stops",
        bounds="[0, 1]",
    )
    stages: list[StageSettings] = setting(factory=list, help="{until, where} in order; after the last, all samples")


def image_source(value: Any, folder: Path, row: str) -> ImageSource:
    """Return whatever stands in an images column, as something that opens."""
    if isinstance(value, str):
        return FileImage(folder / value, row)
    if isinstance(value, bytes):
        return BytesImage(value, row)
    if isinstance(value, dict) and value.get("bytes"):
        return BytesImage(value["bytes"], row)
    if isinstance(value, dict) and value.get("path"):
        return FileImage(folder / value["path"], row)
    if isinstance(value, Image.Image):
        return PillowImage(value)
    raise UserError(f"{row} holds an image that is neither a path nor bytes nor a picture; fix its images column")


def is_missing(value: Any) -> bool:
    """Return whether a cell is empty: tables write NaN for a missing text, too."""
    return value is None or (isinstance(value, float) and isnan(value))


def message_text(content: Any) -> str:
    """Return a turn's content as text; image parts become placeholders."""
    if isinstance(content, str):
        return content
    return "".join(IMAGE_PLACEHOLDER if part.get("type") == "image" else part.get("text") or "" for part in content)


def turns_by_role(messages: Any, where: str) -> dict[str, str]:
    """Return the text of each turn; a conversation of several questions is refused, because one alone lacks
    its context.
    """
    try:
        turns = {turn["role"]: message_text(turn["content"]) for turn in messages}
    except (AttributeError, KeyError, TypeError):
        raise UserError(f"{where} has a message that is not a turn with role and content; fix its messages") from None
    if len(turns) != len(messages):
        raise UserError(f"{where} has several turns of one role; keep one user turn and one assistant turn")
    return turns


def question_and_answer(row: dict[str, Any], where: str) -> tuple[str, str]:
    if row.keys() >= PROBLEM_KEYS:
        question, answer = row["problem"], row["answer"]
    elif row.keys() >= MESSAGE_KEYS:
        turns = turns_by_role(row["messages"], where)
        question, answer = turns.get("user"), turns.get("assistant")
    else:
        raise UserError(
            f"{where} has the columns {', '.join(sorted(row))}; expected problem, answer, images or messages, images"
        )
    if is_missing(answer) or not str(answer).strip():
        raise UserError(f"{where} has no answer; remove the row or fill its answer")
    return str(question or ""), str(answer)


def sample_from_row(row: dict[str, Any], number: int, source: str, folder: Path) -> Sample:
    """Return one row of either schema; pictures without a placeholder are put in front of the question."""
    where = f"row {number} of {source}"
    question, answer = question_and_answer(row, where)
    values = row.get("images")
    values = [] if values is None else values if isinstance(values, list | tuple) else [values]
    images = [image_source(value, folder, where) for value in values]
    if images and IMAGE_PLACEHOLDER not in question:
        question = IMAGE_PLACEHOLDER * len(images) + question
    if question.count(IMAGE_PLACEHOLDER) != len(images):
        raise UserError(
            f"{where} has {question.count(IMAGE_PLACEHOLDER)} {IMAGE_PLACEHOLDER} placeholder(s) for {len(images)} "
            "image(s); make the two equal"
        )
    name = f"{source}/{number}" if row.get("id") is None else str(row["id"])
    more = {key: value for key, value in row.items() if key not in OWN_KEYS and value is not None}
    for key, value in more.items():
        check_column(key, value, where)
    return Sample(
        id=name,
        source=str(row.get("source") or source),
        question=question,
        images=images,
        answer=answer.strip(),
        answer_type=row.get("answer_type"),
        columns=more,
    )


def ways(where: Mapping[str, str]) -> list[dict[str, str]]:
    """Return every choice among the values of `where` that name several."""
    return [dict(zip(where, values, strict=True)) for values in product(*(one.split("|") for one in where.values()))]


def has(sample: Sample, where: Mapping[str, str]) -> bool:
    """Return whether a sample has every wanted value, as text: of a tag, a column, its answer_type or its source."""
    known = {"source": sample.source, "answer_type": sample.answer_type, **sample.tags}
    return all(str(known.get(name, sample.columns.get(name))) == value for name, value in where.items())


@dataclass(frozen=True)
class BrokenImage:
    """Stands for the pictures of a row that turns out to be unusable when it is taken."""

    why: str

    def open(self) -> Image.Image:
        raise UserError(self.why)


class ArrowRows(Sequence[dict[str, Any]]):
    """Rows of a table that stays on disk, mapped into memory; pictures stay as they are stored until they open."""

    def __init__(self, table: Any):
        self.table = table.with_format("arrow")  # the plain format decodes every picture of a row

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self.table[int(number)].to_pylist()[0]

    def light(self) -> Iterator[dict[str, Any]]:
        """Yield every row with only the number of its pictures: blanks stand for them, their bytes are not read."""
        if "images" not in self.table.column_names:
            yield from self
            return
        import pyarrow.compute

        text = self.table.remove_columns("images").iter(ROWS_AT_ONCE)
        pictures = self.table.select_columns("images").iter(ROWS_AT_ONCE)
        for rows, column in zip(text, pictures, strict=True):
            images = column.column("images")
            is_list = "list" in str(images.type)
            counts = pyarrow.compute.list_value_length(images) if is_list else images.is_valid().cast("int64")
            for row, count in zip(rows.to_pylist(), counts.to_pylist(), strict=True):
                yield row | {"images": [BLANK] * (count or 0)}


def parquet_files(settings: DataSettings) -> list[Path]:
    """Return the Parquet file that is named, or those of the split in a folder as it was downloaded, in order."""
    path = Path(settings.source)
    if not path.is_dir():
        return [path]
    found = sorted({*path.rglob(f"{settings.split}-*.parquet"), *path.rglob(f"{settings.split}.parquet")})
    if not found:
        raise UserError(f"the folder {path} holds no {settings.split}-*.parquet; check data.source and data.split")
    for folder in dict.fromkeys(one.parent for one in found):
        if gone := missing_shards([one for one in found if one.parent == folder]):
            raise UserError(f"{gone}; finish the download of {path}")
    return found


def source_digest(settings: DataSettings) -> str:
    """Return what the data are, as exactly as can be told: the content of local files, else the name."""
    path = Path(settings.source)
    if path.is_dir():
        return "sha256:" + "+".join(map(sha256_of, parquet_files(settings)))
    return f"sha256:{sha256_of(path)}" if path.is_file() else settings.source


def parquet_rows(settings: DataSettings) -> ArrowRows:
    """Return rows of Parquet files, kept as a table that can be mapped in the cache of `datasets`."""
    paths = parquet_files(settings)
    import datasets
    import pyarrow.parquet

    try:
        rows = 0
        for path in paths:
            rows += pyarrow.parquet.read_metadata(path).num_rows
        if not rows:
            raise UserError(NO_ROWS.format(settings.source))
        datasets.disable_progress_bars()
        return ArrowRows(datasets.Dataset.from_parquet([str(path) for path in paths]))
    except (pyarrow.ArrowException, OSError, datasets.exceptions.DatasetsError) as error:
        raise UserError(f"the data file {path} cannot be read as Parquet: {error}") from None


def hub_rows(settings: DataSettings) -> ArrowRows:
    from datasets import load_dataset

    try:
        return ArrowRows(load_dataset(settings.source, split=settings.split, revision=settings.revision))
    except (OSError, ValueError) as error:  # a wrong name, split or revision, or no connection
        raise UserError(f"hub data set {settings.source} ({settings.split}) cannot be loaded: {error}") from None


def check_split(settings: DataSettings) -> None:
    """Refuse a split that the mini world does not have; what other sources have lies in their files."""
    if settings.source == "mini":
        world.problem(settings.split, "counting", 0)


def check_source(settings: DataSettings) -> None:
    """Refuse a source that is not there, without reading it."""
    check_split(settings)
    path = Path(settings.source)
    names_file = path.suffix in (".jsonl", ".parquet")
    if settings.source == "mini" or (path.is_dir() and path.suffix != ".jsonl"):
        return
    if names_file and not path.is_file():
        wrong = "is no file" if path.exists() else "does not exist"
        raise UserError(f"the data file {path} {wrong}; check the path")
    if not names_file and (settings.source.count("/") != 1 or path.exists()):
        raise UserError(
            f"data.source '{settings.source}' is neither mini, a .jsonl or .parquet file, a folder, nor a hub id"
        )


def read_rows(settings: DataSettings) -> tuple[Sequence[dict[str, Any]], Path]:
    """Return the rows of a file or hub data set, read when they are asked for, and where their image paths start."""
    check_source(settings)
    path = Path(settings.source)
    rows: Sequence[dict[str, Any]]
    if path.suffix == ".jsonl":
        rows = read_jsonl(path)
    elif path.suffix == ".parquet" or path.is_dir():
        rows = parquet_rows(settings)
    else:
        rows = hub_rows(settings)
    return rows, Path(settings.image_folder) if settings.image_folder else path.parent


class Samples:
    """Samples by position, so that a stopped run finds its place again; finite sources start over, shuffled anew.

    A row is read when its sample is taken. Rows that cannot be used are left out and counted, up to a share. With
    stages, a sample is a function of seed, stage and position, which counts on in the next stage's stream.
    """

    def __init__(self, settings: DataSettings, seed: int):
        self.settings, self.seed = settings, seed
        self.rows: Sequence[dict[str, Any]] | None = None
        self.usable: list[int] = []  # places of the rows that samples can be made of
        self.staged: list[list[int]] = [[] for _ in settings.stages]  # places among the usable rows
        self.with_column: Counter[str] = Counter(NAMES)  # usable rows that have a column
        self.left_out: list[str] = []  # why others cannot, a sentence each
        self.taken = self.broken = 0  # samples since the start, and those whose pictures could not be used
        if settings.source == "mini":
            check_source(settings)
            return
        self.rows, self.folder = read_rows(settings)
        if not len(self.rows):
            raise UserError(NO_ROWS.format(settings.source))
        self.with_column.clear()
        self.check_rows()

    def check_rows(self) -> None:
        """Look at the text of every row once; a picture is looked at when its row is taken."""
        assert self.rows is not None
        names: set[str] = set()
        light = self.rows.light() if isinstance(self.rows, ArrowRows) else self.rows
        wanted = [ways(stage.where) for stage in self.settings.stages]
        for number, row in enumerate(light):
            try:
                sample = sample_from_row(row, number, self.settings.source, self.folder)
            except UserError as error:
                self.left_out.append(str(error))
                continue
            names.add(sample.id)
            self.with_column.update(sample.columns.keys())
            for choices, places in zip(wanted, self.staged, strict=True):
                places += [len(self.usable)] if any(has(sample, way) for way in choices) else []
            self.usable.append(number)
        for stage, places in zip(self.settings.stages, self.staged, strict=True):
            if not places:
                raise UserError(f"data.stages wants {stage.where}, which no row of {self.settings.source} has")
        if repeated := len(self.usable) - len(names):
            raise UserError(f"data.source '{self.settings.source}' repeats {repeated} id(s); ids must be unique")
        if len(self.left_out) > self.settings.unusable_share * len(self.rows):
            raise UserError(
                f"{self.left_out[0]} ({len(self.left_out)} of {len(self.rows)} rows cannot be used, more than "
                f"data.unusable_share = {self.settings.unusable_share})"
            )
        if self.left_out:
            first = f"{len(self.left_out)} of {len(self.rows)} rows are left out, the first because {self.left_out[0]}"
            print(f"data.source {self.settings.source}: {first}", file=sys.stderr)

    def __len__(self) -> int:
        """Return samples of an epoch; the mini world has no end."""
        return len(self.usable)

    def sample(self, place: int) -> Sample:
        """Return the usable row at a place, as it lies in the source."""
        assert self.rows is not None
        number = self.usable[place]
        try:
            return sample_from_row(self.rows[number], number, self.settings.source, self.folder)
        except UserError as error:  # its pictures: the text was looked at before
            name = f"{self.settings.source}/{number}"
            return Sample(name, self.settings.source, IMAGE_PLACEHOLDER, [BrokenImage(str(error))], "")

    @property
    def diagnoses(self) -> bool:
        """Return whether the source makes its problems itself, so that an answer's error has a known class."""
        return self.rows is None

    def diagnose(self, sample: Sample, text: str) -> Diagnosis:
        """Return what is wrong with an answer that was judged wrong."""
        assert self.diagnoses
        return diagnose(sample, text, False)

    def require(self, names: Iterable[str], reader: str) -> None:
        """Refuse data that lack a column which `reader` (a piece, as the user named it) reads."""
        check_columns(names, self.with_column, len(self) or 1, self.settings.source, reader)

    def stage_at(self, progress: float) -> int | None:
        """Return the number of the stage at a progress from 0 to 1, None after the last."""
        return next((n for n, stage in enumerate(self.settings.stages) if progress < stage.until), None)

    def from_position(self, position: int, stage: int | None = None) -> Iterator[Sample]:
        """Yield samples from a position on, endless."""
        if self.rows is None:
            # Seeds must not see the same problems: each gets its own stretch of the endless stream.
            start = position + self.seed * 10_000_000
            yield from world.stream(self.settings.split, start) if stage is None else self.stretches(start, stage)
            return
        places = list(range(len(self))) if stage is None else self.staged[stage]
        while True:
            epoch, start = divmod(position, len(places))
            order = list(places)
            random.Random(f"{self.seed}/{epoch}").shuffle(order)
            for place in order[start:]:
                yield self.sample(place)
                position += 1

    def stretches(self, number: int, stage: int) -> Iterator[Sample]:
        """Yield the first sample of a stage in each stretch of the mini world's stream, from stretch `number` on.

        Where the stage names several values, stretches look for them in turn, so that all are equally common.
        """
        choices = ways(self.settings.stages[stage].where)
        while True:
            where = choices[number % len(choices)]
            stretch = islice(world.stream(self.settings.split, number * STRETCH), STRETCH)
            found = next((sample for sample in stretch if has(sample, where)), None)
            if found is None:
                raise UserError(f"data.stages wants {where}, which none of {STRETCH} samples has; mend the stage")
            yield found
            number += 1

    def take(self, position: int, count: int, progress: float = 0.0) -> list[Sample]:
        """Return the samples from a position on, of the stage at this progress."""
        self.taken += count
        return list(islice(self.from_position(position, self.stage_at(progress)), count))

    def count_broken(self, sentences: Sequence[str]) -> None:
        """Count samples whose pictures could not be used, and stop where they are too many of those taken."""
        self.broken += len(sentences)
        if sentences and self.broken > max(FEW, self.settings.unusable_share * self.taken):
            raise UserError(
                f"{sentences[-1]} ({self.broken} of the last {self.taken} samples cannot be used, more than "
                f"data.unusable_share = {self.settings.unusable_share})"
            )
