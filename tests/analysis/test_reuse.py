"""A finished training is known by its settings, under whichever row it lies; other settings are never taken for it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis import filling
from analysis.experiments import Experiment, Row, missing, read_table_file, remaining, rows_of, sharing, suite_of
from analysis.filling import fill, jobs_of
from analysis.gather import provenance
from analysis.job_scripts import write_jobs
from analysis.plan import plan_lines
from analysis.planned import experiments_of
from analysis.settings import TableSettings
from common import UserError
from configs import Run, compose, save_resolved
from eval.settings import EvalSettings
from train.settings import TrainSettings

TABLE = read_table_file("1")


def finish(folder: Path, *overrides: str, begun_with: Sequence[str] = ()) -> None:
    """Write what a finished training leaves of its settings."""
    settings = compose(TrainSettings, [*overrides, "scale=mini", f"run={folder}"])
    save_resolved(settings, folder / "config.yaml")
    begun = compose(TrainSettings, [*overrides, "scale=mini", *begun_with])
    Run.collect(begun, revisions={"model": "m", "data": "d"}).save(folder / "run.json")
    (folder / "finished.json").write_text(json.dumps({"steps": settings.steps}))


def row(table: str, name: str, runs: Path, seed: int = 0, train: Sequence[str] = ()) -> Experiment:
    found = read_table_file(table)
    return Experiment(
        row=rows_of(found, [name])[0], suite=suite_of(found, "mini"), seed=seed, runs=runs, train_options=train
    )


def test_a_training_of_equal_settings_is_found_under_another_row(tmp_path: Path) -> None:
    twin = tmp_path / "mini" / "papo_g_gamma01" / "seed0"
    finish(twin, *row("4", "papo_g_gamma01", tmp_path).row.set, "keep.rollouts_every=7", begun_with=["steps=30"])
    assert row("3", "papo_g_mask06", tmp_path).folder == twin
    assert [room for room, *_ in row("3", "papo_g_mask06", tmp_path).commands()] == ["eval"]
    for other in (
        row("3", "papo_g_mask08", tmp_path),
        row("3", "papo_g_mask06", tmp_path, seed=1),
        row("3", "papo_g_mask06", tmp_path, train=["steps=40"]),
    ):
        assert other.folder == other.own_folder and other.commands()[0][0] == "train"


def test_entropy_terms_of_coefficient_0_are_none(tmp_path: Path) -> None:
    finish(tmp_path / "mini" / "papo_g" / "seed0", "method=papo_g")
    assert row("4", "papo_g_gamma02", tmp_path).folder == tmp_path / "mini" / "papo_g" / "seed0"
    assert row("4", "papo_g_gamma01", tmp_path).folder.parent.name == "papo_g_gamma01"


def test_the_own_folder_comes_first_and_an_unfinished_one_does_not_count(tmp_path: Path) -> None:
    one, twin = row("3", "papo_g_mask06", tmp_path), tmp_path / "mini" / "papo_g_gamma01" / "seed0"
    finish(twin, *one.row.set)
    finish(one.own_folder, *one.row.set)
    assert row("3", "papo_g_mask06", tmp_path).folder == one.own_folder
    (one.own_folder / "finished.json").unlink()
    assert row("3", "papo_g_mask06", tmp_path).folder == twin
    (twin / "finished.json").unlink()
    assert row("3", "papo_g_mask06", tmp_path).folder == one.own_folder


def test_another_rows_folder_of_an_older_version_is_passed_over_and_the_own_one_refused(tmp_path: Path) -> None:
    one, twin = row("3", "papo_g_mask06", tmp_path), tmp_path / "mini" / "papo_g_gamma01" / "seed0"
    for folder in (twin, one.own_folder):
        finish(folder, *one.row.set)
        saved = folder / "config.yaml"
        saved.write_text(saved.read_text().replace("config_version: 3", "config_version: 0"))
    with pytest.raises(UserError, match="version"):
        row("3", "papo_g_mask06", tmp_path).commands()
    (one.own_folder / "finished.json").unlink()
    assert row("3", "papo_g_mask06", tmp_path).commands()[0][0] == "train"


def test_a_finished_training_of_other_settings_in_the_own_folder_is_refused(tmp_path: Path) -> None:
    one = row("3", "papo_g_mask06", tmp_path)
    finish(one.own_folder, *one.row.set, "views.masked.ratio=0.5")
    with pytest.raises(UserError, match=r"made with views\.masked\.ratio=0\.5, not 0\.6 as the table asks"):
        one.commands()


def test_plan_and_provenance_say_whose_training_is_used(tmp_path: Path) -> None:
    twin = tmp_path / "mini" / "papo_g_gamma01" / "seed0"
    finish(twin, *row("4", "papo_g_gamma01", tmp_path).row.set)
    settings = compose(TableSettings, ["table=3", "methods=[papo_g_mask06]", f"folder={tmp_path}"])
    table = read_table_file("3")
    found = experiments_of(settings, table)
    said = "\n".join(plan_lines("Table 3", table, remaining(found)))
    assert f"finished training, which is used: {twin}\n" in said and "trainings left: none" in said
    run = Run.collect(compose(EvalSettings, ["model=tiny"]), revisions={"model": "m", "bench": "mini/2"})
    run.save(found[0].evaluation / "run.json")
    assert provenance(found)[0]["run"] == "mini/papo_g_gamma01/seed0"


def test_of_missing_rows_with_equal_settings_the_first_is_trained_and_the_second_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    equal = ["method=papo_g", "views.masked.ratio=0.5"]
    off = ["losses.entropy.coef=0", "losses.entropy.masked_coef=0"]  # a term that adds nothing
    sets = {"half": [*equal, "losses.entropy=null"], "other": ["method=grpo"], "again": [*equal, *off]}
    own = [
        Experiment(row=Row(id=name, name=name, set=of), suite=suite_of(TABLE, "mini"), seed=seed, runs=tmp_path)
        for name, of in sets.items()
        for seed in (0, 1)
    ]
    shared = sharing(own)
    folders = [one.folder.relative_to(tmp_path / "mini").as_posix() for one in shared]
    assert folders == ["half/seed0", "half/seed1", "other/seed0", "other/seed1", "half/seed0", "half/seed1"]
    said = "\n".join(plan_lines("Table", TABLE, remaining(shared)))
    assert "trainings left: 4" in said and said.count("python -m train") == 4 and "a row above" in said
    monkeypatch.chdir(tmp_path)
    jobs = write_jobs(shared, ["table=1"], tmp_path / "slurm", ["gpus=1"]).read_text()
    assert jobs.count(".train.sbatch") == jobs.count(".eval.sbatch") == 4
    first, second = jobs_of(shared)
    assert [len(job.commands) for job in first] == [2] * 4 and not second  # the twins' evaluations are theirs too
    ran = []

    def run(command: list[str]) -> None:
        room, *options = command
        ran.append(room)
        folder = Path(next(one for one in options if one.startswith("run="))[4:])
        if room == "train":
            assert not (folder / "finished.json").exists()
            folder.mkdir(parents=True)
            finish(folder, *[one for one in options if one.partition("=")[0] not in ("run", "scale")])
        else:
            (folder / "eval" / "mini").mkdir(parents=True)

    monkeypatch.setattr(filling, "run", run)
    fill(shared)
    assert ran == ["train", "eval"] * 4
    assert [one.commands()[0][0] for one in shared] == ["eval"] * 6 and len(missing(remaining(shared))) == 4


def teachers(runs: Path, *options: str) -> list[Experiment]:
    asked = compose(TableSettings, ["table=teachers", "scale=mini", "seeds=2", f"folder={runs}", *options])
    return experiments_of(asked, read_table_file("teachers"))


def test_a_row_learns_from_the_final_policy_of_its_teacher_under_the_same_seed(tmp_path: Path) -> None:
    found = teachers(tmp_path)
    (student,) = [one for one in found if (one.row.id, one.seed) == ("opd", 1)]
    teacher = tmp_path / "mini" / "grpo" / "seed1" / "final"
    assert student.commands()[0][:4] == ["train", "method=opd", "teacher=tiny", f"teacher.path={teacher}"]
    assert student.training.teacher_model is not None and student.training.teacher_model.path == str(teacher)
    first, second = jobs_of(found)
    assert {job.name.split()[0] for job in first} == {"base", "grpo"}
    assert {job.name.split()[0] for job in second} == {"opd", "va_opd", "vgs"}
    with pytest.raises(UserError, match="row opd learns from row grpo; name that row too"):
        teachers(tmp_path, "methods=[opd]")


def test_a_students_job_waits_for_its_teachers_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = (
        write_jobs(teachers(tmp_path / "runs"), ["table=teachers"], tmp_path / "jobs", ["gpus=1"])
        .read_text()
        .splitlines()
    )
    (teacher,) = [line.split("=")[0] for line in lines if "grpo_seed1.train" in line]
    (student,) = [line for line in lines if "/opd_seed1.train" in line]
    assert f"--dependency=afterok:${teacher} " in student
