"""Where an evaluation lies and whose it is: more responses or items may come into a folder, other settings not."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from common import UserError
from configs import Run, difference, load_resolved
from eval.checks import check_names, check_sampling, check_workers, output_folder
from eval.settings import EvalSettings
from eval.tasks import Task, trained_model, with_items
from models.weights import weights_digest

# What scores depend on. The weights are compared by their digest, rows and pictures by the names of the stores.
KEPT = ("bench", "split", "prompt", "engine", "grader", "seed")
KEPT_OF_MODEL = ("dtype", "prompt", "min_pixels", "max_pixels", "max_prompt_tokens")


def kept(settings: EvalSettings) -> dict[str, Any]:
    """Return the settings that may not change in a folder, by their names on the command line."""
    found: dict[str, Any] = {name: getattr(settings, name) for name in KEPT}
    found["view"] = asdict(settings.view) if settings.view else None
    found |= {f"sampling.{name}": value for name, value in asdict(settings.sampling).items() if name != "batch"}
    return found | {f"model.{name}": getattr(settings.model, name) for name in KEPT_OF_MODEL}


def check_folder(settings: EvalSettings, record: Run, out: Path) -> None:
    """Refuse a folder that holds an evaluation by other settings, of other weights, or of another reading."""
    remedy = "give out=<another folder>, or remove it"
    saved = out / "config.yaml"
    if saved.exists() and (changed := difference(kept(load_resolved(EvalSettings, saved)), kept(settings))):
        raise UserError(f"{out} was evaluated with {changed}; {remedy}")
    if (out / "run.json").exists():
        for name, revision in Run.load(out / "run.json").revisions.items():
            if record.revisions.get(name, revision) != revision:
                raise UserError(
                    f"{out} holds an evaluation of another {name} ({revision}, now {record.revisions[name]}); {remedy}"
                )


def revision_of(settings: EvalSettings) -> str:
    """Return what the weights are, as exactly as can be told."""
    digest = weights_digest(Path(settings.model.path))
    return f"sha256:{digest}" if digest else f"{settings.model.path}@{settings.model.revision or 'newest'}"


def checked(settings: EvalSettings) -> tuple[EvalSettings, Path]:
    """Return the settings with the weights of the run that they name, and the folder; refuse what cannot be done."""
    check_names(settings)
    check_sampling(settings)
    settings.model.check_place()
    check_workers(settings)
    if settings.run:
        settings = replace(settings, model=trained_model(Path(settings.run), settings.model))
    return with_items(settings), output_folder(settings)


def record_of(settings: EvalSettings, tasks: Sequence[Task]) -> Run:
    """Return the record of an evaluation that starts now: which weights, which readings of which benchmarks."""
    versions = {task.name: task.version for task in tasks}
    single = next(iter(versions.values())) if len(versions) == 1 else settings.bench
    return Run.collect(settings, revisions={"model": revision_of(settings), "bench": single, **versions})
