"""The figures draw what the numbers say: lengths, widths and places are read back from the drawing."""

from collections.abc import Iterator
from itertools import pairwise

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle

from analysis.figures import (
    PAGE,
    confusion_figure,
    curves_beside_baselines,
    curves_figure,
    errors_figure,
    flow_figure,
    forest_figure,
    position_figure,
    probes_figure,
    repairs_figure,
    share_frame,
    state_colour,
    table_figure,
    why_wrong_figure,
    word_class_figure,
)
from analysis.figures.curves import Panel
from analysis.figures.style import spread
from analysis.protocol.flow import AGAIN, ALL, BEYOND, FORWARD, Findings, findings
from common import UserError
from tests.analysis.drawings import FIRST, SECOND, frame_of, points, profile, texts


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings({"first": frame_of(FIRST), "second": frame_of(SECOND)}, sample=4, seed=0)


@pytest.fixture(scope="module")
def shares() -> pd.DataFrame:
    return share_frame({"grpo": frame_of(FIRST), "papo_g": frame_of(SECOND)})


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    yield
    assert plt.get_fignums() == []


def lengths(axes: Axes) -> list[tuple[float, float]]:
    """Start and length of every horizontal bar that has one."""
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [(round(bar.get_x(), 6), round(bar.get_width(), 6)) for bar in bars if bar.get_width() > 0]


def markers(axes: Axes, sign: str) -> list[tuple[float, float, bool]]:
    """Place of every marker of one kind, and whether it is filled."""
    return [
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]), line.get_markerfacecolor() != "white")
        for line in axes.lines
        if line.get_marker() == sign and len(line.get_xdata()) == 1
    ]


def ticks(axes: Axes) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


# ---- error classes and repairs


def test_shares_are_of_all_responses_with_intervals_around_them(shares: pd.DataFrame) -> None:
    assert shares.loc["grpo", ["right", "perception", "format", ALL]].tolist() == [0.25, 0.5, 0.25, 0.75]
    assert shares.loc["papo_g", ["right", "perception", "format", ALL]].tolist() == [0.625, 0.375, 0, 0.375]
    assert (shares.perception_low <= shares.perception).all() and (shares.perception <= shares.perception_high).all()


def test_error_bars_are_stacked_in_the_order_of_the_taxonomy(shares: pd.DataFrame) -> None:
    figure = errors_figure(shares)
    assert lengths(figure.axes[0]) == [(0, 50), (0, 37.5), (50, 25)]  # perception of both, then format of the first
    assert ticks(figure.axes[0]) == ["GRPO", "PAPO_G"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["perception", "format"]  # what occurs
    assert {"50.0", "37.5", "25.0", "75.0"} <= set(texts(figure))
    colours = {patch.get_facecolor() for patch in figure.axes[0].patches if patch.get_width() > 0}
    assert colours == {matplotlib.colors.to_rgba(state_colour(name)) for name in ("perception", "format")}


def test_the_line_below_a_bar_is_the_interval_of_all_errors(shares: pd.DataFrame) -> None:
    (collection,) = errors_figure(shares).axes[0].collections
    drawn = np.array([segment[:, 0] for segment in collection.get_segments()])
    assert drawn == pytest.approx(100 * shares[[f"{ALL}_low", f"{ALL}_high"]].to_numpy())


def test_errors_without_intervals_and_without_any_error() -> None:
    bare = pd.DataFrame({"right": [0.7, 1.0], "perception": [0.3, 0.0], "guess": [0.5, 0.5], "n": [10, 10]})
    figure = errors_figure(bare.set_axis(["base", "grpo"]))
    assert lengths(figure.axes[0]) == [(0, 30)] and "0.0" in texts(figure)  # neither `guess` nor `n` is a class
    assert lengths(errors_figure(bare.iloc[1:]).axes[0]) == []


def test_repairs_show_other_and_control_with_intervals_and_their_difference(found: Findings) -> None:
    """Of the perception errors half come right under the second and none by asking again."""
    figure = repairs_figure(found, ("grpo", "papo_g"))
    axes = figure.axes[0]
    assert ticks(axes) == ["perception (n = 4)", "format (n = 2)", "all errors (n = 6)"]
    assert [(x, round(y), filled) for x, y, filled in markers(axes, "o")] == [
        (50, 0, True),
        (100, 1, True),
        (pytest.approx(200 / 3), 2, True),
    ]
    assert [(x, round(y), filled) for x, y, filled in markers(axes, "s")] == [(0, n, False) for n in range(3)]
    lines = [
        tuple(line.get_xdata()) for line in axes.lines if line.get_marker() == "None" and len(line.get_xdata()) > 1
    ]
    first = found.forward[0].other
    assert (100 * first.low, 100 * first.high) in lines
    difference = found.forward[0].difference
    numbers = f"+50.0 [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]".replace("-", "−")
    assert numbers in texts(figure) and "right under GRPO, asked again" in texts(figure)


def test_repairs_backward_are_of_the_second_runs_errors(found: Findings) -> None:
    """The second's three perception errors: two where the first has one too, one where it is right."""
    figure = repairs_figure(found, ("grpo", "papo_g"), backward=True)
    assert ticks(figure.axes[0]) == ["perception (n = 3)"]  # a line for all errors would say the same
    assert markers(figure.axes[0], "o")[0][0] == pytest.approx(100 / 3)
    assert "right under PAPO_G, asked again" in texts(figure)


def test_without_a_control_there_is_one_point_and_a_dash() -> None:
    one = findings({"first": frame_of(FIRST, 1), "second": frame_of(SECOND, 1)}, sample=4, seed=0)
    figure = repairs_figure(one, ("a", "b"))
    assert len(markers(figure.axes[0], "o")) == 3 and markers(figure.axes[0], "s") == []
    assert "—" in texts(figure) and not any("asked again" in text for text in texts(figure))


def test_a_run_without_errors_has_nothing_to_repair() -> None:
    right = frame_of([["right", "right"]] * 3)
    nothing = findings({"first": right, "second": right}, sample=3, seed=0)
    with pytest.raises(UserError, match="has no error"):
        repairs_figure(nothing, ("a", "b"))
    with pytest.raises(UserError, match="neither a nor b has an error"):
        why_wrong_figure(nothing, share_frame({"a": right, "b": right}), ("a", "b"))


def test_why_wrong_pairs_shares_and_repairs_row_by_row(found: Findings, shares: pd.DataFrame) -> None:
    figure = why_wrong_figure(found, shares, ("grpo", "papo_g"))
    left, right = figure.axes[:2]
    assert ticks(left) == ["perception", "format", "all errors"]
    assert [length for _, length in lengths(left)] == [50, 25, 75, 37.5, 37.5]  # the first run, then the second
    assert [x for x, _, _ in markers(right, "o")] == [50, 100, pytest.approx(200 / 3)]
    assert left.get_ylim() == right.get_ylim()
    assert figure.get_figwidth() == PAGE


def test_a_class_that_only_the_second_run_has_says_so() -> None:
    frames = {"first": frame_of([["format"] * 2] * 3), "second": frame_of([["reasoning"] * 2] * 3)}
    figure = why_wrong_figure(
        findings(frames, 3, 0), share_frame({"a": frames["first"], "b": frames["second"]}), ("a", "b")
    )
    assert ticks(figure.axes[0]) == ["reasoning", "format", "all errors"] and "no such error" in texts(figure)


def test_the_judge_is_in_rows_whichever_way_the_matrix_comes() -> None:
    counts = pd.DataFrame([[8, 1], [2, 0]], index=["perception", "reasoning"], columns=["perception", "reasoning"])
    calibration = counts.T.rename_axis(index="truth", columns="judge")
    for matrix in (counts, calibration):
        figure = confusion_figure(matrix)
        cells = {(text.get_position(), text.get_text()) for text in figure.axes[0].texts}
        assert cells == {((0, 0), "8\n80 %"), ((1, 0), "1\n100 %"), ((0, 1), "2\n20 %")}
        assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["perception (10)", "reasoning (1)"]
    assert "no" not in texts(confusion_figure(0 * counts))  # no label at all is an empty matrix


# ---- flow


def ribbon_edges(figure: Figure) -> list[tuple[float, float]]:
    """Width of every ribbon at its left and right end."""
    found = []
    for patch in figure.axes[0].patches:
        if isinstance(patch, PathPatch):
            y = patch.get_path().vertices[:, 1]
            found.append((round(y[7] - y[0], 6), round(y[4] - y[3], 6)))
    return found


def test_ribbons_are_as_wide_as_the_shares_of_pairs(found: Findings) -> None:
    """Of 8 pairs: 1 stays right, 1 breaks, 2 stay perception errors, 2 of perception and 2 of format come right."""
    figure = flow_figure(found, ("grpo", "papo_g"))
    widths = ribbon_edges(figure)
    assert sorted(widths) == [(0.125, 0.125), (0.125, 0.125), (0.25, 0.25), (0.25, 0.25), (0.25, 0.25)]
    assert sum(left for left, _ in widths) == pytest.approx(1)
    assert {"perception 50.0 %", "format 25.0 %", "right 25.0 %", "perception 37.5 %", "right 62.5 %"} <= set(
        texts(figure)
    )
    assert {"GRPO", "PAPO_G", "12.5", "25.0"} <= set(texts(figure))
    bars = [patch.get_height() for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert sorted(bars) == [0.25, 0.25, 0.375, 0.5, 0.625]


def test_ribbons_fill_their_bars_without_overlap(found: Findings) -> None:
    figure = flow_figure(found, ("a", "b"))
    paths = [patch.get_path().vertices for patch in figure.axes[0].patches if isinstance(patch, PathPatch)]
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    for left, (low, high) in ((True, (0, 7)), (False, (3, 4))):
        spans = sorted((v[low, 1], v[high, 1]) for v in paths)
        assert all(one[1] <= other[0] + 1e-9 for one, other in pairwise(spans))
        side = [bar for bar in bars if (bar.get_x() == 0) == left]
        for bar in side:
            inside = [
                b - a for a, b in spans if a >= bar.get_y() - 1e-9 and b <= bar.get_y() + bar.get_height() + 1e-9
            ]
            assert sum(inside) == pytest.approx(bar.get_height())


def test_the_flow_of_a_run_to_itself_and_what_cannot_be_drawn(found: Findings) -> None:
    assert "GRPO,\nasked again" in texts(flow_figure(found, ("grpo", "papo_g"), AGAIN))
    with pytest.raises(UserError, match=f"differences, which have no width; draw '{FORWARD}'"):
        flow_figure(found, ("grpo", "papo_g"), BEYOND)
    with pytest.raises(UserError, match="there is no flow 'sideways'; there are first to second"):
        flow_figure(found, ("grpo", "papo_g"), "sideways")


def test_labels_that_would_meet_are_moved_apart_as_little_as_possible() -> None:
    assert spread([0.5, 0.9], 0.1, 0, 1) == [0.5, 0.9]
    assert spread([0.5, 0.5, 0.5], 0.1, 0, 1) == pytest.approx([0.4, 0.5, 0.6])
    assert spread([0.98, 0.99], 0.1, 0, 1) == pytest.approx([0.9, 1.0])
    assert spread([0.6, 0.2, 0.61], 0.1, 0, 1) == pytest.approx([0.555, 0.2, 0.655])  # in the order they came


# ---- curves, forest, dependency, accuracy


def test_curves_draw_the_mean_of_the_seeds_and_their_range() -> None:
    """Constant curves, so that smoothing changes nothing."""
    seeds = [pd.DataFrame({"step": [1, 2, 3], "reward/accuracy": [value] * 3}) for value in (0.2, 0.3, 0.7)]
    figure = curves_figure({"grpo": seeds, "papo_g": [seeds[0]]})
    (axes,) = figure.axes
    mean, single = axes.lines
    assert mean.get_ydata() == pytest.approx([0.4] * 3) and single.get_ydata() == pytest.approx([0.2] * 3)
    (band,) = axes.collections  # one seed has no band
    edges = band.get_paths()[0].vertices
    assert {round(y, 6) for _, y in edges} == {0.2, 0.7} and set(edges[:, 0]) == {1, 2, 3}
    assert {"GRPO (3 seeds: mean, min to max)", "PAPO_G (1 seed)", "training accuracy (share)"} <= set(texts(figure))


def test_curves_are_running_means_over_the_steps_that_all_seeds_have() -> None:
    long = pd.DataFrame({"step": range(1, 21), "reward/accuracy": np.arange(20.0)})
    (axes,) = curves_figure({"a": [long, long.head(10)]}).axes
    (line,) = axes.lines
    assert line.get_xdata()[-1] == 10
    assert line.get_ydata()[9] == pytest.approx(np.arange(2, 10).mean())  # steps 3 to 10


def test_curves_show_what_there_is_and_say_when_that_is_nothing() -> None:
    metrics = {
        "a": [pd.DataFrame({"step": [1, 2], "actor/grad_norm": [1.0, 2.0], "mine/own": [3.0, 4.0]})],
        "b": [pd.DataFrame({"step": [1, 2], "reward/accuracy": [0.1, np.nan]})],
    }
    labels = [axes.get_ylabel() for axes in curves_figure(metrics).axes]
    assert labels == ["training accuracy (share)", "gradient norm"]
    (own,) = curves_figure(metrics, [Panel(metric="mine/own", label="my own (m)")]).axes
    assert own.get_ylabel() == "my own (m)" and len(own.lines) == 1
    with pytest.raises(UserError, match="no run has a metric to draw"):
        curves_figure({"a": [pd.DataFrame({"step": [1]})]})


def test_many_runs_have_a_panel_each_over_the_baseline_they_are_compared_with() -> None:
    metrics = {f"m{n}": [pd.DataFrame({"step": range(4), "reward/accuracy": [n] * 4})] for n in range(9)}
    baselines = {f"m{n}": "m0" for n in range(1, 9)} | {"m0": "base"}
    figure = curves_beside_baselines(metrics, baselines, {"m3": "third"})
    assert len(figure.axes) == 8  # m0 stands on what is not trained
    for number, axes in enumerate(figure.axes, start=1):
        under, over = axes.lines
        assert list(under.get_ydata()) == [0] * 4 and list(over.get_ydata()) == [number] * 4
    assert figure.axes[2].get_title() == "third\nover m0"
    labelled = [axes.xaxis.get_tick_params()["labelbottom"] for axes in figure.axes]
    assert labelled == [False] * 2 + [True] * 6
    with pytest.raises(UserError, match="baselines"):
        curves_beside_baselines(metrics, {}, {})


def test_forest_markers_are_filled_where_the_corrected_p_says_so() -> None:
    rows = pd.DataFrame(
        [
            points(2, 1, 3, label="geometry", group="by column", p=0.01),
            points(-1, -3, 1, label="chart", group="by column", p=0.5),
            points(-2, -3, -1, label="all", group="overall", p=0.08),
            points(np.nan, np.nan, np.nan, label="none", group="overall", p=np.nan),
        ]
    )
    figure = forest_figure(rows)
    drawn = [(x, filled) for x, _, filled in markers(figure.axes[0], "o")]
    assert drawn[:3] == [(2, True), (-1, False), (-2, False)]
    assert ticks(figure.axes[0]) == ["by column", "geometry", "chart", "overall", "all", "none"]
    assert [label.get_fontweight() for label in figure.axes[0].get_yticklabels()][:2] == ["bold", "normal"]
    assert {"+2.0 [+1.0, +3.0]", "−1.0 [−3.0, +1.0]", "—"} <= set(texts(figure))
    assert "difference (percentage points), 95 % interval" in texts(figure)
    places = [y for _, y, _ in markers(figure.axes[0], "o")]
    assert places == sorted(places) and figure.axes[0].yaxis_inverted()


def test_forest_markers_without_a_test_are_all_filled() -> None:
    rows = pd.DataFrame([points(value, value - 1, value + 1, label=str(value), group="") for value in (0, 3)])
    assert [filled for _, _, filled in markers(forest_figure(rows).axes[0], "o")] == [True, True]


def test_a_bin_that_nobody_has_is_a_gap_in_the_line() -> None:
    whole = profile("position", [0.1, 0.3, 0.5, 0.7, 0.9], [1, 2, 3, 4, 5])
    figure = position_figure({"grpo": whole, "papo_g": whole.drop(index=2)}, "k3")
    (axes,) = figure.axes
    full, gap = (line.get_ydata() for line in axes.lines)
    assert list(full) == [1, 2, 3, 4, 5]
    assert list(gap[:2]) == [1, 2] and np.isnan(gap[2]) and list(gap[3:]) == [4, 5]
    assert list(axes.lines[0].get_xdata()) == pytest.approx([10, 30, 50, 70, 90])
    vertices = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert vertices.min() == pytest.approx(0.9) and vertices.max() == pytest.approx(5.1)
    assert "visual dependency, k3 (nats)" in texts(figure)


def test_a_profile_of_one_cluster_has_no_band_and_one_of_two_outcomes_is_refused() -> None:
    single = profile("position", [0.5], [1.0], np.nan)
    assert len(position_figure({"a": single}, "my score").axes[0].lines) == 1
    with pytest.raises(UserError, match="several rows per position"):
        position_figure({"a": pd.concat([single, single])}, "k3")
    with pytest.raises(UserError, match="make it by_word_class"):
        word_class_figure({"a": single}, "k3")
    with pytest.raises(UserError, match="no dependency profile"):
        position_figure({"a": single.head(0)}, "k3")


def test_word_classes_keep_their_order_and_leave_out_what_nobody_uses() -> None:
    profiles = {
        "grpo": profile("word_class", ["boxed", "fact"], [2.0, 1.0]),
        "b": profile("word_class", ["fact"], [3.0]),
    }
    (axes,) = word_class_figure(profiles, "k1").axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["fact", "boxed"]
    first, second = (container.lines[0].get_ydata() for container in axes.containers)
    assert list(first) == [1, 2] and second[0] == 3 and np.isnan(second[1])


def test_accuracies_stand_over_their_headings() -> None:
    rows = [
        ("grpo", "chart", 60.0, 55.0, 65.0),
        ("grpo", "overall", 70.0, 68.0, 72.0),
        ("b", "chart", 50.0, 40.0, 60.0),
    ]
    ours = pd.DataFrame(rows, columns=["method", "heading", "value", "low", "high"])
    (axes,) = table_figure(ours, ["chart", "overall"]).axes
    first, second = axes.containers
    assert list(first.lines[0].get_ydata()) == [60, 70] and list(first.lines[0].get_xdata()) == pytest.approx(
        [-0.1, 0.9]
    )
    assert second.lines[0].get_ydata()[0] == 50 and np.isnan(second.lines[0].get_ydata()[1])  # no such row
    (bars,) = first.lines[2]
    assert [list(segment[:, 1]) for segment in bars.get_segments()] == [[55, 65], [68, 72]]


def test_probes_stand_beside_the_clean_picture() -> None:
    rows = pd.DataFrame(
        [("clean", 0.7, 0.6, 0.8, 0.7), ("blank", 0.3, 0.2, 0.4, 0.7)],
        columns=["probe", "accuracy", "low", "high", "clean"],
    )
    figure = probes_figure(rows)
    axes = figure.axes[0]
    assert [(x, y) for x, y, _ in markers(axes, "o")] == [(pytest.approx(70), 0), (pytest.approx(30), 1)]
    assert [(x, y) for x, y, _ in markers(axes, "|")] == [(pytest.approx(70), 1)]  # clean is not beside itself
    assert ticks(axes) == ["clean", "blank"] and {"70.0", "30.0"} <= set(texts(figure))
    parted = pd.concat([rows.assign(by="overall"), rows.assign(by="column")])  # as in probes.csv
    assert len(markers(probes_figure(parted).axes[0], "o")) == 2
