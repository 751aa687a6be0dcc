"""Sampling from a server, recorded and real; the real one also serves the LLM judge, as it takes long to start."""

import base64
import dataclasses
import io
import signal
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from PIL import Image, ImageChops

from common import UserError
from common.endpoint import SERVER_KEY
from data.mini.world import sample
from models.serve import KEY
from models.server_engine import ServerEngine, ServerSettings, Template, load_front, request_seed
from models.settings import SamplingSettings
from tests.conftest import tiny_settings
from tests.models.vllm_server import POSITIONS, SECRET, needs_vllm
from tests.recorded_server import FakeClock, Play, RecordedServer, chat_body, says
from verify.judge_prompts import Case
from verify.llm_judge import JudgeSettings, LlmJudge

BASE = Path(__file__).parent.parent.parent / "models" / "tiny" / "base"
SETTINGS = SamplingSettings(max_new_tokens=12)


@pytest.fixture(scope="module")
def front():
    return load_front(tiny_settings(BASE))


@pytest.fixture(scope="module")
def prompts(front):
    """One picture, none, two."""
    one, other = sample("train", "counting", 0), sample("train", "counting", 1)
    plain = dataclasses.replace(one, id="plain", question="Is 4 more than 3 ?", images=())
    double = dataclasses.replace(
        one, id="double", question="<image> and <image> : how many ?", images=(*one.images, *other.images)
    )
    return front.encode([one, plain, double])


def engine_at(url: str, front, **changes) -> ServerEngine:
    settings = ServerSettings(base_url=url, model="tiny", **changes)
    return ServerEngine(front, settings, **FakeClock().options())


def picture(url: str) -> Image.Image:
    assert url.startswith("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def counting(prompts, *plays: Play):
    """A script that answers with the right number of prompt tokens; other plays come first."""
    lengths = {1: len(prompts[0].ids), 0: len(prompts[1].ids), 2: len(prompts[2].ids)}

    def script(path, body, number):
        if number < len(plays):
            return plays[number]
        parts = body["messages"][0]["content"]
        tokens = lengths[sum(part["type"] == "image_url" for part in parts)]
        return says(f"seed {body['seed']}", "length", tokens=tokens)

    return script


def test_a_front_knows_what_the_whole_model_knows(front, shipped_tiny, prompts):
    assert (front.eos_ids, front.forbidden_ids) == (shipped_tiny.eos_ids, shipped_tiny.forbidden_ids)
    assert front.forbidden_ids and {p.device.type for p in front.module.parameters()} == {"meta"}
    assert shipped_tiny.encode([sample("train", "counting", 0)])[0].ids.tolist() == prompts[0].ids.tolist()


def test_every_request_says_all_that_could_change_the_draw(front, prompts):
    settings = SamplingSettings(temperature=0.7, top_p=0.9, top_k=5, max_new_tokens=9)
    with RecordedServer(counting(prompts)) as server:
        engine_at(server.url, front).sample(prompts[:1], 1, settings, seed=3)
    path, body, _ = server.asked[0]
    assert path == "/v1/chat/completions"
    neutral = {"min_p": 0, "presence_penalty": 0, "frequency_penalty": 0, "repetition_penalty": 1, "min_tokens": 0}
    wanted = {"model": "tiny", "temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 9, "n": 1, **neutral}
    assert {name: body[name] for name in wanted} == wanted
    assert body["stop_token_ids"] == front.eos_ids
    assert {int(token) for token in body["logit_bias"]} == set(front.forbidden_ids)
    assert set(body["logit_bias"].values()) == {-100}


def test_parts_and_pictures_arrive_as_they_were_encoded(front, prompts):
    with RecordedServer(counting(prompts)) as server:
        engine_at(server.url, front, workers=1).sample(prompts, 1, SETTINGS, seed=0)
    contents = [body["messages"][0]["content"] for _, body, _ in server.asked]
    assert [[part["type"] for part in content] for content in contents] == [
        ["image_url", "text"],
        ["text"],
        ["image_url", "text", "image_url", "text"],
    ]
    assert contents[1][0]["text"] == "Is 4 more than 3 ?" and contents[2][1]["text"] == " and "
    for content, prompt in zip(contents, prompts, strict=True):
        sent = [picture(part["image_url"]["url"]) for part in content if part["type"] == "image_url"]
        assert len(sent) == len(prompt.images)
        assert not any(ImageChops.difference(*pair).getbbox() for pair in zip(sent, prompt.images, strict=True))


def test_responses_come_in_order_and_as_they_finish(front, prompts):
    handed, steps = [], []
    with RecordedServer(counting(prompts, Play(503, {}), Play(how="drop"))) as server:
        engine = engine_at(server.url, front)
        found = engine.sample(
            prompts, 2, SETTINGS, 7, "black", lambda n, note: steps.append(n), finished=handed.append
        )
        assert len(server.asked) == 8
    names = [(prompt.sample_id, k) for prompt in prompts for k in range(2)]
    assert [(one.sample_id, one.k) for one in found] == names and steps == [1, 2, 3, 4, 5, 6]
    assert [one.text for one in found] == [f"seed {request_seed(7, *name)}" for name in names]
    assert {(one.view, one.finish_reason) for one in found} == {("black", "length")}
    assert sorted(map(repr, handed)) == sorted(map(repr, found)) and found[0].token_ids == []


def test_a_stopped_call_goes_on_where_it_was(front, prompts):
    names = [(prompt.sample_id, k) for prompt in prompts for k in range(3)]
    done = []
    refusal = Play(400, {"error": {"message": "too long"}})

    def script(path, body, number):
        return refusal if number == 4 else counting(prompts)(path, body, number)

    with RecordedServer(script) as server:
        engine = engine_at(server.url, front, workers=1)
        with pytest.raises(UserError, match=r"no response 1 to sample plain: .*too long.*max_new_tokens fit"):
            engine.sample(prompts, 3, SETTINGS, 0, finished=done.append)
        assert [(one.sample_id, one.k) for one in done] == names[:4]
        rest = engine.sample(prompts, 3, SETTINGS, 0, skip={(one.sample_id, one.k) for one in done})
    assert [(one.sample_id, one.k) for one in rest] == names[4:]
    with RecordedServer(counting(prompts)) as server:
        assert [*done, *rest] == engine_at(server.url, front).sample(prompts, 3, SETTINGS, 0)


def test_ids_and_logprobs_are_kept_where_they_mean_what_ours_mean(front, prompts):
    ids = front.tokenizer("look : red = 2")["input_ids"]
    answer = chat_body("not this", tokens=len(prompts[0].ids))
    answer["choices"][0] |= {"token_ids": ids, "logprobs": {"content": [{"logprob": -0.5} for _ in ids]}}
    answer["prompt_token_ids"] = prompts[0].ids.tolist()
    with RecordedServer(lambda *_: Play(body=answer)) as server:
        engine = engine_at(server.url, front)
        found = [
            engine.sample(prompts[:1], 1, dataclasses.replace(SETTINGS, temperature=heat), 0)[0]
            for heat in (0.0, 1.0, 0.7)
        ]
        assert {one.text for one in found} == {"look : red = 2"} and {tuple(one.token_ids) for one in found} == {
            tuple(ids)
        }
        assert [len(one.logprobs) for one in found] == [len(ids), len(ids), 0] and found[0].logprobs[0] == -0.5


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"prompt_token_ids": [1, 2]}, "reads the prompt of sample .* otherwise"),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 1}}, r"\(3 tokens, here 46\)"),
        ({"choices": [{"message": {"content": "x"}, "finish_reason": "abort"}]}, "'abort' instead of stop"),
        (
            {"choices": [{"message": {"content": "x", "reasoning": "hm"}, "finish_reason": "stop"}]},
            "takes thoughts out of responses",
        ),
    ],
)
def test_what_is_no_response_to_our_prompt_is_refused(front, prompts, change, sentence):
    answer = chat_body("x", tokens=len(prompts[0].ids)) | change
    with RecordedServer(lambda *_: Play(body=answer)) as server, pytest.raises(UserError, match=sentence):
        engine_at(server.url, front).sample(prompts[:1], 1, SETTINGS, 0)


def test_a_template_that_changes_texts_is_noticed(front, prompts):
    def upper(messages, **_):
        parts = messages[0]["content"]
        return "".join("<picture>" if part["type"] == "image" else part["text"].title() for part in parts)

    template = Template(SimpleNamespace(apply_chat_template=upper))
    with pytest.raises(UserError, match="cannot be taken apart"):
        template.content(dataclasses.replace(prompts[1], text="is 4 more ?"))
    # A question that spells a picture's own marks would be read as one picture more.
    spelt = dataclasses.replace(
        prompts[1], text=prompts[1].text.replace("4", "<|vision_start|><|image_pad|><|vision_end|>")
    )
    with pytest.raises(UserError, match=r"question and 0 picture\(s\)"):
        Template(front.processor).content(spelt)


def test_no_server_or_no_key_gets_a_sentence(front, monkeypatch):
    monkeypatch.delenv(SERVER_KEY, raising=False)
    with pytest.raises(UserError, match=r"cannot be reached .*`python -m models\.serve"):
        ServerEngine(front, ServerSettings(base_url="http://127.0.0.1:9/v1"))
    with RecordedServer(lambda *_: Play(401, {})) as server, pytest.raises(UserError, match=SERVER_KEY):
        ServerEngine(front, ServerSettings(base_url=server.url))
    assert SERVER_KEY == KEY  # of models/serve.py


def test_seeds_are_far_apart_and_within_the_protocol():
    seeds = {request_seed(seed, name, k) for seed in range(9) for name in ("a", "b") for k in range(9)}
    assert len(seeds) == 162 and 0 <= min(seeds) <= max(seeds) < 1 << 63


@pytest.fixture
def key(monkeypatch) -> None:
    monkeypatch.setenv(SERVER_KEY, SECRET)
    monkeypatch.delenv("PERCEPT_JUDGE_KEY", raising=False)


@pytest.mark.slow
@needs_vllm
def test_a_real_server_answers_greedily_as_the_model_itself_does(server, key, front, prompts, shipped_tiny):
    engine = ServerEngine(front, ServerSettings(base_url=server.url))
    settings = SamplingSettings(temperature=0.0, max_new_tokens=24)
    found = engine.sample(prompts, 2, settings, seed=0)
    expected = shipped_tiny.sample(prompts, 2, settings, seed=0)
    for one, other in zip(found, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4) and one.logprobs
        assert dataclasses.replace(one, logprobs=[]) == dataclasses.replace(other, logprobs=[])


@pytest.mark.slow
@needs_vllm
def test_a_real_server_draws_by_seed_and_name(server, key, front, prompts):
    engine = ServerEngine(front, ServerSettings(base_url=server.url, workers=3))
    settings = SamplingSettings(max_new_tokens=24)
    found = engine.sample(prompts, 8, settings, seed=1)
    again = engine.sample(prompts[::-1], 8, settings, seed=1, skip={(prompts[0].sample_id, 0)})
    texts = {(one.sample_id, one.k): one.text for one in found}
    assert len(again) == 23 and all(texts[one.sample_id, one.k] == one.text for one in again)
    assert [one.text for one in engine.sample(prompts, 8, settings, seed=2)] != [one.text for one in found]
    assert len(set(texts.values())) > 8
    with pytest.raises(UserError, match=r"refused the request .* fit the server.s length"):
        engine.sample(prompts[:1], 1, SamplingSettings(max_new_tokens=2 * POSITIONS), seed=0)


@pytest.mark.slow
@needs_vllm
def test_a_real_server_judges_and_its_nonsense_is_unscored(server, key, tmp_path):
    settings = JudgeSettings(base_url=server.url, cache=str(tmp_path / "judge.jsonl"), max_reply_tokens=24)
    cases = [
        Case("equal", "How many red shapes?", "three", gold="3"),
        Case("grade", "What is there?", "a red box", gold="red <AND> round"),
        Case("hallusion", "Is it red?", "Yes.", gold="It is blue."),
    ]
    judge = LlmJudge(settings)
    found = judge.ask(cases)
    record = judge.provenance()
    assert all(one.unscored and one.score is None and one.raw for one in found)
    assert {one.reason for one in found} <= {"unparsed", "cut"}
    assert (record["model"], record["calls"], record["unscored"]) == ("tiny", 3, 3)
    assert record["prompt_tokens"] > 300 and record["without_usage"] == 0
    again = LlmJudge(settings)
    assert again.ask(cases) == found and (again.provenance()["calls"], again.provenance()["cached"]) == (0, 3)
    assert SECRET not in (tmp_path / "judge.jsonl").read_text() + str(record) + repr(found)


@pytest.mark.slow
@pytest.mark.last
@needs_vllm
def test_the_server_ends_cleanly(server):
    family = psutil.Process(server.process.pid).children(recursive=True)
    before = len(server.log.read_text())
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert SECRET not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()[before:]
