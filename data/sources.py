"""Where samples come from: the mini world, JSONL or Parquet files, `datasets` hub ids; two row schemas are known.

- problem / answer / images: as EasyR1 and PAPO use it; `<image>` placeholders stand in the problem
- messages / images: a user turn, then an assistant turn that is the gold answer
Images in a row are paths (beside the file), bytes, {"bytes", "path"} structs or decoded pictures.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from common import UserError, read_jsonl
from configs import setting
from data.images import BytesImage, FileImage, ImageSource, PillowImage
from data.mini import world
from data.sample import IMAGE_PLACEHOLDER, Sample

PROBLEM_KEYS, MESSAGE_KEYS = {"problem", "answer"}, {"messages"}


@dataclass
class DataSettings:
    """The samples a run learns from."""

    source: str = setting("mini", "mini, a .jsonl or .parquet file, or a hub id (owner/name)")
    split: str = setting("train", "split of the mini world or of a hub data set")
    image_folder: str | None = setting(None, "where relative image paths start; None = beside the file")
    revision: str | None = setting(None, "revision of a hub data set")


def image_source(value: Any, folder: Path, row: str) -> ImageSource:
    """Whatever stands in an images column, as something that opens."""
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


def message_text(content: Any) -> str:
    """A turn's content as text; image parts become placeholders."""
    if isinstance(content, str):
        return content
    return "".join(IMAGE_PLACEHOLDER if part.get("type") == "image" else part.get("text") or "" for part in content)


def turns_by_role(messages: Any, where: str) -> dict[str, str]:
    """The text of each turn; a conversation of several questions is refused, because one alone lacks its context."""
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
    if answer is None or not str(answer).strip():
        raise UserError(f"{where} has no answer; remove the row or fill its answer")
    return str(question or ""), str(answer)


def sample_from_row(row: dict[str, Any], number: int, source: str, folder: Path) -> Sample:
    """One row of either schema; pictures without a placeholder are put in front of the question."""
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
    return Sample(name, source, question, images, answer.strip())


def read_rows(settings: DataSettings) -> tuple[list[dict[str, Any]], Path]:
    """All rows of a file or hub data set, and the folder its image paths start from."""
    path = Path(settings.source)
    if path.suffix == ".jsonl":
        rows = read_jsonl(path)
    elif path.suffix == ".parquet":
        if not path.exists():
            raise UserError(f"the data file {path} does not exist; check data.source")
        import pyarrow.parquet

        try:
            rows = pyarrow.parquet.read_table(path).to_pylist()
        except (pyarrow.ArrowException, OSError) as error:
            raise UserError(f"the data file {path} cannot be read as Parquet: {error}") from None
    elif settings.source.count("/") == 1 and not path.exists():
        from datasets import load_dataset

        try:
            rows = list(load_dataset(settings.source, split=settings.split, revision=settings.revision))
        except (OSError, ValueError) as error:  # a wrong name, split or revision, or no connection
            raise UserError(f"hub data set {settings.source} ({settings.split}) cannot be loaded: {error}") from None
    else:
        raise UserError(f"data.source '{settings.source}' is neither mini, a .jsonl or .parquet file, nor a hub id")
    return rows, Path(settings.image_folder) if settings.image_folder else path.parent


class Samples:
    """Samples by position, so that a stopped run finds its place again; finite sources start over, shuffled anew."""

    def __init__(self, settings: DataSettings, seed: int):
        self.settings, self.seed = settings, seed
        self.rows: list[Sample] | None = None
        if settings.source == "mini":
            world.problem(settings.split, "counting", 0)  # refuses an unknown split now rather than later
            return
        rows, folder = read_rows(settings)
        self.rows = [sample_from_row(row, n, settings.source, folder) for n, row in enumerate(rows)]
        if not self.rows:
            raise UserError(f"data.source '{settings.source}' has no rows; there is nothing to learn from")
        repeated = len(self.rows) - len({sample.id for sample in self.rows})
        if repeated:
            raise UserError(f"data.source '{settings.source}' repeats {repeated} id(s); ids must be unique")

    def from_position(self, position: int) -> Iterator[Sample]:
        """Samples from a position on, endless."""
        if self.rows is None:
            # Seeds must not see the same problems: each gets its own stretch of the endless stream.
            yield from world.stream(self.settings.split, position + self.seed * 10_000_000)
            return
        import random

        while True:
            epoch, start = divmod(position, len(self.rows))
            order = list(range(len(self.rows)))
            random.Random(f"{self.seed}/{epoch}").shuffle(order)
            for index in order[start:]:
                yield self.rows[index]
                position += 1

    def take(self, position: int, count: int) -> list[Sample]:
        return list(islice(self.from_position(position), count))
