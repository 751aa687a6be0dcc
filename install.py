"""Makes the virtual environment in .venv, for CPU or GPU (GPU=1, GPU=0); standard library only. Run by `make`.

Safe to run again: nothing happens when the environment is up to date, and a half-made one is completed.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TORCH = "2.13.0"
PYTHONS = ((3, 11), (3, 13))
DRIVER = 580  # the first NVIDIA driver for the CUDA 13 that torch's wheels are built for
HOOK = ROOT / "environment" / "torchvision_hook.py"
HOOK_MODULE = "percept_torchvision_hook"
# vLLM's CPU build asks for these, which the package index only has for CUDA: beside a CPU torch their import dies,
# and transformers imports them wherever it finds them. Neither is needed for text and pictures.
UNUSABLE_ON_CPU = ("torchaudio", "torchcodec")
STARTED = time.monotonic()

NO_CPU_TORCH = (
    f"pip finds no torch=={TORCH}+cpu: set PIP_EXTRA_INDEX_URL to the address of PyTorch's own CPU wheel index, "
    "which the install selector on pytorch.org shows for Linux, Pip, CPU, and run make again"
)


class InstallError(Exception):
    """The environment cannot be made; the message says what to do."""


def step(text: str) -> None:
    """Print a step with the seconds since the start."""
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", flush=True)


def fingerprint() -> str:
    """Hash of everything that decides what the environment holds."""
    content = b"".join(path.read_bytes() for path in (ROOT / "pyproject.toml", Path(__file__), HOOK))
    return hashlib.sha256(content).hexdigest()


def stamp_of(venv: Path) -> Path:
    """Return the file that says that an environment is complete."""
    return venv / ".ready"


def write_stamp(venv: Path) -> None:
    """Mark an environment as complete for the present fingerprint."""
    stamp_of(venv).write_text(fingerprint() + "\n")


def is_ready(venv: Path) -> bool:
    """Return whether an environment is complete and up to date."""
    stamp = stamp_of(venv)
    return stamp.exists() and stamp.read_text().strip() == fingerprint()


def python_of(venv: Path) -> Path:
    """Return the interpreter of an environment."""
    return venv / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def kind_of(venv: Path) -> str:
    """Return what an environment was begun for, cpu or gpu; empty where there is none."""
    kind = venv / ".kind"
    return kind.read_text().strip() if kind.exists() else ""


def wanted_kind(venv: Path) -> str:
    """Return what GPU= asks for, else what is there already, else what this machine has.

    The machine where make runs may be a login node without a GPU, so its own answer counts last.
    """
    asked = os.environ.get("GPU", "")
    if asked not in ("", "0", "1"):
        raise InstallError(f"GPU={asked} is neither 1 (an environment for GPUs) nor 0 (for CPUs)")
    return {"1": "gpu", "0": "cpu"}.get(asked) or kind_of(venv) or ("gpu" if has_gpu() else "cpu")


def make_venv(venv: Path, kind: str) -> None:
    """Create the environment, or anew where it is of another kind or its interpreter or pip does not work."""
    low, high = PYTHONS
    check = f"import pip, sys; sys.exit(not {low} <= sys.version_info < {high})"
    # pip would keep the other kind's torch, whose version satisfies the pin.
    works = kind_of(venv) in ("", kind) and python_of(venv).exists()
    works = works and subprocess.run([str(python_of(venv)), "-c", check]).returncode == 0
    if works:
        step(f"using {venv.name}")
        return
    step(f"creating {venv.name}")
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)])
    if done.returncode:
        raise InstallError("python could not make a virtual environment: install its venv package and run make again")


def has_gpu() -> bool:
    """Return whether an NVIDIA driver answers and sees a GPU."""
    if shutil.which("nvidia-smi") is None:
        return False
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    return done.returncode == 0 and "GPU" in done.stdout


def pip_install(venv: Path, *arguments: str, if_not_found: str) -> None:
    """Run pip; its progress stays visible, its errors are read to tell a missing version from other failures."""
    command = [str(python_of(venv)), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return
    print(done.stderr, file=sys.stderr, end="")
    if "No matching distribution found" in done.stderr:
        raise InstallError(if_not_found)
    raise InstallError("pip failed as shown above: once its cause is gone (network, disk space), run make again")


def install_packages(venv: Path, gpu: bool) -> None:
    """Install torch for this machine, then everything that pyproject.toml pins."""
    if not gpu:
        # The explicit local version keeps pip from taking a CUDA build of several gigabytes.
        torch = f"torch=={TORCH}+cpu" if sys.platform == "linux" else f"torch=={TORCH}"
        step(f"installing {torch}")
        pip_install(venv, torch, if_not_found=NO_CPU_TORCH)
    extra = "gpu" if gpu else "cpu"
    step(f"installing percept[{extra},dev] and what it needs")
    missing = (
        "a pinned version above is not on the package index that pip is set to: check the index and run make again"
    )
    pip_install(venv, "-e", f".[{extra},dev]", if_not_found=missing)


def drop_unusable(venv: Path) -> None:
    """Take out the packages that cannot be imported without CUDA."""
    step(f"removing {' and '.join(UNUSABLE_ON_CPU)}, which have no CPU build here")
    command = [str(python_of(venv)), "-m", "pip", "uninstall", "-y", "-q", "--disable-pip-version-check"]
    subprocess.run([*command, *UNUSABLE_ON_CPU], check=True)


def install_hook(venv: Path) -> None:
    """Copy the torchvision hook into an environment and load it at the start of its interpreters."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([str(python_of(venv)), "-c", code], capture_output=True, text=True, check=True)
    packages = Path(done.stdout.strip())
    shutil.copyfile(HOOK, packages / f"{HOOK_MODULE}.py")
    (packages / f"{HOOK_MODULE}.pth").write_text(f"import {HOOK_MODULE}\n")


def check_gpu(venv: Path) -> None:
    """Refuse an environment for GPUs whose torch does not see this machine's; a login node has none to check."""
    if not has_gpu():
        step("no GPU here: whether torch sees those of the machines that train is checked when a run starts")
        return
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([str(python_of(venv)), "-c", code]).returncode:
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True).stdout.split("\n")[0].strip() or "unknown"
        raise InstallError(
            f"torch {TORCH} does not see the GPU with driver {driver}: it is built for CUDA 13, which needs driver "
            f"{DRIVER} or newer; update it and run make again, or run make install GPU=0"
        )


def check_imports(venv: Path) -> None:
    """Import what breaks first when the parts of an environment do not fit."""
    step("checking that torch, torchvision, transformers, DeepSpeed and vLLM work together")
    code = (
        "import torch, torchvision, deepspeed; from transformers import Qwen3VLProcessor; from vllm import LLM; "
        "print(torch.__version__)"
    )
    if subprocess.run([str(python_of(venv)), "-c", code]).returncode:
        raise InstallError("the environment is installed but does not import: remove .venv and run make again")


def install(venv: Path) -> None:
    """Bring an environment up to date."""
    kind = wanted_kind(venv)
    if is_ready(venv) and kind_of(venv) in ("", kind):
        stamp_of(venv).touch()  # make compares times, not content
        step(f"{venv.name} is up to date")
        return
    stamp_of(venv).unlink(missing_ok=True)
    make_venv(venv, kind)
    (venv / ".kind").write_text(kind + "\n")
    install_packages(venv, kind == "gpu")
    if kind == "gpu":
        check_gpu(venv)
    else:
        drop_unusable(venv)
        install_hook(venv)
    check_imports(venv)
    write_stamp(venv)
    step(f"{venv.name} is ready for {kind.upper()}")


def main() -> int:
    """Install into .venv; the exit status is 2 when a person has to act."""
    low, high = PYTHONS
    if not low <= sys.version_info[:2] < high:
        print(
            f"error: Python {platform.python_version()} does not fit; "
            "run make again with BOOTSTRAP=python3.11 or python3.12",
            file=sys.stderr,
        )
        return 2
    try:
        install(VENV)
    except InstallError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted; run make again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
