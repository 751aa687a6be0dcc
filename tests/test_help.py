"""Every command answers --help at once: it neither loads PyTorch, which alone takes longer, nor begins its work."""

import subprocess
import sys

import pytest

from configs.compose import ROOT

FOLDERS = ("analysis", "data", "eval", "models", "notebooks", "train", "verify")
NO_COMMANDS = {"eval.worker", "train.pages", "verify.worker"}  # parts of other commands, and a writer of pages
ASK_ALL = """
import contextlib, io, runpy, sys
for name in sys.argv[1:]:
    sys.argv, said = [name, "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        assert not end.code, name
    assert said.getvalue().strip(), f"{name} says nothing"
    assert "torch" not in sys.modules, f"{name} loads torch"
"""


def runnable(folder: str) -> dict[str, str]:
    """Return the source of every module of a folder that can be run, by name."""
    found = {}
    for path in sorted((ROOT.parent / folder).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if 'if __name__ == "__main__":' in text:
            name = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
            found[name.removesuffix(".__main__")] = text
    return found


@pytest.mark.slow
def test_no_command_loads_torch_for_its_help() -> None:
    names = [name for folder in FOLDERS for name in runnable(folder) if name not in NO_COMMANDS]
    assert {"train", "eval", "analysis.judge.labelling", "models.tiny.teach"} <= set(names)
    done = subprocess.run([sys.executable, "-c", ASK_ALL, *names], cwd=ROOT.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_bench_reads_its_command_line() -> None:
    """One that does not measures for minutes when it is asked for help, and overwrites its record."""
    deaf = [name for name, text in runnable("bench").items() if "command(" not in text and ".parse_args(" not in text]
    assert deaf == ["bench.gpu_check.kernels"]  # a process that bench.gpu_check starts
