"""Refuse what no evaluation can do, before anything is read or loaded."""

import os
from pathlib import Path

from common import UserError, did_you_mean
from configs.layout import evaluation_folder
from data.prompts import TEMPLATES
from eval.settings import EvalSettings
from verify import GRADERS

PAPER, OFFICIAL, AUTO = "paper", "official", "auto"


def check_names(settings: EvalSettings) -> list[str]:
    """Return the scorers of an evaluation, the deciding one first."""
    known = [*GRADERS, PAPER, OFFICIAL]
    names = list(dict.fromkeys([settings.grader, *settings.scorers]))
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(f"no scorer '{unknown[0]}'; {did_you_mean(unknown[0], known)}")
    if settings.judge and OFFICIAL not in names:
        raise UserError(
            f"a judge decides what official rules leave open, and only {', '.join(names)} would score; add "
            "grader=official or scorers=[official], or leave the judge off"
        )
    return names


def check_sampling(settings: EvalSettings) -> None:
    """Refuse what no engine can draw, before anything is loaded; weights may not lie there yet."""
    settings.model.check()
    if settings.prompt not in (AUTO, *TEMPLATES):
        raise UserError(
            f"prompt={settings.prompt} is no template; {did_you_mean(settings.prompt, (AUTO, *TEMPLATES))}"
        )
    if settings.view:
        settings.view.check("view")
    if settings.view and settings.view.draw != "per_prompt":
        raise UserError("view.draw=per_response is for training: here all responses to an item see one picture")


def output_folder(settings: EvalSettings) -> Path:
    """Return the folder of the results; refuse an evaluation that names none."""
    if settings.out:
        return Path(settings.out)
    if not settings.run:
        raise UserError("give run=<run folder>, or model=<name> together with out=<folder of the results>")
    return evaluation_folder(Path(settings.run), settings.bench)


def check_workers(settings: EvalSettings) -> None:
    """Refuse more workers than GPUs, and processes of a launcher, which would all write the same files."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("an evaluation starts its own processes; start it without a launcher and give gpus=<number>")
    if settings.gpus == 1:
        return
    if settings.engine == "server":
        raise UserError("gpus= is for engine=hf and engine=vllm; a server is asked more at once by server.workers")
    there = len(gpu_ids())
    if there and settings.gpus > there:
        raise UserError(f"gpus={settings.gpus}, but this process sees {there} GPU(s); give gpus={there}")


def gpu_ids() -> list[str]:
    """Return the names under which a process of its own sees each GPU; none on a machine without."""
    import torch

    if os.environ.get("PERCEPT_CPU") or not torch.cuda.is_available():
        return []
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return visible.split(",") if visible else [str(number) for number in range(torch.cuda.device_count())]
