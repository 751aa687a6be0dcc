"""A run made elsewhere stands in a table beside ours, with its origin, or is refused."""

import json
from pathlib import Path

import pytest

from analysis.experiments import Experiment, Row, read_table_file, suite_of
from analysis.gather import provenance
from common import UserError
from configs import Run, compose, save_resolved
from eval.settings import EvalSettings

ORIGIN = {name: f"the {name}" for name in ("by", "code", "command", "data", "hardware")}


def outside(folder: Path, origin: dict[str, str] | None = None, seed: int = 1) -> Experiment:
    """A run from outside and its row, evaluated by this program."""
    row = Row(id="theirs", name="Theirs", run=str(folder / "theirs"))
    one = Experiment(row=row, suite=suite_of(read_table_file("1"), "mini"), seed=seed, runs=folder / "runs")
    one.folder.mkdir(parents=True)
    if origin is not None:
        (one.folder / "origin.json").write_text(json.dumps(origin))
    return one


def evaluate(one: Experiment, *changes: str) -> None:
    settings = compose(EvalSettings, [*one.evaluations()[one.evaluation], f"seed={one.seed}", *changes])
    save_resolved(settings, one.evaluation / "config.yaml")
    Run.collect(settings, revisions={"model": "sha256:1", "bench": "mini/2"}).save(one.evaluation / "run.json")
    (one.evaluation / "scores.json").write_text("{}")


def test_it_is_evaluated_like_the_others_and_keeps_its_origin(tmp_path: Path) -> None:
    one = outside(tmp_path, ORIGIN)
    asked = r"lacks an evaluation; make it with: python -m eval model.path=<its weights> model=tiny out=.*/eval/mini"
    with pytest.raises(UserError, match=asked):
        one.commands()
    evaluate(one)
    assert one.commands() == []
    (record,) = provenance([one])
    assert record["origin"] == ORIGIN and record["run"] == f"{tmp_path}/theirs/seed1" and record["steps"] == 0


@pytest.mark.parametrize("origin", [None, {**ORIGIN, "code": ""}, {**ORIGIN, "code": 3}])
def test_without_an_origin_it_is_refused(tmp_path: Path, origin: dict[str, str] | None) -> None:
    lacking = "by, code, command, data, hardware" if origin is None else "code"
    with pytest.raises(UserError, match=f"theirs/seed1/origin.json lacks {lacking}; a run from outside"):
        outside(tmp_path, origin).commands()


def test_other_settings_are_refused(tmp_path: Path) -> None:
    one = outside(tmp_path, ORIGIN)
    evaluate(one, "k=2")
    with pytest.raises(UserError, match="was made with k=2"):
        one.commands()
