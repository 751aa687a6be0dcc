"""Where scorers disagree: every response judged by two or more, agreement in a table, disputed responses in a file."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from common import UserError, atomic_write_text, sha256_of, write_jsonl
from configs import Run, command, setting
from data import Sample
from eval.grading import PARTS, by_grader, regrade
from eval.output import markdown, read_predictions
from verify import GRADERS

OVERALL = "overall"
# A verdict that a limit ended: it counts as wrong, and a reader must know how many there are.
STOPPED = ("time_limit", "memory_limit", "worker_died", "too_long")
COUNTS = ("both_right", "only_first", "only_second", "both_wrong", "unscored")


@dataclass(frozen=True)
class EvalAuditSettings:
    """One audit of the verdicts on an evaluation."""

    out: str = setting(help="folder of an evaluation; the audit is written beside its predictions")
    scorers: list[str] = setting(
        ["robust", "papo"],
        f"two or more graders of verify ({', '.join(GRADERS)}); python -m eval adds the official rule",
    )


def verdicts(judged: pd.DataFrame, scorer: str) -> pd.Series:
    """Right, wrong or missing for every response."""
    return judged[f"correct_{scorer}"].astype("boolean")


def agreement_of(first: pd.Series, second: pd.Series) -> dict[str, Any]:
    """Return counts, share of equal verdicts and Cohen's kappa; None where the verdicts leave it undefined."""
    from statsmodels.stats.inter_rater import cohens_kappa

    scored = first.notna() & second.notna()
    one, two = first[scored].astype(bool), second[scored].astype(bool)
    both_right, both_wrong = int((one & two).sum()), int((~one & ~two).sum())
    only_first, only_second = int((one & ~two).sum()), int((~one & two).sum())
    counts = (both_right, only_first, only_second, both_wrong, int((~scored).sum()))
    total = int(scored.sum())
    # Where both always say the same one thing, chance alone explains all agreement.
    defined = total and max(both_right, both_wrong) < total
    table = [[both_right, only_first], [only_second, both_wrong]]
    return dict(zip(COUNTS, counts, strict=True)) | {
        "agreement": (both_right + both_wrong) / total if total else None,
        "kappa": float(cohens_kappa(table, return_results=False)) if defined else None,
    }


def agreement_table(judged: pd.DataFrame, scorers: Sequence[str]) -> pd.DataFrame:
    """Return one line per column and pair of scorers, and the whole at the end."""
    parts = {str(name): judged.column == name for name in judged.column.unique()}
    if len(parts) == 1:
        parts = {}
    parts[OVERALL] = pd.Series(True, index=judged.index)
    found = {name: verdicts(judged, name) for name in scorers}
    lines = [
        {"column": part, "first": first, "second": second} | agreement_of(found[first][chosen], found[second][chosen])
        for part, chosen in parts.items()
        for first, second in combinations(scorers, 2)
    ]
    return pd.DataFrame(lines)


def disputed(judged: pd.DataFrame, scorers: Sequence[str]) -> list[dict[str, Any]]:
    """Return responses that one scorer calls right and another wrong, with what each of them read."""
    table = pd.DataFrame({name: verdicts(judged, name) for name in scorers})
    chosen = judged[(table.max(axis=1) != table.min(axis=1)).fillna(False).astype(bool)]
    return [
        {name: row[name] for name in ("sample_id", "column", "k", "gold", "text")}
        | {part: {name: none_if_missing(row[f"{part}_{name}"]) for name in scorers} for part in PARTS[:3]}
        for row in chosen.to_dict("records")
    ]


def none_if_missing(value: Any) -> Any:
    return None if pd.isna(value) else value


def audit_text(table: pd.DataFrame, disputes: int, notes: Sequence[str]) -> str:
    header = ["column", "first", "second", *(name.replace("_", " ") for name in COUNTS), "agreement", "kappa"]
    rows = []
    for line in table.to_dict("records"):
        agreement = "—" if pd.isna(line["agreement"]) else f"{100 * line['agreement']:.2f} %"
        kappa = "—" if pd.isna(line["kappa"]) else f"{line['kappa']:.3f}"
        rows.append([str(line[name]) for name in ("column", "first", "second", *COUNTS)] + [agreement, kappa])
    lines = [
        "# Do the scorers agree?",
        "",
        markdown(header, rows),
        "",
        f"Disputed responses: {disputes}, in disputed.jsonl.",
        "",
        *(f"- {note}" for note in notes),
    ]
    return "\n".join(lines) + "\n"


def write_audit(
    judged: pd.DataFrame, scorers: Sequence[str], folder: Path, notes: Sequence[str] = (), record: dict | None = None
) -> str:
    """Write audit.md, audit.json and disputed.jsonl from verdicts of any scorers; returns the Markdown."""
    table, disputes = agreement_table(judged, scorers), disputed(judged, scorers)
    stopped = {name: dict(Counter(r for r in judged[f"reason_{name}"] if r in STOPPED)) for name in scorers}
    notes = ["Agreement and Cohen's kappa leave out unscored responses.", *notes]
    notes += [
        f"{name} stopped at a limit and said wrong: {count} {reason}."
        for name, reasons in stopped.items()
        for reason, count in reasons.items()
    ]
    text = audit_text(table, len(disputes), notes)
    lines = table.astype(object).where(table.notna(), None).to_dict("records")
    content = {
        "scorers": {name: sorted(judged[f"grader_{name}"].dropna().unique()) for name in scorers},
        "responses": len(judged),
        "disputed": len(disputes),
        "stopped": stopped,
        "agreement": lines,
        "notes": notes,
        **(record or {}),
    }
    write_jsonl(folder / "disputed.jsonl", disputes)
    atomic_write_text(folder / "audit.md", text)
    atomic_write_text(folder / "audit.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return text


def sample_of(row: Any) -> Sample:
    """Return what the graders need to know of a problem, from a line of the predictions."""
    choices, answer_type = getattr(row, "choices", None), getattr(row, "answer_type", None)
    return Sample(
        row.sample_id,
        "",
        "",
        (),
        row.gold,
        answer_type=answer_type if isinstance(answer_type, str) else None,
        choices=() if choices is None else tuple(map(str, choices)),
    )


def check_scorers(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in GRADERS]
    if unknown:
        raise UserError(
            f"this command knows no scorer {', '.join(unknown)}, only the graders of verify: {', '.join(GRADERS)}; a "
            "benchmark's official rule is applied by python -m eval"
        )
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise UserError(f"scorers={list(names)} must name two or more different graders, as in scorers=[robust,papo]")


def what_changed(judged: pd.DataFrame, scorers: Sequence[str]) -> list[str]:
    """Return sentences on verdicts that differ from those the evaluation recorded with the same grader."""
    found = []
    for name in scorers if {"grader", "correct"} <= set(judged.columns) else ():
        same = judged[judged.grader.str.startswith(f"{name}/")]
        changed = int((verdicts(same, name) != same.correct.astype("boolean")).sum())
        if changed:
            found.append(f"{name} now says otherwise than the evaluation recorded for {changed} responses.")
    return found


def audit(settings: EvalAuditSettings) -> None:
    """Regrade the texts of an evaluation with graders of verify and write where they agree."""
    check_scorers(settings.scorers)
    folder = Path(settings.out)
    predictions = read_predictions(
        folder, ["sample_id", "column", "k", "text", "gold"], ["choices", "answer_type", "grader", "correct"]
    )
    samples = {row.sample_id: sample_of(row) for row in predictions.drop_duplicates("sample_id").itertuples()}
    judged = regrade(predictions, samples, {name: by_grader(name) for name in settings.scorers})
    notes = [
        f"Graders of verify on the texts of {folder}; a benchmark's official rule is not among them.",
        *(
            f"The predictions have no column {name}: the graders did not know it."
            for name in ("choices", "answer_type")
            if name not in predictions
        ),
        *what_changed(judged, settings.scorers),
    ]
    revisions = {str(folder): f"sha256:{sha256_of(folder / 'predictions.parquet')}"}
    record = {"run": asdict(Run.collect(settings, revisions=revisions))}
    print(write_audit(judged, settings.scorers, folder, notes, record), end="")


def main(argv: list[str]) -> int:
    return command(EvalAuditSettings, "eval.audit:audit", argv, prog="python -m eval.audit", summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
