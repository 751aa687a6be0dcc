"""Both protocols and the small test in plain words, with the numbers of a comparison."""

from analysis.protocol.flow import Findings, Repair
from analysis.protocol.small_test import SmallTest
from analysis.protocol.transitions import Share
from eval.estimate import interval_text, number_text, range_text
from eval.paired import PairedResult


def points(share: Share, sign: str = "") -> str:
    """Return a share as percent with its interval."""
    if share.value is None or share.low is None or share.high is None:
        return "—"
    return interval_text(share.value, share.low, share.high, sign)


def readings(found: Findings) -> list[str]:
    """Return how the two protocols differ, in plain words, with this comparison's numbers."""
    words = {"perception": "perception errors", "wrong": "errors", "all errors": "errors of any class"}
    if "wrong" in found.names:
        words.pop("all errors")
    sentences = []
    for usual, fair in zip(found.followed, found.forward, strict=True):
        if fair.name in words and usual["items"]:
            sentences.append(usual_reading(usual, fair, words[fair.name]))
    for line, back in zip(found.lines[1:], found.backward[:-1], strict=True):
        if line.part in words:
            sentences.append(fair_reading(line, back, found, words[line.part]))
    stays, right = found.flow["first to second"][0][0].value or 0.0, found.lines[0].first
    if right:
        sentences.append(
            f"The usual protocol never looks at what was right: {number_text(1 - stays / right)} % of the first's "
            "right responses are wrong under the second."
        )
    return sentences


def usual_reading(usual: dict, fair: Repair, what: str) -> str:
    line = f"The usual protocol says: the second model repairs {points(usual['repaired'])} % of the first's {what}."
    if fair.control.value is None:
        return f"{line} How many of them the first would repair by being asked again is not known here."
    return (
        f"{line} But asked again, the first model itself gets {points(fair.control)} % of them right: that much is "
        f"chance, not repair. Over all responses the second gets {points(fair.other)} % right, "
        f"{points(fair.difference, '+')} points beyond chance."
    )


def fair_reading(line: PairedResult, back: Repair, found: Findings, what: str) -> str:
    place, right = found.names.index(line.part), found.names.index("right")
    there, here = (found.flow["first to second"][a][b].value or 0.0 for a, b in ((place, right), (right, place)))
    relative = f" ({100 * line.difference / line.first:+.0f} % of them)" if line.first else ""
    other = f", {points(back.difference, '+')} beyond chance" if back.difference.value is not None else ""
    return (
        f"The fair protocol says: of all responses, {number_text(line.first)} % are {what} under the first and "
        f"{number_text(line.second)} % under the second, {number_text(line.difference, '+')} points "
        f"{range_text(line.low, line.high, '+')}{relative}. {number_text(there)} % of the pairs go from there "
        f"to right and {number_text(here)} % come from right: in the other direction the first gets "
        f"{points(back.other)} % of the second's {what} right{other}. What both "
        "directions share is that the models differ, not that one is better."
    )


def power_sentences(small: SmallTest) -> list[str]:
    """Return what the small McNemar test could have seen."""
    differs, visible = small.broken_share + small.repaired_share, small.smallest_difference
    if visible is None:
        first = f"With {small.items} items such a test sees no difference at all in 80 % of cases."
    else:
        first = (
            f"With {small.items} items such a test sees a difference of {100 * visible:.0f} points in 80 % of cases; "
        )
        first += f"the two models differ on {number_text(differs)} % of single responses"
        first += ", so it would miss even a change that goes one way only." if visible > differs else "."
    needed = f"about {small.items_needed:,} items" if small.items_needed else "no number of items up to 100,000"
    return [
        first,
        (
            "The difference between these two, "
            f"{number_text(small.repaired_share - small.broken_share, '+')} points over all "
            f"responses, it sees in {100 * small.power:.0f} % of cases; {needed} would make that 80 %."
        ),
    ]


def control_sentence(found: Findings, names: dict[str, str]) -> str:
    if found.control == "resampled":
        return f"Control: {names['resampled']}, the first model's second sampling."
    if found.control:
        return f"Control: each response of the first against its other {found.k['first'] - 1} to the same item."
    return (
        "No control: one response per item and no second sampling, so regression to the mean cannot be taken off; "
        "evaluate the first with k=2 or more, or give resampled=<its evaluation with another seed>."
    )


def shared_draws(found: Findings) -> str:
    if found.k["second"] > 1:
        return " First: response k=0; second: k=1, as responses of one number and seed share their random numbers."
    return (
        " Both models answered with k=0: if both evaluations have one seed, the two throws share their random numbers "
        "and agree too often; evaluate with k=2 or more, or with different seeds."
    )
