"""Verifiers of samples whose answer has a type of its own: a tolerance or a set, with partial credit.

The answer is the content of the last box; the credit is `Verdict.score`, and `correct` means full credit.
"""

import re
from collections.abc import Callable

from verify.extract import extract_boxed
from verify.verdict import Verdict, format_ok

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
LEVELS = 10  # relative tolerances 0.05, 0.10 ... 0.50


def verdict(response: str, extracted: str | None, credit: float, name: str) -> Verdict:
    """Return the record of one graded response."""
    reason = name if credit == 1 else "no_box" if extracted is None else "mismatch"
    return Verdict(extracted, credit == 1, format_ok(response), f"{name}/1", reason, partial=credit)


def numeric(response: str, gold: str) -> Verdict:
    """Return the share of the relative tolerances 0.05 ... 0.5 within which the first number of the box lies.

    The mean relative accuracy of SpatialLadder (arXiv 2510.08531): thresholds 0.5, 0.55 ... 0.95 of accuracy. Where
    the gold is 0, only 0 is right. Compared in integers of 1e-9, so that an error of exactly 0.2 meets 0.2.
    """
    extracted = extract_boxed(response)
    said, wanted = NUMBER.search(extracted or ""), NUMBER.search(gold)
    if not (said and wanted):
        return verdict(response, extracted, 0.0, "numeric")
    value, right = float(said[0]), float(wanted[0])
    if right == 0:
        return verdict(response, extracted, float(value == 0), "numeric")
    error = round(abs(value - right) / abs(right) * 1e9)
    met = sum(error <= level * 50_000_000 for level in range(1, LEVELS + 1))
    return verdict(response, extracted, met / LEVELS, "numeric")


def elements(text: str) -> set[str]:
    """Return the parts of an answer that lists things, without brackets, case and blanks."""
    return {part.strip().lower() for part in text.strip("{}[]() ").split(",")} - {""}


def one_set(response: str, gold: str) -> Verdict:
    """Return intersection over union of the named and the wanted elements."""
    extracted = extract_boxed(response)
    said, wanted = elements(extracted or ""), elements(gold)
    credit = len(said & wanted) / len(said | wanted) if said | wanted else 0.0
    return verdict(response, extracted, credit, "set")


BY_TYPE: dict[str, Callable[[str, str], Verdict]] = {"numeric": numeric, "set": one_set}
