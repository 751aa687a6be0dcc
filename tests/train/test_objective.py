"""`python -m train.objective`: the objective on fixed tensors, from outside."""

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from configs import UserError, compose
from train.objective import ObjectiveCommand, run


def fixed_tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    logp = -torch.rand(4, 5, generator=draw)
    mask = torch.ones(4, 5)
    mask[2, 3:] = 0
    return {
        "logp": logp, "old_logp": logp - 0.01, "ref_logp": logp - 0.2 * torch.rand(4, 5, generator=draw),
        "logp_masked": logp - torch.rand(4, 5, generator=draw), "mask": mask,
        "reward": torch.tensor([1.0, 0.1, 0.1, 1.0]), "group": torch.tensor([0, 0, 1, 1]),
    }  # fmt: skip


def worked_out(t: dict[str, torch.Tensor], gamma: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The objective written down once more, as one formula, for the case in which nothing is clipped."""
    logp = t["logp"].clone().requires_grad_()
    advantage = torch.tensor([1.0, -1.0, -1.0, 1.0]) * (0.45 / (0.9 / 2**0.5 + 1e-6))
    ratio = (logp - t["old_logp"]).exp()
    reference, masked = t["ref_logp"] - logp, t["logp_masked"] - logp
    token = -advantage[:, None] * ratio + 0.01 * (reference.exp() - reference - 1)
    token = token - gamma * (masked.exp() - masked - 1)
    loss = (token * t["mask"]).sum() / t["mask"].sum()
    loss.backward()
    return loss.detach(), logp.grad


@pytest.mark.parametrize(("method", "gamma"), [("grpo", 0.0), ("papo_g", 0.02)])
def test_a_method_on_fixed_tensors_gives_the_formulas_loss_and_gradient(tmp_path, method, gamma):
    tensors = fixed_tensors()
    save_file(tensors, tmp_path / "in.safetensors")
    run(compose(ObjectiveCommand, [f"method={method}", f"tensors={tmp_path}/in.safetensors", f"out={tmp_path}/o.st"]))
    out = load_file(tmp_path / "o.st")
    loss, gradient = worked_out(tensors, gamma)
    torch.testing.assert_close(out["loss"], loss, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(out["grad_logp"], gradient, atol=1e-7, rtol=1e-5)
    assert out["grad_logp_masked"].abs().max() == 0  # PAPO as released: the masked branch is frozen
    assert out["weights"].shape == (4, 5) and out["advantage"].shape == (4,)


def test_the_command_names_missing_tensors(tmp_path):
    tensors = fixed_tensors()
    tensors.pop("logp_masked")
    save_file(tensors, tmp_path / "in.safetensors")
    command = ["-m", "train.objective", "method=papo_g", f"tensors={tmp_path}/in.safetensors", f"out={tmp_path}/o.st"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 2 and "lacks logp_masked" in done.stderr and not (tmp_path / "o.st").exists()


def test_no_such_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        run(compose(ObjectiveCommand, ["tensors=nowhere.safetensors", f"out={tmp_path}/o.st"]))
