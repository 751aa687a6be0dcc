"""One step's experience with an engine and a model of the test's own."""

from typing import Any

from data.sources import Samples
from train.asks.tools import Tools
from train.distributed import Ranks
from train.experience import Experience
from train.rollout.collector import Collector
from train.rollout.tool_factory import make_tools
from train.settings import TrainSettings


def collect(
    engine: Any,
    model: Any,
    data: Samples,
    position: int,
    settings: TrainSettings,
    step: int,
    ranks: Ranks | None = None,
    tools: Tools | None = None,
) -> Experience:
    """Return the experience of a step; on one rank and with tools of its own where none are given."""
    asked = Collector(
        engine=engine,
        model=model,
        data=data,
        settings=settings,
        ranks=ranks or Ranks(),
        tools=tools or make_tools(settings),
    )
    return asked.collect(position, step)
