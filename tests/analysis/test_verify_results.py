"""Committed results are what their committed records give, and an edited one is found."""

import shutil
from pathlib import Path

import pytest

from analysis.verify_results.run import compare, rebuilder, run
from analysis.verify_results.settings import VerifySettings
from common import UserError

RESULTS = Path(__file__).parents[2] / "results"
FOLDERS = [folder for folder in sorted(RESULTS.iterdir()) if folder.is_dir()]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_committed_results_follow_from_their_records(folder: Path) -> None:
    found = compare(folder)
    assert [one for one in found if one.problem] == []
    assert (rebuilder(folder) is None) == (not found)
    assert found or folder.name in ("benchmarks", "protocol_mini")  # their records are no part of the repository


def test_an_edited_number_is_named_by_its_file_and_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(RESULTS / "table1_mini", tmp_path / "table1_mini")
    page = tmp_path / "table1_mini" / "table.md"
    page.write_text(page.read_text().replace("53.5", "54.5", 1))
    with pytest.raises(UserError, match=r"1 of 3 files are not what their records give: .*table\.md"):
        run(VerifySettings(folder=str(tmp_path)))
    assert "table.md: its records give another file (sha256 " in capsys.readouterr().out
    with pytest.raises(UserError, match="holds no results"):
        run(VerifySettings(folder=str(tmp_path / "nothing")))
