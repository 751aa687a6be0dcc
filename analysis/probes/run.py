"""Counterfactual probes: what a model still answers when its picture is spoiled, swapped, or put into words.

masked, blank: the picture under a view; swapped, same_answer: another item's picture, with another or the same answer;
caption: a text instead of the picture; oracle: what a correct reading says, in words beside the picture. All probes
share seeds with `clean`, and every difference is taken on the items that both have.

The wrong responses on the clean picture are split by pairing each with the oracle's responses to the same item:
right when merely asked again = chance; right with the facts told, beyond that = did not see; still wrong with the
facts told = could not reason, or, where its chain still states a false fact (mini world), did not take up the text.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from common import UserError, atomic_path, atomic_write_text, sha256_of
from configs import Run, command, setting
from data.views import ViewSettings
from models.server_settings import ServerSettings
from models.settings import ModelSettings, SamplingSettings

if TYPE_CHECKING:
    from eval.settings import EvalSettings

PROBES = ("clean", "masked", "blank", "swapped", "same_answer", "caption", "oracle")


@dataclass
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
    masked: ViewSettings = setting(factory=ViewSettings, help="the view of the probe masked")
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
    """The probes in their order, clean first."""
    unknown = [name for name in settings.probes if name not in PROBES]
    if unknown:
        raise UserError(f"no probe '{unknown[0]}'; use {', '.join(PROBES)}")
    return [name for name in PROBES if name == "clean" or name in settings.probes]


def output_folder(settings: ProbeSettings) -> Path:
    if not settings.out and not settings.run:
        raise UserError("give run=<run folder>, or model=<name> together with out=<folder of the results>")
    return Path(settings.out or f"{settings.run}/probes/{settings.bench.replace(',', '+')}")


def evaluation(settings: ProbeSettings, probe: str) -> "EvalSettings":
    """The settings of eval under which a probe is sampled."""
    from eval.settings import EvalSettings

    views = {"masked": settings.masked, "blank": ViewSettings(kind="blank")}
    own = {field.name for field in fields(settings)} - {"config_version", "dry_run"}
    shared = {field.name: getattr(settings, field.name) for field in fields(EvalSettings) if field.name in own}
    return EvalSettings(**shared, view=views.get(probe, ViewSettings(kind="none")))


def probe(settings: ProbeSettings) -> None:
    """Sample what is missing, compare, write and print."""
    import pandas as pd

    from analysis.probes.findings import splits
    from analysis.probes.page import page
    from analysis.probes.prober import Prober, entry_of

    names, out = checked_probes(settings), output_folder(settings)
    prober = Prober(settings, out)
    record = Run.collect(settings, revisions={"model": prober.revision, **{t.name: t.version for t in prober.tasks}})
    if settings.captions:
        record.revisions[settings.captions] = f"sha256:{sha256_of(Path(settings.captions))}"
    frames, found = {}, {}
    for name in names:
        frames[name], made = prober.probed(name)
        if frames["clean"].empty:
            raise UserError("no item fits into model.max_prompt_tokens; raise it")
        found[name] = entry_of(name, frames["clean"], frames[name], made, prober)
    usable = "oracle" in frames and not frames["oracle"].empty
    readable = (found["oracle"]["legibility"] or {}).get("readable") if usable else None
    split = splits(frames["clean"], frames["oracle"], readable, settings.seed) if usable else {}
    text = page(settings, found, split, prober)
    with atomic_path(out / "probes.parquet") as path:
        pd.concat(frames.values(), ignore_index=True).to_parquet(path)
    rows = pd.DataFrame([row for entry in found.values() for row in entry["rows"]])
    atomic_write_text(out / "probes.csv", rows.to_csv(index=False))
    shares = {part: {name: share.record() for name, share in one.items()} for part, one in split.items()}
    content = {"probes": found, "why_wrong": shares, "run": asdict(record)}
    atomic_write_text(out / "probes.json", json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    atomic_write_text(out / "probes.md", text)
    print(text, end="")


def main(argv: list[str]) -> int:
    return command(
        ProbeSettings, "analysis.probes.run:probe", argv, prog="python -m analysis.probes", summary=str(__doc__)
    )
