"""Settings of an evaluation."""

from dataclasses import dataclass
from typing import Literal

from configs import setting
from data.views import AnyView
from models import ModelSettings, SamplingSettings
from models.server_settings import ServerSettings
from verify.llm_judge import JudgeSettings


@dataclass(frozen=True)
class AskSettings:
    """What is asked of one model and how: what every command that samples an evaluation has."""

    config_version: int = setting(3, "version of this schema")
    model: ModelSettings = setting(factory=ModelSettings, help="the model; with run= only how its prompts are made")
    preset: str = setting("mini", "how is sampled, a file of configs/presets: neutral, greedy, paper_eval ...")
    run: str | None = setting(None, "take the final weights of this run folder instead of model.path")
    bench: str = setting("mini", "a benchmark, a suite (python -m eval.catalogue lists them), or a,b,c")
    data: str = setting("auto", "hub, a folder of local copies, or mini; auto: mini for models of the mini world")
    items: int | None = setting(
        None,
        "mini: items per column, null = 80; elsewhere: at least so many of each benchmark, null or 0 = all",
        bounds="[0, inf)",
    )
    k: int = setting(8, "responses per item; the score is avg@k", bounds="[1, inf)")
    split: str = setting("test", "split of the mini world")
    prompt: str = setting("auto", "template around the question; auto: what the benchmark's authors (or PAPO) use")
    sampling: SamplingSettings = setting(factory=SamplingSettings, help="what the preset does not say")
    engine: Literal["hf", "vllm", "server"] = setting("hf", "transformers, vLLM in this process, or a vLLM server")
    memory_share: float = setting(0.9, "share of a GPU's memory that vLLM may take", bounds="(0, 1]")
    server: ServerSettings = setting(factory=ServerSettings, help="engine=server: where it listens")
    grader: str = setting("robust", "the scorer that decides: robust, paper or official")
    seed: int = setting(0, "seed of the sampling", bounds="[0, inf)")
    out: str = setting("", "folder of the results; empty = <run>/eval/<bench>")


@dataclass(frozen=True)
class EvalSettings(AskSettings):
    """One evaluation of one model."""

    view: AnyView | None = setting(None, "what the model sees in place of the picture; blank = control")
    scorers: list[str] = setting(factory=list, help="further scorers; with two or more there is an audit of them")
    gpus: int = setting(1, "worker processes, one per GPU; without GPUs one thread each", bounds="[1, inf)")
    judge: JudgeSettings | None = setting(None, "a language model for what official rules leave open; null = unscored")
    page: int = setting(200, "items on the page of predictions; 0 = no page", bounds="[0, inf)")
