"""A run made elsewhere stands in a table beside ours, with its origin, or is refused."""

import json
from pathlib import Path

import pytest

from analysis.experiments import Experiment, Row, read_table_file, suite_of
from analysis.gather import provenance
from analysis.outside import refuse_other_benchmark, refuse_other_verdicts
from common import UserError
from configs import Run, compose, save_resolved
from data.mini.world import sample
from eval.settings import EvalSettings
from eval.tasks import tasks_of
from eval.verdicts import judged_table
from models.response import Response

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
    asked = r"lacks an evaluation; make it with: python -m eval 'model.path=<its weights>' model=tiny out=.*/eval/mini"
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


def test_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    one = outside(tmp_path, ORIGIN)
    evaluate(one, "model.max_pixels=32768")
    with pytest.raises(UserError, match=r"was made with model\.max_pixels=32768"):
        one.commands()


def test_verdicts_that_do_not_follow_from_the_texts_are_refused(tmp_path: Path) -> None:
    """Right and wrong answers are judged again; an edited verdict, text or id is found."""
    one = outside(tmp_path, ORIGIN)
    evaluate(one)
    (task,) = tasks_of(compose(EvalSettings, ["model=tiny", "bench=mini", "items=5"]))
    texts = [f"\\boxed{{{answer}}}" for found in task.samples[:3] for answer in (found.answer, "none")]
    asked = [
        Response(found.id, k, "clean", texts[2 * place + k])
        for place, found in enumerate(task.samples[:3])
        for k in (0, 1)
    ]
    table = judged_table(task, asked, ["robust"], None)
    assert table.correct.tolist() == [True, False] * 3
    path = one.evaluation / "predictions.parquet"
    table.to_parquet(path)
    refuse_other_verdicts(one.evaluation)
    for column, value in (
        ("correct", True),
        ("text", "\\boxed{nothing}"),
        ("sample_id", sample("test", "relay", 9).id),
    ):
        table.assign(**{column: value}).to_parquet(path)
        with pytest.raises(UserError, match=r"[1-6] of 6 verdicts in .* do not follow from their texts"):
            refuse_other_verdicts(one.evaluation)


def test_rows_of_different_versions_of_a_benchmark_are_refused() -> None:
    settings = compose(EvalSettings, ["model=tiny"])
    records = {name: Run.collect(settings, revisions={"bench": name}) for name in ("mini/1", "mini/2")}
    with pytest.raises(UserError, match="different versions of a benchmark"):
        refuse_other_benchmark(records)
    refuse_other_benchmark({"a": records["mini/1"], "b": records["mini/1"]})


def test_a_row_that_says_too_much_is_refused() -> None:
    with pytest.raises(UserError, match="both set and run"):
        Row(id="theirs", name="Theirs", run="x", set=["method=grpo"])


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_an_origin_that_cannot_be_read_is_a_sentence(tmp_path: Path, text: str) -> None:
    one = outside(tmp_path)
    (one.folder / "origin.json").write_text(text)
    with pytest.raises(UserError, match=r"origin\.json (is no JSON|lacks by)"):
        one.commands()
