"""Write the page on which a person sorts wrong responses, and compare the labels that come back."""

import json
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.judge.settings import LabellingSettings
from analysis.judge.wrong_items import WrongItem, digest, draw, folders_of, pictures_of, told, wrong_rows
from analysis.taxonomy import CLASSES, PRIMACY, PRIMACY_RULE, TAXONOMY, VERSION
from common import UserError, atomic_write_text
from eval import pages
from eval.items import unseen_choices

HERE = Path(__file__).parent
FORMAT = 1  # of the saved labels
UNSURE = "unsure"
CONSTRUCTION = "construction"
HEADER = ["first", "second", "responses", "equal, %", "kappa [95 %]", "alpha [95 %]"]


def page_data(items: list[WrongItem], picture_side: int) -> tuple[dict[str, Any], list[WrongItem]]:
    """Return what the page's script works on, and the items whose pictures cannot be shown."""
    pictures: dict[str, int] = {}
    rows, unseen = [], []
    for item in items:
        uris = pictures_of(item, picture_side)
        if uris is None:
            unseen.append(item)
            continue
        rows.append(
            {
                "key": item.key,
                "question": item.question,
                "choices": unseen_choices(item.sample),
                "gold": item.gold,
                "text": item.text,
                "pictures": [pictures.setdefault(uri, len(pictures)) for uri in uris],
            }
        )
    classes = [asdict(one) for one in TAXONOMY]
    page = digest(FORMAT, VERSION, *(row["key"] for row in rows))
    return {
        "format": FORMAT,
        "page": page,
        "taxonomy": VERSION,
        "unsure": UNSURE,
        "classes": classes,
        "items": rows,
        "pictures": list(pictures),
    }, unseen


def render(data: dict[str, Any]) -> str:
    """Return the whole page as text."""
    order = " → ".join(PRIMACY)
    return pages.render(
        HERE, "labelling.html.jinja", data=pages.script_data(data), rule=f"{PRIMACY_RULE} Order: {order}."
    )


def read_saved(path: Path, keys: set[str]) -> tuple[str, pd.Series]:
    """Return the labeller's name and labels, None where the person was unsure; a file of another page is refused."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); give files that the page has saved") from None
    except ValueError:
        raise UserError(f"{path} is no JSON; give files that the page has saved") from None
    if not isinstance(saved, dict) or saved.get("format") != FORMAT or not isinstance(saved.get("labels"), dict):
        raise UserError(f"{path} does not hold labels of format {FORMAT}; give files that the page has saved")
    if saved.get("taxonomy") != VERSION:
        raise UserError(f"{path} was labelled by taxonomy {saved.get('taxonomy')}, this is {VERSION}; label anew")
    labels = saved["labels"]
    foreign = [key for key in labels if key not in keys]
    if foreign:
        raise UserError(f"{path} labels {len(foreign)} responses that are no wrong responses of this eval; check both")
    wrong = [label for label in labels.values() if label not in (*CLASSES, UNSURE)]
    if wrong:
        raise UserError(f"{path} holds the label {wrong[0]!r}, which is no error class; save the page anew")
    values = {key: None if label == UNSURE else label for key, label in labels.items()}
    return str(saved.get("labeller") or path.stem), pd.Series(values, dtype=object)


def construction(rows: pd.DataFrame) -> pd.Series:
    """Return the classes by construction, by key; empty where no benchmark tells them."""
    from analysis.errors import diagnosed, diagnoses

    known = rows[[diagnosed(name) for name in rows.sample_id]].assign(correct=False)
    return pd.Series([found.primary for found in diagnoses(known)], index=known.key, dtype=object)


def raters(settings: LabellingSettings) -> tuple[pd.DataFrame, list[str], pd.Series]:
    """Return labels by key, a column for each person, each pass of the judge and the construction; the people;
    clusters.
    """
    from analysis.judge.classes import read_labels
    from analysis.judge.summary import both_passes

    rows = pd.concat([wrong_rows(folder, settings.verdict)[0] for folder in folders_of(settings.eval)])
    rows = rows.drop_duplicates("key").set_index("key", drop=False)
    columns: dict[str, pd.Series] = {}
    for path in map(Path, settings.labels):
        name, labels = read_saved(path, set(rows.key))
        if name in columns:
            raise UserError(f"{path} is the second file by {name}; give one file per person")
        columns[name] = labels
    people = list(columns)
    seen = rows.loc[sorted(set().union(*(labels.index for labels in columns.values())))]
    if seen.empty:
        raise UserError("the files hold no label yet; label on the page and save again")
    if settings.judge:
        passes = both_passes(read_labels(Path(settings.judge)))
        columns |= {f"judge, pass {number}": passes[number] for number in passes}
    columns[CONSTRUCTION] = construction(seen)
    table = pd.DataFrame({name: labels.reindex(seen.index) for name, labels in columns.items()}, dtype=object)
    return table.where(table.notna(), None), people, seen.cluster


def agreement_page(table: pd.DataFrame, people: list[str], clusters: pd.Series, seed: int) -> str:
    """Return agreement of every pair of raters, and of all people together, as Markdown."""
    from analysis.judge.agreement import agreement
    from analysis.judge.summary import kappa_text
    from eval.estimate import number_text
    from eval.output import MISSING, markdown

    lines = []
    for pair in combinations(table.columns, 2):
        found = agreement(table[list(pair)], CLASSES, clusters, seed)
        if found.units:
            equal = MISSING if found.equal is None else number_text(found.equal)
            lines.append(
                [
                    *pair,
                    str(found.units),
                    equal,
                    kappa_text(found.kappa, found.kappa_interval),
                    kappa_text(found.alpha, found.alpha_interval),
                ]
            )
    parts = [f"{name}: {int(table[name].notna().sum())} labelled" for name in table if table[name].notna().any()]
    text = ["# People, judge and construction", "", f"{len(table)} responses; {'; '.join(parts)}.", ""]
    text += [markdown(HEADER, lines) if lines else "No two raters have labelled the same response.", ""]
    if len(people) > 2:
        together = agreement(table[people], CLASSES, clusters, seed)
        text += [f"All people together: alpha {kappa_text(together.alpha, together.alpha_interval)}.", ""]
    return "\n".join([*text, "Intervals: bootstrap of problems. Unsure and unscored labels are left out.", ""])


def labelling(settings: LabellingSettings) -> None:
    """Write the page, or what the saved labels say."""
    if settings.labels:
        text = agreement_page(*raters(settings), settings.seed)
        atomic_write_text(Path(settings.out), text)
        print(text, end="")
        return
    drawn = draw(folders_of(settings.eval), settings.items, settings.seed, settings.verdict)
    data, unseen = page_data(drawn.items, settings.picture_side)
    if not data["items"]:
        raise UserError(f"no picture of the {len(drawn.items)} drawn responses can be opened; mend the data's folder")
    atomic_write_text(Path(settings.out), render(data))
    print(f"{settings.out}: {told(drawn, unseen)}")
