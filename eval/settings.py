"""What an evaluation can be told."""

from dataclasses import dataclass

from configs import setting
from data.views import ViewSettings
from models import ModelSettings, SamplingSettings


@dataclass
class EvalSettings:
    """One evaluation of one model."""

    config_version: int = setting(1, "version of this schema")
    model: ModelSettings = setting(factory=ModelSettings, help="the model; with run= only how its prompts are made")
    run: str | None = setting(None, "evaluate the final weights of this run folder instead of model.path")
    bench: str = setting("mini", "mini: the nine columns of the mini world")
    items: int = setting(80, "items per column; the versions column holds five versions of each problem")
    k: int = setting(8, "responses per item; the score is avg@k")
    split: str = setting("test", "split of the mini world")
    view: ViewSettings = setting(
        factory=lambda: ViewSettings(kind="none"), help="what the model sees; blank = control"
    )
    sampling: SamplingSettings = setting(
        factory=lambda: SamplingSettings(max_new_tokens=56, batch=480), help="temperature 1, nothing cut off"
    )
    grader: str = setting("robust", "grader of verify that decides")
    seed: int = setting(0, "seed of the sampling")
    out: str = setting("", "folder of the results; empty = <run>/eval/<bench>")
    dry_run: bool = setting(False, "print the resolved settings and stop")
