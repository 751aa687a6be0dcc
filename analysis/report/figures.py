"""The figures of a report, each drawn by analysis.figures from numbers that the tables show too."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.protocol.flow import ALL
from analysis.report.comparing import accuracy_rows, forest_of
from analysis.report.numbers import Compared, Numbers
from analysis.report.profiles import MAIN, Profiles
from analysis.report.records import Figure
from analysis.report.summary import counted
from analysis.runs import OpenedRun
from analysis.seeds import method_names, methods_of

COMPARED_AT_MOST = 3  # later runs that get a flow and a figure of repairs; the tables have all


def accuracy_figure(numbers: Numbers) -> Figure:
    from analysis.figures import png, table_figure

    return Figure(
        "Accuracy",
        "Share of right responses by column, with 95 % intervals over problems.",
        png(table_figure(accuracy_rows(numbers), numbers.parts)),
        "accuracy of every run on every column, as points with intervals",
    )


def differences_figure(numbers: Numbers) -> Figure:
    from analysis.figures import forest_figure, png

    return Figure(
        "Differences",
        "Each run minus its baseline on the same items, paired, in points; filled where p is below 0.05 after Holm's "
        "correction over the tests of the comparison.",
        png(forest_figure(forest_of(numbers))),
        "differences in accuracy to the baseline with intervals",
    )


def classes_figure(views: Sequence[OpenedRun]) -> Figure:
    from analysis.figures import errors_figure, png, share_frame

    shares = share_frame({view.name: view.predictions for view in views})
    return Figure(
        "What is wrong with the wrong answers",
        "Share of all responses in each class of error.",
        png(errors_figure(shares)),
        "stacked bars of the classes of error, one bar per run",
    )


def why_wrong(one: Compared, views: Sequence[OpenedRun]) -> Figure:
    """Return the classes of error of two runs, and what of the first's errors the second repairs."""
    from analysis.figures import png, share_frame, why_wrong_figure

    names = (one.baseline, one.name)
    shares = share_frame({view.name: view.predictions for view in views if view.name in names}).loc[list(names)]
    return Figure(
        "Why answers are wrong, and what is repaired",
        f"Left, share of all responses; right, {one.baseline}'s errors that {one.name} gets right, beside those that "
        f"{one.baseline} gets right when asked again. Only the difference is repair.",
        png(why_wrong_figure(one.found, shares, names)),
        f"bars of the classes of error of {one.baseline} and {one.name}; points of how many errors come right",
    )


def front_figures(numbers: Numbers, views: Sequence[OpenedRun], main: Compared | None) -> list[Figure]:
    """Return the two figures of the first screen; without a wrong answer there is one."""
    if not any(one.counts[ALL] for one in numbers.errors.values()):
        return [accuracy_figure(numbers)]
    return [accuracy_figure(numbers), why_wrong(main, views) if main else classes_figure(views)]


def flow_figures(one: Compared, is_main: bool) -> list[Figure]:
    """Return where the responses of the baseline go under a later run, and what of its errors that run repairs."""
    from analysis.figures import flow_figure, png, repairs_figure

    baseline, names = one.baseline, (one.baseline, one.name)
    found = [
        Figure(
            f"From {baseline} to {one.name}",
            f"What the responses of {one.name} are to the items on which those of "
            f"{baseline} were right or wrong in some way; widths are shares of all pairs of responses "
            "to the same item.",
            png(flow_figure(one.found, names)),
            f"flow between right and the classes of error from {baseline} to {one.name}",
        )
    ]
    repair = one.repair(ALL)
    if repair is not None and repair.errors and not is_main:  # the first screen has it
        found.append(
            Figure(
                f"What {one.name} repairs",
                f"Of {baseline}'s errors of each class: how many are right under {one.name}, "
                f"and how many under {baseline} itself when it is asked again. Only the difference is repair.",
                png(repairs_figure(one.found, names)),
                f"share of {baseline}'s errors that are right under {one.name} and under itself, with intervals",
            )
        )
    return found


def dependency_figures(profiles: Profiles, view: str) -> list[Figure]:
    from analysis.figures import png, position_figure, word_class_figure

    if not profiles.positions:
        return []
    caption = f"Mean k3 per token between the real picture and a spoiled one ({view}), with 95 % intervals."
    return [
        Figure(
            "Visual dependency along the answer",
            f"{caption} A line that falls is what papers call visual forgetting.",
            png(position_figure(profiles.positions, MAIN)),
            "k3 by position in the answer",
        ),
        Figure(
            "Visual dependency by kind of word",
            caption,
            png(word_class_figure(profiles.word_classes, MAIN)),
            "k3 by kind of word",
        ),
    ]


def training_figure(curves: Mapping[str, list[pd.DataFrame]]) -> list[Figure]:
    """Return nothing where no run was trained, or none of the usual metrics was logged."""
    from analysis.figures import curves_figure, png
    from analysis.figures.curves import chosen_panels

    if not chosen_panels(dict(curves)):
        return []
    told = "One training each."
    if any(len(frames) > 1 for frames in curves.values()):
        counts = ", ".join(f"{name} {counted(len(frames), 'seed')}" for name, frames in curves.items())
        told = (
            f"Lines are means over seeds, bands their range: {counts}. Where the report has a single seed of a "
            "method, the finished ones that lie beside it are drawn too."
        )
    return [
        Figure(
            "Training", f"Running means over the steps. {told}", png(curves_figure(dict(curves))), "training curves"
        )
    ]


def drawn_comparisons(numbers: Numbers, views: Sequence[OpenedRun]) -> list[Compared]:
    """Return the comparisons that get figures of their own: those of two methods before those of two seeds of one."""
    method = method_names(methods_of(views))
    return sorted(numbers.comparisons, key=lambda one: method[one.name] == method[one.baseline])[:COMPARED_AT_MOST]


def figures_of(
    numbers: Numbers,
    views: Sequence[OpenedRun],
    profiles: Profiles,
    curves: Mapping[str, list[pd.DataFrame]],
    view: str,
    main: Compared | None,
) -> list[Figure]:
    """Return all figures but those of the first screen, in the order of the page."""
    figures = [differences_figure(numbers)] if numbers.comparisons else []
    if len(views) > 2 and any(one.counts[ALL] for one in numbers.errors.values()):
        figures.append(classes_figure(views))
    for one in drawn_comparisons(numbers, views):
        figures += flow_figures(one, one is main)
    return [*figures, *dependency_figures(profiles, view), *training_figure(curves)]
