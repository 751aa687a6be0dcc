"""The command line that all rooms share."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from common import UserError
from configs import command, setting


@dataclass
class Schema:
    cases: str = setting(help="file of cases")
    out: str | None = setting(None, "where rows go")
    seed: int = setting(1, "seed of every draw")


def call(tmp_path: Path, *argv: str, run: object = None) -> int:
    return command(
        Schema,
        run or (lambda settings: None),  # type: ignore[arg-type]
        argv,
        prog="python -m verify",
        summary="Grade answers.",
        positional=["cases"],
        options={"-o": "out"},
        root=tmp_path,
    )


def test_help_lists_settings_with_type_default_and_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path, "--help") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Grade answers.\n\nusage: python -m verify cases [-o out] [key=value ...]\n")
    assert "  cases    str (default required)  file of cases\n" in shown
    assert "  seed     int (default 1)  seed of every draw\n" in shown
    assert "  dry_run  bool (default false)  print the resolved settings and" in shown


def test_dry_run_prints_resolved_settings_and_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(settings: Schema) -> None:
        raise AssertionError("ran")

    assert call(tmp_path, "cases.jsonl", "-o", "b.jsonl", "seed=4", "dry_run=true", run=run) == 0
    assert capsys.readouterr().out == "cases: cases.jsonl\nout: b.jsonl\nseed: 4\n"


def test_the_runner_gets_the_settings_and_gives_the_status(tmp_path: Path) -> None:
    seen = []
    assert call(tmp_path, "a.jsonl", run=seen.append) == 0
    assert seen == [Schema(cases="a.jsonl")]
    assert call(tmp_path, "a.jsonl", run=lambda settings: 3) == 3
    assert call(tmp_path, "seed=1", "cases=a", "dry_run=false", run="builtins:bool") == 1


def test_mistakes_become_one_sentence_and_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(settings: Schema) -> None:
        raise UserError("the file is empty; give one with rows")

    def interrupt(settings: Schema) -> None:
        raise KeyboardInterrupt

    assert call(tmp_path, "a.jsonl", "sede=3") == 2
    assert capsys.readouterr().err == "error: unknown setting 'sede' on the command line; did you mean 'seed'?\n"
    assert call(tmp_path, "a.jsonl", run=refuse) == 2
    assert capsys.readouterr().err == "error: the file is empty; give one with rows\n"
    assert call(tmp_path, "a.jsonl", "dry_run=yes") == 2
    assert capsys.readouterr().err.startswith("error: dry_run=yes is neither true nor false; give dry_run=true")
    assert call(tmp_path, "a.jsonl", "-o") == 2
    assert capsys.readouterr().err == "error: -o needs a value, for example -o out\n"
    assert call(tmp_path, "a.jsonl", run=interrupt) == 130
    assert capsys.readouterr().err == "python -m verify was stopped by the keyboard\n"


@pytest.mark.slow
def test_help_imports_neither_torch_nor_omegaconf() -> None:
    program = (
        "import sys; from configs import command, Run\n"
        "command(Run, 'torch:compile', ['--help'], prog='p', summary='s')\n"
        "print({'torch', 'omegaconf', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\nset()\n")


@pytest.mark.slow
def test_a_reader_that_has_enough_ends_the_command_without_a_word() -> None:
    program = (
        "import sys; from dataclasses import make_dataclass; from configs import command\n"
        "say = lambda settings: print('x' * 10_000_000)\n"
        "sys.exit(command(make_dataclass('Empty', []), say, sys.argv[1:], prog='p', summary='s' * 10_000_000))"
    )
    for argument in ("--help", "dry_run=false"):
        with subprocess.Popen(
            [sys.executable, "-c", program, argument], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as asked:
            assert asked.stdout and asked.stderr
            asked.stdout.read(1)
            asked.stdout.close()
            assert asked.stderr.read() == b"" and asked.wait() == 141


@pytest.mark.parametrize("place", ["/proc/x", "file/below"])
def test_output_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    (tmp_path / "file").touch()

    def write(settings: Schema) -> None:
        (tmp_path / place).mkdir(parents=True)

    assert call(tmp_path, "a.jsonl", run=write) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and str(tmp_path / place) in error
