"""The install script and the torchvision hook, without installing anything."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import install


def load_hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The hook as a module; what it adds to sys.meta_path goes away after the test."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    spec = importlib.util.spec_from_file_location("hook_under_test", install.HOOK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared_by_hook(monkeypatch: pytest.MonkeyPatch, cuda: bool, present: dict[str, object]) -> list[str]:
    """Names that the hook declares for a torch with the given build and operators."""
    declared: list[str] = []
    torch = SimpleNamespace(
        backends=SimpleNamespace(cuda=SimpleNamespace(is_built=lambda: cuda)),
        ops=SimpleNamespace(torchvision=SimpleNamespace(**present)),
        library=SimpleNamespace(define=lambda name, signature: declared.append(name)),
    )
    monkeypatch.setitem(sys.modules, "torch", torch)  # type: ignore[arg-type]
    load_hook(monkeypatch).declare_missing_operators()
    return declared


def test_hook_declares_only_what_is_missing_and_only_without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    assert declared_by_hook(monkeypatch, False, {}) == ["torchvision::nms", "torchvision::qnms"]
    assert declared_by_hook(monkeypatch, False, {"nms": 1, "qnms": 1}) == []
    assert declared_by_hook(monkeypatch, False, {"nms": 1}) == ["torchvision::qnms"]
    assert declared_by_hook(monkeypatch, True, {}) == []


def test_hook_touches_one_module_only(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = load_hook(monkeypatch)
    assert hook.ExtensionFinder.find_spec("torchvision") is None
    assert hook.ExtensionFinder.find_spec("torch") is None


@pytest.mark.slow
def test_hook_imports_no_torch_at_start_and_makes_torchvision_importable() -> None:
    program = (
        f"import runpy, sys; sys.meta_path[:] = [f for f in sys.meta_path if 'Extension' not in str(f)]\n"
        f"runpy.run_path({str(install.HOOK)!r})\n"
        "assert 'torch' not in sys.modules\n"
        "import torchvision, importlib; importlib.reload(torchvision.extension)\n"
        "from transformers import Qwen3VLProcessor"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


class Calls:
    """Stands in for subprocess.run: keeps every command, answers with a status and an error text."""

    def __init__(self, status: int = 0, stderr: str = "") -> None:
        self.commands: list[list[str]] = []
        self.status = status
        self.stderr = stderr

    def __call__(self, command: list[str], **kwargs: object) -> SimpleNamespace:
        self.commands.append(command)
        return SimpleNamespace(returncode=self.status, stderr=self.stderr, stdout="")


@pytest.fixture
def venv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like an environment without packages, on Linux without a GPU."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.delenv("GPU", raising=False)
    monkeypatch.setattr(install, "has_gpu", lambda: False)
    monkeypatch.setattr(install, "install_hook", lambda venv: None)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path / ".venv"


def test_install_takes_cpu_torch_first_and_stamps_at_the_end(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    monkeypatch.setattr(install.subprocess, "run", calls)
    install.install(venv)
    assert [command[-1] for command in calls.commands[1:3]] == ["torch==2.13.0+cpu", ".[cpu,dev]"]
    assert install.is_ready(venv)
    calls.commands.clear()
    install.install(venv)
    assert calls.commands == []


def test_install_with_a_gpu_takes_the_gpu_extra_alone(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls()
    monkeypatch.setattr(install.subprocess, "run", calls)
    monkeypatch.setattr(install, "has_gpu", lambda: True)
    install.install(venv)
    assert [command[-1] for command in calls.commands if "pip" in command] == [".[gpu,dev]"]


def test_an_environment_is_for_gpus_where_asked_although_a_login_node_has_none(venv: Path, monkeypatch) -> None:
    calls = Calls()
    monkeypatch.setattr(install.subprocess, "run", calls)
    install.install(venv)  # made for CPUs
    monkeypatch.setenv("GPU", "1")
    calls.commands.clear()
    install.install(venv)
    assert calls.commands[0][1:4] == ["-m", "venv", "--clear"]  # pip would keep the CPU's torch
    assert [command[-1] for command in calls.commands if "pip" in command] == [".[gpu,dev]"]
    monkeypatch.delenv("GPU")
    calls.commands.clear()
    install.install(venv)  # stays what it is
    assert calls.commands == [] and install.kind_of(venv) == "gpu"
    monkeypatch.setenv("GPU", "yes")
    with pytest.raises(install.InstallError, match="GPU=yes is neither 1"):
        install.install(venv)


def test_a_driver_too_old_for_torch_is_named(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **kwargs: object) -> SimpleNamespace:
        return SimpleNamespace(returncode=int("is_available" in command[-1]), stdout="535.1\n", stderr="")

    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "has_gpu", lambda: True)
    with pytest.raises(install.InstallError, match=r"driver 535\.1: .* needs driver 580 or newer"):
        install.install(venv)
    assert not install.is_ready(venv)


def test_a_changed_pin_or_a_broken_install_is_not_ready(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not install.is_ready(venv)
    install.write_stamp(venv)
    assert install.is_ready(venv)
    install.stamp_of(venv).write_text("hash of other pins\n")
    monkeypatch.setattr(install.subprocess, "run", Calls(status=1, stderr="ERROR: connection lost\n"))
    with pytest.raises(install.InstallError):
        install.install(venv)
    assert not install.stamp_of(venv).exists()


def test_pip_failures_say_what_to_do(venv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install, "make_venv", lambda venv, kind: None)
    missing = Calls(status=1, stderr="ERROR: No matching distribution found for torch==2.13.0+cpu\n")
    monkeypatch.setattr(install.subprocess, "run", missing)
    with pytest.raises(install.InstallError, match="set PIP_EXTRA_INDEX_URL"):
        install.install(venv)
    monkeypatch.setattr(install.subprocess, "run", Calls(status=1, stderr="ERROR: disk full\n"))
    with pytest.raises(install.InstallError, match="run make again"):
        install.install(venv)


def test_a_driver_that_does_not_answer_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install.shutil, "which", lambda name: "nvidia-smi")
    monkeypatch.setattr(install.subprocess, "run", Calls(status=9))
    assert not install.has_gpu()
    monkeypatch.setattr(install.shutil, "which", lambda name: None)
    assert not install.has_gpu()


def test_an_unfit_python_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert install.main() == 2
    assert capsys.readouterr().err.count("\n") == 1
