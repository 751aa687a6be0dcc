"""Committed trajectories: six steps of every recorded method give the numbers they gave when they were written."""

import json

import pytest

from tests.train.record_trajectories import FOLDER, METHODS, SHARDED, run_method


@pytest.mark.slow
@pytest.mark.parametrize("name", [*METHODS, SHARDED])
def test_a_run_repeats_its_committed_trajectory(name, tmp_path):
    wanted = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]
    found = run_method(name, tmp_path)
    assert len(found) == len(wanted) == 6
    for before, now in zip(wanted, found, strict=True):
        assert before.keys() <= now.keys()
        # Other processors round differently; on the one that wrote the files the numbers are equal bit for bit.
        assert {key: now[key] for key in before} == pytest.approx(before, rel=2e-4, abs=2e-6)
