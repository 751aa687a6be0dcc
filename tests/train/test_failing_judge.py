"""A judge that fails: retried, then the problem is discarded and replaced; never scored 0, and not for ever."""

import json

import pytest

from common import UserError
from configs import compose
from data.sources import Samples
from models.response import Response
from tests.recorded_server import FakeClock, Play, RecordedServer, says
from tests.train.collecting import collect
from train.asks.tools import ServerJudge, Tools
from train.settings import TrainSettings
from verify.llm_judge import JudgeSettings, LlmJudge

BUSY, REFUSED = Play(status=503, body={"error": "busy"}), Play(status=400, body={"error": "no"})
TICKED = says(json.dumps({"expressed": [1]}))


class Engine:
    """Gives every response a text of its own, so that no two share a request to the judge."""

    def sample_each(self, wanted, settings, seed):
        named = [[(one.prompt.sample_id, k) for k in one.numbers] for one in wanted]
        return [[Response(n, k, "clean", f"{n} {k} {seed}", [5], [-1.0], "stop") for n, k in names] for names in named]


def run(model, tmp_path, script):
    """Return one step's experience whose facts a recorded server ticks, and the server."""
    options = ["scale=mini", "rollouts.prompts=6", "rollouts.group=4", "optimiser.minibatch_prompts=6"]
    settings = compose(TrainSettings, [*options, "rewards.facts={kind: facts, by: judge}"])
    with RecordedServer(lambda path, body, number: script(number)) as server:
        judge = JudgeSettings(base_url=server.url, model="judge", workers=1, cache=str(tmp_path / "judge.jsonl"))
        tools = Tools(ServerJudge(LlmJudge(judge, **FakeClock().options())))
        data = Samples(settings.data, 0)
        return collect(Engine(), model, data, 0, settings, 1, tools=tools), server


def stated(found) -> list[bool]:
    """Whether each row earned something for its facts, and whether its problem has facts to state."""
    facts = [bool(found.samples[prompt].columns["visual_facts"]) for prompt in found.prompt_N.tolist()]
    return [(value > 0) == has for value, has in zip(found.reward_terms["facts"].tolist(), facts, strict=True)]


def test_a_judge_that_is_busy_at_first_is_asked_again(random_tiny, tmp_path):
    found, server = run(random_tiny, tmp_path, lambda number: BUSY if number < 3 else TICKED)
    assert not found.discarded and all(stated(found)) and server.asked[0][1] == server.asked[3][1]


def test_a_problem_without_a_judgement_is_replaced_and_counted(random_tiny, tmp_path):
    found, _ = run(random_tiny, tmp_path, lambda number: REFUSED if number % 7 == 6 else TICKED)
    assert {one.why for one in found.discarded} == {"unjudged"} and len(found.samples) == 6
    assert found.generated == 6 + len(found.discarded) and all(stated(found))


def test_a_reply_that_names_no_facts_is_no_judgement(random_tiny, tmp_path):
    found, _ = run(random_tiny, tmp_path, lambda number: says('{"expressed": [9]}') if number == 0 else TICKED)
    assert [one.why for one in found.discarded] == ["unjudged"] and all(stated(found))


@pytest.mark.parametrize("play", [BUSY, REFUSED])
def test_a_judge_that_always_fails_stops_the_run_with_one_sentence(random_tiny, tmp_path, play):
    with pytest.raises(UserError, match="judge failed 16 times in a row") as stopped:
        run(random_tiny, tmp_path, lambda number: play)
    assert "\n" not in str(stopped.value)
