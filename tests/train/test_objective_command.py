"""`python -m train.objective`: the objective on fixed tensors, from outside."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from common import UserError
from configs import compose
from tests.train.test_recipes import METHODS
from train.needs import needs_of
from train.objective_command import ObjectiveCommand
from train.objective_tensors import objective, run, wanted_tensors
from train.tensor_file import is_per_response, read_tensors


def fixed_tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    logp = -torch.rand(4, 5, generator=draw)
    mask = torch.ones(4, 5)
    mask[2, 3:] = 0
    return {
        "logp": logp,
        "old_logp": logp - 0.01,
        "ref_logp": logp - 0.2 * torch.rand(4, 5, generator=draw),
        "logp_masked": logp - torch.rand(4, 5, generator=draw),
        "mask": mask,
        "reward": torch.tensor([1.0, 0.1, 0.1, 1.0]),
        "group": torch.tensor([0, 0, 1, 1]),
    }


def run_on(tensors: dict[str, torch.Tensor], folder: Path, *options: str) -> dict[str, torch.Tensor]:
    """What the command writes for these tensors."""
    save_file(tensors, folder / "in.safetensors")
    run(compose(ObjectiveCommand, [*options, f"tensors={folder}/in.safetensors", f"out={folder}/o.st"]))
    return load_file(folder / "o.st")


def worked_out(
    t: dict[str, torch.Tensor], *, beta: float, gamma: float, eta: float, masked_eta: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The objective written down once more, as one formula, for the case in which nothing is clipped."""
    logp = t["logp"].clone().requires_grad_()
    advantage = torch.tensor([1.0, -1.0, -1.0, 1.0]) * (0.45 / (0.9 / 2**0.5 + 1e-6))
    ratio = (logp - t["old_logp"]).exp()
    reference, masked = t["ref_logp"] - logp, t["logp_masked"] - logp
    token = -advantage[:, None] * ratio + beta * (reference.exp() - reference - 1)
    token = token - gamma * (masked.exp() - masked - 1) - eta * logp - masked_eta * t["logp_masked"]
    loss = (token * t["mask"]).sum() / t["mask"].sum()
    loss.backward()
    return loss.detach(), logp.grad


@pytest.mark.parametrize(
    ("options", "coefficients"),
    [
        (["method=grpo"], (0.01, 0.0, 0.0, 0.0)),
        (["method=papo_g"], (0.01, 0.02, 0.0, 0.0)),
        (["method=papo_g", "scale=7b"], (0.01, 0.02, 0.05, 0.05)),
        (["method=papo_g_no_kl"], (0.0, 0.01, 0.03, 0.03)),
        (["method=dapo"], (0.0, 0.0, 0.0, 0.0)),
        (["method=papo_d"], (0.0, 0.01, 0.03, 0.03)),
        (["method=grpo_7b_as_released", "scale=7b"], (0.01, 0.01, 0.0, 0.0)),
        (["method=papo_g_2b_as_released", "scale=2b"], (0.01, 0.0, 0.0, 0.0)),
    ],
)
def test_a_method_on_fixed_tensors_gives_the_formulas_loss_and_gradient(tmp_path, options, coefficients):
    tensors = fixed_tensors()
    out = run_on(tensors, tmp_path, *options)
    names = ("beta", "gamma", "eta", "masked_eta")
    loss, gradient = worked_out(tensors, **dict(zip(names, coefficients, strict=True)))
    torch.testing.assert_close(out["loss"], loss, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(out["grad_logp"], gradient, atol=1e-7, rtol=1e-5)
    assert out["grad_logp_masked"].abs().max() == 0  # PAPO as released: the masked branch is frozen
    assert torch.equal(out["weights"], tensors["mask"])
    expected = torch.tensor([1.0, -1.0, -1.0, 1.0]) * (0.45 / (0.9 / 2**0.5 + 1e-6))
    torch.testing.assert_close(out["advantage"], expected)
    torch.testing.assert_close(out["advantage_tokens"], expected[:, None] * tensors["mask"])


def whatever_a_method_asks_for(method: str) -> dict[str, torch.Tensor]:
    """The fixed tensors and, beside them, random ones for every further name."""
    settings = compose(ObjectiveCommand, [f"method={method}", "teacher=tiny"])
    given, draw = fixed_tensors(), torch.Generator().manual_seed(2)
    for name in wanted_tensors(settings, needs_of(settings)):
        if name not in given:
            value = torch.rand(4 if is_per_response(name) else (4, 5), generator=draw)
            given[name] = -value if "logp" in name else value.round() if name.startswith("mark_") else value
    return given


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_on_the_command_line(tmp_path, method):
    out = run_on(whatever_a_method_asks_for(method), tmp_path, f"method={method}", "teacher=tiny")
    learns = [name for name in out if name == "grad_logp" or name.startswith(("grad_kl_", "grad_jsd_"))]
    assert torch.isfinite(out["loss"]) and all(torch.isfinite(out[name]).all() for name in learns)
    assert any(out[name].abs().max() > 0 for name in learns) and out["advantage"].shape == (4,)
    frozen = method != "papo_g_both"
    assert (out["grad_logp_masked"].abs().max() == 0) == frozen


@pytest.mark.parametrize("method", ["cppo", "roma", "rapo"])
def test_weights_are_those_of_the_clipped_loss_and_not_of_another_term(tmp_path, method):
    given = whatever_a_method_asks_for(method)
    out = run_on(given, tmp_path, f"method={method}")
    assert torch.equal(out["weights"], given["mask"]) and any(name.startswith("weights/") for name in out)


def test_averages_reach_the_command_line(tmp_path):
    tensors = fixed_tensors() | {"mask": torch.tensor([[1.0, 0, 0, 0, 0]] * 2 + [[1.0] * 5] * 2)}
    term = -run_on(tensors, tmp_path, "method=dapo")["advantage_tokens"] * torch.tensor(0.01).exp()
    for average, expected in {
        "token": term.sum() / 12,
        "four": term.sum() / 12,
        "response": (term.sum(1) / torch.tensor([1.0, 1, 5, 5])).mean(),
        "constant": term.sum() / (4 * 2048),
    }.items():
        out = run_on(tensors, tmp_path, "method=dapo", f"losses.average={average}")
        torch.testing.assert_close(out["loss"], expected, atol=1e-7, rtol=1e-5)


def test_what_a_setting_asks_for_is_read(tmp_path):
    tensors = fixed_tensors() | {
        "engine_logp": fixed_tensors()["old_logp"] - 0.1,
        "entropy": torch.rand(4, 5),
        "accuracy": torch.tensor([1.0, 0.0, 0.0, 1.0]),
    }
    options = [
        "losses.ppo.importance_cap=2",
        "losses.entropy.kind=full",
        "losses.entropy.coef=0.5",
        "losses.nll.coef=0.1",
    ]
    out = run_on(tensors, tmp_path, "method=grpo", *options)
    torch.testing.assert_close(out["grad_entropy"], 0.5 * tensors["mask"] / 18)
    torch.testing.assert_close(out["weights"] * tensors["mask"], torch.tensor(0.1).exp() * tensors["mask"])
    assert {"actor/nll_loss", "actor/importance_weight", "loss/nll", "actor/logp_masked"} <= out.keys()
    for name in ("engine_logp", "entropy", "accuracy"):
        with pytest.raises(UserError, match=f"lacks {name}, which method grpo asks for"):
            run_on({n: v for n, v in tensors.items() if n != name}, tmp_path, "method=grpo", *options)


def test_kl_in_the_reward_is_part_of_the_advantage(tmp_path):
    tensors = fixed_tensors()
    out = run_on(tensors, tmp_path, "method=rloo", "losses.reference_kl.coef=0.5")
    kl_N = ((tensors["old_logp"] - tensors["ref_logp"]) * tensors["mask"]).sum(1)
    shaped = tensors["reward"] - 0.5 * kl_N
    torch.testing.assert_close(out["advantage"], shaped - shaped[[1, 0, 3, 2]])  # minus the other one of each group
    tokens = run_on(tensors, tmp_path, "method=reinforce_pp")["advantage_tokens"][tensors["mask"] > 0]
    assert tokens.mean().abs() < 1e-6 and tokens.std() == pytest.approx(1, rel=1e-5)


def test_dapos_filter_leaves_uniform_groups_out(tmp_path):
    tensors = fixed_tensors() | {"accuracy": torch.tensor([1.0, 0.0, 1.0, 1.0])}
    out = run_on(tensors, tmp_path, "method=dapo")
    kept = {name: value[:2].contiguous() for name, value in tensors.items()}
    (tmp_path / "kept").mkdir()
    alone = run_on(kept, tmp_path / "kept", "method=dapo")
    assert out["grad_logp"][2:].abs().max() == 0 and out["weights"][2:].abs().max() == 0
    torch.testing.assert_close(out["loss"], alone["loss"])
    torch.testing.assert_close(out["grad_logp"][:2], alone["grad_logp"])
    torch.testing.assert_close(out["actor/entropy_loss"], alone["actor/entropy_loss"])
    with pytest.raises(UserError, match=r"every group's mean accuracy lies outside \(0.01, 0.99\)"):
        run_on(tensors | {"accuracy": torch.ones(4)}, tmp_path, "method=dapo")


def test_padding_may_hold_anything(tmp_path):
    clean, dirty = fixed_tensors(), fixed_tensors()
    for name in ("logp", "old_logp", "ref_logp", "logp_masked"):
        dirty[name][2, 3:] = float("nan")
    for (name, value), other in zip(
        sorted(run_on(clean, tmp_path, "method=papo_g").items()),
        [value for _, value in sorted(run_on(dirty, tmp_path, "method=papo_g").items())],
        strict=True,
    ):
        torch.testing.assert_close(value, other, msg=name)


def test_double_precision_is_kept():
    settings = compose(ObjectiveCommand, ["method=papo_g"])
    given = {n: v.double() if v.is_floating_point() else v for n, v in fixed_tensors().items()}
    given |= {"prompt": given["group"], "role": torch.zeros(4, dtype=torch.long)}
    out = objective(settings, given)
    assert out["loss"].dtype == out["grad_logp"].dtype == torch.float64


@pytest.mark.slow
def test_the_command_names_missing_tensors(tmp_path):
    tensors = fixed_tensors()
    tensors.pop("logp_masked")
    save_file(tensors, tmp_path / "in.safetensors")
    command = ["-m", "train.objective", "method=papo_g", f"tensors={tmp_path}/in.safetensors", f"out={tmp_path}/o.st"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    assert done.returncode == 2 and "lacks logp_masked" in done.stderr and not (tmp_path / "o.st").exists()


@pytest.mark.slow
def test_help_and_settings_do_not_load_torch():
    code = "import sys, train.objective_command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_command_says_which_estimators_there_are():
    with pytest.raises(UserError, match=r"grpo \| drgrpo \| rloo"):
        compose(ObjectiveCommand, ["advantage.kind=gae"])


def test_no_such_file_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        run(compose(ObjectiveCommand, ["tensors=nowhere.safetensors", f"out={tmp_path}/o.st"]))


@pytest.mark.parametrize(
    ("change", "said"),
    [({"reward": torch.zeros(3)}, r"reward .* has shape \[3\]"), ({"mask": torch.ones(4, 6)}, r"mask .* \[4, 5\]")],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, change, said):
    save_file(fixed_tensors() | change, tmp_path / "in.safetensors")
    with pytest.raises(UserError, match=said):
        read_tensors(tmp_path / "in.safetensors", [], "grpo")


def test_a_file_of_another_kind_is_a_sentence(tmp_path):
    (tmp_path / "in.safetensors").write_text("no tensors")
    with pytest.raises(UserError, match="is not a safetensors file"):
        read_tensors(tmp_path / "in.safetensors", [], "grpo")


NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "row", "value", "words"),
    [
        ("old_logp", 2, NAN, ["old_logp", "row 2", "finite"]),
        ("logp_masked", 1, -float("inf"), ["logp_masked", "row 1", "finite"]),
        ("reward", 3, NAN, ["reward", "row 3", "finite"]),
        ("mask", 0, 0.5, ["mask", "row 0"]),
        ("mask", 0, NAN, ["mask", "row 0"]),
        ("logp", 1, 0.25, ["logp", "row 1", "above 0"]),
    ],
)
def test_values_that_no_run_could_produce_are_refused_by_tensor_and_row(tmp_path, name, row, value, words):
    tensors = fixed_tensors()
    tensors[name][row] = value
    with pytest.raises(UserError) as caught:
        run_on(tensors, tmp_path, "method=papo_g")
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("grpo", "logp"),
        ("grpo", "old_logp"),
        ("vepo", "entropy"),
        ("vepo", "old_entropy"),
        ("roma", "logp_blurred"),
        ("roma", "old_logp_blurred"),
        ("papo_g_both", "logp_masked"),
    ],
)
def test_no_tensor_stands_in_for_one_that_learns(tmp_path, method, name):
    given = whatever_a_method_asks_for(method) | {"old_logp_masked": fixed_tensors()["logp_masked"]}
    del given[name]
    with pytest.raises(UserError, match=f"lacks {name}, which method {method} asks for"):
        run_on(given, tmp_path, f"method={method}")


def test_a_score_from_before_the_step_may_be_named_with_or_without_old(tmp_path):
    given = whatever_a_method_asks_for("cppo")
    wanted = run_on(given, tmp_path, "method=cppo")
    found = run_on(given | {"entropy": given.pop("old_entropy")}, tmp_path, "method=cppo")
    assert torch.equal(found["loss"], wanted["loss"]) and torch.equal(found["grad_logp"], wanted["grad_logp"])


def test_a_misspelt_tensor_is_refused_and_not_taken_for_a_missing_one(tmp_path):
    tensors = fixed_tensors() | {"acuracy": torch.ones(4)}
    with pytest.raises(UserError, match="acuracy, which no method reads; did you mean 'accuracy'"):
        run_on(tensors, tmp_path, "method=dapo")


WHOLE = torch.tensor([0, 0, 1, 1])
REFUSED = {
    "whole log-probs": ("papo_g", {"logp": -torch.ones(4, 5, dtype=torch.long)}, "logp .* torch.int64"),
    "half a group": ("grpo", {"group": torch.tensor([0.0, 0.0, 0.5, 0.5])}, "group .* whole number in row 2"),
    "half a role": ("grpo", {"role": torch.tensor([0.0, 0.0, 0.5, 0.5])}, "role .* whole number in row 2"),
    "role below 0": ("grpo", {"role": WHOLE - 1}, "role .* below 0 in row 0"),
    "padding first": ("vgpo", {"mask": torch.tensor([[1.0] * 5] * 3 + [[0.0, 1, 1, 1, 1]])}, "mask .* row 3"),
    "no token": ("grpo", {"mask": torch.tensor([[1.0] * 5] * 3 + [[0.0] * 5])}, "mask .* no token in row 3"),
    "half a mark": ("srpo", {"mark_perception": torch.full((4, 5), 0.5)}, "mark_perception .* row 0"),
    "accuracy above 1": ("dapo", {"accuracy": torch.tensor([1.0, 0, 7, 0])}, r"accuracy .* \[0, 1\] in row 2"),
    "progress above 1": ("pepo_g", {"progress": torch.tensor(2.0)}, r"progress .* \[0, 1\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tensors_that_would_be_misread_are_refused_by_name_and_row(tmp_path, case):
    method, change, said = REFUSED[case]
    with pytest.raises(UserError, match=said):
        run_on(whatever_a_method_asks_for(method) | change, tmp_path, f"method={method}")


def test_an_undefined_group_and_no_responses_are_refused(tmp_path):
    tensors = fixed_tensors() | {"group": torch.tensor([0.0, 0.0, NAN, 1.0])}
    with pytest.raises(UserError, match="group"):
        run_on(tensors, tmp_path, "method=grpo")
    none = {name: value[:0].contiguous() for name, value in fixed_tensors().items()}
    with pytest.raises(UserError, match="no responses"):
        run_on(none, tmp_path, "method=grpo")


def test_an_output_that_cannot_be_written_and_an_empty_method_are_refused(tmp_path):
    save_file(fixed_tensors(), tmp_path / "in.safetensors")
    given = f"tensors={tmp_path}/in.safetensors"
    (tmp_path / "file").write_text("no folder")
    for out in (f"{tmp_path}/file/o.st", f"{tmp_path}/in.safetensors", ""):
        with pytest.raises(UserError, match="out="):
            run(compose(ObjectiveCommand, ["method=grpo", given, f"out={out}"]))
    with pytest.raises(UserError, match="method= is empty"):
        compose(ObjectiveCommand, ["method="])


def test_rows_may_come_in_any_order_and_groups_may_be_interleaved(tmp_path):
    tensors = fixed_tensors()
    order = torch.tensor([2, 0, 3, 1])
    moved = {name: value[order].contiguous() for name, value in tensors.items()}
    straight, mixed = run_on(tensors, tmp_path, "method=vppo"), run_on(moved, tmp_path, "method=vppo")
    torch.testing.assert_close(mixed["loss"], straight["loss"])
    for name in ("grad_logp", "weights", "advantage"):
        torch.testing.assert_close(mixed[name], straight[name][order])


def test_shares_are_exact_in_double_precision():
    given = {n: v.double() if v.is_floating_point() else v for n, v in fixed_tensors().items()}
    given |= {"prompt": given["group"], "role": torch.zeros(4, dtype=torch.long)}
    out = objective(compose(ObjectiveCommand, ["method=dapo", "losses.ppo.clip_high=0.3"]), given)
    ratio = (given["logp"] - given["old_logp"]).exp()
    wanted = -(out["advantage_tokens"] * ratio * given["mask"]).sum() / 18
    assert out["loss"].item() == pytest.approx(wanted.item(), rel=1e-14)
