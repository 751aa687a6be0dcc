"""Atomic files, JSON lines, and the provenance record."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

import common.files
import configs.run
from common import UserError, atomic_path, atomic_write_bytes, atomic_write_text, read_jsonl, sha256_of, write_jsonl
from configs import Run, setting


@dataclass
class Settings:
    seed: int = setting(7, "seed")
    coef: float = setting(0.02, "weight")


def test_atomic_write_replaces_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    atomic_write_text(path, "old é")
    atomic_write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_a_write_that_fails_half_way_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(common.files.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        atomic_write_text(path, "new")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_jsonl_round_trip_with_awkward_text(tmp_path: Path) -> None:
    rows = [{"a": "é\u2028\n"}, {"b": [1, None]}]
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, iter(rows))
    assert read_jsonl(path) == rows
    assert path.read_text().count("\n") == 2


def test_bad_jsonl_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n\n{"a": \n')
    with pytest.raises(UserError) as caught:
        read_jsonl(path)
    assert str(caught.value) == f"{path}, line 3 is not valid JSON: Expecting value at column 7"
    path.write_text("3\n")
    with pytest.raises(UserError, match="line 1 must hold a JSON object"):
        read_jsonl(path)
    with pytest.raises(UserError, match="does not exist"):
        read_jsonl(tmp_path / "none.jsonl")


def test_sha256_of_the_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert sha256_of(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_run_round_trip(tmp_path: Path) -> None:
    run = Run.collect(Settings(), ["python", "-m", "train", "seed=7"], {"mini": "a1b2"})
    path = tmp_path / "run.json"
    run.save(path)
    assert Run.load(path) == run
    assert (run.seed, run.config, run.revisions) == (7, {"seed": 7, "coef": 0.02}, {"mini": "a1b2"})
    assert run.started.endswith("+00:00")
    assert {"cpu", "cores", "memory_gib", "gpus"} == set(run.hardware)
    assert "numpy" in run.packages
    assert Run.collect(Settings()).command[0] == "python"


def test_a_broken_run_record_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with pytest.raises(UserError, match="does not exist"):
        Run.load(path)
    path.write_text(json.dumps({"seed": 1}))
    with pytest.raises(UserError, match="is not a run record"):
        Run.load(path)


def test_git_state_of_a_checkout_and_outside_one(tmp_path: Path) -> None:
    outside = tmp_path / "inner"
    outside.mkdir()
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert configs.run.git_state(tmp_path) == ("unknown (not a git checkout)", False)
    (tmp_path / "a").write_text("1")
    subprocess.run([*git, "add", "a"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "a"], check=True)
    commit, dirty = configs.run.git_state(tmp_path)
    assert (len(commit), dirty) == (40, False)
    (tmp_path / "a").write_text("2")
    assert configs.run.git_state(tmp_path) == (commit, True)
    assert configs.run.git_state(outside) == ("unknown (not a git checkout)", False)
