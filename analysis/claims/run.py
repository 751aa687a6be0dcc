"""The ledger as a page and as JSON."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

from analysis.claims.ledger import (
    LEDGER,
    Claim,
    Exact,
    TokenScore,
    is_difference,
    known,
    read_ledger,
    rows_named,
    tables_named,
)
from analysis.claims.settings import ClaimsSettings
from analysis.claims.verdicts import (
    ALPHA,
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_RUN,
    NOT_TESTABLE,
    SUPPORTED,
    Judged,
    Sources,
    judge,
    remark,
)
from common import UserError, atomic_write_text
from configs.run import check_clean, in_results
from eval.estimate import number_text
from eval.output import MISSING, markdown

STATUSES = (SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_RUN, NOT_TESTABLE)
TINY = 1e-12  # a p value below it is shown as being below it
RULE = (
    "A claim is **supported** if the whole 95 % interval lies on the claimed side of the value that separates claimed "
    f"from not claimed (0, unless the line says otherwise) and p after Holm is below {ALPHA}; **contradicted** if the "
    "whole interval lies on the other side; else **inconclusive**. Intervals are Student's over trainings, paired by "
    "seed, and p is the paired t-test's; those of token scores are over problems. Holm counts all tests of this page. "
    "An exact property of a formula has neither interval nor p."
)


def asked(claim: Claim) -> str:
    """Return the side that is claimed: "> 0"."""
    sign = {"up": ">", "down": "<", "equal": "="}[claim.direction]
    return f"{sign} {claim.beyond:g}"


def effect_text(one: Judged) -> str:
    """Return the effect with its interval, in percent points or plain."""
    assert one.found is not None
    unit, is_gap = one.found.unit, is_difference(one.claim.statistic)
    words = "" if unit == "plain" else " points" if is_gap else " %"
    return f"{one.found.estimate.text('+' if is_gap else '', unit)}{words}"


def p_text(p_value: float) -> str:
    return MISSING if isnan(p_value) else f"{p_value:.2g}" if p_value > TINY else f"< {TINY:g}"


def tested_table(lines: Sequence[Judged]) -> str:
    """Return effects and verdicts."""
    header = ["claim", "says", "effect [95 %]", "claimed", "p", "p (Holm)", "seeds", "verdict", "remark", "controls"]
    rows = []
    for one in lines:
        if one.found is None:
            continue
        claim, found = one.claim, one.found
        beyond = (
            asked(claim)
            if found.unit == "plain"
            else asked(claim).replace(f"{claim.beyond:g}", number_text(claim.beyond))
        )
        rows.append(
            [
                one.id,
                f"{claim.says} ({claim.source}{f'; {claim.reported}' if claim.reported else ''})",
                effect_text(one),
                beyond,
                p_text(found.p_value),
                p_text(one.p_holm),
                str(len(found.values)) if found.values else MISSING if one.is_exact else "over problems",
                f"**{one.status}**",
                remark(one),
                ", ".join(claim.controls),
            ]
        )
    return markdown(header, rows)


def waiting_table(lines: Sequence[Judged]) -> str:
    """Return what was not run, with the commands that would fill it."""
    rows = [
        [one.id, f"{one.claim.says} ({one.claim.source})", asked(one.claim), needs(one.claim), f"`{one.command}`"]
        for one in lines
        if one.status == NOT_RUN
    ]
    return markdown(["claim", "says", "claimed", "needs", "command"], rows)


def needs(claim: Claim) -> str:
    """Return the tables and rows of a claim."""
    statistic = claim.statistic
    if statistic is None or isinstance(statistic, Exact | TokenScore):
        return MISSING
    return f"{', '.join(rows_named(statistic))} of table {' and '.join(tables_named(statistic))}"


def untested_table(lines: Sequence[Judged]) -> str:
    rows = [
        [one.id, f"{one.claim.says} ({one.claim.source})", one.claim.reported or MISSING, one.claim.untested]
        for one in lines
        if one.status == NOT_TESTABLE
    ]
    return markdown(["claim", "says", "reported", "why not"], rows)


def page(lines: Sequence[Judged], scale: str) -> str:
    """Return the page."""
    counts = Counter[str](one.status for one in lines)
    tests = sum(not isnan(one.p_holm) for one in lines)
    counted = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status])
    parts = [
        f"# Claims at {scale} scale",
        f"{len(lines)} claims of configs/{LEDGER.name}: {counted}. {tests} tests enter Holm's correction.",
        RULE,
        "A verdict is about this scale: a model of 2 M parameters in a made-up world. It tells what the formula does "
        "there, not what the paper's runs did.",
    ]
    sections = (("Tested", tested_table), ("Not run", waiting_table), ("Not testable here", untested_table))
    for title, made in sections:
        if made(lines).count("\n") > 1:
            parts += [f"## {title}", made(lines)]
    return "\n\n".join(parts) + "\n"


def record(one: Judged) -> dict[str, Any]:
    """Return a claim as JSON holds it; what does not exist is null."""
    line: dict[str, Any] = {"id": one.id, "status": one.status, **asdict(one.claim)}
    if one.found is not None:
        found = one.found
        line |= {
            "effect": found.estimate.value,
            "low": found.estimate.low,
            "high": found.estimate.high,
            "over": found.estimate.method,
            "unit": found.unit,
            "by_seed": {str(seed): value for seed, value in sorted(found.values.items())},
            "p": found.p_value,
            "p_holm": one.p_holm,
            "remark": remark(one),
        }
    if one.command:
        line["command"] = one.command
    return {name: rounded(value) for name, value in line.items()}


def rounded(value: Any) -> Any:
    """Return a number to six digits, so that a page made on another machine is the same; null where there is none."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return value if not isinstance(value, float) else None if isnan(value) else float(f"{value:.6g}")


def texts(lines: Sequence[Judged], scale: str) -> dict[str, str]:
    """Return the files by name."""
    records = json.dumps([record(one) for one in lines], indent=2)
    return {"claims.md": page(lines, scale), "claims.json": records + "\n"}


def committed_texts(scale: str = "mini") -> dict[str, str]:
    """Return the files that the committed tables give."""
    return texts(judge(read_ledger(), Sources(scale, "")), scale)


def run(settings: ClaimsSettings) -> None:
    """Judge the claims, print the page, write it where `out` says so."""
    claims = read_ledger()
    for name in settings.claims:
        known(name, claims, "id", "claims=")
    wanted = {name: claim for name, claim in claims.items() if not settings.claims or name in settings.claims}
    if settings.runs and not Path(settings.runs).is_dir():
        raise UserError(f"there is no folder runs={settings.runs}; give the one that holds {settings.scale}/<method>")
    out = Path(settings.out)
    if settings.out and in_results(out):
        check_clean()
    lines = judge(wanted, Sources(settings.scale, settings.runs))
    files = texts(lines, settings.scale)
    for name, text in files.items() if settings.out else ():
        atomic_write_text(out / name, text)
    sys.stdout.write(files["claims.md"])
