"""Compare two evaluations on the same items: who is better, by how much, how sure, and what could have been seen."""

import json
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import UserError, atomic_write_text, sha256_of
from configs import Run, command, setting

if TYPE_CHECKING:
    import pandas as pd

    from eval.paired import LeftOut, PairedItems, PairedResult

LEFT_OUT_HEADER = ["left out", "unscored in first", "unscored in second"]  # behind `items`, where any are left out


@dataclass(frozen=True)
class EvalCompareSettings:
    """One comparison of two evaluations; differences are second minus first."""

    first: str = setting(help="folder of the first evaluation, the baseline")
    second: str = setting(help="folder of the second evaluation, on the same items")
    verdict: str = setting(
        "correct", "column of the predictions that says which responses are right; score: grades too"
    )
    by: str = setting("column", "column of the predictions whose values are the lines of the table")
    seed: int = setting(0, "seed of the resampling")
    out: str = setting("", "folder of compare.md and compare.json; empty = the second evaluation's folder")


@dataclass(frozen=True)
class Line:
    """A line of the table: what it compares, None where nothing is left of it, and what it leaves out."""

    part: str
    result: "PairedResult | None"
    left_out: "LeftOut"

    def cells(self, any_left_out: bool) -> list[str]:
        from eval.output import MISSING
        from eval.paired_table import HEADER, table_row

        cells = table_row(self.result) if self.result else [self.part, "0", *[MISSING] * (len(HEADER) - 2)]
        gaps = (self.left_out.left_out, self.left_out.left_out_first, self.left_out.left_out_second)
        return [*cells[:2], *map(str, gaps), *cells[2:]] if any_left_out else cells

    def record(self) -> dict[str, Any]:
        from eval.paired import PairedResult

        nothing = dict.fromkeys(field.name for field in fields(PairedResult)) | {
            "part": self.part,
            "items": 0,
            "clusters": 0,
        }
        return (asdict(self.result) if self.result else nothing) | self.left_out.record()


def lines_of(results: "list[PairedResult]", left_out: "dict[str, LeftOut]") -> list[Line]:
    """Return all lines that the two evaluations have, also those of which nothing is left; the last one is the
    whole.
    """
    from eval.paired import LeftOut

    whole = Line(results[-1].part, results[-1], LeftOut.total(left_out.values()))
    if len(left_out) == 1:
        return [whole]
    found = {result.part: result for result in results[:-1]}
    if not found:  # one line alone has items left, and the whole is the same test
        (alone,) = (part for part, gap in left_out.items() if gap.left_out < gap.items)
        found[alone] = replace(results[-1], part=alone)
    return [*(Line(part, found.get(part), gap) for part, gap in left_out.items()), whole]


def notes(
    settings: EvalCompareSettings, items: "PairedItems", results: "list[PairedResult]", lines: list[Line], graded: bool
) -> list[str]:
    """Return what the numbers mean and what they do not cover."""
    overall, scored = results[-1], [line.part for line in lines[:-1] if line.result]
    which = (
        "the lines above it" if len(scored) == len(lines) - 1 else f"those lines that have items: {', '.join(scored)}"
    )
    grades = " (of graded answers: whose mean grade is above one half)" * graded
    count = len(results)
    holm = f"Holm: over the {count} tests of a kind in this table." if count > 1 else "Holm: one test, none corrected."
    found = [
        f"First: {settings.first} (avg@{items.first_k}). Second: {settings.second} (avg@{items.second_k}). "
        f"Scores in percent{f'; overall is the plain mean of {which}' * (len(lines) > 1)}.",
        *left_out_notes(settings, lines),
        "p: sign-flip test of the difference of avg@k. McNemar: exact, on items that more than half of the responses "
        f"get right{grades}. {holm}",
        "Visible: the difference of the sentence above, in points, for each line.",
        "Interval and tests cover the draw of items and responses, not that of training runs.",
    ]
    if overall.clusters < overall.items:
        found.append(
            f"{overall.items} items are {overall.clusters} problems: interval, p and visible difference keep a "
            "problem's items together; McNemar's test takes them for independent and is too sure."
        )
    if items.first_k != items.second_k:
        found.append("The two have different numbers of responses per item, so majorities are not equally steady.")
    return found


def left_out_notes(settings: EvalCompareSettings, lines: list[Line]) -> list[str]:
    """Return how many items are left out, whose they are, and which lines have nothing left."""
    gap = lines[-1].left_out
    if not gap.left_out:
        return []
    found = [
        f"Left out: {gap.left_out} of {gap.items} items, because a response has no verdict in column "
        f"{settings.verdict}: {gap.left_out_first} in {settings.first}, {gap.left_out_second} in {settings.second}, "
        f"{gap.left_out_both} of these in both. What rules leave open is no random part of a benchmark, so the "
        "numbers hold for the items that are left."
    ]
    empty = [line.part for line in lines if line.result is None]
    if empty:
        found.append(
            f"No item left, so no score: {', '.join(empty)}. Evaluate both again with a judge (judge.base_url=...; "
            "the responses are kept), or compare by a scorer that needs none."
        )
    return found


def graded_note(frames: "tuple[pd.DataFrame, ...]", verdict: str) -> list[str]:
    """Answers that a judge has graded have a score and no verdict: they are left out, and one may ask for them."""
    score = f"score{verdict.removeprefix('correct')}"
    if not verdict.startswith("correct") or not all(score in frame for frame in frames):
        return []
    graded = [frame.sample_id[frame[verdict].isna() & frame[score].notna()].nunique() for frame in frames]
    if not any(graded):
        return []
    return [
        f"Answers that a judge graded from 0 to 1 are neither right nor wrong: {graded[0]} of the items in first, "
        f"{graded[1]} in second; verdict={score} compares them too."
    ]


def compare(settings: EvalCompareSettings) -> None:
    """Read, compare, write and print."""
    from eval.output import check_judged, markdown, read_predictions
    from eval.paired import compare_items, pair, power_sentence, scored_in_both
    from eval.paired_table import HEADER

    folders = [Path(settings.first), Path(settings.second)]
    files = [check_judged(folder) for folder in folders]
    if folders[0].resolve() == folders[1].resolve():
        raise UserError(f"first and second are the same folder, {settings.first}; give two evaluations")
    needed = ["sample_id", "k", "column", "cluster", settings.verdict, settings.by]
    optional = ["gold", "grader", f"score{settings.verdict.removeprefix('correct')}"]
    frames = tuple(read_predictions(folder, needed, optional) for folder in folders)
    names = (settings.first, settings.second)
    first, second, left_out = scored_in_both(frames[0], frames[1], names, settings.verdict, settings.by)
    items = pair(first, second, names, settings.verdict, settings.by)
    results = compare_items(items, settings.seed)
    lines, sentences = lines_of(results, left_out), [power_sentence(result) for result in results]
    gap = lines[-1].left_out
    graded = not all(frame[settings.verdict].isin([True, False]).all() for frame in (first, second))
    said = notes(settings, items, results, lines, graded) + graded_note(frames, settings.verdict)
    header = [*HEADER[:2], *LEFT_OUT_HEADER, *HEADER[2:]] if gap.left_out else HEADER
    text = (
        "\n".join(
            [
                "# Comparison of two evaluations",
                "",
                markdown(header, [line.cells(gap.left_out > 0) for line in lines]),
                "",
                sentences[-1],
                "",
                *(f"- {note}" for note in said),
            ]
        )
        + "\n"
    )
    revisions = {str(folder): f"sha256:{sha256_of(file)}" for folder, file in zip(folders, files, strict=True)}
    record = {
        "first_k": items.first_k,
        "second_k": items.second_k,
        "lines": [line.record() for line in lines],
        "without_items": [line.part for line in lines if line.result is None],
        "power": sentences,
        "run": asdict(Run.collect(settings, revisions=revisions)),
    }
    out = Path(settings.out or files[1].parent)
    atomic_write_text(out / "compare.md", text)
    atomic_write_text(out / "compare.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    print(text, end="")


def main(argv: list[str]) -> int:
    prog = "python -m eval.compare"
    return command(EvalCompareSettings, "eval.compare:compare", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
