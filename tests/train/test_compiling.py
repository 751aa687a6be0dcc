"""DeepSpeed's helpers are compiled by one process at a time, and no killed one makes others wait for ever."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from train.compiling import FOLDER, compile_once, compiled_folder

LONG_S = 10.0


def test_every_environment_compiles_in_a_folder_of_its_own_unless_one_is_named(monkeypatch):
    folders = []
    for prefix in ("/clones/one/.venv", "/clones/two/.venv", "/clones/one/.venv"):
        monkeypatch.setattr("sys.prefix", prefix)
        monkeypatch.setenv(FOLDER, "")
        monkeypatch.delenv(FOLDER)
        folders.append(compiled_folder())
    assert folders[0] == folders[2] != folders[1] and folders[0].parent == folders[1].parent
    monkeypatch.setenv(FOLDER, "/scratch/extensions")
    assert compiled_folder() == Path("/scratch/extensions")


def test_what_a_killed_compilation_left_is_removed_and_a_running_one_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    left = tmp_path / "helper" / "lock"
    left.parent.mkdir()
    left.touch()
    began, may_end, found = threading.Event(), threading.Event(), []

    def load() -> None:
        found.append(left.exists())
        began.set()
        assert may_end.wait(LONG_S)

    builder = SimpleNamespace(name="helper", load=load)
    both = [threading.Thread(target=compile_once, args=[builder]) for _ in range(2)]
    for thread in both:
        thread.start()
    assert began.wait(LONG_S)
    both[0].join(0.2)
    assert found == [False]  # the second has not begun
    may_end.set()
    for thread in both:
        thread.join(LONG_S)
    assert found == [False, False]
