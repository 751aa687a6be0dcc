"""Following errors, by hand and by simulation: what chance repairs, both directions, McNemar's power, the command."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from analysis.protocol.__main__ import main
from analysis.protocol.flow import AGAIN, ALL, BEYOND, FORWARD, Findings, findings, repairs
from analysis.protocol.run import protocol, read_frames
from analysis.protocol.settings import ProtocolSettings
from analysis.protocol.small_test import items_needed, mcnemar_power, smallest_difference
from analysis.protocol.transitions import RIGHT, Resampling, States, flows, states_of
from analysis.protocol.words import power_sentences
from common import UserError

NAMES = (RIGHT, "perception", "reasoning")


def states(state_Ik: list[list[int]]) -> States:
    ids = np.array([str(number) for number in range(len(state_Ik))], dtype=object)
    return States(NAMES, np.array(state_Ik), np.full(len(ids), "chart", dtype=object), ids)


def frame_of(state_Ik: np.ndarray, **changes: object) -> pd.DataFrame:
    """Predictions whose states are 0 (right), 1 (perception), 2 (reasoning)."""
    items, k = state_Ik.shape
    ids = np.repeat([f"item {number:04d}" for number in range(items)], k)
    state = np.array(NAMES, dtype=object)[state_Ik.ravel()]
    frame = pd.DataFrame({"sample_id": ids, "k": np.tile(np.arange(k), items), "state": state, "column": "chart"})
    right = frame.state == RIGHT
    classes = frame.state.where(~right, None)
    return frame.assign(cluster=ids, correct=right, misread=state == "perception", error_class=classes).assign(
        **changes
    )


def found_of(first_Ik: np.ndarray, second_Ik: np.ndarray, resampled_Ik: np.ndarray | None = None) -> Findings:
    frames = {"first": frame_of(first_Ik), "second": frame_of(second_Ik)}
    if resampled_Ik is not None:
        frames["resampled"] = frame_of(resampled_Ik)
    return findings(frames, sample=50, seed=0)


def thrown(chance_I: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Each response right with its item's chance, else a perception error."""
    return (np.random.default_rng(seed).random((len(chance_I), k)) >= chance_I[:, None]).astype(int)


def test_flows_leave_out_pairs_of_the_same_number() -> None:
    """First: right, perception. Second: right, right. Of four pairs only k=0 with 1 and k=1 with 0 count."""
    (flow_SS,) = flows(states([[0, 1]]), states([[0, 0]]))
    assert flow_SS.tolist() == [[0.5, 0, 0], [0.5, 0, 0], [0, 0, 0]]
    (flow_SS,) = flows(states([[0, 1]]), states([[0, 1]]))
    assert flow_SS.tolist() == [[0, 0.5, 0], [0.5, 0, 0], [0, 0, 0]]


def test_flows_of_one_response_and_of_different_numbers_of_responses() -> None:
    assert flows(states([[1]]), states([[0]]))[0, 1, 0] == 1
    flow_SS = flows(states([[1, 2]]), states([[0, 1, 1]]))[0]
    assert flow_SS.sum() == pytest.approx(1)  # six pairs, two of them of the same number
    assert flow_SS[1].tolist() == [0, 0.5, 0] and flow_SS[2].tolist() == [0.25, 0.25, 0]


def test_the_usual_protocol_by_hand() -> None:
    """Item states k=0 of the first: P P R right; the second's k=1: right P right P."""
    first = np.array([[1, 0], [1, 1], [2, 0], [0, 0]])
    second = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])
    lines = {line["name"]: line for line in found_of(first, second).followed}
    assert [lines[name]["items"] for name in ("perception", "reasoning", ALL)] == [2, 1, 3]
    assert lines["perception"]["repaired"].value == 0.5
    assert lines["perception"]["fate"] == {RIGHT: 1, "perception": 1, "reasoning": 0}
    assert lines[ALL]["repaired"].value == pytest.approx(2 / 3)


def test_a_model_asked_again_repairs_nothing_beyond_chance() -> None:
    """The same policy twice: the usual protocol sees many repairs, the fair one none."""
    chance_I = np.random.default_rng(0).choice([0.2, 0.5, 0.9], 600)
    found = found_of(*(thrown(chance_I, 8, seed) for seed in (1, 2)))
    line = found.forward[-1]
    expected = (chance_I * (1 - chance_I)).sum() / (1 - chance_I).sum()
    assert line.name == ALL and found.followed[-1]["repaired"].value > 0.3
    assert line.other.value == pytest.approx(expected, abs=0.03)
    assert line.control.value == pytest.approx(expected, abs=0.03)
    assert line.difference.low < 0 < line.difference.high and abs(line.difference.value) < 0.03
    assert line.other.value - line.control.value == pytest.approx(line.difference.value)


def test_a_real_repair_is_seen_beyond_chance_and_its_cost_in_the_other_direction() -> None:
    """Half of the items are mended for good; the other half gets worse."""
    chance_I = np.full(400, 0.5)
    better_I = np.where(np.arange(400) < 200, 1.0, 0.25)
    found = found_of(thrown(chance_I, 8, 3), thrown(better_I, 8, 4))
    forward = found.forward[0]
    assert forward.control.value == pytest.approx(0.5, abs=0.03)
    assert forward.other.value == pytest.approx(0.625, abs=0.03) and forward.difference.low > 0.05
    lost = found.flow[FORWARD][0][1].value / found.lines[0].first
    assert lost == pytest.approx(0.375, abs=0.03)  # of what was right, which the usual protocol does not look at
    perception = next(line for line in found.lines if line.part == "perception")
    assert (perception.first, perception.second) == pytest.approx((0.5, 0.375), abs=0.03)


def test_the_interval_covers_nothing_where_there_is_nothing() -> None:
    """95 % intervals of the difference hold 0 for two throws of one policy, in about 95 % of 60 draws."""
    chance_I = np.random.default_rng(5).choice([0.1, 0.4, 0.8], 150)
    inside = 0
    for seed in range(60):
        first, second = (states(thrown(chance_I, 4, 100 + 2 * seed + n).tolist()) for n in (0, 1))
        lines = repairs(first, flows(first, second), flows(first, first), Resampling(first, seed))
        inside += lines[-1].difference.low <= 0 <= lines[-1].difference.high
    assert inside >= 52  # P(fewer) = 0.8 % at 95 %


def test_a_second_sampling_of_the_baseline_is_the_control() -> None:
    first, second = np.array([[1], [1], [0], [1]]), np.array([[0], [0], [0], [0]])
    found = found_of(first, second, np.array([[0], [1], [0], [1]]))
    assert found.control == "resampled"
    line = found.forward[-1]
    assert (line.other.value, line.control.value) == pytest.approx((1, 1 / 3))
    assert found.backward[-1].control.value is None


def test_one_response_without_a_second_sampling_has_no_control() -> None:
    found = found_of(np.array([[1], [0]]), np.array([[0], [0]]))
    assert found.control == "" and found.forward[-1].control.value is None and AGAIN not in found.flow
    with pytest.raises(UserError, match="responses of different numbers"):
        broken = frame_of(np.zeros((3, 2), dtype=int)).iloc[:-1]
        states_of(broken, NAMES, sorted(broken.sample_id.unique()))


def test_flow_tables_are_shares_of_all_pairs() -> None:
    chance_I = np.random.default_rng(6).random(80)
    found = found_of(thrown(chance_I, 4, 7), thrown(chance_I, 4, 8))
    for name, total in ((FORWARD, 1), (AGAIN, 1), (BEYOND, 0)):
        assert sum(cell.value for row in found.flow[name] for cell in row) == pytest.approx(total)
    again = found.flow[AGAIN]
    assert again[0][1].value == pytest.approx(again[1][0].value)  # nothing but chance goes either way
    assert len(found.flow_rows()) == 3 * 4
    assert {row["protocol"] for row in found.repair_rows()} == {"usual", "fair"}


def test_power_of_mcnemar_against_the_numbers_of_the_literature() -> None:
    """All items discordant: 12 pairs at a true share of 75 % give 39 %; 30, 72 and 199 pairs give about 80 %."""
    assert mcnemar_power(12, 0.25, 0.75) == pytest.approx(0.39, abs=0.005)
    for items, share in ((30, 0.75), (72, 2 / 3), (199, 0.6)):
        assert mcnemar_power(items, 1 - share, share) == pytest.approx(0.8, abs=0.015)
    assert mcnemar_power(5, 0, 1) == 0  # five of five have p = 1/16
    assert mcnemar_power(6, 0, 1) == 1  # six of six have p = 1/32


def test_power_against_simulation() -> None:
    rng, wins = np.random.default_rng(9), 0
    for broken, repaired, _ in rng.multinomial(50, (0.1, 0.3, 0.6), size=2000):
        wins += broken + repaired > 0 and binomtest(broken, broken + repaired).pvalue < 0.05
    assert mcnemar_power(50, 0.1, 0.3) == pytest.approx(wins / 2000, abs=0.03)


def test_the_smallest_visible_difference_has_the_power_that_it_claims() -> None:
    visible = smallest_difference(50, 0.4)
    assert visible is not None and visible < 0.4
    assert mcnemar_power(50, (0.4 - visible) / 2, (0.4 + visible) / 2) == pytest.approx(0.8, abs=1e-6)
    one_way = smallest_difference(50, 0.02)  # two percent discordant items can never be enough
    assert one_way is not None and mcnemar_power(50, 0, one_way) == pytest.approx(0.8, abs=1e-6)
    assert smallest_difference(5, 0.5) is None
    sizes = [smallest_difference(items, 0.3) or 1 for items in (20, 50, 200, 1000)]
    assert all(larger > smaller for larger, smaller in pairwise(sizes))


def test_items_needed() -> None:
    needed = items_needed(0.1, 0.3)
    assert needed is not None and mcnemar_power(needed, 0.1, 0.3) >= 0.8 > mcnemar_power(needed - 1, 0.1, 0.3)
    assert items_needed(0.1, 0.1) is None


def test_the_small_test_reports_its_power() -> None:
    chance_I = np.full(300, 0.5)
    found = found_of(thrown(chance_I, 4, 10), thrown(chance_I, 4, 11))
    small = found.small
    assert small.both_fine + small.broken + small.repaired + small.both_misread == small.items == 50
    assert small.broken_share == pytest.approx(0.25, abs=0.03)
    first, second = power_sentences(small)
    assert f"With 50 items such a test sees a difference of {100 * small.smallest_difference:.0f} points" in first
    assert "% of cases" in second


def write(folder: Path, frame: pd.DataFrame) -> str:
    folder.mkdir()
    frame.drop(columns=["state", "misread"]).to_parquet(folder / "predictions.parquet")
    return str(folder)


def test_the_command_writes_page_json_and_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance_I = np.full(60, 0.5)
    folders = [write(tmp_path / name, frame_of(thrown(chance_I, 4, n))) for n, name in enumerate(("one", "two"))]
    assert main([f"first={folders[0]}", f"second={folders[1]}", f"out={tmp_path / 'out'}"]) == 0
    text = (tmp_path / "out" / "protocol.md").read_text()
    assert capsys.readouterr().out == text
    for part in ("The usual protocol", "**This is biased**", "regression to the mean", "The fair protocol", "McNemar"):
        assert part in text
    record = json.loads((tmp_path / "out" / "protocol.json").read_text())
    assert record["run"]["revisions"][folders[0]].startswith("sha256:") and record["control"] == "own responses"
    repairs = pd.read_csv(tmp_path / "out" / "protocol_repairs.csv")
    line = repairs.query("protocol == 'fair' and errors_of == 'first' and `class` == 'perception'").set_index(
        "measure"
    )
    assert line.value["other"] - line.value["control"] == pytest.approx(line.value["difference"])
    flow = pd.read_csv(tmp_path / "out" / "protocol_flow.csv")
    assert flow[flow.comparison == FORWARD].value.sum() == pytest.approx(1)


def test_the_files_themselves_may_be_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chance_I = np.full(20, 0.5)
    folders = [write(tmp_path / name, frame_of(thrown(chance_I, 2, n))) for n, name in enumerate(("one", "two"))]
    first, second = (f"{folder}/predictions.parquet" for folder in folders)
    assert main([f"first={first}", f"second={second}"]) == 0, capsys.readouterr().err
    record = json.loads((tmp_path / "two" / "protocol.json").read_text())
    assert record["run"]["revisions"].keys() == {first, second}


def test_classes_of_the_mini_world_come_from_its_facts(tmp_path: Path) -> None:
    """Item 0 of counting, first misread, then read: perception, then right; a right answer may misread as well."""
    from data.mini.chains import write_chain
    from data.mini.world import sample

    one = sample("test", "counting", 0)
    name, value = next(iter(one.facts.items()))
    wrong = str(int(value) + 1)
    texts = {
        "first": write_chain("look", {name: wrong}, [], wrong),
        "second": write_chain("look", {name: value}, [], value),
    }
    base = {"sample_id": [one.id], "k": [0], "column": ["counting"], "cluster": ["c"]}
    folders = {}
    for part, text in texts.items():
        frame = pd.DataFrame({**base, "text": [text], "correct": [part == "second"]})
        (tmp_path / part).mkdir()
        frame.to_parquet(tmp_path / part / "predictions.parquet")
        folders[part] = tmp_path / part
    frames, sentence = read_frames(folders)
    assert "by construction" in sentence
    assert [frames[part].state.tolist() for part in texts] == [["perception"], [RIGHT]]
    assert [frames[part].misread.tolist() for part in texts] == [[True], [False]]


def test_without_classes_errors_are_only_wrong_and_missing_ones_are_counted(tmp_path: Path) -> None:
    frame = frame_of(np.array([[0, 1], [1, 2]]))
    plain = [write(tmp_path / name, frame.drop(columns="error_class")) for name in ("a", "b")]
    frames, sentence = read_frames({"first": Path(plain[0]), "second": Path(plain[1])})
    assert "no column error_class" in sentence and set(frames["first"].state) == {RIGHT, "wrong"}
    gaps = [write(tmp_path / name, frame.assign(error_class=None)) for name in ("c", "d")]
    frames, sentence = read_frames({"first": Path(gaps[0]), "second": Path(gaps[1])})
    assert "6 wrong responses have none" in sentence and set(frames["first"].state) == {RIGHT, "unclassified"}


def test_what_is_refused(tmp_path: Path) -> None:
    frame = frame_of(np.array([[0, 1], [1, 2]])).assign(text="the same")
    first, second = (write(tmp_path / name, frame) for name in ("first", "second"))
    other = write(tmp_path / "other", frame.assign(sample_id=frame.sample_id + "x"))
    with pytest.raises(UserError, match=r"none/predictions\.parquet does not exist; give the folder that"):
        protocol(ProtocolSettings(first=f"{tmp_path}/none", second=f"{tmp_path}/none"))
    with pytest.raises(UserError, match=r"none/predictions\.parquet does not exist"):
        protocol(ProtocolSettings(first=first, second=second, resampled=f"{tmp_path}/none"))
    with pytest.raises(UserError, match="are the same folder"):
        protocol(ProtocolSettings(first=first, second=first))
    with pytest.raises(UserError, match="different items"):
        protocol(ProtocolSettings(first=first, second=other))
    with pytest.raises(UserError, match="another seed"):
        protocol(ProtocolSettings(first=first, second=write(tmp_path / "third", frame), resampled=second))
    with pytest.raises(UserError, match="sample=0"):
        protocol(ProtocolSettings(first=first, second=second, sample=0))
