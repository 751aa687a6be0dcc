"""The judge of collapse alarms: when a collapse begins, seen from its end, and what a run's word is worth."""

import json
from pathlib import Path

import pytest

from bench.collapse import CollapseSettings, kind_of, measure, true_onset
from common import UserError


def test_a_collapse_begins_where_the_reward_stays_low() -> None:
    steps = list(range(1, 31))
    assert true_onset(steps, [0.8] * 20 + [0.1] * 10) == 21
    assert true_onset(steps, [0.8] * 20 + [0.1] * 4 + [0.8] * 6) is None  # four low steps are a dip
    assert true_onset(steps, [0.8] * 20 + [0.61] * 10) is None  # 76 % of the best is kept
    assert true_onset(steps, [0.1] * 30) is None  # a run that never learnt has nothing to lose
    assert true_onset([10 * step for step in steps], [0.8] * 20 + [0.1] * 10) == 210


@pytest.mark.parametrize(
    ("true", "said", "kind"),
    [
        (None, None, "healthy"),
        (None, 7, "false alarm"),
        (20, 19, "false alarm"),
        (20, 25, "in time"),
        (20, 26, "late"),
        (20, None, "missed"),
    ],
)
def test_what_a_runs_word_is_worth(true: int | None, said: int | None, kind: str) -> None:
    assert kind_of(true, said) == kind


def write_run(folder: Path, rewards: list[float], said: int, finished: bool = True) -> None:
    folder.mkdir(parents=True)
    rows = [
        {"step": step, "critic/rewards/mean": reward, "collapse/onset": float(step >= said)}
        for step, reward in enumerate(rewards, 1)
    ]
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    if finished:
        (folder / "finished.json").write_text("{}")


def test_every_finished_training_below_the_folders_is_judged(tmp_path: Path) -> None:
    ruined = [0.8] * 20 + [0.1] * 10
    write_run(tmp_path / "runs/a/seed0", ruined, said=23)
    write_run(tmp_path / "runs/a/seed1", [0.8] * 30, said=99)
    write_run(tmp_path / "runs/b", [0.8] * 30, said=30)
    write_run(tmp_path / "runs/c", ruined, said=23, finished=False)
    measure(CollapseSettings(runs=[str(tmp_path / "runs")], out=str(tmp_path / "out.json")))
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["trainings"] == 3 and found["steps"] == 90 and found["delays"] == [2]
    assert found["counts"] == {"healthy": 1, "in time": 1, "late": 0, "missed": 0, "false alarm": 1}
    assert [Path(one["run"]).name for one in found["not_healthy"]] == ["seed0", "b"]
    with pytest.raises(UserError, match="no finished training lies below"):
        measure(CollapseSettings(runs=[str(tmp_path / "nowhere")], out=str(tmp_path / "out.json")))
