"""From effects to verdicts.

Supported: the whole 95 % interval lies on the claimed side of `beyond`, and p after Holm is below 0.05. Contradicted:
the whole interval lies on the other side. Else inconclusive. An exact property is supported or contradicted as it
stands. What is too small to be of interest is said beside the verdict, and does not change it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import isnan, nan
from pathlib import Path
from typing import Literal

import pandas as pd

from analysis.claims.evidence import RESULTS, Evidence, committed, from_runs
from analysis.claims.exact import EXACT
from analysis.claims.ledger import Claim, Exact, TokenScore, tables_named
from analysis.claims.statistics import Measured, NotRun, command_for, over_seeds, token_auc, unit_of, values_of
from eval.estimate import Estimate, number_text
from eval.statistics import holm

ALPHA = 0.05
SAME = 1e-9  # exact values are computed in float32 or better, from numbers near 1
SUPPORTED, CONTRADICTED, INCONCLUSIVE = "supported", "contradicted", "inconclusive"
NOT_RUN, NOT_TESTABLE = "not run", "not testable here"
Status = Literal["supported", "contradicted", "inconclusive", "not run", "not testable here"]
BENCH = "score_bench"
BENCH_COMMAND = (
    "python -m analysis.score_bench 'runs=[runs/mini/base,runs/mini/grpo/seed0]' out=results/score_bench_mini"
)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with what was found."""

    id: str
    claim: Claim
    status: Status
    found: Measured | None = None
    p_holm: float = nan
    command: str = ""  # what would fill a claim that was not run

    @property
    def is_exact(self) -> bool:
        return isinstance(self.claim.statistic, Exact)


class Sources:
    """Evidence of tables, each read once."""

    def __init__(self, scale: str, runs: str, results: Path = RESULTS) -> None:
        self.scale, self.runs, self.results = scale, runs, results
        self.table = cache(self._table)

    def _table(self, name: str) -> Evidence:
        return from_runs(name, self.scale, Path(self.runs)) if self.runs else committed(name, self.scale, self.results)

    def scores(self) -> pd.DataFrame:
        """Return the score bench's table."""
        path = self.results / f"{BENCH}_{self.scale}" / "scores.csv"
        if not path.exists():
            raise NotRun(BENCH_COMMAND)
        return pd.read_csv(path)


def measure(claim: Claim, sources: Sources) -> Measured:
    """Return what a claim's statistic gives; NotRun where its runs are missing."""
    statistic = claim.statistic
    assert statistic is not None
    if isinstance(statistic, Exact):
        value = EXACT[statistic.name]() + 0.0  # no negative zero
        return Measured({}, Estimate(value=value, low=nan, high=nan, n=1, clusters=1, seeds=0), nan, "plain")
    if isinstance(statistic, TokenScore):
        return token_auc(sources.scores(), statistic.run, statistic.score, claim.beyond)
    first, *others = [sources.table(name) for name in tables_named(statistic)]
    evidence = first.with_curves_of(others[0]) if others else first
    values = values_of(statistic, evidence)
    if not values:
        raise NotRun(command_for(statistic, sources.scale))
    return over_seeds(values, claim.beyond, unit_of(statistic, evidence))


def verdict(claim: Claim, found: Measured, p_holm: float) -> Status:
    """Return the verdict on a tested claim; the rule stands above."""
    estimate, beyond = found.estimate, claim.beyond
    if isinstance(claim.statistic, Exact):
        distance = estimate.value - beyond
        if claim.direction == "equal":
            return "supported" if abs(distance) <= SAME else "contradicted"
        is_claimed = distance > SAME if claim.direction == "up" else distance < -SAME
        return "supported" if is_claimed else "contradicted"
    if not estimate.has_interval:
        return "inconclusive"
    near, _ = claimed_side(claim, estimate)
    if near > 0 and p_holm < ALPHA:
        return "supported"
    return "contradicted" if claimed_side(claim, estimate)[1] < 0 else "inconclusive"


def claimed_side(claim: Claim, estimate: Estimate) -> tuple[float, float]:
    """Return the interval's ends as distances from `beyond` towards the claimed side, the smaller one first."""
    low, high = estimate.low - claim.beyond, estimate.high - claim.beyond
    return (low, high) if claim.direction == "up" else (-high, -low)


def holm_by_claim(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p values corrected for all tests of the ledger; those that do not exist stay out."""
    tested = {name: p_value for name, p_value in p_values.items() if not isnan(p_value)}
    return dict(zip(tested, map(float, holm(tested.values())), strict=True))


def judge(claims: Mapping[str, Claim], sources: Sources) -> list[Judged]:
    """Test every claim that can be tested."""
    found: dict[str, Measured] = {}
    commands: dict[str, str] = {}
    for name, claim in claims.items():
        if claim.statistic is None:
            continue
        try:
            found[name] = measure(claim, sources)
        except NotRun as command:
            commands[name] = str(command)
    corrected = holm_by_claim({name: one.p_value for name, one in found.items()})
    judged = []
    for name, claim in claims.items():
        if name in found:
            p_holm = corrected.get(name, nan)
            status = verdict(claim, found[name], p_holm)
            judged.append(Judged(id=name, claim=claim, status=status, found=found[name], p_holm=p_holm))
        elif name in commands:
            judged.append(Judged(id=name, claim=claim, status="not run", command=commands[name]))
        else:
            judged.append(Judged(id=name, claim=claim, status="not testable here"))
    return judged


def remark(one: Judged) -> str:
    """Return what the verdict leaves open: what could have been seen, and what is of interest."""
    found, claim = one.found, one.claim
    if found is None or one.is_exact:
        return ""
    estimate = found.estimate
    if not estimate.has_interval:
        return "one training" if len(found.values) == 1 else "the trainings agree exactly, so there is no interval"
    near, far = claimed_side(claim, estimate)
    said = []
    if one.status == INCONCLUSIVE:
        said.append(f"less than {number_text(estimate.smallest_seen, '', found.unit)} could not be seen")
    if claim.smallest:
        smallest = number_text(claim.smallest, "", found.unit)
        if far < claim.smallest:
            said.append(f"an effect of interest ({smallest}) is excluded")
        elif near >= claim.smallest:
            said.append(f"at least the effect of interest ({smallest})")
    return "; ".join(said)
