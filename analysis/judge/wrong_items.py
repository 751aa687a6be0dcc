"""Wrong responses of evaluations with everything that a judge or a person needs to say why, drawn at random.

The draw is uniform over all wrong responses, so that shares of classes in it estimate shares of all errors; a larger
draw with the same seed holds the smaller one. Keys are the same on every machine and tell nothing about the model.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import diagnoses, diagnosis
from analysis.runs import samples_of
from common import UserError, sha256_of
from data import Sample
from data.images import picture_uri
from eval.items import question_text
from eval.output import judged_file, read_predictions

COLUMNS = ["sample_id", "k", "column", "cluster", "text", "gold"]


@dataclass(frozen=True)
class WrongItem:
    """One response that was marked wrong."""

    key: str
    folder: str
    sample: Sample
    k: int
    column: str
    cluster: str
    text: str
    gold: str

    @property
    def question(self) -> str:
        return question_text(self.sample)

    @property
    def truth(self) -> str | None:
        """Return the primary class by construction, where the sample's benchmark tells it."""
        found = diagnosis(self.sample, self.text, correct=False)
        return found.primary if found else None


@dataclass(frozen=True)
class Drawn:
    """The drawn responses in the order of the draw, and what is not among them."""

    items: list[WrongItem]
    wrong: int  # in all folders
    left_out: Counter[str]  # reason -> responses


def folders_of(text: str) -> list[Path]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UserError("give eval=<folder of an evaluation>, several with commas")
    return [Path(name) for name in names]


def digest(*parts: object) -> str:
    return hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def wrong_rows(folder: Path, verdict: str) -> tuple[pd.DataFrame, int]:
    """Return a folder's wrong responses with their keys, and how many responses have no verdict."""
    predictions = read_predictions(folder, [*COLUMNS, verdict])
    right = predictions[verdict].astype("boolean")
    made_by = sha256_of(judged_file(folder))
    rows = predictions[right.eq(False).fillna(False).astype(bool)]
    keys = [digest(made_by, name, k) for name, k in zip(rows.sample_id, rows.k, strict=True)]
    return rows.assign(folder=str(folder), key=keys), int(right.isna().sum())


def balanced_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in turns over their classes by construction, so that the first ones hold as many of each."""
    truth = [found.primary for found in diagnoses(rows.assign(correct=False))]
    turn = rows.assign(truth=truth).groupby("truth").cumcount()
    return rows.loc[turn.sort_values(kind="stable").index]


def draw(folders: Iterable[Path], items: int, seed: int, verdict: str = "correct", balanced: bool = False) -> Drawn:
    """`items` wrong responses of all folders together; 0 takes all."""
    if items < 0:
        raise UserError(f"items={items} must be 0 (all wrong responses) or more")
    left_out: Counter[str] = Counter()
    tables = []
    for folder in folders:
        rows, unscored = wrong_rows(folder, verdict)
        left_out["without a verdict"] += unscored
        tables.append(rows)
    wrong = pd.concat(tables, ignore_index=True).drop_duplicates("key")
    if wrong.empty:
        raise UserError(f"{', '.join(map(str, folders))}: no response is wrong by {verdict}; nothing to classify")
    order = sorted(range(len(wrong)), key=lambda place: digest(seed, wrong.key.iloc[place]))
    shuffled = wrong.iloc[order]
    chosen = (balanced_order(shuffled) if balanced else shuffled).iloc[: items or None]
    samples = {
        folder: samples_of(Path(folder), part.sample_id) for folder, part in chosen.groupby("folder", sort=False)
    }
    found = []
    for row in chosen.itertuples():
        sample = samples[row.folder].get(row.sample_id)
        if sample is None:
            left_out["no longer in the data"] += 1
            continue
        found.append(
            WrongItem(
                row.key,
                row.folder,
                sample,
                int(row.k),
                str(row.column),
                str(row.cluster),
                str(row.text),
                str(row.gold),
            )
        )
    if not found:
        raise UserError(f"none of the {len(chosen)} drawn responses has a sample in the data any more; check eval=")
    return Drawn(found, len(wrong), +left_out)


def pictures_of(item: WrongItem, side: int) -> list[str] | None:
    """Return all pictures of an item, none with side 0, or None where one of them cannot be opened any more."""
    if not side:
        return []
    try:
        return [picture_uri(image.open(), side) for image in item.sample.images]
    except UserError:
        return None


def told(drawn: Drawn, unseen: Iterable[WrongItem]) -> str:
    """Return one sentence on what was drawn and what is missing from it."""
    missing = [item.sample.id for item in unseen]
    parts = [f"{count} {reason}" for reason, count in drawn.left_out.items()]
    if missing:
        shown = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        parts.append(f"{len(missing)} whose picture cannot be opened ({shown})")
    left_out = f"; left out: {', '.join(parts)}" if parts else ""
    return f"{len(drawn.items)} of {drawn.wrong} wrong responses{left_out}"
