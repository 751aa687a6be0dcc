"""`python -m data.easy_vqa out=<folder>`: the rows of the package easy-vqa, for training and for its benchmark."""

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from common import UserError, write_jsonl
from configs import command, setting

SUMMARY = "Rows of easy-vqa, for training and for its benchmark."
YES_NO = ("yes", "no")
THING = re.compile(r"\b(?:(?:black|blue|brown|gr[ae]y|green|red|teal|yellow) shape|circle|rectangle|triangle)\b")
NEGATED = re.compile(r"\b(?:not|no)\b")


@dataclass(frozen=True)
class EasyVqaCommand:
    """Write `train.jsonl` and the rows of the benchmark easy_vqa; pictures stay in the package."""

    package: str = setting("", "folder of the package; empty = the installed one")
    out: str = setting("build/data", "folder that gets easy_vqa/train.jsonl and easy_vqa/default-test.jsonl")
    wording: Literal["package", "tiny"] = setting(
        "package", "tiny: the yes-or-no questions alone, in the one form that the tiny base model knows"
    )


def in_tiny_words(question: str) -> str:
    """Return a yes-or-no question as the mini world would ask it; the tiny model answers no other form of it."""
    things = THING.findall(question)
    if len(things) != 1:
        raise UserError(f"'{question}' names no single thing; give wording=package")
    return f"Is it true that the picture shows {'no' if NEGATED.search(question) else 'a'} {things[0]} ?"


def package_folder(settings: EasyVqaCommand) -> Path:
    found = importlib.util.find_spec("easy_vqa") if not settings.package else None
    folder = Path(found.origin).parent if found and found.origin else Path(settings.package)
    if not (folder / "data" / "test" / "questions.json").is_file():
        raise UserError(
            "the package easy-vqa is not installed; run pip install easy-vqa==1.0 or give package=<folder>"
        )
    return folder.resolve()


def rows(folder: Path, split: str, wording: str) -> Iterator[tuple[str, str, str, Path]]:
    """Return question, answer, number and file of the picture."""
    for question, answer, picture in json.loads((folder / "data" / split / "questions.json").read_text()):
        if wording == "tiny" and answer not in YES_NO:
            continue
        asked = in_tiny_words(question) if wording == "tiny" else question
        yield asked, answer, str(picture), folder / "data" / split / "images" / f"{picture}.png"


def run(settings: EasyVqaCommand) -> None:
    folder, out = package_folder(settings), Path(settings.out) / "easy_vqa"
    training: Iterator[dict[str, Any]] = (
        {"problem": question, "answer": answer, "images": [str(path)]}
        for question, answer, _, path in rows(folder, "train", settings.wording)
    )
    test: Iterator[dict[str, Any]] = (
        {"question": question, "answer": answer, "image": str(path), "picture": picture}
        for question, answer, picture, path in rows(folder, "test", settings.wording)
    )
    write_jsonl(out / "train.jsonl", training)
    write_jsonl(out / "default-test.jsonl", test)
    print(f"training: data.source={out / 'train.jsonl'}; evaluation: bench=easy_vqa data={settings.out}")


if __name__ == "__main__":
    sys.exit(command(EasyVqaCommand, run, sys.argv[1:], prog="python -m data.easy_vqa", summary=SUMMARY))
