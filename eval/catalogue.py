"""All benchmarks on one Markdown page: where their rows are from, who scores them and how, and the suites.

`python -m eval.catalogue check data=<folder>` runs loaders and rules on real rows and recorded outputs first, and
writes the numbers that the page shows.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import atomic_write_text
from configs import command, setting

if TYPE_CHECKING:
    from eval.benchmark import Benchmark

PAGE = "docs/benchmarks.md"
COMMAND = f"python -m eval.catalogue out={PAGE}"
REAL_ROWS = "results/benchmarks/real_rows.json"
CHECK_COMMAND = "python -m eval.catalogue check data=<folder>"
HUB = "https://huggingface.co/datasets/"
# Links start in docs/, where the page lies.
FILE_LINK, FIXTURE_LINK = "[{0}](../{0})", "[fixture](../tests/eval/fixtures/{0})"
HOOKS = ("sample", "diagnose", "cells", "in_words")
SHOWN_PARTS = 4
NONE = "—"
HEADER = ["benchmark", "title", "items", "one problem is", "judge", "own metrics", "licence"]
JUDGE_QUESTIONS = {
    "equal": "does the answer say the same as the gold?",
    "extract": "what is the final answer in this response? The benchmark's rule then compares it",
    "grade": "how much of the gold does the response get right, from 0 to 1 in tenths?",
    "hallusion": "does the response agree with what is true of the figure?",
}


@dataclass(frozen=True)
class EvalCatalogueSettings:
    """One page of all benchmarks."""

    out: str = setting("", f"file of the page, as in out={PAGE}; empty = print it")


@dataclass(frozen=True)
class EvalCheckSettings:
    """Loaders and rules on real rows and recorded outputs."""

    data: str = setting("../shared/real", "folder with a folder of rows and outputs for each benchmark")
    out: str = setting(REAL_ROWS, "JSON file of the numbers")


def link(name: str) -> str:
    return f"[{name}](#{name})"


def code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def count(items: int | None) -> str:
    return "unknown" if items is None else str(items)


def table_row(benchmark: "Benchmark") -> list[str]:
    return [
        link(benchmark.name),
        benchmark.title,
        "as asked" if benchmark.generate else count(benchmark.rows),
        benchmark.cluster or "one item",
        benchmark.judged or NONE,
        "yes" if benchmark.metrics else NONE,
        benchmark.licence,
    ]


def introduction(benchmark: "Benchmark") -> str:
    """Return the first paragraph of the benchmark's file, which readings of one data set share."""
    text = sys.modules[benchmark.official.__module__].__doc__ or ""
    return " ".join(text.partition("\n\n")[0].split())


def rows_line(benchmark: "Benchmark") -> str:
    if benchmark.generate:
        return f"generated, nothing to download; licence: {benchmark.licence}"
    names = [part.file_name for part in benchmark.parts]
    if len(names) > SHOWN_PARTS:
        parts = f"{len(names)} parts, `{names[0]}`, `{names[1]}` to `{names[-1]}`"
    else:
        parts = f"{'parts' if len(names) > 1 else 'part'} {code(names)}"
    home = f"[{benchmark.hub}]({HUB}{benchmark.hub})" if benchmark.hub else "local copies only"
    return f"{home}, {parts}; {count(benchmark.rows)} items; licence: {benchmark.licence}"


def real_rows() -> dict[str, Any]:
    """Return what the last check of real rows found, by benchmark."""
    path = Path(__file__).resolve().parents[1] / REAL_ROWS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def real_rows_line(record: dict[str, Any] | None) -> str:
    """Return the numbers of one benchmark's check as a sentence."""
    if record is None:
        return "none were at hand"
    verdicts, pictures = record["verdicts"], record["pictures"]
    parts = [f"{record['rows']} read, {record['items']} of them usable", f"{pictures['opened']} pictures opened"]
    if pictures["failed"]:
        parts.append(f"{len(pictures['failed'])} pictures do not open")
    if verdicts["compared"]:
        parts.append(f"{verdicts['agree']} of {verdicts['compared']} recorded verdicts equal")
    parts += [f"{verdicts['left_open']} left to a judge"] if verdicts["left_open"] else []
    parts += [f"{verdicts['guessed']} guessed"] if verdicts["guessed"] else []
    notes = [text for text in (verdicts["why"], verdicts["note"]) if text]
    return ", ".join(parts) + (f" ({'; '.join(notes)})" if notes else "")


def section(benchmark: "Benchmark") -> list[str]:
    """Return what there is to know of one benchmark; a line without content is left out."""
    file = f"{benchmark.official.__module__.replace('.', '/')}.py"
    facts = {
        "Reading": f"{benchmark.title}, version `{benchmark.version}`",
        "Rows": rows_line(benchmark),
        "Filter": benchmark.filter,
        "Real rows": "" if benchmark.generate else real_rows_line(real_rows().get(benchmark.name)),
        "Prompt": benchmark.prompt,
        "Rule and sizes from": benchmark.source,
        "Judge": benchmark.judged and f"`{benchmark.judged}`, for what the rule leaves open",
        "Scores also by": code(benchmark.breakdowns),
        "Own metrics": "yes, `metrics` in its file" if benchmark.metrics else "",
        "Kept together": benchmark.cluster and f"items of one `{benchmark.cluster}`",
        "Pictures": f"up to {benchmark.max_images} an item" if benchmark.max_images > 1 else "",
        "Known by construction": code(name for name in HOOKS if getattr(benchmark, name)),
        "Files": f"{FILE_LINK.format(file)}{'' if benchmark.generate else f', {FIXTURE_LINK.format(benchmark.name)}'}",
    }
    lines = [f"- {name}: {fact}" for name, fact in facts.items() if fact]
    return [f"### {benchmark.name}", "", introduction(benchmark), "", *lines, ""]


def suite_lines() -> list[str]:
    from eval.benchmarks import BENCHMARKS
    from eval.suites import AVERAGES, SUITES

    lines = ["## Suites", "", "Benchmarks that are run and reported together.", ""]
    for suite, names in SUITES.items():
        whole = set(names) == {name for name, one in BENCHMARKS.items() if not one.generate}
        members = f"all {len(names)} with rows" if whole else f"{len(names)}: {', '.join(map(link, names))}"
        lines.append(f"- `{suite}`, {members}")
        for average, columns in AVERAGES.get(suite, {}).items():
            which = "all of them" if set(columns) == set(names) else ", ".join(map(link, columns))
            lines.append(f"  - average `{average}`: plain mean over {len(columns)} columns, {which}")
    return lines


def catalogue_text() -> str:
    """Return the whole page."""
    from eval.benchmarks import BENCHMARKS, refuse_broken
    from eval.output import markdown

    refuse_broken()
    benchmarks = list(BENCHMARKS.values())
    judged = sum(bool(benchmark.judged) for benchmark in benchmarks)
    lines = [
        "# Benchmarks",
        "",
        f"{len(benchmarks)} benchmarks; where several read one data set, each reads or scores it in its own way. "
        f"Written by `{COMMAND}` from [eval/benchmarks](../eval/benchmarks); do not edit this page. "
        "[add_a_benchmark.md](add_a_benchmark.md) says how one is added and what the scorers are.",
        "",
        markdown(HEADER, [table_row(benchmark) for benchmark in benchmarks]),
        "",
        "- items: what the authors publish, after the filter; an evaluation says so where it finds another number.",
        "- one problem is: what items share that are no independent draws; intervals and subsets keep those together.",
        f"- judge: what a language model is asked where the official rule alone cannot decide ({judged} benchmarks); "
        "without a judge such responses are unscored, and `python -m eval.compare` leaves their items out.",
        *(f"  - `{kind}`: {question}" for kind, question in JUDGE_QUESTIONS.items()),
        "- own metrics: metrics of the authors beside the share of right responses.",
        f"- real rows: what `{CHECK_COMMAND}` found on rows and recorded outputs of the authors' repositories "
        f"([numbers](../{REAL_ROWS})); a verdict is recorded where the authors published one on a model's response.",
        "- licence: as the source of the rows states it; look there before you pass rows on.",
        "",
        "## One by one",
        "",
        "A section leaves out what its benchmark has none of: filter, judge, breakdowns, own metrics, clusters, "
        "several pictures.",
        "",
        *(line for benchmark in benchmarks for line in section(benchmark)),
        *suite_lines(),
    ]
    return "\n".join(lines) + "\n"


def catalogue(settings: EvalCatalogueSettings) -> None:
    """Print the page, or write it."""
    text = catalogue_text()
    if not settings.out:
        print(text, end="")
        return
    atomic_write_text(Path(settings.out), text)
    print(f"{settings.out}: written")


def check(settings: EvalCheckSettings) -> None:
    """Run the loaders and rules, and write what they did."""
    from eval.check import write_check

    write_check(Path(settings.data), Path(settings.out))


def main(argv: list[str]) -> int:
    prog = "python -m eval.catalogue"
    if argv[:1] == ["check"]:
        summary = "Loaders and official rules on real rows and recorded outputs."
        return command(EvalCheckSettings, "eval.catalogue:check", argv[1:], prog=f"{prog} check", summary=summary)
    return command(EvalCatalogueSettings, "eval.catalogue:catalogue", argv, prog=prog, summary=str(__doc__))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
