"""Whose an evaluation's folder is, which model a run names, and what a dry run says."""

from pathlib import Path

import pytest

from common import UserError
from configs import Run, compose, load_resolved, save_resolved
from eval.__main__ import main
from eval.folder import check_folder
from eval.plan import hours, memory_bytes
from eval.run_model import model_of_run
from eval.settings import EvalSettings
from models.assumed import ASSUMED, GIB
from models.shape import read_shape
from tests.eval.make_fixtures import FOLDER

MINI = ["model=tiny", "bench=mini", "items=5", "k=2"]
BIG = ["model=qwen2_5_vl_3b", "preset=paper_eval", "bench=papo_suite", "engine=vllm"]


def settings(*changes: str) -> EvalSettings:
    return compose(EvalSettings, [*MINI, *changes])


def record(**revisions: str) -> Run:
    return Run.collect(settings(), revisions={"model": "sha256:a", "bench": "mini/2", **revisions})


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("seed=1", "seed"),
        ("bench=mmstar", "bench"),
        ("grader=paper", "grader"),
        ("view.kind=blank", "view"),
        ("engine=vllm", "engine"),
        ("sampling.temperature=0.5", r"sampling\.temperature"),
        ("model.max_pixels=32768", r"model\.max_pixels"),
    ],
)
def test_a_folder_of_other_settings_is_refused_by_name(tmp_path: Path, change: str, name: str) -> None:
    save_resolved(settings(), tmp_path / "config.yaml")
    with pytest.raises(UserError, match=rf"was evaluated with {name}=.*, not .*give out=<another folder>"):
        check_folder(settings(change), record(), tmp_path)


def test_more_responses_items_workers_or_pages_may_come(tmp_path: Path) -> None:
    save_resolved(settings(), tmp_path / "config.yaml")
    record().save(tmp_path / "run.json")
    for change in ("k=8", "items=10", "gpus=2", "page=0", "sampling.batch=7", "scorers=[paper]", "memory_share=0.5"):
        check_folder(settings(change), record(), tmp_path)


def test_a_folder_of_other_weights_or_another_reading_is_refused(tmp_path: Path) -> None:
    record().save(tmp_path / "run.json")
    with pytest.raises(UserError, match=r"another model \(sha256:a, now sha256:b\)"):
        check_folder(settings(), record(model="sha256:b"), tmp_path)
    with pytest.raises(UserError, match=r"another bench \(mini/2, now mini/3\)"):
        check_folder(settings(), record(bench="mini/3"), tmp_path)


def run_of(folder: Path, model: str) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(f"data: {{source: papo/training}}\nmodel: {model}\n")
    return folder


def test_a_run_is_read_as_its_own_model(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", "{name: qwen2_5_vl_3b, path: Qwen/Qwen2.5-VL-3B-Instruct}")
    assert model_of_run([f"run={run}"]) == {"model": "qwen2_5_vl_3b"}
    found = compose(EvalSettings, [f"run={run}", "preset=paper_eval"], defaults=model_of_run([f"run={run}"])).model
    assert (found.dtype, found.max_prompt_tokens, found.max_pixels) == ("bfloat16", 4096, 589824)
    assert model_of_run([f"run={run}", "model=tiny"]) == model_of_run(["bench=mini"]) == {}


def test_a_run_of_an_unknown_model_needs_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path / "run", "{name: mine, path: gone/away}")
    assert main([f"run={run}"]) == 2
    assert "names the model 'mine', which is no file of configs/models; give model=<name>" in capsys.readouterr().err


def dry(*changes: str) -> int:
    return main([*MINI, *changes, "dry_run=true"])


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dry(f"out={tmp_path / 'out'}") == 0
    said = capsys.readouterr().out
    assert "# mini: 45 items of 45, 90 responses, 0 are there" in said
    assert "# all: 45 prompts, 90 responses, 90 to be sampled" in said and not (tmp_path / "out").exists()
    (tmp_path / "said.yaml").write_text(said)
    assert load_resolved(EvalSettings, tmp_path / "said.yaml").items == 5


def test_a_dry_run_refuses_what_the_run_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_resolved(settings("seed=3"), tmp_path / "config.yaml")
    sentences = {
        f"out={tmp_path}": "seed=3, not 0",
        "out=": "give run=<run folder>",
        "model.path=models/gone": "the model folder models/gone does not exist",
        "items=7": "items=7 must be a positive multiple of 5",
        "scorers=[offical]": "no scorer 'offical'",
    }
    for change, sentence in sentences.items():
        assert dry("out=unused", change) == 2
        assert sentence in capsys.readouterr().err


def test_hours_and_memory_of_a_suite_at_3b() -> None:
    asked = compose(EvalSettings, [*BIG, "gpus=8"])
    shape = read_shape(asked.model)
    eight, one = (hours(compose(EvalSettings, [*BIG, f"gpus={n}"]), shape, 11_206, 89_648) for n in (8, 1))
    # Forty-four blocks of 256 prompts take at least 2,048 steps of 10 ms each, on eight GPUs six a worker.
    assert one == pytest.approx(89_648 * 400 / (0.08 * 989e12 / (2 * 3.085e9)) / 3600, rel=0.02)
    assert one / 8 <= eight == pytest.approx(max(one / 8, 6 * 2048 * ASSUMED.decode_s / 3600))
    assert memory_bytes(asked, shape) == pytest.approx(0.9 * 80 * GIB)
    assert memory_bytes(compose(EvalSettings, [*BIG, "engine=hf"]), shape) > 7 * GIB


def test_all_items_of_real_benchmarks_are_the_default(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["model=tiny", "bench=mmstar", f"data={FOLDER}", f"out={tmp_path}"]
    for more, count in (([], 3), (["items=2"], 2)):
        assert main([*asked, *more, "dry_run=true"]) == 0
        assert f"# mmstar: {count} items of 3, {count * 8} responses" in capsys.readouterr().out
