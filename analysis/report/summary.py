"""The findings of a report in sentences that stand alone: every one with its numbers and their intervals."""

from collections.abc import Mapping

import pandas as pd

from analysis import hints
from analysis.breakdown import PERCEPTION, balance_sentence
from analysis.protocol.flow import ALL, Repair
from analysis.protocol.transitions import WRONG
from analysis.protocol.words import points
from analysis.report import over_seeds
from analysis.report.numbers import Compared, Numbers
from analysis.seeds import method_names
from eval.estimate import difference_sentence, interval_text
from eval.paired import PairedResult

ALL_CLASSES = "errors of any class"


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def about_runs(numbers: Numbers) -> str:
    """Return what the numbers stand on."""
    items = int(numbers.overall(numbers.runs[0])["items"])
    among = f" ({counted(numbers.clusters, 'problem')})" if numbers.clusters < items else ""
    k = ", ".join(f"{name} {count}" for name, count in numbers.k.items())
    text = f"{counted(items, 'item')}{among}; responses per item: {k}."
    if numbers.comparisons:
        pairs = ", ".join(f"{one.name} with {one.baseline}" for one in numbers.comparisons)
        text += f" All runs answered the same items. Compared: {pairs}."
    return f"{text} In brackets: 95 % intervals over problems and responses; another training seed may differ by more."


def accuracy_sentence(numbers: Numbers, name: str) -> str:
    """Return one run's accuracy, as the plain mean over columns."""
    line, columns = numbers.overall(name), len(numbers.parts) - 1
    over = f" (mean over {columns} columns, avg@{numbers.k[name]})" if columns > 1 else f" (avg@{numbers.k[name]})"
    return f"{name}: {line['text']} % right{over}."


def run_sentence(one: Compared) -> str:
    """Return a run against its baseline, paired, with what can be said of it."""
    line: PairedResult = one.lines[-1]
    where = f", on the same items, paired (p = {line.p_difference:.2g})"
    return difference_sentence(one.name, one.baseline, line.estimate, where=where)


def errors_sentence(numbers: Numbers, name: str) -> str:
    """Return how many errors a run makes and what part of them are perception errors."""
    errors = numbers.errors[name]
    wrong = counted(errors.counts[ALL], "wrong response")
    start = f"{name} gives {wrong} of {errors.responses:,}"
    share = errors.shares.get(PERCEPTION)
    if not errors.counts[ALL]:
        return f"{start}."
    if share is None or share.value is None:
        known = [one for one in errors.shares if one != WRONG]
        return f"{start}; {'none is a perception error' if known else 'they are not classified'}."
    return (
        f"{start}; {points(share)} % of them ({errors.counts[PERCEPTION]:,}) are perception errors: the response says "
        "something of the picture that is not so."
    )


def verdict_on_repairs(repair: Repair, name: str, baseline: str) -> str:
    """Return what of the repairs cannot be put down to asking again."""
    beyond, control = repair.difference, repair.control
    if beyond.value is None or beyond.low is None or beyond.high is None:
        return (
            f"How many of them {baseline} would get right by being asked again is not known, so this is no measure of "
            "repair; evaluate with k=2 or more."
        )
    again = f"{baseline} itself, asked again, gets {points(control)} % of them right: that much is chance."
    difference = f"{points(beyond, '+')} points"
    if beyond.low > 0:
        count = "about {:,.0f} [{:,.0f}, {:,.0f}]".format(
            *(edge * repair.errors for edge in (beyond.value, beyond.low, beyond.high))
        )
        return f"{again} Beyond chance {name} repairs {difference}, {count} of the {repair.errors:,}."
    if beyond.high < 0:
        return f"{again} {name} gets fewer of them right than that: {difference}."
    return f"{again} The difference, {difference}, may be 0, so no repair beyond chance is shown."


def repair_sentence(one: Compared, kind: str) -> str | None:
    """Return what became of the baseline's errors of a class under a run, and the other way; None where it has no
    such error.

    Two runs that differ at all repair each other's errors, so the balance of both directions belongs to it.
    """
    repair, baseline = one.repair(kind), one.baseline
    if repair is None or repair.other.value is None:
        return None
    what = {PERCEPTION: "perception errors", ALL: ALL_CLASSES, WRONG: "errors"}.get(kind, f"{kind} errors")
    return (
        f"Of {baseline}'s {repair.errors:,} {what} (on {counted(repair.items, 'item')}) {one.name} gets "
        f"{points(repair.other)} % right. {verdict_on_repairs(repair, one.name, baseline)}"
        f"{f' {balance_sentence(one.found, (baseline, one.name), kind)}' if kind != ALL else ''}"
    )


def dependency_sentence(costs: dict[str, pd.Series], view: str) -> str | None:
    """Return what masking costs a token; `costs` holds a line of `dependency_profile.profile` of k1 for each
    scored run.
    """
    if not costs:
        return None
    texts = {
        name: interval_text(line["mean"], line["low"], line["high"], unit="plain") for name, line in costs.items()
    }
    said = ", ".join(f"{name} {texts[name]} ({counted(costs[name]['responses'], 'response')})" for name in costs)
    return (
        f"How much the answers lean on the picture: behind a spoiled picture ({view}) a token of the very same answer "
        f"loses on average, in nats of log-probability: {said}."
    )


def told_comparisons(numbers: Numbers, over: over_seeds.OverSeeds | None) -> list[Compared]:
    """Return where there are several methods, what tells two seeds of one apart is for the tables."""
    if over is None or not over.differences:
        return numbers.comparisons
    method = method_names(over.methods)
    return [one for one in numbers.comparisons if method[one.name] != method[one.baseline]]


def sentences(
    numbers: Numbers,
    classes: str,
    costs: dict[str, pd.Series],
    view: str,
    over: over_seeds.OverSeeds | None = None,
    runs: Mapping[str, pd.DataFrame] | None = None,
) -> list[str]:
    """Return the whole summary, most important first."""
    comparisons = told_comparisons(numbers, over)
    found: list[str | None] = [*(over_seeds.sentences(over) if over else [])]
    if numbers.has_overall:
        found += [accuracy_sentence(numbers, name) for name in numbers.runs]
        found += [run_sentence(one) for one in comparisons]
    found += hints.sentences(runs, [(one.baseline, one.name) for one in comparisons]) if runs else []
    found += [errors_sentence(numbers, name) for name in numbers.runs]
    for one in comparisons:
        kind = PERCEPTION if numbers.errors[one.baseline].counts.get(PERCEPTION) else ALL
        found.append(repair_sentence(one, kind))
    found += [dependency_sentence(costs, view), classes, about_runs(numbers)]
    return [sentence for sentence in found if sentence]
