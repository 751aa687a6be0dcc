"""What a claim is: configs/claims.yaml as typed records, every name in it checked before anything is read.

A statistic is a tagged piece, as the pieces of a method are: `{kind: accuracy, table: table1, first: grpo, second:
papo_g}`. Its value is one number per training (second minus first, paired by seed, unless it says otherwise), so that
the interval covers another training.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from analysis.errors import CLASSES
from analysis.experiments import REPOSITORY, read_table_file, table_names
from analysis.hints import HINTS
from analysis.run_files import CURVES
from analysis.table import GROUPS
from common import UserError, did_you_mean
from configs import load_resolved, setting

LEDGER = REPOSITORY / "configs" / "claims.yaml"
EVERY = "every"


@dataclass(frozen=True)
class Part:
    """Which problems count."""

    columns: str = setting("overall", "general, vision, overall or one column: means of columns; every: one mean")
    without: list[str] = setting(factory=list, help="columns left out")
    suggestion: str = setting("", "broken or aligned: only problems whose question suggests something wrong or right")


@dataclass(frozen=True)
class Rows:
    """What every statistic of a table names: its second row is compared with the first."""

    table: str = setting(help="a table, as python -m analysis names it")
    first: str = setting(help="row that the second is compared with: it is subtracted, or divided by")
    second: str = setting(help="row")


@dataclass(frozen=True)
class Accuracy(Rows):
    """Accuracy of the second row minus that of the first."""

    kind: Literal["accuracy"] = "accuracy"
    on: Part = setting(Part(), "which problems")


@dataclass(frozen=True)
class GainDifference(Rows):
    """What the second row gains over the first on some problems, minus what it gains on others."""

    kind: Literal["gain_difference"] = "gain_difference"
    on: Part = setting(Part(), "problems on which the gain should be larger")
    other: Part = setting(Part(), "the other problems")


@dataclass(frozen=True)
class GainOverGain(Rows):
    """What one row gains over another, minus what a second pair gains: is a gain larger under other conditions?"""

    kind: Literal["gain_over_gain"] = "gain_over_gain"
    other_first: str = setting(help="row that is subtracted in the other pair")
    other_second: str = setting(help="row of the other pair")
    on: Part = setting(Part(), "which problems")


@dataclass(frozen=True)
class ErrorShare(Rows):
    """Share of responses in a class of error: of the second row, minus the first's where one is named."""

    kind: Literal["error_share"] = "error_share"
    first: str = setting("", "row that is subtracted; empty = the share itself")
    error: str = setting("perception", "class of error")
    of: Literal["responses", "wrong"] = setting("responses", "share of all responses, or of the wrong ones")


@dataclass(frozen=True)
class Metric(Rows):
    """Mean of a training metric over some steps: of the second row, compared with the first's where one is named."""

    kind: Literal["metric"] = "metric"
    beside: str = setting("", "another table that has some of the rows")
    first: str = setting("", "row that it is compared with; empty = the metric itself")
    metric: str = setting(help="a metric of curves.parquet")
    steps: list[int] = setting([-10, -1], "first and last step that count; negative ones from the end")
    how: Literal["difference", "ratio"] = setting("difference", "second minus first, or second over first")


@dataclass(frozen=True)
class Healthy(Rows):
    """Share of a run's steps before the onset of a collapse (train/collapse.py): second minus first."""

    kind: Literal["healthy"] = "healthy"
    beside: str = setting("", "another table that has some of the rows")


@dataclass(frozen=True)
class Measure(Rows):
    """One of the table's own measures, such as accuracy on black pictures or seconds of a step."""

    kind: Literal["measure"] = "measure"
    measure: str = setting(help="id of a measure of the table")
    how: Literal["difference", "ratio"] = setting("difference", "second minus first, or second over first")


@dataclass(frozen=True)
class TokenScore:
    """AUC of a token score for tokens that state what only the picture shows; its interval is over items."""

    kind: Literal["token_score"] = "token_score"
    score: str = setting(help="a score of python -m analysis.score_bench")
    run: str = setting("base", "whose responses")


@dataclass(frozen=True)
class Exact:
    """A property of a formula, computed from the code that trains: no sampling, no interval, no test."""

    kind: Literal["exact"] = "exact"
    name: str = setting(help="a function of analysis/claims/exact.py")


OfTable = Accuracy | GainDifference | GainOverGain | ErrorShare | Metric | Healthy | Measure
Statistic = OfTable | TokenScore | Exact
ROWS = ("first", "second", "other_first", "other_second")


@dataclass(frozen=True)
class Claim:
    """One claim; either a statistic tests it, or `untested` says why none can here."""

    says: str = setting(help="the claim in our words")
    source: str = setting(help="who claims it, and where")
    reported: str = setting("", "the effect that the source reports, empty where it gives no number")
    statistic: Statistic | None = setting(None, "what tests it")
    direction: Literal["up", "down", "equal"] = setting(
        "up", "side of `beyond` that the claim is on; equal: exact only"
    )
    beyond: float = setting(0.0, "the value that separates claimed from not claimed")
    smallest: float = setting(0.0, "smallest distance from `beyond` that would be of interest", bounds="[0, inf)")
    controls: list[str] = setting(factory=list, help="ids of claims that test another explanation")
    untested: str = setting("", "why this scale cannot test it")


@dataclass(frozen=True)
class Ledger:
    """All claims by id."""

    claims: dict[str, Claim] = setting(help="id -> claim")


def read_ledger(path: Path = LEDGER) -> dict[str, Claim]:
    """Return the claims in the order of the file, or refuse the first thing that is not known."""
    claims = load_resolved(Ledger, path).claims
    for name, claim in claims.items():
        where = f"claim {name} in {path.name}"
        if (claim.statistic is None) == (not claim.untested):
            raise UserError(f"{where} needs either a statistic or `untested`, the reason why it has none")
        for control in claim.controls:
            known(control, claims, "control", where)
        if claim.statistic is not None:
            check_names(claim.statistic, where)
            is_exact = isinstance(claim.statistic, Exact)
            if claim.direction == "equal" and not is_exact:
                raise UserError(f"{where}: direction: equal is for exact statistics; a sample is never equal")
    return claims


def known(name: str, names: Iterable[str], what: str, where: str) -> None:
    """Refuse a name that is not among the known ones, with the nearest one."""
    if name not in (names := list(names)):
        raise UserError(f"{where} has the {what} {name!r}, which does not exist; {did_you_mean(name, names)}")


def check_names(statistic: Statistic, where: str) -> None:
    """Refuse a statistic that names a table, row, column, class or metric that does not exist."""
    if isinstance(statistic, Exact):
        from analysis.claims.exact import EXACT

        known(statistic.name, EXACT, "exact statistic", where)
        return
    if isinstance(statistic, TokenScore):
        return  # scores are those of a committed file, and are checked when it is read
    tables = {name: read_table_file(name) for name in tables_named(statistic) if name in table_names()}
    for name in tables_named(statistic):
        known(name, table_names(), "table", where)
    rows = {row["id"] for table in tables.values() for row in table.get("rows", []) if row.get("here", True)}
    for row in rows_named(statistic):
        known(row, rows, f"row of table {' or '.join(tables)}", where)
    columns = [column["id"] for column in tables[statistic.table].get("columns", [])]
    for part in parts_of(statistic):
        known(part.columns, [*GROUPS, EVERY, *columns], "columns", where)
        known(part.suggestion, ["", *HINTS], "suggestion", where)
        for column in part.without:
            known(column, columns, "column", where)
    if isinstance(statistic, ErrorShare):
        known(statistic.error, CLASSES, "class of error", where)
    if isinstance(statistic, Metric):
        known(statistic.metric, CURVES, "metric", where)
        if len(statistic.steps) != 2 or 0 in statistic.steps:
            raise UserError(f"{where} has steps: {statistic.steps}; give the first and the last one, as in [1, 30]")
    if isinstance(statistic, Measure):
        ids = [measure["id"] for measure in tables[statistic.table].get("measures", [])]
        known(statistic.measure, ids, f"measure of table {statistic.table}", where)


def rows_named(statistic: OfTable) -> list[str]:
    """Return the rows that a statistic needs."""
    found = (getattr(statistic, name, "") for name in ROWS)
    return list(dict.fromkeys(row for row in found if row))


def parts_of(statistic: OfTable) -> list[Part]:
    return [part for name in ("on", "other") if isinstance(part := getattr(statistic, name, None), Part)]


def is_difference(statistic: Statistic | None) -> bool:
    """Return whether a value is a gap between rows, shown with its sign, and not a share, a ratio or an AUC."""
    return bool(getattr(statistic, "first", "")) and getattr(statistic, "how", "difference") == "difference"


def tables_named(statistic: OfTable) -> list[str]:
    """Return the table of a statistic, and the one beside it."""
    return [name for name in (statistic.table, getattr(statistic, "beside", "")) if name]
