"""The bench that asks whether a method moves what it says it moves."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.engages import FACTORS, EngagesCommand, arm, claim_of, main, run, scaled, verdict
from common import UserError, read_jsonl
from configs import compose
from configs.groups import read_yaml

CLAIMING = [
    path.stem
    for path in sorted(Path("configs/methods").glob("*.yaml"))
    if "engages" in (read_yaml(path, path.name).get("about") or {})
]


def settings_of(method: str, *options: str) -> EngagesCommand:
    return compose(EngagesCommand, [f"method={method}", "scale=mini", *options])


def test_a_method_engages_only_if_every_seed_goes_both_ways():
    good = {"with": 3.0, "without": 2.0, "turned": 1.0}
    flat = {"with": 3.5, "without": 2.0, "turned": 2.0}
    found = verdict([good, good | {"with": 4.0, "turned": 0.5}], "up")
    assert found["engages"] and found["with"]["value"] == 1.5 and found["with"]["right_way"] == 2
    assert found["with"]["low"] == pytest.approx(1.5 - 12.706205 * 0.5, abs=1e-5)  # Student's t of one degree
    assert not verdict([good, flat], "up")["engages"] and not verdict([good, good], "down")["engages"]
    assert verdict([good], "up")["with"]["low"] is None  # one training has no interval


def zeroed(settings, claim):
    for path in claim.paths():
        settings = scaled(settings, path, 0.0)
    return replace(settings, run="")


@pytest.mark.parametrize("method", CLAIMING)
def test_every_claim_names_a_coefficient_that_its_arms_change_alone(method):
    settings, claim = settings_of(method, "run=r"), claim_of(method)
    arms = {name: arm(settings, claim, name, 3) for name in ("with", "without", "turned")}

    def coef(one, path):
        for name in path:
            one = one[name] if isinstance(one, dict) else getattr(one, name)
        return one

    for path in claim.paths():
        given = coef(settings, path)
        assert given and [coef(one, path) for one in arms.values()] == [given, 0, -given]
    assert {one.seed for one in arms.values()} == {3} and len({one.run for one in arms.values()}) == 3
    first, *others = [zeroed(one, claim) for one in arms.values()]
    assert all(one == first for one in others)  # and nothing else


def test_a_method_without_a_claim_is_refused():
    with pytest.raises(UserError, match="says not what it moves"):
        claim_of("grpo")


@pytest.mark.parametrize(("given", "steps"), [([], 20), (["steps=3"], 3)])
def test_a_scale_says_nothing_of_the_steps(given, steps, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.engages", "method=papo_g", "scale=mini", *given, "dry_run=true"])
    assert main() == 0 and f"\nsteps: {steps}\n" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(("method", "metric"), [("papo_g", "dependency/k3_mean"), ("entropy_top", "scores/entropy")])
def test_the_command_trains_three_arms_and_writes_what_the_metric_did(method, metric, tmp_path):
    small = ["rollouts.prompts=4", "rollouts.group=2", "optimiser.minibatch_prompts=4", "keep.wandb=disabled"]
    short = ["rollouts.sampling.max_new_tokens=16", "steps=2", "seeds=1", f"run={tmp_path}/runs"]
    run(settings_of(method, "rollouts.filter=null", *small, *short, f"out={tmp_path}/out.json"))
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["metric"] == metric and len(found["seeds"]) == 1
    gap = found["seeds"][0]["with"] - found["seeds"][0]["without"]
    assert found["with"]["value"] == pytest.approx(gap) and found["provenance"]
    if method == "entropy_top":  # a fifth of the tokens, the mean everywhere, none of those tokens
        arms = [read_jsonl(tmp_path / "runs" / f"{arm}_seed0" / "metrics.jsonl")[0] for arm in FACTORS]
        assert [arm["weights/tokens/zero"] for arm in arms] == pytest.approx([0.8, 0, 0.2], abs=0.03)
        assert arms[0]["weights/tokens/mean"] == pytest.approx(arms[1]["weights/tokens/mean"])
