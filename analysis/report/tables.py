"""The tables of a report; all cells are text."""

from collections.abc import Sequence

import pandas as pd

from analysis.protocol.flow import ALL, Findings, Repair
from analysis.protocol.words import control_sentence, points, shared_draws
from analysis.report.numbers import Compared, Numbers
from analysis.report.over_seeds import OverSeeds, seeds_table
from analysis.report.records import Table
from eval.estimate import interval_text
from eval.paired import OVERALL, power_sentence
from eval.paired_table import HEADER, table_row


def accuracy_table(numbers: Numbers) -> Table:
    """Return one line per run, one cell per column; the mean over columns last."""
    cells = {(line["run"], line["part"]): line["text"] for line in numbers.accuracy.to_dict("records")}
    counts = numbers.accuracy[numbers.accuracy.run == numbers.runs[0]].set_index("part")["items"]
    header = ["run", *(f"{part} ({counts[part]:,})" for part in numbers.parts)]
    mean = f" {OVERALL} is the plain mean over the columns." if OVERALL in numbers.parts else ""
    return Table(
        "Accuracy",
        "Share of right responses in percent, with 95 % intervals over problems; in brackets the number "
        f"of items.{mean}",
        header,
        [[run, *(cells[run, part] for part in numbers.parts)] for run in numbers.runs],
    )


def difference_table(one: Compared) -> Table:
    """Return a run against its baseline on the same items, column by column."""
    baseline = one.baseline
    rows = [table_row(line) for line in one.lines]
    header = [
        {
            "first": baseline,
            "second": one.name,
            "only first": f"only {baseline}",
            "only second": f"only {one.name}",
        }.get(name, name)
        for name in HEADER
    ]
    uneven = " The runs have different numbers of responses per item, so majorities are not equally steady."
    return Table(
        f"{one.name} against {baseline}",
        f"Paired on the same items, {one.name} minus {baseline}. p: sign-flip test that keeps a problem's items "
        "together. Only: items that more than half of the responses of one run alone get right, tested by McNemar's "
        "exact test. A run is called better or worse where the interval leaves out 0 and p is below 0.05. "
        f"Holm: over the {len(rows)} tests of a kind in this table. Visible: the difference in points "
        f"that would have been seen in 80 % of cases. {power_sentence(one.lines[-1])}"
        f"{uneven if len(set(one.found.k.values())) > 1 else ''}",
        header,
        rows,
        [len(rows) - 1] if len(rows) > 1 else (),
    )


def error_table(numbers: Numbers, classes: str) -> Table:
    """Return how many responses of each run are wrong, by class, and what part of the run's errors that is."""
    header = ["run", "responses", "wrong", *(f"{name}, % of the wrong" for name in numbers.classes)]
    rows = []
    for name, errors in numbers.errors.items():
        cells = [
            f"{points(errors.shares[kind])} ({errors.counts[kind]:,})" if errors.counts[kind] else "0"
            for kind in numbers.classes
        ]
        rows.append([name, f"{errors.responses:,}", f"{errors.counts[ALL]:,}", *cells])
    return Table(
        "Classes of error",
        f"{classes} Shares of a run's wrong responses with 95 % intervals, number of responses in brackets.",
        header,
        rows,
    )


def usual_table(found: Findings, names: tuple[str, str]) -> Table:
    """Return the protocol of PAPO's Figures 1 and 15: follow the baseline's errors."""
    rows = [
        [line["name"], f"{line['items']:,}", points(line["repaired"]), *(f"{line['fate'][n]:,}" for n in found.names)]
        for line in found.followed
    ]
    first, second = names
    return Table(
        f"The usual protocol: what {second} makes of {first}'s errors",
        f"One response per item; the items are those that {first} got wrong, which is partly chance, so some come "
        f"right under any second try, and what {second} newly gets wrong is not seen.{shared_draws(found)}",
        [f"errors of {first}", "items", f"right under {second}, %", *(f"then {n}" for n in found.names)],
        rows,
        [len(rows) - 1],
    )


def repair_rows(lines: Sequence[Repair], errors_of: str, other: str) -> list[list[str]]:
    return [
        [
            errors_of,
            line.name,
            f"{line.items:,}",
            f"{line.errors:,}",
            other,
            points(line.other),
            points(line.control),
            points(line.difference, "+"),
        ]
        for line in lines
    ]


def fair_table(found: Findings, names: tuple[str, str]) -> Table:
    """Return all items, all responses, both directions, chance taken off."""
    first, second = names
    header = [
        "errors of",
        "class",
        "items",
        "responses",
        "answered by",
        "right, %",
        "right when asked again, %",
        "difference, points",
    ]
    forward = repair_rows(found.forward, first, second)
    return Table(
        f"The fair protocol: {first} and {second} in both directions",
        "Every response is paired with every response of another number to the same item. Asked again: the same run's "
        "other responses to the item; only the difference is repair. What both directions share is that the runs "
        f"differ, not that one is better.{'' if found.control else ' ' + control_sentence(found, {})}",
        header,
        forward + repair_rows(found.backward, second, first),
        [len(forward) - 1],
    )


def dependency_table(profiles: dict[str, pd.DataFrame], view: str) -> Table:
    """`profiles`: run -> lines of kind (what the group is), group, k3 and k1 with intervals, responses, tokens."""
    header = ["run", "tokens of", "", "k3 per token, nats", "k1 per token, nats", "responses", "tokens"]
    rows = []
    for run, frame in profiles.items():
        for line in frame.to_dict("records"):
            cells = [
                interval_text(line[f"{score}_mean"], line[f"{score}_low"], line[f"{score}_high"], unit="plain")
                for score in ("k3", "k1")
            ]
            rows.append([run, line["kind"], line["group"], *cells, f"{line['responses']:,}", f"{line['tokens']:,}"])
    return Table(
        "What hangs on the picture",
        f"The first response of every sample of the browser below, scored behind its own picture and behind a spoiled "
        f"one ({view}), at temperature 1. k1 is the fall of a token's log-prob; k3 estimates how far the two "
        "distributions are apart and is never negative. Means over responses with 95 % intervals over problems.",
        header,
        rows,
    )


def tables_of(
    numbers: Numbers, classes: str, profiles: dict[str, pd.DataFrame], view: str, over: OverSeeds | None = None
) -> list[Table]:
    """Return all tables in the order of the page."""
    tables = [accuracy_table(numbers), *([seeds_table(over)] if over else [])]
    tables += [difference_table(one) for one in numbers.comparisons]
    tables.append(error_table(numbers, classes))
    for one in numbers.comparisons:
        names = (one.baseline, one.name)
        if any(numbers.errors[name].counts[ALL] for name in names):
            tables += [usual_table(one.found, names), fair_table(one.found, names)]
    return [*tables, dependency_table(profiles, view)] if profiles else tables
