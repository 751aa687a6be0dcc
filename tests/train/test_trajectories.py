"""Committed trajectories: six steps of every recorded method give the numbers they gave when they were written.

Two ranks at stage 3 repeat theirs in test_resume.py, where the same run is also stopped and started.
"""

import pytest

from tests.train.record_trajectories import METHODS, SHARDED, check_trajectory, committed, run_method


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_a_run_repeats_its_committed_trajectory(name, tmp_path):
    check_trajectory(name, run_method(name, tmp_path))


def test_two_ranks_at_stage_3_repeat_one_process():
    """A run on two ranks has the losses and norms of one alone, step by step."""
    for alone, sharded in zip(committed("papo_g"), committed(SHARDED), strict=True):
        assert sharded.keys() == alone.keys()
        for name, value in alone.items():
            assert sharded[name] == pytest.approx(value, rel=1e-3, abs=1e-5), (alone["step"], name)
        losses = [sum(value for name, value in row.items() if name.startswith("loss/")) for row in (alone, sharded)]
        assert losses[1] == pytest.approx(losses[0], rel=1e-5, abs=1e-6)
