"""Settings of the probes, and of the evaluation behind each of them."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from common import UserError
from configs import setting
from data.views import AnyView, Blank, PatchBlack
from eval.settings import EvalSettings
from models.server_settings import ServerSettings
from models.settings import ModelSettings, SamplingSettings

PROBES = ("clean", "masked", "blank", "swapped", "same_answer", "caption", "oracle")


@dataclass(frozen=True)
class ProbeSettings:
    """Probes of one model on one item set; what is said as in python -m eval means the same."""

    config_version: int = setting(1, "version of this schema")
    model: ModelSettings = setting(factory=ModelSettings, help="the model; with run= only how its prompts are made")
    preset: str = setting("mini", "how is sampled, a file of configs/presets")
    run: str | None = setting(None, "probe the final weights of this run folder instead of model.path")
    bench: str = setting("mini", "mini, a benchmark, a suite, or a,b,c")
    data: str = setting("auto", "hub, a folder of local copies, or mini")
    items: int = setting(40, "mini: items per column; elsewhere: at least so many of each benchmark, 0 = all")
    k: int = setting(4, "responses per item and probe")
    split: str = setting("test", "split of the mini world")
    prompt: str = setting("auto", "template around the question")
    probes: list[str] = setting(factory=lambda: list(PROBES), help="which; clean always runs")
    masked: AnyView = setting(factory=PatchBlack, help="the view of the probe masked")
    captions: str = setting("", "JSON lines with id and caption, facts or both; the mini world brings its own")
    sampling: SamplingSettings = setting(factory=SamplingSettings, help="what the preset does not say")
    engine: Literal["hf", "vllm", "server"] = setting("hf", "transformers, vLLM in this process, or a vLLM server")
    memory_share: float = setting(0.9, "share of a GPU's memory that vLLM may take")
    server: ServerSettings = setting(factory=ServerSettings, help="engine=server: where it listens")
    grader: str = setting("robust", "the scorer: robust, paper or official")
    seed: int = setting(0, "seed of sampling, masks and swaps")
    out: str = setting("", "folder of the results; empty = <run>/probes/<bench>")
    dry_run: bool = setting(False, "print the resolved settings and stop")


def checked_probes(settings: ProbeSettings) -> list[str]:
    """Return the probes in their order, clean first."""
    unknown = [name for name in settings.probes if name not in PROBES]
    if unknown:
        raise UserError(f"no probe '{unknown[0]}'; use {', '.join(PROBES)}")
    return [name for name in PROBES if name == "clean" or name in settings.probes]


def output_folder(settings: ProbeSettings) -> Path:
    if not settings.out and not settings.run:
        raise UserError("give run=<run folder>, or model=<name> together with out=<folder of the results>")
    return Path(settings.out or f"{settings.run}/probes/{settings.bench.replace(',', '+')}")


def evaluation(settings: ProbeSettings, probe: str) -> EvalSettings:
    """Return the settings of eval under which a probe is sampled."""
    views: dict[str, AnyView] = {"masked": settings.masked, "blank": Blank()}
    own = {field.name for field in fields(settings)} - {"config_version", "dry_run"}
    shared = {field.name: getattr(settings, field.name) for field in fields(EvalSettings) if field.name in own}
    return EvalSettings(**shared, view=views.get(probe))
