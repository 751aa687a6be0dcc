"""Compare two evaluations on the same items: who is better, by how much, how sure, and what could have been seen."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from configs import Run, UserError, atomic_write_text, command, setting, sha256_of

if TYPE_CHECKING:
    from eval.paired import PairedItems, PairedResult

HEADER = ["columns", "items", "first", "second", "difference in points (95 %)", "p", "p (Holm)", "only first",
          "only second", "McNemar p", "McNemar p (Holm)", "visible"]  # fmt: skip


@dataclass
class EvalCompareSettings:
    """One comparison of two evaluations; differences are second minus first."""

    config_version: int = setting(1, "version of this schema")
    first: str = setting(help="folder of the first evaluation, the baseline")
    second: str = setting(help="folder of the second evaluation, on the same items")
    verdict: str = setting("correct", "column of the predictions that says which responses are right")
    by: str = setting("column", "column of the predictions whose values are the lines of the table")
    seed: int = setting(0, "seed of the resampling")
    out: str = setting("", "folder of compare.md and compare.json; empty = the second evaluation's folder")
    dry_run: bool = setting(False, "print the resolved settings and stop")


def table_row(line: "PairedResult") -> list[str]:
    points = f"{100 * line.difference:+.1f} [{100 * line.low:+.1f}, {100 * line.high:+.1f}]"
    visible = "unknown" if line.smallest_visible is None else f"{100 * line.smallest_visible:.1f}"
    tests = [f"{p:.2g}" for p in (line.p_difference, line.p_difference_holm, line.p_mcnemar, line.p_mcnemar_holm)]
    return [line.part, str(line.items), f"{100 * line.first:.1f}", f"{100 * line.second:.1f}", points, *tests[:2],
            str(line.only_first), str(line.only_second), *tests[2:], visible]  # fmt: skip


def notes(settings: EvalCompareSettings, items: "PairedItems", lines: "list[PairedResult]") -> list[str]:
    """What the numbers mean and what they do not cover."""
    overall = lines[-1]
    found = [
        f"First: {settings.first} (avg@{items.first_k}). Second: {settings.second} (avg@{items.second_k}). "
        f"Scores in percent{'; overall is the plain mean of the lines above it' * (len(lines) > 1)}.",
        "p: sign-flip test of the difference of avg@k. McNemar: exact, on items that more than half of the responses "
        f"get right. Holm: over the {len(lines)} tests of a kind in this table.",
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


def compare(settings: EvalCompareSettings) -> None:
    """Read, compare, write and print."""
    from eval.output import markdown, read_predictions
    from eval.paired import compare_items, pair, power_sentence

    folders = [Path(settings.first), Path(settings.second)]
    if folders[0].resolve() == folders[1].resolve():
        raise UserError(f"first and second are the same folder, {settings.first}; give two evaluations")
    needed = ["sample_id", "k", "column", "cluster", settings.verdict, settings.by]
    first, second = (read_predictions(folder, needed, ["gold", "grader"]) for folder in folders)
    items = pair(first, second, (settings.first, settings.second), settings.verdict, settings.by)
    lines = compare_items(items, settings.seed)
    sentences = [power_sentence(line) for line in lines]
    text = "\n".join([
        "# Comparison of two evaluations", "", markdown(HEADER, [table_row(line) for line in lines]), "",
        sentences[-1], "", *(f"- {note}" for note in notes(settings, items, lines)),
    ]) + "\n"  # fmt: skip
    revisions = {str(folder): f"sha256:{sha256_of(folder / 'predictions.parquet')}" for folder in folders}
    record = {
        "first_k": items.first_k, "second_k": items.second_k, "lines": [line.record() for line in lines],
        "power": sentences, "run": asdict(Run.collect(settings, revisions=revisions)),
    }  # fmt: skip
    out = Path(settings.out or settings.second)
    atomic_write_text(out / "compare.md", text)
    atomic_write_text(out / "compare.json", json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    print(text, end="")


def main(argv: list[str]) -> int:
    prog = "python -m eval.compare"
    return command(EvalCompareSettings, "eval.compare:compare", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
