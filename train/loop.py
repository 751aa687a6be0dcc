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
from models import ModelSettings
from models.engine import Engine, make_engine
from models.loader import VisionLanguageModel, load, log_once
from models.parity import parity
from models.teacher import check_same_vocabulary
from models.weights import named_weights
from train.backend import make_backend
from train.checkpoint import Progress, load_checkpoint, save_checkpoint
from train.checks import check, check_shares
from train.columns import POLICY, REFERENCE, TEACHER
from train.distributed import Ranks, start_ranks, stop_ranks
from train.first_step import write_first_step
from train.needs import needs_of
from train.rollout import collect
from train.scores import FrozenModel
from train.settings import TrainSettings
from train.step import make_step
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
    models: dict[str, FrozenModel]  # the policy and those that do not learn, by the names of train/columns.py
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
    """Take one rollout and its updates."""
    number, timing = place.step + 1, dict[str, float]()
    settings, ranks = state.settings, state.ranks
    with timed(timing, "step"):
        with timed(timing, "gen"):
            experience = collect(state.engine, state.model, state.data, place.position, settings, number, ranks)
            state.engine.sleep()
        with timed(timing, "score"):
            step = make_step(state.models, experience, settings, ranks, number)
        with timed(timing, "update_actor"):
            learnt, old = state.updater.step(step)
        with timed(timing, "sync"):
            state.engine.wake()  # weights cannot be put into an engine that sleeps
            state.engine.sync(named_weights(state.model.module, state.updater.backend.gather))
    metrics = experience_metrics(experience) | learnt | engine_gap(experience.responses, old, ranks)
    if number == 1:
        write_first_step(run_folder(settings), step, old, ranks)
    if tracker:
        tracker.log(number, metrics, timing, sum(block.tokens for block in experience.blocks))
        tracker.keep_rollouts(step)
    state.model.forget_pictures()
    return Progress(number, state.updater.updates, experience.position)


def frozen_models(model: VisionLanguageModel, settings: TrainSettings) -> dict[str, FrozenModel]:
    """Return the policy and, where a piece reads them, the model the run began from and the teacher, by name.

    With adapters the reference is the policy without them.
    """
    needs, found = needs_of(settings.losses, settings.weights.values()), {POLICY: FrozenModel(model)}
    if needs.of(REFERENCE):
        adapters = settings.model.lora is not None
        found[REFERENCE] = FrozenModel(model, model.without_adapters) if adapters else frozen(settings.model, settings)
    if needs.of(TEACHER) or any(name.model == TEACHER for name in needs.live):
        assert settings.teacher is not None
        found[TEACHER] = frozen(settings.teacher, settings)
        check_same_vocabulary(model, found[TEACHER].model)
    return found


def frozen(chosen: ModelSettings, settings: TrainSettings) -> FrozenModel:
    """Load a model that does not learn, sharded where the policy is."""
    model = load(chosen)
    model.module.requires_grad_(False)
    if settings.parallel.backend == "deepspeed" and settings.parallel.zero_stage == 3:
        from train.deepspeed_backend import shard_reference

        shard_reference(model, settings)
    return FrozenModel(model)


def make_state(settings: TrainSettings, ranks: Ranks) -> TrainState:
    """Load everything."""
    data = Samples(settings.data, settings.seed)
    model = load(settings.model)
    model.module.train()
    if model.scoring_path == "shared":  # the loader itself says why a family is not
        log_once(
            f"{settings.model.name}: a group's prompt and pictures pass once for all its responses ({model.family})"
        )
    models = frozen_models(model, settings)
    backend = make_backend(model, settings, ranks)
    engine = make_engine(
        model, settings.rollouts.engine, settings.rollouts.sampling, own_copy=backend.gather is not None
    )
    return TrainState(settings, ranks, data, model, models, engine, Updater(model, backend, settings, ranks))


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
