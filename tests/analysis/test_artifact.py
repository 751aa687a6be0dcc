"""The archive of a commit: whole, checkable, the same bytes every time."""

import subprocess
import tarfile
from pathlib import Path

import pytest

import analysis.artifact as artifact
from common import UserError
from configs.run import REPOSITORY, git_state


def test_it_holds_the_commit_and_its_sums_and_is_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(artifact, "check_clean", lambda: None)  # the tests may run in a tree with changes
    for name in ("first", "second"):
        artifact.run(artifact.ArtifactSettings(out=str(tmp_path / name)))
    (first,), (second,) = ((tmp_path / name).glob("*.tar.gz") for name in ("first", "second"))
    assert (
        first.read_bytes() == second.read_bytes() and first.name == f"percept-{git_state(REPOSITORY)[0][:12]}.tar.gz"
    )
    with tarfile.open(first) as tar:
        assert {(one.mtime, one.uid, one.uname) for one in tar.getmembers()} == {(tar.getmembers()[0].mtime, 0, "")}
        tar.extractall(tmp_path, filter="data")
    (top,) = tmp_path.glob("percept-*")
    checked = subprocess.run(
        ["bash", "-c", "sha256sum --quiet -c SHA256SUMS"], cwd=top, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout
    assert "\ntorch==2." in (top / "LOCK.txt").read_text() and (top / "results" / "table1_mini" / "table.md").exists()
    said = f"{len((top / 'SHA256SUMS').read_text().splitlines()) + 1} files"
    assert said in capsys.readouterr().out


def test_without_a_checkout_there_is_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configs.run.REPOSITORY", tmp_path)
    monkeypatch.setattr(artifact, "REPOSITORY", tmp_path)
    with pytest.raises(UserError, match="made from a git checkout"):
        artifact.run(artifact.ArtifactSettings(out=str(tmp_path)))
