"""What a run's pieces ask: judge and reader, as its settings name them."""

from collections.abc import Sequence

from common import UserError
from train.asks.ask import Row
from train.asks.tools import Reader, RuleReader, ServerJudge, ServerReader, Tools
from train.settings import TrainSettings
from verify.llm_judge import JudgeSettings, LlmJudge


def client(settings: JudgeSettings | None, name: str) -> LlmJudge:
    """Return a client for a judge or reader; refuse a run whose pieces ask one that it does not name."""
    if settings is None:
        raise UserError(f"a piece asks a {name}, but the run has none; add {name}.base_url=<address of a server>")
    return LlmJudge(settings)


def make_tools(settings: TrainSettings, rows: Sequence[Row] = ()) -> Tools:
    """Return what the run's pieces ask for, and no more; no judge where all `rows` bring their judgements along."""
    kind = settings.rollouts.plan.reads()
    reader: Reader | None = RuleReader() if kind == "rule" else None
    if kind == "server":
        reader = ServerReader(client(settings.reader, "reader"))
    given = bool(rows) and all(row.given for row in rows)
    asked = not given and any(piece.asks_judge() for piece in settings.rewards.values())
    return Tools(ServerJudge(client(settings.judge, "judge")) if asked else None, reader)
