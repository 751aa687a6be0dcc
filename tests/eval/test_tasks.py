"""What `bench=` and `data=` ask for: names, folders, templates, and the mini world in place of a suite."""

import dataclasses
from pathlib import Path

import pytest

from common import UserError
from configs import compose
from eval.benchmarks import BENCHMARKS
from eval.settings import EvalSettings
from eval.suites import SUITES
from eval.tasks import data_of, names_of, tasks_of, trained_model
from models.settings import ModelSettings
from tests.eval.make_fixtures import FOLDER


def settings_of(*overrides: str) -> EvalSettings:
    return compose(EvalSettings, ["model=tiny", f"data={FOLDER}", "items=0", *overrides])


def of_another_model(*overrides: str) -> EvalSettings:
    """As if a model had been named that never saw the mini world."""
    settings = settings_of(*overrides)
    return dataclasses.replace(settings, model=ModelSettings(name="another", path="nobody/another"))


def run_folder(folder: Path, source: str) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(f"method: grpo\ndata:\n  source: {source}\n  items: 8\n")
    return folder


def test_names_suites_and_lists() -> None:
    assert names_of("mmstar") == ["mmstar"]
    assert names_of("pope,mmstar") == ["pope", "mmstar"]
    assert names_of("mini") == ["mini"]
    assert names_of("papo_suite") == list(SUITES["papo_suite"]) and len(names_of("papo_suite")) == 9
    assert names_of("all") == [name for name in BENCHMARKS if name != "mini"]
    # Who is named twice is asked once.
    assert names_of("papo_wemath,papo_suite,ai2d,papo_wemath") == [
        "papo_wemath",
        *(name for name in SUITES["papo_suite"] if name != "papo_wemath"),
        "ai2d",
    ]


def test_an_unknown_benchmark_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no benchmark 'mmstr'; did you mean 'mmstar'\? \(python -m eval\.catalogue"):
        names_of("pope,mmstr")
    with pytest.raises(UserError, match=r"no benchmark 'papo_suit'; did you mean 'papo_suite'\?"):
        names_of("papo_suit")
    with pytest.raises(UserError, match=r"no benchmark 'MMStar'; did you mean 'mmstar'\?"):
        names_of("MMStar")
    for bench in ("qqqqqq", "", "mmstar,", "MMSTAR,zzz"):
        with pytest.raises(UserError, match="no benchmark '") as caught:
            names_of(bench)
        assert "\n" not in str(caught.value)


def test_rows_samples_and_reasons_add_up() -> None:
    tasks = tasks_of(settings_of("bench=blink,hallusionbench"))
    assert [task.name for task in tasks] == ["blink", "hallusionbench"]
    blink, hallusion = tasks
    assert (blink.rows, len(blink.samples), dict(blink.left_out)) == (29, 28, {"the answer is hidden": 1})
    assert blink.version == BENCHMARKS["blink"].version and blink.benchmark is BENCHMARKS["blink"]
    assert len(blink.files) == 14 and "28 of 1901 items" in blink.deviation
    assert {blink.column(sample) for sample in blink.samples} == {"blink"}
    assert {blink.cluster(sample) for sample in blink.samples} == {sample.id for sample in blink.samples}
    assert {hallusion.cluster(sample) for sample in hallusion.samples} == {"VD/illusion/0", "VS/chart/3"}


def test_items_draws_whole_clusters_and_zero_means_all() -> None:
    (few,) = tasks_of(settings_of("bench=hallusionbench", "items=1"))
    (everything,) = tasks_of(settings_of("bench=hallusionbench"))
    assert len({few.cluster(sample) for sample in few.samples}) == 1 < len(few.samples) < len(everything.samples)
    assert few.rows == everything.rows == 6


def test_a_benchmark_of_other_size_than_published_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tasks_of(settings_of("bench=pope"))
    assert capsys.readouterr().out == "pope: 6 of 9000 items that its authors publish\n"


@pytest.mark.parametrize("preset", ["neutral", "greedy", "paper_eval", "paper_training"])
def test_the_mini_preset_is_for_the_mini_world_only(preset: str) -> None:
    with pytest.raises(UserError, match=r"preset=mini cuts responses at 56 tokens.*give preset=neutral"):
        tasks_of(of_another_model("bench=pope"))
    assert len(tasks_of(of_another_model("bench=pope", f"preset={preset}"))) == 1


def test_the_mini_preset_and_runs(tmp_path: Path) -> None:
    at_home, elsewhere = run_folder(tmp_path / "mini", "mini"), run_folder(tmp_path / "hub", "papo/training")
    assert len(tasks_of(settings_of("bench=pope", f"run={at_home}"))) == 1
    with pytest.raises(UserError, match="preset=mini"):
        tasks_of(settings_of("bench=pope", f"run={elsewhere}"))


def test_where_the_rows_are_looked_for(tmp_path: Path) -> None:
    at_home, elsewhere = run_folder(tmp_path / "mini", "mini"), run_folder(tmp_path / "hub", "papo/training")
    assert data_of(settings_of("bench=pope", "data=auto")) == "mini"
    assert data_of(of_another_model("bench=pope", "data=auto")) == "hub"
    assert data_of(of_another_model("bench=mini", "data=auto")) == "mini"
    assert data_of(settings_of("bench=pope", "data=auto", f"run={at_home}")) == "mini"
    assert data_of(settings_of("bench=pope", "data=auto", f"run={elsewhere}")) == "hub"
    assert data_of(settings_of("bench=pope", "data=hub")) == "hub"
    assert data_of(of_another_model("bench=pope", "data=some/folder")) == "some/folder"


def test_folders_that_do_not_help_get_a_sentence(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(UserError, match=r"data=.*missing is not a folder; give hub, mini, or a folder"):
        tasks_of(settings_of("bench=pope", f"data={missing}"))
    with pytest.raises(UserError, match=r"no local copy of pope: expected .*default-test with one of \.parquet"):
        tasks_of(settings_of("bench=pope", f"data={tmp_path}"))
    with pytest.raises(UserError, match="bench=mini has no rows on the hub or in a folder"):
        tasks_of(settings_of("bench=pope,mini"))


def test_papos_own_suite_gets_papos_prompt_and_the_others_their_own() -> None:
    tasks = tasks_of(settings_of("bench=papo_suite,mmstar,pope"))
    assert {task.template for task in tasks if task.name.startswith("papo_")} == {"papo"}
    assert [task.template for task in tasks if not task.name.startswith("papo_")] == ["question_only"] * 2


@pytest.mark.parametrize("prompt", ["papo", "question_only"])
def test_a_prompt_that_is_asked_for_wins(prompt: str) -> None:
    for data in (f"data={FOLDER}", "data=mini"):
        tasks = tasks_of(settings_of("bench=papo_wemath,mmstar", f"prompt={prompt}", data, "items=5"))
        assert {task.template for task in tasks} == {prompt}


def test_the_mini_world_stands_in_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    (task,) = tasks_of(settings_of("bench=papo_suite", "data=auto", "items=5"))
    assert "papo_suite: bench=mini stands in" in capsys.readouterr().out
    (plain,) = tasks_of(settings_of("bench=mini", "data=auto", "items=5"))
    assert capsys.readouterr().out == ""
    assert plain.samples == task.samples and task.name == "mini" and task.template == "question_only"
    columns = [task.column(sample) for sample in task.samples]
    assert {columns.count(name) for name in columns} == {5} and len(set(columns)) == 9
    # The tenth column is the vision-centric part of the five versions.
    assert {sample.tags["subset"] for sample in task.samples if sample.tags.get("subset")} == {"vision_centric"}


def test_a_run_gives_its_final_weights(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(UserError, match=r"run is no run folder, it holds no config.yaml; check run="):
        trained_model(run, settings_of().model)
    run.mkdir()
    (run / "config.yaml").touch()
    with pytest.raises(UserError, match="has no final weights yet; finish it with python -m train"):
        trained_model(run, settings_of().model)
    (run / "final").mkdir(parents=True)
    (run / "final" / "config.json").write_text("{}")
    settings = settings_of("model.max_pixels=1234").model
    found = trained_model(run, settings)
    assert (found.path, found.max_pixels) == (str(run / "final"), 1234)


def test_runs_of_every_seed_answer_the_same_items() -> None:
    """A table pairs runs by item, and a run's evaluation has the seed of its training."""
    few = ["bench=mathverse", "preset=neutral", "items=3"]
    chosen = [[one.id for one in tasks_of(settings_of(*few, f"seed={seed}"))[0].samples] for seed in (0, 1, 2, 3)]
    assert chosen[1:] == chosen[:1] * 3 and 0 < len(chosen[0]) < len(
        tasks_of(settings_of("bench=mathverse"))[0].samples
    )
