"""Ask a judge twice why responses are wrong, and write its labels and what they say together: see __main__.py."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from analysis.judge.prompt import CLASSIFY, case_of, label_of, quote_stands
from analysis.judge.settings import JudgeClassesSettings
from analysis.judge.wrong_items import WrongItem, draw, folders_of, pictures_of, told
from analysis.taxonomy import CLASSES
from common import UserError, atomic_write_text, read_jsonl, sha256_of, write_jsonl
from common.progress import progress
from configs import Run
from verify.judge_prompts import Judgement
from verify.llm_judge import LlmJudge

PASSES = 2
NO_PICTURE = "no_picture"
Value = TypeVar("Value")
LABELS, RECORD, PAGE = "labels.jsonl", "judge_classes.json", "judge_classes.md"


def two_orders(values: Sequence[Value], name: str) -> list[list[Value]]:
    """Return two shuffled orders, different ones wherever there are two values or more."""
    rng = random.Random(name)
    first, second = (rng.sample(values, len(values)) for _ in range(PASSES))
    while first == second and len(values) > 1:
        second = rng.sample(values, len(values))
    return [first, second]


def classify(
    judge: LlmJudge, items: Sequence[WrongItem], seed: int, picture_side: int
) -> tuple[list[list[Judgement]], list[WrongItem]]:
    """Judgements of each pass in the items' order, and the items whose pictures cannot be shown."""
    pictures = [pictures_of(item, picture_side) for item in items]
    class_lists = [two_orders(CLASSES, f"{seed}/{item.key}") for item in items]
    seen = [place for place, uris in enumerate(pictures) if uris is not None]
    found = []
    for number, asked in enumerate(two_orders(seen, f"{seed}/items")):
        cases = [case_of(items[place], class_lists[place][number], pictures[place] or ()) for place in asked]
        judgements = [Judgement(None, NO_PICTURE, "") for _ in items]
        with progress(f"judge, pass {number + 1} of {PASSES}", len(cases)) as advance:
            for place, judgement in zip(asked, judge.ask(cases, advance), strict=True):
                judgements[place] = judgement
        found.append(judgements)
    return found, [item for item, uris in zip(items, pictures, strict=True) if uris is None]


def rows_of(items: Sequence[WrongItem], passes: Sequence[Sequence[Judgement]]) -> list[dict[str, Any]]:
    """Return one row per response and pass; the reply itself is kept where it gave no label."""
    rows = []
    for number, judgements in enumerate(passes, start=1):
        for item, judgement in zip(items, judgements, strict=True):
            label = label_of(judgement)
            rows.append(
                {
                    "key": item.key,
                    "pass": number,
                    "folder": item.folder,
                    "sample_id": item.sample.id,
                    "k": item.k,
                    "column": item.column,
                    "cluster": item.cluster,
                    "truth": item.truth,
                    "label": label.primary if label else None,
                    "secondary": list(label.secondary) if label else [],
                    "quote": label.quote if label else None,
                    "quote_stands": quote_stands(label, item.text) if label else None,
                    "reason": "labelled" if label else judgement.reason,
                    "reply": "" if label else judgement.raw,
                }
            )
    return rows


def read_labels(folder: Path) -> pd.DataFrame:
    """Return the labels that this command has written to a folder."""
    rows = read_jsonl(folder / LABELS)
    needed = {"key", "pass", "cluster", "truth", "label", "reason"}
    if not rows or not needed <= rows[0].keys():
        raise UserError(f"{folder / LABELS} holds no labels; it is written by python -m analysis.judge")
    frame = pd.DataFrame(rows)
    return frame.assign(
        **{name: frame[name].astype(object).where(frame[name].notna(), None) for name in ("label", "truth")}
    )


def check_calibration(settings: JudgeClassesSettings, judge: LlmJudge) -> pd.DataFrame | None:
    """Return the calibrating labels, if any; those of another judge or prompt say nothing about this one."""
    from analysis.judge.calibration import calibrated_classes, labelled

    if not settings.calibration:
        return None
    folder = Path(settings.calibration)
    rows = read_labels(folder)
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        made_by = (record["judge"]["model"], record["prompt"], record["picture_side"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder / RECORD} does not say which judge it is about; calibrate again") from None
    asked = (judge.model, CLASSIFY.version, settings.picture_side)
    if made_by != asked:
        raise UserError(
            f"calibration={folder} was made with {', '.join(map(str, made_by))} (judge, prompt, picture_side), this "
            f"run asks {', '.join(map(str, asked))}; calibrate again with python -m analysis.judge"
        )
    calibrated_classes(labelled(rows))  # refuses too small a set before anything is paid for
    return rows


def judge_classes(settings: JudgeClassesSettings) -> None:
    """Draw, ask twice, write, print."""
    from analysis.judge.summary import page_of, summary_of

    folders = folders_of(settings.eval)
    judge = LlmJudge(settings.judge)
    calibration = check_calibration(settings, judge)
    drawn = draw(folders, settings.items, settings.seed, settings.verdict, settings.balanced)
    passes, unseen = classify(judge, drawn.items, settings.seed, settings.picture_side)
    rows = rows_of(drawn.items, passes)
    summary = summary_of(pd.DataFrame(rows), calibration, settings.seed)
    out = Path(settings.out)
    revisions = {str(folder): f"sha256:{sha256_of(folder / 'predictions.parquet')}" for folder in folders}
    if settings.calibration:
        revisions[settings.calibration] = f"sha256:{sha256_of(Path(settings.calibration) / LABELS)}"
    record = {
        "prompt": CLASSIFY.version,
        "picture_side": settings.picture_side,
        "drawn": told(drawn, unseen),
        "wrong": drawn.wrong,
        "items": len(drawn.items),
        "balanced": settings.balanced,
        "left_out": dict(drawn.left_out),
        "no_picture": [item.key for item in unseen],
        **summary,
        "judge": judge.provenance(),
        "run": asdict(Run.collect(settings, revisions=revisions, into=out)),
    }
    text = page_of(record)
    write_jsonl(out / LABELS, rows)
    atomic_write_text(out / PAGE, text)
    atomic_write_text(out / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    print(text, end="")
