"""Rebuild committed files and compare them byte for byte."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.arithmetic import run as arithmetic
from analysis.claims import run as claims
from analysis.experiments import read_table_file
from analysis.figure_files import WHICH, read_figure
from analysis.judge.classes import PAGE, RECORD, read_labels
from analysis.judge.summary import page_of, summary_of
from analysis.recipes import compared, page
from analysis.score_bench import run as score_bench
from analysis.table_files import ITEMS, read_table
from analysis.verify_results.settings import VerifySettings
from common import UserError

Texts = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One committed file; `problem` is empty where it is what its records give."""

    path: Path
    problem: str


def scores_again(folder: Path) -> Texts:
    """Return the score bench's tables from its tokens."""
    table = score_bench.summary(score_bench.response_aucs(pd.read_parquet(folder / "tokens.parquet")))
    return {"scores.csv": table.to_csv(index=False), "scores.md": score_bench.as_markdown(table)}


def settings_again(folder: Path) -> Texts:
    name = folder.name.removeprefix("table")
    table = read_table_file(name)
    return {"table.md": page(name, table, compared(table))}


def judged_again(folder: Path) -> Texts:
    """Return the page of a judge's classes, its numbers counted again from the labels."""
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    counted = summary_of(read_labels(folder), None, record["run"]["seed"])
    del counted["corrected"]  # by another folder's labels
    return {PAGE: page_of(record | counted)}


def rebuilder(folder: Path) -> Callable[[Path], Texts] | None:
    """Return what makes a folder's files again from what is committed beside them; None where nothing does."""
    if (folder / ITEMS).exists():
        return lambda one: read_table(one).texts()
    if (folder / WHICH).exists():
        return lambda one: read_figure(one).texts()
    if (folder / "tokens.parquet").exists():
        return scores_again
    if (folder / RECORD).exists():
        return judged_again
    if folder.name == "arithmetic":
        return lambda one: arithmetic.texts()
    if folder.name == "claims":
        return lambda one: claims.committed_texts()
    number = folder.name.removeprefix("table")
    if number.isdigit() and "settings" in read_table_file(number):
        return settings_again
    return None


def compare(folder: Path) -> list[Compared]:
    """Compare a folder's files with what its records give."""
    make = rebuilder(folder)
    if make is None:
        return []
    found = []
    for name, text in make(folder).items():
        path = folder / name
        committed = path.read_bytes() if path.exists() else b""
        digest = hashlib.sha256(committed).hexdigest()[:12]
        same = committed == text.encode()
        found.append(Compared(path=path, problem="" if same else f"its records give another file (sha256 {digest})"))
    return found


def run(settings: VerifySettings) -> None:
    """Print every file with its verdict, then the folders that nothing recomputes."""
    root = Path(settings.folder)
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if not folders:
        raise UserError(f"{root} holds no results; give folder=<where they lie>")
    files = [one for folder in folders for one in compare(folder)]
    for one in files:
        print(f"{one.path}: {one.problem or 'as recomputed'}")
    for folder in folders:
        if rebuilder(folder) is None:
            print(f"{folder}: not recomputed, no record of single responses lies beside it")
    wrong = [str(one.path) for one in files if one.problem]
    if wrong:
        raise UserError(f"{len(wrong)} of {len(files)} files are not what their records give: {', '.join(wrong)}")
