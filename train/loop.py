"""The loop: sample, judge, score, update, log, checkpoint. It names no method; a method is what the settings ask for.

Stop it at any instant and start the same command again: it goes on from the last complete checkpoint and ends with
the same weights and metrics as a run that was never stopped.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs import Run, UserError, load_resolved, save_resolved, sha256_of, to_dict
from configs.progress import progress
from data.sources import Samples
from models.loader import VisionLanguageModel, load
from train.checkpoint import load_checkpoint, save_checkpoint
from train.rollout import collect
from train.settings import TrainSettings, check
from train.tracking import Tracker, engine_gap, experience_metrics
from train.update import Updater, no_grad_scores

MAY_CHANGE = ("steps", "keep", "run", "dry_run")  # settings that a resumed run may give anew


def run_folder(settings: TrainSettings) -> Path:
    return Path(settings.run or f"runs/{settings.scale}/{settings.method}/seed{settings.seed}")


def claim(run: Path, settings: TrainSettings) -> None:
    """Take the run folder for these settings, or refuse if it belongs to others."""
    saved = run / "config.yaml"
    if saved.exists():
        before, now = to_dict(load_resolved(TrainSettings, saved)), to_dict(settings)
        changed = [key for key in now if key not in MAY_CHANGE and before[key] != now[key]]
        if changed:
            raise UserError(
                f"{run} was begun with another '{changed[0]}' ({before[changed[0]]}); give run=<another folder> or "
                "remove it"
            )
    run.mkdir(parents=True, exist_ok=True)
    save_resolved(settings, saved)


def revisions(settings: TrainSettings) -> dict[str, str]:
    """What the weights and the data were, as exactly as can be told."""
    weights = Path(settings.model.path) / "model.safetensors"
    model = f"sha256:{sha256_of(weights)}" if weights.exists() else str(settings.model.revision or "newest")
    data = Path(settings.data.source)
    return {"model": model, "data": f"sha256:{sha256_of(data)}" if data.is_file() else settings.data.source}


@contextmanager
def timed(timing: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timing[f"timing_s/{name}"] = round(time.perf_counter() - start, 4)


def one_step(
    step: int, model: VisionLanguageModel, reference: VisionLanguageModel | None, updater: Updater, data: Samples,
    settings: TrainSettings, tracker: Tracker,
) -> dict[str, float]:  # fmt: skip
    """One rollout and its updates."""
    timing: dict[str, float] = {}
    start = time.perf_counter()
    samples = data.take((step - 1) * settings.rollouts.prompts, settings.rollouts.prompts)
    with timed(timing, "gen"):
        experience = collect(model, samples, settings, step)
    if not experience.responses:
        raise UserError(f"every prompt of step {step} is over model.max_prompt_tokens; raise it or check the data")
    with timed(timing, "score"):
        fixed = no_grad_scores(model, reference, experience, settings, step)
    with timed(timing, "update_actor"):
        learnt = updater.step(experience, fixed, step)
    timing["timing_s/step"] = round(time.perf_counter() - start, 4)
    metrics = experience_metrics(experience) | learnt
    if fixed.old:
        metrics["rollout/engine_gap"] = engine_gap(experience.responses, fixed.old)
    tracker.log(step, metrics, timing)
    tracker.keep_rollouts(step, experience)
    return metrics


def train(settings: TrainSettings) -> None:
    """Run to the last step, from wherever the run folder stands."""
    check(settings)
    run = run_folder(settings)
    claim(run, settings)
    if (run / "final" / "config.json").exists() and (run / "finished.json").exists():
        print(f"{run} is finished already")
        return
    data = Samples(settings.data, settings.seed)
    model = load(settings.model)
    model.module.train()
    term = settings.losses.reference_kl
    reference = load(settings.model) if term and term.coef else None
    updater = Updater(model, settings)
    start = load_checkpoint(run, updater)
    if start == 0:
        Run.collect(settings, revisions=revisions(settings)).save(run / "run.json")
    tracker = Tracker(run, settings, start)
    metrics: dict[str, float] = {}
    with progress(f"train {settings.method}", settings.steps, start) as advance:
        for step in range(start + 1, settings.steps + 1):
            metrics = one_step(step, model, reference, updater, data, settings, tracker)
            advance(step, f"reward {metrics['critic/rewards/mean']:.3f}")
            if step % settings.keep.checkpoint_every == 0 or step == settings.steps:
                save_checkpoint(run, step, updater, settings.keep.checkpoints)
    model.save(run / "final")
    tracker.finish({"steps": settings.steps, "weights": sha256_of(run / "final" / "model.safetensors")})
    print(f"finished: {run}")
