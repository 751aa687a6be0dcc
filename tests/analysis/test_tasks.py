"""The tasks of `python -m analysis`: what each takes, and what is refused before anything is read."""

import re
import sys

import pytest

from analysis.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["reports"], "no analysis task 'reports'; did you mean 'report'?"),
        (["table", "runs=a,b"], "'runs'"),
        (["task=demo", "runs=a,b"], "'runs'"),
        (["report", "samples=-1"], "samples is -1; it must lie in [0, inf)"),
        (["report", "patches=-1"], "patches is -1; it must lie in [0, inf)"),
        (["demo", "patch_grid=0"], "patch_grid is 0; it must lie in [1, inf)"),
        (["scale=4b"], "the table has no scale=4b; it has mini,"),
        (["report", "table=99"], "there is no table=99; did you mean '9'?"),
        (["seeds=0"], "seeds is 0; it must lie in [1, inf)"),
        (["plan=true", "eval=[itmes=5]"], "itmes"),
        (["errors", "table=figure12"], "is made by python -m analysis table=figure12"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments, sentence, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and sentence in said


def test_a_scale_is_refused_before_the_outputs_are_loaded(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "analysis.outputs", None)  # an import of it fails
    assert main(["scale=4b"]) == 2 and "no scale=4b" in capsys.readouterr().err
    assert main(["methods=[papo_x]"]) == 2 and "no row papo_x" in capsys.readouterr().err
    assert main(["report", "runs=runs/none,runs/nor_this"]) == 2
    assert "there is no folder runs/none;" in capsys.readouterr().err
    step = tmp_path / "step_000010.parquet"
    step.touch()
    for there in (["scale=mini"], ["report"], ["report", f"runs={tmp_path}, {step}"]):
        with pytest.raises(ImportError):
            main(there)


@pytest.mark.parametrize(("word", "part"), [("claims", "claims"), ("verify-results", "verify_results")])
def test_a_part_of_the_room_answers_to_its_bare_name(word, part, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["analysis"])
    with pytest.raises(SystemExit) as end:
        main([word, "--help"])
    assert end.value.code == 0 and f"python -m analysis.{part}" in capsys.readouterr().out


def test_a_task_shows_its_own_settings_and_the_table_is_the_task_without_a_name(capsys):
    shown = {}
    for words in (["report"], ["task=demo"], ["errors"], []):
        assert main([*words, "--help"]) == 0
        shown["".join(words)] = re.findall(r"^  (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert {"runs", "samples", "table"} <= {*shown["report"]} and "runs" not in shown["task=demo"]
    assert {"slurm", "jobs", "out"} <= {*shown[""]} and not {"samples", "runs"} & {*shown[""]}
    assert not {"out", "slurm", "patches"} & {*shown["errors"]} and "table" in shown["errors"]
