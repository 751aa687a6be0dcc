"""The tiers keep what they promise: a unit test that starts a process or trains is stopped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.tiers import ALONE, GROUPS, UPDATES


def test_a_unit_test_cannot_start_a_process_except_quick_ones():
    with pytest.raises(pytest.fail.Exception, match="mark it slow"):
        subprocess.run([sys.executable, "-c", "pass"])
    with pytest.raises(pytest.fail.Exception, match=r"starts 'os\.fork'"):
        os.fork()
    assert subprocess.run(["git", "--version"], capture_output=True).returncode == 0


def test_a_unit_test_cannot_train():
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight])
    for _ in range(UPDATES):
        optimizer.step()
    with pytest.raises(pytest.fail.Exception, match=f"more than {UPDATES} updates"):
        optimizer.step()


def test_files_that_are_distributed_by_name_exist():
    assert [name for name in {*GROUPS, *ALONE} if not Path(name).is_file()] == []


@pytest.mark.slow
def test_a_whole_run_may_start_processes():
    assert subprocess.run([sys.executable, "-c", "raise SystemExit(3)"]).returncode == 3
