"""The loop: sample, judge, score, update, log, checkpoint. It names no method; a method is what the settings ask for.

Stop it at any instant and start the same command again: it goes on from the last complete checkpoint and ends with
the same weights and metrics as a run that was never stopped.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import UserError, sha256_of
from common.progress import progress
from configs import Run, load_resolved, save_resolved, to_dict
from data.sources import Samples
from models.engine import Engine, make_engine
from models.loader import VisionLanguageModel, load, log_once
from models.parity import parity
from models.weights import named_weights
from train.backend import make_backend
from train.checkpoint import Progress, load_checkpoint, save_checkpoint
from train.distributed import Ranks, start_ranks, stop_ranks
from train.rollout import collect
from train.scores import Reference, fixed_scores
from train.settings import TrainSettings, check, check_shares
from train.tracking import Tracker, engine_gap, experience_metrics
from train.update import Updater

MAY_CHANGE = ("steps", "keep", "run", "dry_run")  # settings that a resumed run may give anew
PARITY_PROMPTS = 4


@dataclass
class TrainState:
    """Everything that one step uses."""

    settings: TrainSettings
    ranks: Ranks
    data: Samples
    model: VisionLanguageModel
    reference: Reference | None
    engine: Engine
    updater: Updater


def run_folder(settings: TrainSettings) -> Path:
    return Path(settings.run or f"runs/{settings.scale}/{settings.method}/seed{settings.seed}")


def claim_run_folder(run: Path, settings: TrainSettings) -> None:
    """Take the run folder for these settings, or refuse if it belongs to others."""
    saved, record = run / "config.yaml", run / "run.json"
    if saved.exists():
        before, now = to_dict(load_resolved(TrainSettings, saved)), to_dict(settings)
        changed = [key for key in now if key not in MAY_CHANGE and before[key] != now[key]]
        if changed:
            raise UserError(
                f"{run} was begun with another '{changed[0]}' ({before[changed[0]]}); give run=<another folder> or "
                "remove it"
            )
    found = revisions(settings)
    if record.exists():
        for name, revision in Run.load(record).revisions.items():
            if found[name] != revision:
                raise UserError(
                    f"the {name} changed since {run} was begun (it was {revision}, is {found[name]}); put it back, "
                    "or give run=<another folder>"
                )
    run.mkdir(parents=True, exist_ok=True)
    save_resolved(settings, saved)
    if not record.exists():
        Run.collect(settings, revisions=found).save(record)


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


def one_step(state: TrainState, place: Progress, tracker: Tracker | None) -> Progress:
    """One rollout and its updates."""
    step, timing = place.step + 1, dict[str, float]()
    with timed(timing, "step"):
        with timed(timing, "gen"):
            experience = collect(
                state.engine, state.model, state.data, place.position, state.settings, step, state.ranks
            )
            state.engine.sleep()
        with timed(timing, "score"):
            fixed = fixed_scores(state.model, state.reference, experience, state.settings, step, state.ranks)
        with timed(timing, "update_actor"):
            learnt = state.updater.step(experience, fixed, step)
        with timed(timing, "sync"):
            state.engine.wake()  # weights cannot be put into an engine that sleeps
            state.engine.sync(named_weights(state.model.module, state.updater.backend.gather))
    metrics = experience_metrics(experience) | learnt | engine_gap(experience.responses, fixed.old, state.ranks)
    if tracker:
        tracker.log(step, metrics, timing, sum(map(experience.tokens, range(len(experience.samples)))))
        tracker.keep_rollouts(step, experience, state.model)
    state.model.forget_pictures()
    return Progress(step, state.updater.updates, experience.position)


def make_reference(model: VisionLanguageModel, settings: TrainSettings) -> Reference | None:
    """The model the run began from, where a term asks for it; with adapters it is the policy without them."""
    term = settings.losses.reference_kl
    if not term or not term.coef:
        return None
    if settings.model.lora:
        return Reference(model, model.without_adapters)
    reference = load(settings.model)
    reference.module.requires_grad_(False)
    if settings.parallel.backend == "deepspeed" and settings.parallel.zero_stage == 3:
        from train.deepspeed_backend import shard_reference

        shard_reference(reference, settings)
    return Reference(reference)


def make_state(settings: TrainSettings, ranks: Ranks) -> TrainState:
    """Load everything."""
    data = Samples(settings.data, settings.seed)
    model = load(settings.model)
    model.module.train()
    if model.scoring_path == "shared":  # the loader itself says why a family is not
        log_once(
            f"{settings.model.name}: a group's prompt and pictures pass once for all its responses ({model.family})"
        )
    reference = make_reference(model, settings)
    backend = make_backend(model, settings, ranks)
    engine = make_engine(
        model, settings.rollouts.engine, settings.rollouts.sampling, own_copy=backend.gather is not None
    )
    return TrainState(settings, ranks, data, model, reference, engine, Updater(model, backend, settings, ranks))


def check_parity(state: TrainState) -> None:
    """Refuse to start where sampler and trainer do not see the same tokens, pictures and probabilities."""
    state.engine.sync(named_weights(state.model.module, state.updater.backend.gather))
    prompts = state.model.encode(state.data.take(0, PARITY_PROMPTS))
    rollouts = state.settings.rollouts
    parity(state.model, state.engine, prompts, rollouts.sampling).check(rollouts.engine.gap_bound)


def train(settings: TrainSettings) -> None:
    """Run to the last step, from wherever the run folder stands."""
    check(settings)
    ranks = start_ranks(settings.parallel.backend)
    check_shares(settings, ranks.size)
    run = run_folder(settings)
    if ranks.main:
        claim_run_folder(run, settings)
    ranks.wait()
    if (run / "final" / "config.json").exists() and (run / "finished.json").exists():
        print(f"{run} is finished already")
    else:
        run_until_done(run, make_state(settings, ranks))
    stop_ranks()


def run_until_done(run: Path, state: TrainState) -> None:
    """Steps, checkpoints and the final weights."""
    settings, ranks = state.settings, state.ranks
    place = load_checkpoint(run, state.updater.backend, settings.parallel, ranks)
    state.updater.updates = place.updates
    check_parity(state)
    tracker = Tracker(run, settings, place.step) if ranks.main else None
    with progress(f"train {settings.method}", settings.steps, place.step) as advance:
        while place.step < settings.steps:
            place = one_step(state, place, tracker)
            if tracker:
                advance(place.step, f"reward {tracker.rows[-1]['critic/rewards/mean']:.3f}")
            if place.step % settings.keep.checkpoint_every == 0 or place.step == settings.steps:
                save_checkpoint(run, place, state.updater, ranks, settings.keep.checkpoints)
    state.model.save(run / "final", gather=state.updater.backend.gather, writes=ranks.main)
    if tracker:
        tracker.finish({"steps": settings.steps, "weights": weights_digest(run / "final")})
        print(f"finished: {run}")
    ranks.wait()


def weights_digest(folder: Path) -> str:
    """One digest over all weight files."""
    digests = [sha256_of(path) for path in sorted(folder.glob("*.safetensors"))]
    return digests[0] if len(digests) == 1 else "+".join(digests)
