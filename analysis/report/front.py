"""The first screen of a report: what was found, three numbers with their intervals, two figures, one example.

It is about one comparison, that of the last run with its baseline, or about the only run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from analysis import hints
from analysis.breakdown import PERCEPTION
from analysis.protocol.flow import ALL
from analysis.protocol.transitions import Share
from analysis.report import over_seeds
from analysis.report.numbers import Compared, Numbers
from analysis.report.over_seeds import MINUS, Line, Measure, OverSeeds
from analysis.report.records import Figure, Front, Headline, Item
from analysis.report.summary import accuracy_sentence, run_sentence, told_comparisons
from analysis.seeds import method_names
from eval.estimate import Estimate, number_text, range_text

SHOWN = 3  # numbers on the first screen
LONGEST = 400  # characters of an example's answers together, so that it fits
POINTS = "points"


def main_comparison(numbers: Numbers, over: OverSeeds | None) -> Compared | None:
    """Return the comparison that the report is about; None for a single run."""
    told = told_comparisons(numbers, over)
    return told[-1] if told else None


def main_line(main: Compared | None, over: OverSeeds | None) -> Line | None:
    """Return the same comparison over seeds, where there are several."""
    if main is None or over is None:
        return None
    method = method_names(over.methods)
    name = f"{method[main.name]}{MINUS}{method[main.baseline]}"
    return next((line for line in over.differences if line.name == name), None)


def share_headline(share: Share, label: str, sign: str = "") -> Headline | None:
    if share.value is None or share.low is None or share.high is None:
        return None
    unit = POINTS if sign else "%"
    return Headline(f"{number_text(share.value, sign)} {unit}", range_text(share.low, share.high, sign), label)


def estimate_headline(found: Estimate, label: str, sign: str = "") -> Headline | None:
    return share_headline(Share(found.value, found.low, found.high), label, sign)


def of_methods(line: Line, measures: Sequence[Measure]) -> list[Headline | None]:
    """Return the differences of two methods over their seeds."""
    found: list[Headline | None] = []
    for one in measures[:SHOWN]:
        if cell := line.cells.get(one.title):
            spans = [(cell.problems, "problems"), (cell.seeds, "trainings")]
            texts = [f"{one.interval(span, '+')} over {what}" for span, what in spans if span and span.has_interval]
            unit = f" {POINTS}" * one.is_share
            title = "accuracy" if one.columns else one.title
            found.append(Headline(f"{one.text(cell.seeds, '+')}{unit}", ", ".join(texts), f"{title}: {line.name}"))
    return found


def of_runs(one: Compared, runs: Mapping[str, pd.DataFrame]) -> list[Headline | None]:
    """Return what a run differs in from its baseline, most important first."""
    pair = f"{one.name}{MINUS}{one.baseline}"
    found = [estimate_headline(one.lines[-1].estimate, f"accuracy: {pair}", "+")]
    pair_of = (one.baseline, one.name)
    if set(pair_of) <= runs.keys() and all(not hints.with_hint(runs[name], "broken").empty for name in pair_of):
        line = hints.difference(runs, pair_of, "broken")
        found.append(estimate_headline(line.estimate, f"accuracy where the suggestion is wrong: {pair}", "+"))
    for line in (line for line in one.found.lines if line.part == PERCEPTION):
        label = f"perception errors among all responses: {pair}"
        found.append(share_headline(Share(line.difference, line.low, line.high), label, "+"))
    for kind in (PERCEPTION, ALL):
        if repair := one.repair(kind):
            what = "perception errors" if kind == PERCEPTION else "errors"
            label = f"of {one.baseline}'s {what} right under {one.name}, beyond chance"
            found.append(share_headline(repair.difference, label, "+"))
    return found


def of_run(numbers: Numbers, answers: pd.DataFrame, costs: Mapping[str, pd.Series]) -> list[Headline | None]:
    """Return what is known of a run without another."""
    name = numbers.runs[0]
    line = numbers.overall(name)
    found = [share_headline(Share(line["mean"], line["low"], line["high"]), "right answers")]
    for state, words in hints.HINTS.items():
        if not (asked := hints.with_hint(answers, state)).empty:
            found.append(estimate_headline(hints.estimate(asked), f"right where the suggestion {words}"))
    if share := numbers.errors[name].shares.get(PERCEPTION):
        found.insert(1, share_headline(share, "of its errors are perception errors"))
    if name in costs:
        cost = costs[name]
        interval = range_text(cost["low"], cost["high"], unit="plain")
        found.append(Headline(f"{cost['mean']:.3f} nats", interval, "lost by a token behind a spoiled picture"))
    return found


def example_of(items: Sequence[Item], pair: Sequence[str]) -> tuple[Item | None, str]:
    """Return a shown sample on which the two runs differ, or on which the only run is wrong, and how many are like it.

    Of several, one whose wrong answer misreads the picture and that fits the screen comes first, then the order of
    the browser decides.
    """
    shown = [replace(one, answers=[own for own in one.answers if own.run in pair]) for one in items if one.pictures]
    fitting = [one for one in shown if 0 < sum(not own.correct for own in one.answers) < max(2, len(pair))]
    if not fitting:
        return None, ""

    def rank(one: Item) -> tuple[bool, bool]:
        misread = any(own.state == PERCEPTION for own in one.answers)
        return (not misread, sum(len(own.text) for own in one.answers) > LONGEST)

    among = f"{len(fitting):,} of {len(items):,} shown samples"
    if len(pair) == 1:
        return min(fitting, key=rank), f"One of {among} that it gets wrong at first."
    alone = {run: sum(own.run == run and own.correct for one in fitting for own in one.answers) for run in pair}
    counts = ", ".join(f"{count:,} by {run}" for run, count in alone.items())
    return min(fitting, key=rank), f"One of {among} that one of the two alone gets right at first: {counts}."


def front_of(
    numbers: Numbers,
    over: OverSeeds | None,
    runs: Mapping[str, pd.DataFrame],
    costs: Mapping[str, pd.Series],
    items: Sequence[Item],
    figures: Sequence[Figure],
) -> Front:
    """Return the first screen; its sentence and numbers are of methods where there are several seeds of them."""
    main = main_comparison(numbers, over)
    line = main_line(main, over)
    if main is None:
        finding, found = accuracy_sentence(numbers, numbers.runs[0]), of_run(numbers, runs[numbers.runs[0]], costs)
    elif line is not None and over is not None:
        finding, found = over_seeds.finding(line, over.measures), of_methods(line, over.measures)
    else:
        finding, found = run_sentence(main), of_runs(main, runs)
    example, among = example_of(items, (main.baseline, main.name) if main else numbers.runs[:1])
    return Front(finding, [one for one in found if one][:SHOWN], figures, example, among)
