"""A reader that fails: asked again, then the problem is discarded and replaced; no reading of 0 appears."""

import pytest

from common import UserError
from configs import compose
from data.sources import Samples
from models.response import Response
from tests.recorded_server import FakeClock, Play, RecordedServer, says
from tests.train.collecting import collect
from train.asks.tools import ServerReader, Tools
from train.settings import TrainSettings
from verify.llm_judge import JudgeSettings, LlmJudge

BUSY, REFUSED = Play(status=503, body={"error": "busy"}), Play(status=400, body={"error": "no"})
READ = says("\\boxed{no such answer}")
PLAN = "rollouts.plan={kind: reread, reader: server, part: whole, prompt: caption}"


class Engine:
    """Gives every response a text of its own, so that no two share a request to the reader."""

    def sample_each(self, wanted, settings, seed):
        named = [[(one.prompt.sample_id, k) for k in one.numbers] for one in wanted]
        return [[Response(n, k, "clean", f"{n} {k} {seed}", [5], [-1.0], "stop") for n, k in names] for names in named]


def run(model, tmp_path, script):
    """Return one step's experience whose captions a recorded server reads, and the server."""
    options = ["scale=mini", "rollouts.prompts=6", "rollouts.group=4", "optimiser.minibatch_prompts=6", PLAN]
    settings = compose(TrainSettings, [*options, "rewards={accuracy: 0, format: 0, reread: 1.0}"])
    with RecordedServer(lambda path, body, number: script(number)) as server:
        asked = JudgeSettings(base_url=server.url, model="reader", workers=1, cache=str(tmp_path / "reader.jsonl"))
        tools = Tools(reader=ServerReader(LlmJudge(asked, **FakeClock().options())))
        data = Samples(settings.data, 0)
        return collect(Engine(), model, data, 0, settings, 1, tools=tools), server


def read(found) -> set[str]:
    """What the reader said of the rows that are kept."""
    return {row["text"] for row in found.extra_rows}


def test_a_reader_that_is_busy_at_first_is_asked_again(random_tiny, tmp_path):
    found, server = run(random_tiny, tmp_path, lambda number: BUSY if number < 3 else READ)
    assert not found.discarded and len(found.extra_rows) == 24 and server.asked[0][1] == server.asked[3][1]
    assert read(found) == {"\\boxed{no such answer}"}


def test_a_problem_with_a_caption_unread_is_replaced_and_counted(random_tiny, tmp_path):
    found, _ = run(random_tiny, tmp_path, lambda number: REFUSED if number % 7 == 6 else READ)
    assert {one.why for one in found.discarded} == {"unjudged"} and len(found.samples) == 6
    assert found.generated == 6 + len(found.discarded)
    assert len(found.extra_rows) == 24 and read(found) == {"\\boxed{no such answer}"}


@pytest.mark.parametrize("play", [BUSY, REFUSED])
def test_a_reader_that_always_fails_stops_the_run_with_one_sentence(random_tiny, tmp_path, play):
    with pytest.raises(UserError, match="failed 16 times in a row") as stopped:
        run(random_tiny, tmp_path, lambda number: play)
    assert "\n" not in str(stopped.value)
