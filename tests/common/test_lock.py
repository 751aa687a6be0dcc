"""A folder belongs to one process, however that process ends."""

import os
import signal
from pathlib import Path

import pytest

from common import UserError
from common.lock import folder_lock


@pytest.mark.slow
def test_a_second_process_is_refused_by_name_until_the_first_is_killed(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with folder_lock(tmp_path):
            os.write(writer, b"held")
            signal.pause()
    assert os.read(reader, 4) == b"held"
    refused = pytest.raises(UserError, match=rf"is in use by process {child} on {os.uname().nodename}")
    with refused, folder_lock(tmp_path):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with folder_lock(tmp_path):
        assert str(os.getpid()) in (tmp_path / ".lock").read_text()


def test_a_lock_is_free_again_after_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with folder_lock(tmp_path / "new"):
            pass


def test_a_held_folder_is_refused_and_its_holder_named(tmp_path: Path) -> None:
    refused = pytest.raises(UserError, match=f"in use by process {os.getpid()} on {os.uname().nodename}")
    with folder_lock(tmp_path), refused, folder_lock(tmp_path):
        pass
