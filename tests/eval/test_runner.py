"""Evaluations end to end with the shipped tiny model: all benchmarks on their fixtures, stops, engines, bad input."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from common import UserError
from common.endpoint import SERVER_KEY, Endpoint
from configs import command, compose
from eval.audit import EvalAuditSettings, audit
from eval.benchmarks import BENCHMARKS
from eval.compare import EvalCompareSettings, compare
from eval.folder import revision_of
from eval.runner import evaluate
from eval.settings import EvalSettings
from eval.suites import AVERAGES, SUITES
from tests.eval.make_fixtures import FOLDER
from tests.models.vllm_server import SECRET, Server, needs_vllm
from tests.recorded_server import Play, RecordedServer, chat_body

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny" / "base"
FIXTURES = ["model=tiny", f"data={FOLDER}", "items=0", "k=2", "model.max_prompt_tokens=1200"]
FEW = [*FIXTURES, "bench=mmstar,pope"]
MINI = ["model=tiny", "bench=mini", "items=5", "k=2"]
SCORERS = ["robust", "paper", "official"]
SEED = 20261122

Text = dict[tuple[str, int], tuple[str, list[int]]]


def run(out: Path, *overrides: str) -> dict[str, Any]:
    """Evaluate in this process; returns the scores."""
    evaluate(compose(EvalSettings, [*overrides, f"out={out}"]))
    return scores_in(out)


def scores_in(out: Path) -> dict[str, Any]:
    return json.loads((out / "scores.json").read_text())


def predictions_in(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "predictions.parquet")


def files_in(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "responses").iterdir()}


def texts_in(out: Path) -> Text:
    """Responses by sample and number; none may be there twice."""
    rows = [json.loads(line) for content in files_in(out).values() for line in content.splitlines()]
    found = {(row["sample_id"], row["k"]): (row["text"], row["token_ids"]) for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every benchmark that there is."""
    out = tmp_path_factory.mktemp("everything")
    # Short answers in small batches: a batch is as wide as its longest prompt, which here has 1,200 tokens.
    quick = ["sampling.max_new_tokens=16", "sampling.batch=32"]
    run(out, *FIXTURES, *quick, "bench=all", "scorers=[paper,official]")
    return out


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two benchmarks of nine items."""
    out = tmp_path_factory.mktemp("few")
    run(out, *FEW)
    return out


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mini world in one go."""
    out = tmp_path_factory.mktemp("mini")
    run(out, *MINI)
    return out


@pytest.mark.slow
def test_every_benchmark_has_a_record_that_adds_up(everything: Path) -> None:
    benchmarks, scores = scores_in(everything)["benchmarks"], predictions_in(everything)
    for name in SUITES["all"]:
        print(name)  # shown where it fails
        adds_up(name, benchmarks[name], scores[scores.bench == name])


def adds_up(name: str, found: dict[str, Any], table: pd.DataFrame) -> None:
    parts = [FOLDER / name / f"{part.file_name}.jsonl" for part in BENCHMARKS[name].parts]
    assert found["version"] == BENCHMARKS[name].version and found["too_long"] == []
    assert found["rows"] == sum(path.read_text().count("\n") for path in parts) > 0
    assert found["rows"] == found["items"] + sum(found["left_out"].values())
    assert len(table) == found["items"] * 2 == len(table.drop_duplicates(["sample_id", "k"]))
    assert sorted(found["files"]) == sorted(map(str, parts)) and found["template"] == (
        "papo" if name.startswith("papo_") else "question_only"
    )
    assert list(found["scorers"]) == list(found["metrics"]) == SCORERS
    for scorer, record in found["scorers"].items():
        items = table.groupby("sample_id")[f"score_{scorer}"].agg(lambda one: one.mean(skipna=False)).astype("Float64")
        assert record["unscored"] == table[f"correct_{scorer}"].isna().sum()
        assert record["items_left_out"] == items.isna().sum()
        assert record["guessed"] == (table[f"reason_{scorer}"] == "guessed").sum()
        if items.notna().any():
            assert record["avg_at_k"]["mean"] == pytest.approx(items.mean())
            assert record["avg_at_k"]["items"] == items.notna().sum() and len(record["graders"]) == 1
        else:
            # No item has all its responses scored; single responses may be.
            assert record["avg_at_k"] is None and len(record["graders"]) <= 1


@pytest.mark.slow
def test_what_rules_leave_open_is_unscored_and_what_they_roll_is_counted(everything: Path) -> None:
    found = {name: one["scorers"]["official"] for name, one in scores_in(everything)["benchmarks"].items()}
    assert {name for name, one in found.items() if one["unscored"]} <= {
        name for name, benchmark in BENCHMARKS.items() if benchmark.judged
    }
    assert found["mmvet"]["unscored"] == 6 and found["mmvet"]["avg_at_k"] is None
    assert {name for name, one in found.items() if one["guessed"]} <= {
        "mmlu_pro_noise",
        "mmmu",
        "mmmu_pro_standard10",
        "mmmu_pro_standard4",
        "mmmu_pro_vision",
    }
    assert sum(one["guessed"] for one in found.values()) > 20


@pytest.mark.slow
def test_the_whole_of_a_large_evaluation(everything: Path) -> None:
    scores, table = scores_in(everything), predictions_in(everything)
    benchmarks = scores["benchmarks"]
    assert tuple(benchmarks) == tuple(scores["columns"]) == SUITES["all"]
    assert scores["left_out"] == sum(sum(one["left_out"].values()) for one in benchmarks.values()) > 0
    assert (scores["bench"], scores["k"], scores["grader"], scores["averages"], scores["judge"]) == (
        "all",
        2,
        "robust",
        {},
        None,
    )
    assert len(table) == 2 * sum(one["items"] for one in benchmarks.values())
    assert table.correct.equals(table.correct_robust.astype(bool)) and set(table["view"]) == {"clean"}
    cells = pd.read_csv(everything / "scores.csv")
    assert len(cells) == len(SUITES["all"]) * len(SCORERS)
    assert cells[cells["mean"].isna()].column.unique().tolist() == ["official"]
    record = json.loads((everything / "run.json").read_text())
    assert record["revisions"].items() >= {name: BENCHMARKS[name].version for name in SUITES["all"]}.items()
    assert record["revisions"]["model"].startswith("sha256:") and record["config"]["preset"] == "mini"
    assert (everything / "page.html").stat().st_size > 10_000
    disputed = [json.loads(line) for line in (everything / "disputed.jsonl").read_text().splitlines()]
    assert len(disputed) == json.loads((everything / "audit.json").read_text())["disputed"] > 0


@pytest.mark.slow
def test_audit_and_compare_read_what_is_left(everything: Path, tmp_path: Path) -> None:
    copies = [tmp_path / name for name in ("one", "two")]
    for copy in copies:
        copy.mkdir()
        shutil.copy(everything / "predictions.parquet", copy)
    audit(compose(EvalAuditSettings, [f"out={copies[0]}", "scorers=[robust,papo]"]))
    again = json.loads((copies[0] / "audit.json").read_text())
    first = json.loads((everything / "audit.json").read_text())
    assert again["responses"] == first["responses"] == len(predictions_in(everything))
    # Graded again from the table alone, the responses get the verdicts that they had.
    assert not any("now says otherwise" in note for note in again["notes"])
    pairs = {(line["column"], line["first"], line["second"]): line["agreement"] for line in first["agreement"]}
    assert len(pairs) == 3 * (len(SUITES["all"]) + 1)
    for line in again["agreement"]:
        assert line["agreement"] == pairs[line["column"], "robust", "paper"]
    compare(compose(EvalCompareSettings, [f"first={copies[0]}", f"second={copies[1]}", "verdict=correct_paper"]))
    lines = json.loads((copies[1] / "compare.json").read_text())["lines"]
    assert len(lines) == len(SUITES["all"]) + 1 and {line["difference"] for line in lines} == {0}


def test_papos_averages_on_the_fixtures(tmp_path: Path) -> None:
    scores = run(tmp_path, *FIXTURES, "bench=papo_suite")
    means = {name: one["scorers"]["robust"]["avg_at_k"]["mean"] for name, one in scores["benchmarks"].items()}
    assert list(means) == list(SUITES["papo_suite"])
    assert {name: one["mean"] for name, one in scores["averages"].items()} == {
        name: pytest.approx(sum(means[column] for column in columns) / len(columns))
        for name, columns in AVERAGES["papo_suite"].items()
    }
    rows = pd.read_csv(tmp_path / "scores.csv").row.tolist()
    assert rows == [*SUITES["papo_suite"], "general", "vision", "overall"]


def test_a_second_call_needs_no_model(few: Path, tmp_path: Path) -> None:
    """The weights still say what was sampled from, but nothing could be loaded from this folder."""
    out, model = tmp_path / "out", tmp_path / "model"
    shutil.copytree(few, out)
    model.mkdir()
    shutil.copy(TINY / "model.safetensors", model)
    assert run(out, *FEW, f"model.path={model}") == scores_in(few)
    assert files_in(out) == files_in(few)
    assert predictions_in(out).equals(predictions_in(few))


def test_a_larger_k_adds_to_a_smaller(few: Path, tmp_path: Path) -> None:
    out, fresh = tmp_path / "out", tmp_path / "fresh"
    shutil.copytree(few, out)
    assert run(out, *FEW, "k=4", "page=0")["k"] == 4
    run(fresh, *FEW, "k=4", "page=0", "sampling.batch=5")
    assert files_in(out).keys() == files_in(few).keys() == files_in(fresh).keys()
    assert all(files_in(out)[name].startswith(content) for name, content in files_in(few).items())
    assert len(texts_in(out)) == 9 * 4 and texts_in(out) == texts_in(fresh)
    assert texts_in(few).items() < texts_in(out).items()
    assert len(predictions_in(out)) == 9 * 4 and not (fresh / "page.html").exists()
    # And back: what is more than asked for stays on disk and out of the scores.
    before = files_in(out)
    assert run(out, *FEW) == scores_in(few) and files_in(out) == before


def test_more_items_add_to_fewer(few: Path, tmp_path: Path) -> None:
    run(tmp_path, *FIXTURES, "bench=mmstar", "items=1")
    assert len(texts_in(tmp_path)) == 2
    run(tmp_path, *FIXTURES, "bench=mmstar")
    assert texts_in(tmp_path) == {key: text for key, text in texts_in(few).items() if key[0].startswith("mmstar/")}


@pytest.mark.parametrize(
    "change", ["seed=1", "view.kind=blank", "sampling.temperature=0.5", "prompt=papo", "model.max_pixels=32768"]
)
def test_other_responses_lie_in_other_files(few: Path, tmp_path: Path, change: str) -> None:
    shutil.copytree(few, tmp_path, dirs_exist_ok=True)
    with pytest.raises(UserError, match="was evaluated with "):
        run(tmp_path, *FEW, change)
    assert files_in(tmp_path) == files_in(few)
    (tmp_path / "config.yaml").unlink()  # even in one folder responses are not mixed
    run(tmp_path, *FEW, change)
    new = {name for name in files_in(tmp_path) if name not in files_in(few)}
    assert {name.rpartition("-")[0] for name in new} == {"mmstar", "pope"}
    assert files_in(tmp_path).items() > files_in(few).items()
    assert set(predictions_in(tmp_path)["view"]) == {"blank" if "blank" in change else "clean"}
    texts = [
        dict(zip(zip(t.sample_id, t.k, strict=True), t.text, strict=True))
        for t in map(predictions_in, (few, tmp_path))
    ]
    assert texts[0].keys() == texts[1].keys()
    if not change.startswith("model"):  # the fixtures' pictures are small, so that their limit changes nothing
        assert texts[0] != texts[1]


def test_rows_that_change_under_their_ids_are_answered_anew(few: Path, tmp_path: Path) -> None:
    """A question mended in a local copy must not keep the answers to the old one."""
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(FOLDER, data)
    shutil.copytree(few, out)
    run(out, *FEW, f"data={data}")
    assert files_in(out) == files_in(few)  # where the files lie does not count
    rows = data / "mmstar" / "val-val.jsonl"
    rows.write_text(rows.read_text().replace('"question": "', '"question": "Look closely. '))
    run(out, *FEW, f"data={data}")
    assert {name.rpartition("-")[0] for name in files_in(out).keys() - files_in(few).keys()} == {"mmstar"}


def test_two_evaluations_are_compared(few: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(few, first)
    run(second, *FEW, "view.kind=blank")
    compare(compose(EvalCompareSettings, [f"first={first}", f"second={second}"]))
    lines = json.loads((second / "compare.json").read_text())["lines"]
    assert [(line["part"], line["items"]) for line in lines] == [("mmstar", 3), ("pope", 6), ("overall", 9)]
    for line in lines[:2]:
        for folder, share in ((first, line["first"]), (second, line["second"])):
            assert share == pytest.approx(scores_in(folder)["columns"][line["part"]]["mean"])


def test_models_of_the_hub_do_not_share_responses() -> None:
    settings = [
        compose(EvalSettings, [f"model={name}", "preset=neutral"]) for name in ("qwen2_5_vl_3b", "qwen2_5_vl_7b")
    ]
    pinned = compose(EvalSettings, ["model=qwen2_5_vl_3b", "preset=neutral", "model.revision=abc"])
    assert len({revision_of(one) for one in [*settings, pinned]}) == 3


def test_prompts_that_are_too_long_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*FIXTURES, "bench=pope,mmstar,papo_wemath", "model.max_prompt_tokens=86", "scorers=[official]"]
    scores = run(tmp_path, *options)
    said = capsys.readouterr().out
    found = scores["benchmarks"]
    assert found["pope"]["too_long"] == [] and len(found["mmstar"]["too_long"]) == 2
    assert "papo_wemath" not in found and "papo_wemath: no score, every prompt is longer" in said
    assert "mmstar: scored on 1 of 3 items; 2 prompts too long" in said
    assert scores["left_out"] == 3 and found["mmstar"]["items"] == 3
    table = predictions_in(tmp_path)
    assert len(table) == 2 * (6 + 1) and not set(table.sample_id) & set(found["mmstar"]["too_long"])
    assert found["mmstar"]["scorers"]["official"]["avg_at_k"]["items"] == 1
    before = files_in(tmp_path)
    assert run(tmp_path, *options) == scores and files_in(tmp_path) == before


def test_the_mini_world_stands_in_for_a_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = run(tmp_path, "model=tiny", "bench=papo_suite", "items=5", "k=1", "sampling.max_new_tokens=8")
    said = capsys.readouterr().out
    assert "papo_suite: bench=mini stands in" in said and "avg@1" in said and "scores.md" in said
    assert scores["bench"].startswith("mini/") and list(scores["benchmarks"]) == ["mini"]
    columns = {name: score["mean"] for name, score in scores["columns"].items() if "/" not in name}
    del columns["relay"]  # a column of its own, no place in the paper's table
    assert scores["averages"]["overall"]["mean"] == pytest.approx(sum(columns.values()) / 9) and len(columns) == 9
    assert "vision_centric" in columns
    assert {name for name in scores["columns"] if "/" in name} == {
        "vision_need/high",
        "vision_need/low",
        "vision_need/medium",
    }
    rows = pd.read_csv(tmp_path / "scores.csv").row.tolist()
    assert rows == ["mini", *scores["columns"], *scores["averages"]]
    assert len(predictions_in(tmp_path)) == 9 * 5
    assert scores["cut_by_length"] > 0 and "cut by the length limit" in said


def test_a_judge_decides_what_rules_leave_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERCEPT_JUDGE_KEY", raising=False)

    def script(path: str, body: Any, number: int) -> Play:
        if path.endswith("/models"):
            return Play(body={"data": [{"id": "recorded"}]})
        grading = '"grade"' in body["messages"][0]["content"]
        return Play(body=chat_body('{"grade": 0.4}' if grading else '{"verdict": "yes"}'))

    with RecordedServer(script) as server:
        scores = run(
            tmp_path,
            *FIXTURES,
            "bench=mmk12,mmvet",
            "grader=official",
            f"judge={{base_url: '{server.url}', cache: '{tmp_path}/judge.jsonl'}}",
        )
    found = {name: one["scorers"]["official"] for name, one in scores["benchmarks"].items()}
    table = predictions_in(tmp_path)
    assert [one["unscored"] for one in found.values()] == [0, 0]
    assert found["mmvet"]["avg_at_k"]["mean"] == pytest.approx(0.4)
    assert scores["benchmarks"]["mmvet"]["at_k"] == {} and scores["benchmarks"]["mmk12"]["at_k"]
    judged = table[table.reason.str.startswith("judge-")]
    assert set(judged.grader) == {"official-mmk12/1", "official-mmvet/1"} and (judged.bench == "mmvet").sum() == 6
    assert scores["judge"]["model"] == "recorded" and scores["judge"]["judgements"]["grade"] == 6
    assert sum(scores["judge"]["judgements"].values()) == len(judged)


def test_a_server_answers_and_a_stopped_evaluation_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SERVER_KEY, SECRET)
    asked: list[int] = []
    stop_after = 7

    def script(path: str, body: Any, number: int) -> Play:
        if path.endswith("/models"):
            return Play(body={"data": [{"id": "tiny"}]})
        if len(asked) >= stop_after:
            return Play(400, {"error": {"message": "enough"}})
        asked.append(body["seed"])
        # Half a character, as a server may send it: no file could hold it.
        return Play(body=chat_body(f"\\boxed{{{body['seed']}}} \ud83d") | {"usage": None})

    with RecordedServer(script) as server:
        options = [*FIXTURES, "bench=pope", "engine=server", f"server.base_url={server.url}", "server.workers=1"]
        argv = [*options, f"out={tmp_path}"]
        assert command(EvalSettings, "eval.runner:evaluate", argv, prog="python -m eval", summary="") == 2
        assert len(texts_in(tmp_path)) == 7 and not (tmp_path / "scores.json").exists()
        stop_after = 100
        scores = run(tmp_path, *options)
    assert len(asked) == len(set(asked)) == 12 == len(texts_in(tmp_path))
    assert {text for text, _ in texts_in(tmp_path).values()} == {f"\\boxed{{{seed}}} ?" for seed in asked}
    assert run(tmp_path, *options) == scores  # the server is gone


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "eval", *options, f"out={out}"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def to_the_end(out: Path, *options: str) -> None:
    process = start(out, *options)
    _, complained = process.communicate(timeout=300)
    assert process.returncode == 0, complained[-3000:]


def kill_after(out: Path, responses: int, delay_s: float, *options: str) -> bytes:
    """SIGKILL some moment after so many responses lie on disk; returns what lies there then."""
    process, end = start(out, *options), time.monotonic() + 300
    try:
        while (
            sum(content.count(b"\n") for content in (files_in(out) if (out / "responses").exists() else {}).values())
            < responses
        ):
            assert process.poll() is None, process.communicate()[1][-3000:]
            assert time.monotonic() < end, "no responses came"
            time.sleep(0.01)
        time.sleep(delay_s)
        assert process.poll() is None, "it ended before the kill"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    (content,) = files_in(out).values()
    return content


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["hf", pytest.param("vllm", marks=[needs_vllm, pytest.mark.nightly])])
def test_an_evaluation_that_is_killed_twice_ends_as_one_that_never_was(tmp_path: Path, engine: str) -> None:
    rng = random.Random(SEED)
    options = ["model=tiny", "bench=mini", "items=10", "k=4", "sampling.batch=16", f"engine={engine}"]
    killed, straight = tmp_path / "killed", tmp_path / "straight"
    first = kill_after(killed, 33, 0.2 * rng.random(), *options)
    whole = first[: first.rfind(b"\n") + 1]
    second = kill_after(killed, 150, 0.2 * rng.random(), *options)
    assert second.startswith(whole) and second.count(b"\n") >= 150 and not (killed / "scores.json").exists()
    if engine == "hf":
        run(killed, *options)
    else:  # vLLM in the process of the tests would stay there
        to_the_end(killed, *options)
    (final,) = files_in(killed).values()
    assert final.startswith(second[: second.rfind(b"\n") + 1])
    scores = run(straight, *[option for option in options if not option.startswith("engine")])
    assert len(texts_in(killed)) == 9 * 10 * 4 and texts_in(killed) == texts_in(straight)
    assert scores_in(killed) == scores
    drop = ["token_ids", "choices"]
    assert predictions_in(killed).drop(columns=drop).equals(predictions_in(straight).drop(columns=drop))


@pytest.mark.nightly  # tests/models/test_vllm.py compares both engines, the server's test below evaluates by vLLM
@needs_vllm
def test_vllm_in_the_process_gives_the_same_texts(mini: Path, tmp_path: Path) -> None:
    to_the_end(tmp_path, *MINI, "engine=vllm")
    assert len(texts_in(tmp_path)) == 9 * 5 * 2 and texts_in(tmp_path) == texts_in(mini)
    assert scores_in(tmp_path) == scores_in(mini)
    assert files_in(tmp_path).keys().isdisjoint(files_in(mini))


@pytest.mark.slow
@needs_vllm
def test_a_real_server_gives_the_greedy_texts_and_is_asked_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER_KEY, SECRET)
    options = [*MINI, "sampling.temperature=0"]
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    asking = [*options, "engine=server", f"server.base_url={server.url}"]
    run(ours, *options)
    run(theirs, *asking)
    # Every third response is lost; only those are asked for again.
    (path,) = (theirs / "responses").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    kept = b"".join(line for number, line in enumerate(lines) if number % 3)
    path.write_bytes(kept)
    scores = run(theirs, *asking)
    assert len(texts_in(theirs)) == 9 * 5 * 2 and texts_in(theirs) == texts_in(ours)
    assert path.read_bytes().startswith(kept) and path.read_bytes().count(b"\n") == len(lines)
    assert scores == scores_in(ours)
    before = files_in(theirs)
    monkeypatch.setattr(Endpoint, "request", None)  # whoever asked now would fail
    assert run(theirs, *asking) == scores and files_in(theirs) == before
