"""Settings of the probes, and of the evaluation behind each of them."""

from dataclasses import dataclass, fields
from pathlib import Path

from common import UserError
from configs import setting
from data.views import AnyView, Blank, PatchBlack
from eval.settings import AskSettings, EvalSettings

PROBES = ("clean", "masked", "blank", "swapped", "same_answer", "caption", "oracle")


@dataclass(frozen=True)
class ProbeSettings(AskSettings):
    """Probes of one model on one item set."""

    items: int = setting(
        40, "mini: items per column; elsewhere: at least so many of each benchmark, 0 = all", bounds="[0, inf)"
    )
    k: int = setting(4, "responses per item and probe", bounds="[1, inf)")
    seed: int = setting(0, "seed of sampling, masks and swaps", bounds="[0, inf)")
    out: str = setting("", "folder of the results; empty = <run>/probes/<bench>")
    probes: list[str] = setting(factory=lambda: list(PROBES), help="which; clean always runs")
    masked: AnyView = setting(factory=PatchBlack, help="the view of the probe masked")
    captions: str = setting("", "JSON lines with id and caption, facts or both; the mini world brings its own")


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
    asked = [field.name for field in fields(AskSettings) if field.name != "config_version"]
    return EvalSettings(**{name: getattr(settings, name) for name in asked}, view=views.get(probe))
