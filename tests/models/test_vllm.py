"""vLLM in this process: the same tokens and log-probs as transformers, weights that follow, a host left as it was."""

import dataclasses
import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from common import UserError
from data.mini.world import sample
from models import vllm_engine
from models.engines import make_engine
from models.loader import load
from models.settings import EngineSettings, SamplingSettings
from models.vllm_engine import VllmEngine, engine_options, processor_options, room
from models.vllm_host import import_vllm, undisturbed
from models.weights import named_weights
from tests.conftest import tiny_settings

SETTINGS = SamplingSettings(max_new_tokens=12, batch=16)
BASE = Path(__file__).parent.parent.parent / "models" / "tiny" / "base"
needs_vllm = pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")


@pytest.fixture(scope="module")
def model():
    return load(tiny_settings(BASE))


@pytest.fixture(scope="module")
def engine(model):
    return make_engine(model, EngineSettings(kind="vllm"), SETTINGS)


def prompts(model):
    """One picture, none, two, and pictures of other shapes."""
    one, other = sample("train", "counting", 0), sample("train", "counting", 1)
    plain = dataclasses.replace(one, id="plain", question="Is 4 more than 3 ?", images=())
    double = dataclasses.replace(
        one, id="double", question="<image> and <image> : how many ?", images=(*one.images, *other.images)
    )
    return model.encode([one, plain, double, sample("train", "word", 0)])


@pytest.mark.slow
@needs_vllm
@pytest.mark.parametrize(
    "change", [{}, {"temperature": 0.0}, {"temperature": 0.7, "top_p": 0.9}, {"top_k": 5}, {"max_new_tokens": 3}]
)
def test_both_engines_draw_the_same_tokens(model, engine, change):
    settings = dataclasses.replace(SETTINGS, **change)
    done: list[int] = []
    found = engine.sample(prompts(model), 3, settings, seed=5, view="black", progress=lambda n, note: done.append(n))
    expected = model.sample(prompts(model), 3, settings, seed=5, view="black")
    for one, other in zip(found, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert dataclasses.replace(one, logprobs=[]) == dataclasses.replace(other, logprobs=[])
    assert done == list(range(1, 13))


@pytest.mark.slow
@needs_vllm
def test_a_response_does_not_depend_on_its_neighbours(model, engine):
    encoded = prompts(model)
    together = {(r.sample_id, r.k): r for r in engine.sample(encoded, 4, SETTINGS, seed=3)}
    for response in engine.sample(encoded[::-1][:2], 2, SETTINGS, seed=3):
        assert response.token_ids == together[response.sample_id, response.k].token_ids
    heard, skip = [], {(encoded[0].sample_id, 1), (encoded[1].sample_id, 0)}
    rest = engine.sample(encoded, 4, SETTINGS, seed=3, finished=heard.append, skip=skip)
    assert {(r.sample_id, r.k) for r in rest} == together.keys() - skip and sorted(map(repr, heard)) == sorted(
        map(repr, rest)
    )
    assert [r.token_ids for r in engine.sample(encoded, 1, SETTINGS, seed=4)] != [
        together[p.sample_id, 0].token_ids for p in encoded
    ]


@pytest.mark.slow
@needs_vllm
def test_prompts_in_pieces_and_preempted_requests_change_nothing(model, monkeypatch):
    settings = dataclasses.replace(SETTINGS, max_new_tokens=48, batch=32)
    tight = {"kv_cache_memory_bytes": 3 << 20, "max_num_batched_tokens": 48}
    monkeypatch.setattr(vllm_engine, "engine_options", lambda *given: engine_options(*given) | tight)
    engine = make_engine(model, EngineSettings(kind="vllm"), settings)
    from models.vllm_draw import SamplingPlan

    drawn, take = [], SamplingPlan.take

    def noted(sheet, row):
        drawn.extend(pair for rows, steps, _ in sheet.found for pair in zip(rows, steps, strict=True))
        return take(sheet, row)

    monkeypatch.setattr(SamplingPlan, "take", noted)
    found = engine.sample(prompts(model), 8, settings, seed=1)
    assert len(drawn) > len(set(drawn))  # some were drawn twice
    expected = model.sample(prompts(model), 8, settings, seed=1)
    assert [r.token_ids for r in found] == [r.token_ids for r in expected]
    assert found[3].logprobs == pytest.approx(expected[3].logprobs, abs=1e-4)


@pytest.mark.slow
@needs_vllm
def test_parts_flow_without_waiting_for_the_longest_response_of_each(model, monkeypatch):
    settings = dataclasses.replace(SETTINGS, max_new_tokens=40, batch=8)
    engine = make_engine(model, EngineSettings(kind="vllm"), settings)
    core, steps, drawn, heard = engine.llm.llm_engine, [], [], []
    step = core.step
    monkeypatch.setattr(core, "step", lambda: steps.append(1) or step())
    parts = [model.encode([sample("train", column, n) for column in ("chart", "relay")]) for n in range(6)]
    apart = [one for part in parts for one in engine.sample(part, 4, settings, seed=2)]
    steps_apart = len(steps)

    def asked():
        for part in parts:
            drawn.append(len(heard))
            yield part

    count = engine.sample_parts(asked(), 4, settings, 2, "clean", lambda done, note: None, heard.append)
    assert count == len(heard) == 48 and drawn[:2] == [0, 0] and 0 < drawn[2] < 8 < drawn[-1]  # two batches at first
    by_name = {(one.sample_id, one.k): one for one in heard}
    assert [by_name[one.sample_id, one.k].token_ids for one in apart] == [one.token_ids for one in apart]
    assert len(steps) - steps_apart < 0.95 * steps_apart


@pytest.mark.slow
@needs_vllm
def test_new_weights_arrive_only_by_sync(model, engine):
    before = engine.sample(prompts(model), 2, SETTINGS, seed=3)
    kept = {name: tensor.clone() for name, tensor in named_weights(model.module)}
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.mul_(1.2)
    assert engine.sample(prompts(model), 2, SETTINGS, seed=3) == before
    engine.sync(named_weights(model.module))
    found = engine.sample(prompts(model), 2, SETTINGS, seed=3)
    expected = model.sample(prompts(model), 2, SETTINGS, seed=3)
    assert [r.token_ids for r in found] == [r.token_ids for r in expected] != [r.token_ids for r in before]
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.div_(1.2)
    engine.sync(kept.items())
    assert [r.token_ids for r in engine.sample(prompts(model), 2, SETTINGS, seed=3)] == [r.token_ids for r in before]


@pytest.mark.slow
@needs_vllm
def test_the_host_process_stays_as_it_was(model, engine):
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]
    before = os.environ.get("LD_PRELOAD"), torch.get_num_threads()
    engine.sample(prompts(model), 1, SETTINGS, seed=0)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()
    assert (os.environ.get("LD_PRELOAD"), torch.get_num_threads()) == before
    torch.set_num_threads(1)  # vLLM's own stand-in would refuse
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before[1])
    engine.sleep()
    engine.wake()
    assert len(engine.sample(prompts(model), 1, SETTINGS, seed=0)) == 4


@pytest.mark.slow
@needs_vllm
def test_an_engine_that_breaks_says_so_and_is_not_used_again(model, engine, monkeypatch):
    def out_of_memory():
        raise RuntimeError("CUDA out of memory\nmore lines")

    with monkeypatch.context() as patch:
        patch.setattr(engine.llm.llm_engine, "step", out_of_memory)
        with pytest.raises(UserError, match=r"vLLM stopped: CUDA out of memory; lower engine\.memory_share"):
            engine.sample(prompts(model), 1, SETTINGS, seed=0)
    with pytest.raises(UserError, match="stopped earlier: CUDA out of memory"):
        engine.sample(prompts(model), 1, SETTINGS, seed=0)
    engine.llm.llm_engine.abort_request([str(number) for number in range(4)])
    engine.death = ""
    assert len(engine.sample(prompts(model), 1, SETTINGS, seed=0)) == 4


@pytest.mark.slow
@needs_vllm
def test_longer_responses_than_the_engine_was_made_for_are_refused(model, engine):
    with pytest.raises(UserError, match="started for 12"):
        engine.sample(prompts(model), 1, dataclasses.replace(SETTINGS, max_new_tokens=13), seed=0)


def test_a_missing_vllm_gets_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    with undisturbed(), pytest.raises(UserError, match=r"run make install, or set engine\.kind=hf"):
        import_vllm()


def test_more_tokens_than_positions_are_refused(random_tiny):
    assert room(random_tiny, SETTINGS) == 268
    with pytest.raises(UserError, match=r"has 1024 positions, but .* add up to 2304"):
        VllmEngine(random_tiny, EngineSettings(kind="vllm"), SamplingSettings())


@pytest.mark.parametrize("size", [(3000, 20), (20, 3000), (700, 100), (257, 255), (1, 150), (256, 256)])
def test_no_picture_within_the_limits_would_be_scaled_again(random_tiny, size):
    from PIL import Image
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    from data.views import fit_pixels

    settings = random_tiny.settings
    width, height = fit_pixels(Image.new("RGB", size), settings.min_pixels, settings.max_pixels).size
    limits = processor_options(random_tiny)["size"]
    chosen = smart_resize(height, width, 32, limits["shortest_edge"], limits["longest_edge"])
    assert chosen == smart_resize(height, width, 32, 1, 1 << 40)
    assert limits["longest_edge"] < 3 * settings.max_pixels


def one_of_two_processes() -> None:
    """Sample beside the trainer's process group, which works before and after."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()

    def total() -> float:
        number = torch.tensor(float(rank + 1))
        torch.distributed.all_reduce(number)
        return float(number)

    assert total() == 3
    model = load(tiny_settings(BASE))
    engine = make_engine(model, EngineSettings(kind="vllm"), SETTINGS)
    assert total() == 3
    # Different work on each, no traffic between the engines; k tells that the split does not matter.
    mine = prompts(model)[rank::2]
    found = engine.sample(mine, 2 + rank, SETTINGS, seed=3)
    engine.sync(named_weights(model.module))
    assert found == engine.sample(mine, 2 + rank, SETTINGS, seed=3)
    expected = model.sample(prompts(model), 3, SETTINGS, seed=3)
    names = {(one.sample_id, one.k): one.token_ids for one in expected}
    assert all(names[one.sample_id, one.k] == one.token_ids for one in found)
    assert total() == 3 and os.environ["WORLD_SIZE"] == "2" and os.environ["LOCAL_WORLD_SIZE"] == "2"
    print(f"process {rank} is done", flush=True)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


@pytest.mark.nightly  # a training on two ranks with vLLM is in test_parallel.py
@needs_vllm
def test_each_of_two_processes_has_an_engine_beside_the_process_group():
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    root = Path(__file__).parent.parent.parent
    environment = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            said, complained = running.communicate(timeout=600)
        finally:
            running.terminate()  # torchrun takes its workers along; killed, it would leave them
    assert running.returncode == 0, complained[-3000:]
    assert "process 0 is done" in said and "process 1 is done" in said


if __name__ == "__main__":
    one_of_two_processes()
