"""Weights by the names of the files on disk: what transformers itself would write, whole, once, in shards."""

import hashlib
import json
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

import models.weights
from common import UserError
from models.settings import LoraSettings, ModelSettings
from models.weights import named_weights, weights_revision, write_weights
from tests.models.families import every_family
from tests.models.ragged import one_update


def written_by_transformers(module, folder) -> dict[str, torch.Tensor]:
    module.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


@every_family
def test_names_and_values_are_those_that_transformers_writes(load_family, family, tmp_path):
    model = load_family(family)
    ours = dict(named_weights(model.module))
    theirs = written_by_transformers(model.module, tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    model.save(tmp_path / "ours")
    for name in ("config.json", "generation_config.json"):
        ours, theirs = (json.loads((tmp_path / who / name).read_text()) for who in ("ours", "theirs"))
        assert ours == theirs


@every_family
def test_adapters_come_merged_under_the_plain_names(load_family, family):
    plain = dict(named_weights(load_family(family).module))
    model = load_family(family, lora=LoraSettings(4, 8))
    fresh = dict(named_weights(model.module))
    assert fresh.keys() == plain.keys() and all(torch.equal(value, plain[name]) for name, value in fresh.items())
    one_update(model)
    name, layer = next((n, m) for n, m in model.module.named_modules() if hasattr(m, "lora_A"))
    change = 8 / 4 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    moved = {n: value - plain[n] for n, value in named_weights(model.module) if not torch.equal(value, plain[n])}
    assert len(moved) == sum(hasattr(m, "lora_A") for m in model.module.modules())
    ending = f".{name[name.index('layers.') :]}.weight"  # what stands before it differs between file and module
    (found,) = (value for n, value in moved.items() if n.endswith(ending))
    torch.testing.assert_close(found, change, atol=1e-6, rtol=0)


def test_every_parameter_is_gathered_and_only_then_read(load_family):
    """A stand-in for ZeRO-3: parameters are empty except while they are gathered."""
    model = load_family("qwen2_5_vl", lora=LoraSettings(4, 8))
    one_update(model)
    expected = {name: value.clone() for name, value in named_weights(model.module)}
    whole = {id(p): p.data for p in model.module.parameters()}
    for parameter in model.module.parameters():
        parameter.data = torch.empty(0)

    @contextmanager
    def gather(parameters):
        for parameter in parameters:
            parameter.data = whole[id(parameter)]
        yield
        for parameter in parameters:
            parameter.data = torch.empty(0)

    found = {name: value.clone() for name, value in named_weights(model.module, gather)}
    assert found.keys() == expected.keys() and all(torch.equal(v, expected[n]) for n, v in found.items())
    assert all(not p.numel() for p in model.module.parameters())


def test_a_process_that_does_not_write_still_gathers(load_family, tmp_path):
    model, gathered = load_family("qwen2_vl", lora=LoraSettings(4, 8)), []

    @contextmanager
    def gather(parameters):
        gathered.extend(map(id, parameters))
        yield

    model.save(tmp_path / "none", gather, writes=False)
    assert not (tmp_path / "none").exists()
    assert set(gathered) == {id(p) for p in model.module.parameters()}


def test_big_models_are_written_in_shards(load_family, tmp_path):
    model = load_family("qwen3_vl")
    model.save(tmp_path)  # a single file, which the shards take the place of
    write_weights(named_weights(model.module), tmp_path, shard_bytes=1_000_000)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 3 and shards[0].name == f"model-00001-of-{len(shards):05d}.safetensors"
    assert all(shard.stat().st_size < 1_100_000 for shard in shards)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path).state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in model.module.state_dict().items())
    model.save(tmp_path)
    assert [path.name for path in tmp_path.glob("model*")] == ["model.safetensors"]


def test_every_shard_counts_for_what_weights_are(tmp_path):
    """The digest of one file is the file's; a change in any shard of several is seen."""
    settings = ModelSettings(path=str(tmp_path))
    with pytest.raises(UserError, match=r"holds no \*\.safetensors"):
        weights_revision(settings)
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"one")
    assert weights_revision(settings) == f"sha256:{hashlib.sha256(b'one').hexdigest()}"
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"two")
    both = weights_revision(settings)
    (tmp_path / "model-00002-of-00002.safetensors").write_bytes(b"2")
    assert weights_revision(settings) != both


def test_a_hub_id_is_recorded_by_the_commit_it_stands_for(monkeypatch):
    found = "/cache/models--owner--name/snapshots/0123456789012345678901234567890123456789/config.json"
    monkeypatch.setattr(models.weights, "cached_file", lambda *_, **__: found)
    assert weights_revision(ModelSettings(path="owner/name")) == "0123456789012345678901234567890123456789"

    def refuse(*_, **__):
        raise OSError("no such repository\nand much more")

    monkeypatch.setattr(models.weights, "cached_file", refuse)
    with pytest.raises(UserError, match=r"owner/name cannot be found on the hub: no such repository$"):
        weights_revision(ModelSettings(path="owner/name"))


def test_names_are_looked_up_once_per_module(load_family, monkeypatch):
    module, asked = load_family("qwen2_vl").module, []
    original = models.weights.revert_weight_conversion
    monkeypatch.setattr(models.weights, "revert_weight_conversion", lambda *a: asked.append(a) or original(*a))
    first = dict(named_weights(module))
    assert len(asked) == len(models.weights.module_state(module))
    asked.clear()
    second = dict(named_weights(module))
    assert not asked and second.keys() == first.keys()
    assert all(torch.equal(second[name], value) for name, value in first.items())
