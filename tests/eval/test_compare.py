"""Two models on the same items: numbers by hand, coverage and power by simulation, refusals, and the command."""

import json
from dataclasses import asdict
from math import isnan
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from common import UserError, sha256_of
from eval.compare import EvalCompareSettings, compare, main
from eval.estimate import difference_sentence
from eval.paired import (
    LeftOut,
    PairedItems,
    compare_items,
    few_problems_p,
    item_weights,
    pair,
    power_sentence,
    scored_in_both,
    sign_flip_p,
    smallest_visible_difference,
)
from eval.statistics import mean_of_columns

NAMES = ("one", "two")


def predictions(correct_Ik: np.ndarray, columns: list[str] | None = None, **changes: object) -> pd.DataFrame:
    items, k = correct_Ik.shape
    ids = np.repeat([f"item {number:03d}" for number in range(items)], k)
    frame = pd.DataFrame({"sample_id": ids, "k": np.tile(np.arange(k), items), "correct": correct_Ik.ravel() > 0})
    frame = frame.assign(column=np.repeat(columns or ["chart"] * items, k), cluster=frame.sample_id)
    return frame.assign(gold="4", grader="robust/1", extracted="4").assign(**changes)


def items_of(
    first_I: np.ndarray, second_I: np.ndarray, part: str = "chart", clusters: list[str] | None = None
) -> PairedItems:
    names = clusters or [str(number) for number in range(len(first_I))]
    columns = np.array([part] * len(first_I), dtype=object)
    return PairedItems(columns, columns, np.array(names, dtype=object), first_I, second_I, 1, 1)


def test_a_line_by_hand() -> None:
    """Ten items: three only the second model gets right, one only the first. P(|sum of 4 signs| >= 2) = 10/16."""
    first = np.array([1, 0, 0, 0, 1, 1, 1, 0, 0, 0])[:, None]
    second = np.array([0, 1, 1, 1, 1, 1, 1, 0, 0, 0])[:, None]
    (line,) = compare_items(pair(predictions(first), predictions(second), NAMES))
    assert (line.part, line.items, line.clusters) == ("overall", 10, 10)
    assert (line.first, line.second, line.difference) == pytest.approx((0.4, 0.6, 0.2))
    assert (line.only_first, line.only_second) == (1, 3)
    assert line.p_mcnemar == line.p_mcnemar_holm == pytest.approx(10 / 16)
    assert line.p_difference == pytest.approx(10 / 16)
    assert line.low < 0.2 < line.high


def test_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    first, second = (predictions(rng.random((40, 4)) < share) for share in (0.4, 0.6))
    straight = compare_items(pair(first, second, NAMES))
    turned = compare_items(pair(first, second.sample(frac=1, random_state=1), NAMES))
    assert straight == turned


def test_equal_models_are_not_told_apart_and_the_interval_has_a_width() -> None:
    frame = predictions(np.random.default_rng(1).random((30, 4)) < 0.5)
    (line,) = compare_items(pair(frame, frame, NAMES))
    assert (line.difference, line.p_difference, line.p_mcnemar) == (0, 1, 1)
    assert line.low < 0 < line.high
    assert line.smallest_visible is None
    assert "the models never differ" in power_sentence(line)


def test_overall_is_the_plain_mean_over_columns() -> None:
    """Chart: 8 items, from 0 to 1/2; word: 2 items, 1/2 and 1/2; overall 1/4 to 1/2 although chart is larger."""
    columns = ["chart"] * 8 + ["word"] * 2
    first = predictions(np.array([0] * 8 + [1, 0])[:, None], columns)
    second = predictions(np.array([1, 0] * 4 + [0, 1])[:, None], columns)
    lines = compare_items(pair(first, second, NAMES))
    assert [line.part for line in lines] == ["chart", "word", "overall"]
    assert (lines[2].first, lines[2].second, lines[2].difference) == pytest.approx((0.25, 0.5, 0.25))
    assert lines[2].items == 10


def test_holm_by_hand() -> None:
    """Six of six in one column (p = 1/32), two of two in another (1/2), in all 8 of 8 (1/128): times 2, 1, 3."""
    columns = ["chart"] * 6 + ["word"] * 2
    first, second = predictions(np.zeros((8, 1)), columns), predictions(np.ones((8, 1)), columns)
    lines = compare_items(pair(first, second, NAMES))
    assert [line.p_mcnemar for line in lines] == pytest.approx([1 / 32, 1 / 2, 1 / 128])
    assert [line.p_mcnemar_holm for line in lines] == pytest.approx([2 / 32, 1 / 2, 3 / 128])
    assert [line.p_difference_holm for line in lines] == pytest.approx([2 / 32, 1 / 2, 3 / 128])


def test_copies_of_a_problem_are_no_new_evidence() -> None:
    """Every item five times in one cluster: interval, sign flips and visible difference stay, McNemar does not."""
    rng = np.random.default_rng(2)
    first, second = (rng.random(40) < share for share in (0.4, 0.6))
    once = compare_items(items_of(first * 1.0, second * 1.0))[0]
    clusters = [str(number) for number in np.arange(40).repeat(5)]
    copied = compare_items(items_of(first.repeat(5) * 1.0, second.repeat(5) * 1.0, clusters=clusters))[0]
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    assert copied.p_difference == pytest.approx(once.p_difference)
    assert copied.smallest_visible == pytest.approx(once.smallest_visible)
    assert copied.p_mcnemar < once.p_mcnemar


def test_a_problem_may_spread_over_the_lines_of_a_table() -> None:
    """By vision need, the two versions of a problem fall into two lines; overall they are one cluster still."""
    correct = np.random.default_rng(3).random((40, 2)) < 0.5
    spread = {
        "cluster": np.repeat([f"problem {n // 2}" for n in range(40)], 2),
        "vision_need": np.repeat(["low", "high"] * 20, 2),
    }
    first, second = predictions(correct, **spread), predictions(~correct, **spread)
    lines = compare_items(pair(first, second, NAMES, by="vision_need"))
    assert [(line.part, line.items, line.clusters) for line in lines] == [
        ("low", 20, 20),
        ("high", 20, 20),
        ("overall", 40, 20),
    ]


def test_sign_flips_by_hand_and_by_chance() -> None:
    assert sign_flip_p(np.array([1.0, 1.0, 1.0, 1.0, 1.0]), 0) == pytest.approx(2 / 32)
    assert sign_flip_p(np.array([3.0, -1.0, 0.0]), 0) == 1.0  # sums 2, 4 and their opposites
    assert sign_flip_p(np.zeros(5), 0) == 1.0
    normal = np.random.default_rng(4).normal(0.25, 1, 100)
    assert sign_flip_p(normal, 0) == pytest.approx(ttest_1samp(normal, 0).pvalue, abs=0.01)


def said_of(first: list[float], second: list[float]) -> str:
    line = compare_items(items_of(np.array(first), np.array(second)))[-1]
    return difference_sentence("two", "one", line.estimate)


def test_two_items_make_no_run_better_whatever_their_interval() -> None:
    """Right on both items against wrong on both: Wilson's width is [34, 100], and two coins agree every other time."""
    line = compare_items(items_of(np.zeros(2), np.ones(2)))[-1]
    assert (line.low > 0, line.p_difference, line.p_mcnemar) == (True, 0.5, 0.5)
    said = said_of([0, 0], [1, 1])
    assert said.startswith("two and one cannot be told apart: +100.0 points [+34.2, +100.0] over problems")
    assert said.endswith(
        "the interval over problems leaves out 0, but the sign-flip test finds no difference (p = 0.5)."
    )
    assert said_of([1, 1], [0, 0]).startswith("two and one cannot be told apart: -100.0 points")
    assert "cannot be told apart" in said_of([0] * 5, [1] * 5)  # p = 2/32
    assert said_of([0] * 6, [1] * 6).startswith("two is better than one: +100.0 points")  # p = 2/64
    assert said_of([1] * 6, [0] * 6).startswith("two is worse than one: -100.0 points")


def test_the_test_is_made_where_few_problems_differ() -> None:
    """Of 40 problems 29 or 30 differ; by clusters of two it is half as many."""
    columns, strata = {"all": np.ones(40, dtype=bool)}, np.zeros(40)
    for differing, is_made in ((29, True), (30, False)):
        differences = np.where(np.arange(40) < differing, 1.0, 0.0)
        assert isnan(few_problems_p(differences, strata, np.arange(40), columns)) is not is_made
        assert few_problems_p(differences, strata, np.arange(40) // 2, columns) < 0.01


def test_sign_flips_are_wrong_as_often_as_they_say() -> None:
    """Models of one skill on items of any difficulty: about 5 % of 200 comparisons fall below 0.05."""
    rng = np.random.default_rng(5)
    below = 0
    for _ in range(200):
        difficulty = rng.random(12)
        first, second = ((rng.random((12, 4)) < difficulty[:, None]).mean(axis=1) for _ in range(2))
        below += sign_flip_p(second - first, 0) < 0.05
    assert 2 <= below <= 20


def test_the_paired_interval_covers_the_truth() -> None:
    """Second model 10 points better on problems of three items; 150 simulations, binomial noise 1.8 %."""
    rng = np.random.default_rng(6)
    clusters, column = np.arange(40).repeat(3).astype(str), np.array(["chart"] * 120)
    covered = 0
    for _ in range(150):
        difficulty = (0.8 * rng.random(40)).repeat(3)
        first = (rng.random((120, 2)) < difficulty[:, None]).mean(axis=1)
        second = (rng.random((120, 2)) < difficulty[:, None] + 0.1).mean(axis=1)
        found = mean_of_columns(second - first, column, clusters, {"chart": column == "chart"}, is_difference=True)
        covered += found.low <= 0.1 <= found.high
    assert 0.89 <= covered / 150 <= 0.99


def test_visible_difference_by_hand() -> None:
    """100 differences of +1 or -1 around 0: standard error (100 / 99 / 100)^0.5; a t-test needs 2.829 of them."""
    signs = np.tile([1.0, 0.0], 50)
    assert smallest_visible_difference(items_of(signs, 1 - signs)) == pytest.approx(2.829 * (1 / 99) ** 0.5, rel=1e-3)


def test_the_visible_difference_is_seen_four_times_of_five() -> None:
    """Shift the paired differences by it: 2000 fresh t-tests find it in 80 %."""
    rng = np.random.default_rng(7)
    differences = rng.normal(0, 0.3, 5000)
    visible = smallest_visible_difference(
        items_of(np.zeros(60), differences[:60] / differences[:60].std(ddof=1) * 0.3)
    )
    assert visible is not None
    fresh = rng.normal(visible, 0.3, (2000, 60))
    assert np.mean(ttest_1samp(fresh, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.03)


def test_visible_difference_over_columns_adds_their_variances() -> None:
    """Two columns of equal size and spread: half the mean's weight each, so the error falls by 2^0.5."""
    rng = np.random.default_rng(8)
    difference = rng.normal(0, 0.3, 100)
    one = items_of(np.zeros(100), difference)
    parts = np.array(["a"] * 100 + ["b"] * 100, dtype=object)
    two = PairedItems(parts, parts, np.tile(one.cluster_I, 2), np.zeros(200), np.tile(difference, 2), 1, 1)
    expected = smallest_visible_difference(one)
    assert expected is not None
    assert smallest_visible_difference(two) == pytest.approx(expected / 2**0.5, rel=0.01)  # t of 200 against t of 100
    assert item_weights(parts).sum() == pytest.approx(1)


def test_the_power_sentence() -> None:
    rng = np.random.default_rng(9)
    line = compare_items(items_of(rng.random(200), rng.random(200)))[0]
    assert line.smallest_visible is not None
    said = power_sentence(line)
    assert said.startswith(
        f"With 200 items you could have seen a difference of {100 * line.smallest_visible:.1f} points"
    )


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            lambda frame: frame[frame.sample_id > "item 003"],
            r"4 of 10 are only in one, 0 of 6 only in two; evaluate both",
        ),
        (lambda frame: frame.assign(gold="5"), "10 items have another gold answer in one than in two"),
        (lambda frame: frame.assign(column="word"), "10 items have another column"),
        (lambda frame: frame.assign(grader="papo/1"), "one was graded by robust/1 and two by papo/1"),
        (lambda frame: frame.iloc[1:], "items of two have between 1 and 2 responses"),
        (lambda frame: pd.concat([frame, frame.iloc[:3]]), "two holds 3 responses twice"),
        (lambda frame: frame.assign(correct=[None, *frame.correct[1:]]), "1 responses of two have no verdict"),
        (lambda frame: frame.assign(correct="so 4"), "column correct of two holds no verdicts"),
        (lambda frame: frame.assign(correct=1.5), "column correct of two holds no verdicts"),
        (lambda frame: with_gaps(frame, 3), "1 responses of two have no verdict in column correct"),
    ],
)
def test_what_cannot_be_compared_is_refused(changed, sentence: str) -> None:
    frame = predictions(np.arange(20).reshape(10, 2) % 3 == 0)
    with pytest.raises(UserError, match=sentence):
        pair(frame, changed(frame), NAMES)


def with_gaps(frame: pd.DataFrame, *items: int, name: str = "correct") -> pd.DataFrame:
    """The last response to these items unscored, as python -m eval writes it."""
    gone = frame.sample_id.isin([f"item {item:03d}" for item in items]) & (frame.k == frame.k.max())
    verdicts = frame[name].astype("boolean").mask(gone)
    return frame.assign(**{name: verdicts}, grader=frame.grader.where(~gone, None))


def compared(tmp_path: Path, first: pd.DataFrame, second: pd.DataFrame, *arguments: str) -> tuple[int, str, dict]:
    """Exit status of the command, its page, and its record."""
    for name, frame in zip(NAMES, (first, second), strict=True):
        (tmp_path / name).mkdir()
        frame.to_parquet(tmp_path / name / "predictions.parquet")
    status = main([f"first={tmp_path / 'one'}", f"second={tmp_path / 'two'}", f"out={tmp_path / 'out'}", *arguments])
    if status:
        return status, "", {}
    text, record = ((tmp_path / "out" / f"compare.{ending}").read_text() for ending in ("md", "json"))
    return status, text, json.loads(record)


def test_items_with_a_gap_in_either_are_left_out_of_both() -> None:
    frame = predictions(np.arange(20).reshape(10, 2) % 3 == 0, ["chart"] * 6 + ["word"] * 4)
    first, second, counts = scored_in_both(with_gaps(frame, 0, 1), with_gaps(frame, 1, 2, 9), NAMES)
    left = [f"item {item:03d}" for item in (3, 4, 5, 6, 7, 8)]
    assert list(first.sample_id.unique()) == list(second.sample_id.unique()) == left
    assert len(first) == len(second) == 12
    assert counts == {"chart": LeftOut(6, 3, 2, 2), "word": LeftOut(4, 1, 0, 1)}
    assert LeftOut.total(counts.values()) == LeftOut(10, 4, 2, 3)
    assert LeftOut.total(counts.values()).left_out_both == 1
    gone = [frame[frame.sample_id.isin(left)] for _ in NAMES]
    assert compare_items(pair(first, second, NAMES)) == compare_items(pair(*gone, NAMES))


def test_without_gaps_nothing_is_left_out() -> None:
    frame = predictions(np.arange(20).reshape(10, 2) % 3 == 0)
    first, second, counts = scored_in_both(frame, frame, NAMES)
    assert first.equals(frame) and second.equals(frame) and counts == {"chart": LeftOut(10, 0, 0, 0)}


def test_the_command_says_whose_items_are_left_out(tmp_path: Path) -> None:
    """Chart loses three items; word has a gap in every item of the second; overall is chart and logic alone."""
    columns = ["chart"] * 6 + ["word"] * 2 + ["logic"] * 4
    rng = np.random.default_rng(11)
    first, second = (predictions(rng.random((12, 2)) < share, columns) for share in (0.3, 0.7))
    _, text, record = compared(tmp_path, with_gaps(first, 0, 1, 6), with_gaps(second, 1, 2, 6, 7))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    assert rows[0][:6] == ["columns", "items", "left out", "unscored in first", "unscored in second", "first"]
    assert [row[:5] for row in rows[2:]] == [
        ["chart", "3", "3", "2", "2"],
        ["word", "0", "2", "1", "2"],
        ["logic", "4", "0", "0", "0"],
        ["overall", "7", "5", "3", "4"],
    ]
    assert set(rows[3][5:]) == {"—"} and {len(row) for row in rows} == {15}
    one, two = tmp_path / "one", tmp_path / "two"
    assert (
        f"Left out: 5 of 12 items, because a response has no verdict in column correct: 3 in {one}, 4 in {two}, "
        in text
    )
    assert "overall is the plain mean of those lines that have items: chart, logic." in text
    assert "No item left, so no score: word. Evaluate both again with a judge" in text
    assert "Holm: over the 3 tests" in text and "With 7 items you could have seen" in text
    chart, word, logic, overall = record["lines"]
    assert record["without_items"] == ["word"] and len(record["power"]) == 3
    assert (word["items"], word["first"], word["p_mcnemar"], word["left_out"]) == (0, None, None, 2)
    assert overall["difference"] == pytest.approx((chart["difference"] + logic["difference"]) / 2)
    assert [overall[f"left_out{part}"] for part in ("", "_first", "_second", "_both")] == [5, 3, 4, 2]
    keep = [np.isin(frame.sample_id.str[-3:].astype(int), [3, 4, 5, 8, 9, 10, 11]) for frame in (first, second)]
    alone = compare_items(pair(first[keep[0]], second[keep[1]], NAMES))
    scored = [{name: line[name] for name in asdict(alone[0])} for line in (chart, logic, overall)]
    assert scored == [asdict(line) for line in alone]


def test_a_column_that_is_left_alone_is_tested_once(tmp_path: Path) -> None:
    columns = ["chart"] * 6 + ["word"] * 2
    first, second = (predictions(np.full((8, 1), value), columns) for value in (0, 1))
    _, text, record = compared(tmp_path, with_gaps(first, 6, 7), with_gaps(second, 6, 7))
    chart, word, overall = record["lines"]
    assert [line["part"] for line in record["lines"]] == ["chart", "word", "overall"]
    assert {name for name in chart if chart[name] != overall[name]} == {
        "part",
        "left_out",
        "left_out_first",
        "left_out_second",
        "left_out_both",
    }
    assert chart["p_mcnemar_holm"] == chart["p_mcnemar"] == pytest.approx(1 / 32) and word["p_mcnemar"] is None
    assert "2 of these in both" in text and "those lines that have items: chart." in text


def test_where_every_item_has_a_gap_the_sentence_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = predictions(np.ones((4, 2)))
    assert compared(tmp_path, with_gaps(frame, 0, 1, 2), with_gaps(frame, 2, 3))[0] == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "nothing is left to compare by column correct: of 4 items 3 have" in said
    assert f"in {tmp_path / 'one'} and 2 in {tmp_path / 'two'}; evaluate again with a judge" in said
    assert not (tmp_path / "out").exists()


def test_grades_of_a_judge_are_told_and_can_be_compared(tmp_path: Path) -> None:
    """A graded answer is neither right nor wrong; by score, 0.4 against 0.9 is a difference of a half."""
    frame = predictions(np.ones((4, 1)), ["chart"] * 2 + ["vet"] * 2)
    first, second = (
        with_gaps(frame, 2, 3).assign(score=[1, 1, grade, grade], grader="official/1") for grade in (0.4, 0.9)
    )
    (tmp_path / "verdict").mkdir()
    (tmp_path / "score").mkdir()
    _, text, _ = compared(tmp_path / "verdict", first, second)
    assert (
        "graded from 0 to 1 are neither right nor wrong: 2 of the items in first, 2 in second; verdict=score" in text
    )
    _, text, record = compared(tmp_path / "score", first, second, "verdict=score")
    assert [line["difference"] for line in record["lines"]] == pytest.approx([0, 0.5, 0.25])
    assert record["lines"][1]["only_second"] == 2 and "left out" not in text and "mean grade is above one half" in text


def folders(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(10)
    columns = ["chart"] * 20 + ["word"] * 20
    for name, share in zip(NAMES, (0.3, 0.7), strict=True):
        (tmp_path / name).mkdir()
        frame = predictions(rng.random((40, 4)) < share, columns)
        frame.to_parquet(tmp_path / name / "predictions.parquet")
    return tmp_path / NAMES[0], tmp_path / NAMES[1]


def test_the_command_writes_and_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = folders(tmp_path)
    assert main([f"first={first}", f"second={second}", f"out={tmp_path / 'out'}"]) == 0
    text = (tmp_path / "out" / "compare.md").read_text()
    assert capsys.readouterr().out == text
    assert "| McNemar p | McNemar p (Holm) |" in text
    assert "With 40 items you could have seen a difference of" in text
    record = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [line["part"] for line in record["lines"]] == ["chart", "word", "overall"]
    assert all(line["p_difference_holm"] >= line["p_difference"] for line in record["lines"])
    assert sorted(record["run"]["revisions"]) == sorted([str(first), str(second)])
    assert record["lines"][2]["low"] > 0


def test_the_command_gives_the_same_numbers_again(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    for out in ("a", "b"):
        compare(EvalCompareSettings(first=str(first), second=str(second), out=str(tmp_path / out)))
    lines = [json.loads((tmp_path / out / "compare.json").read_text())["lines"] for out in ("a", "b")]
    assert lines[0] == lines[1]


def test_the_files_themselves_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (folder / "predictions.parquet" for folder in folders(tmp_path))
    assert main([f"first={first}", f"second={second}"]) == 0, capsys.readouterr().err
    record = json.loads((second.parent / "compare.json").read_text())
    assert record["run"]["revisions"] == {str(path): f"sha256:{sha256_of(path)}" for path in (first, second)}


def test_the_command_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = folders(tmp_path)
    assert main([f"first={first}", f"second={first}"]) == 2
    assert "are the same folder" in capsys.readouterr().err
    assert main(["first=nowhere", "second=nowhere"]) == 2
    assert "nowhere/predictions.parquet does not exist" in capsys.readouterr().err
    assert main([f"first={first}", f"second={tmp_path}"]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main([f"first={first}"]) == 2
    assert "'second'" in capsys.readouterr().err
