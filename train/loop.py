"""The loop: sample, judge, score, update, log, checkpoint. It names no method; a method is what the settings ask for.

Stop it at any instant and start the same command again: it goes on from the last complete checkpoint and ends with
the same weights and metrics as a run that was never stopped.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from common import UserError
from common.lock import folder_lock
from common.progress import progress
from configs import Run, difference, layout, load_resolved, save_resolved, to_dict
from data.sources import Samples, source_digest
from data.views import View
from models import ModelSettings
from models.engine import Engine
from models.engines import make_engine
from models.loader import VisionLanguageModel, load, log_once
from models.parity import GapWatch, gap_bound, parity
from models.parts import Group
from models.teacher import check_same_vocabulary
from models.weights import named_weights, weights_digest, weights_revision
from train.asks.tools import Tools
from train.backends import make_backend
from train.checkpoint import CheckpointWriter, Progress, load_checkpoint
from train.checks import check, check_families, check_shares
from train.distributed import Ranks, refuse_large_on_cpus, start_ranks, stop_ranks
from train.first_step import write_first_step
from train.moving_average import MovingAverage
from train.needs import check_columns, needs_of
from train.outcomes import outcome_metrics
from train.rollout.collector import Collector, Round
from train.rollout.tool_factory import make_tools
from train.scoring.scores import FrozenModel
from train.scoring.step import make_step
from train.scoring.weighing import weight_metrics
from train.settings import PLACE, TrainSettings
from train.table.columns import POLICY, REFERENCE, TEACHER
from train.tracking import METRICS, Tracker, engine_gap, experience_metrics
from train.update import Updater
from train.usable import usable_prompts
from train.validation import Validation
from train.wandb_login import check_login

MAY_CHANGE = PLACE | {"steps"}  # settings that a resumed run may give anew
PARITY_PROMPTS = {"float32": 4, "bfloat16": 32}  # a mean over fewer is noise of the size of bfloat16's gap


@dataclass
class TrainState:
    """Everything that one step uses."""

    settings: TrainSettings
    ranks: Ranks
    data: Samples
    model: VisionLanguageModel
    models: dict[str, FrozenModel]  # the policy and those that do not learn, by the names of train/table/columns.py
    engine: Engine
    updater: Updater
    watch: GapWatch
    tools: Tools
    average: MovingAverage | None = None  # a teacher that follows the policy
    beside: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    begun: Future[Round] | None = None  # the next step's first round: its pictures are opened while this one learns

    @property
    def collector(self) -> Collector:
        """Return what asks about the problems of a step."""
        return Collector(
            engine=self.engine,
            model=self.model,
            data=self.data,
            settings=self.settings,
            ranks=self.ranks,
            tools=self.tools,
        )


def run_folder(settings: TrainSettings) -> Path:
    usual = layout.run_folder(settings.scale, settings.method, settings.seed)
    return Path(settings.run) if settings.run else usual


def claim_run_folder(run: Path, settings: TrainSettings) -> None:
    """Take the run folder for these settings, or refuse if it belongs to others.

    A start that was refused, or ended in its first step, leaves nothing that other settings could spoil.
    """
    saved, record, rows = run / "config.yaml", run / "run.json", run / METRICS
    if not rows.exists() or not rows.stat().st_size:
        record.unlink(missing_ok=True)
    elif saved.exists():
        changed = difference(to_dict(load_resolved(TrainSettings, saved)), to_dict(settings), MAY_CHANGE)
        if changed:
            raise UserError(f"{run} was begun with {changed}; give run=<another folder>, or remove it")
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
    """Return what the weights and the data were, as exactly as can be told."""
    return {"model": weights_revision(settings.model), "data": source_digest(settings.data)}


@contextmanager
def timed(timing: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timing[f"timing_s/{name}"] = round(time.perf_counter() - start, 4)


@contextmanager
def counted(timing: dict[str, float]) -> Iterator[None]:
    """Count the CPU seconds of this process in all its threads, which other work on the machine hardly moves."""
    start = time.process_time()
    yield
    timing["perf/cpu_s"] = round(time.process_time() - start, 4)


def one_step(state: TrainState, place: Progress, tracker: Tracker | None) -> Progress:
    """Take one rollout and its updates."""
    number, timing = place.step + 1, dict[str, float]()
    settings, ranks = state.settings, state.ranks
    with counted(timing), timed(timing, "step"):
        with timed(timing, "gen"):
            begun, state.begun = state.begun.result() if state.begun else None, None
            experience = state.collector.collect(place.position, number, begun)
            if number < settings.steps:
                state.begun = state.beside.submit(state.collector.begin, experience.position, number + 1)
            state.engine.sleep()
        with timed(timing, "score"):
            step = make_step(state.models, experience, settings, ranks, number)
        with timed(timing, "update_actor"):
            learnt, old = state.updater.step(step)
            if state.average:
                state.average.follow()
        with timed(timing, "sync"):
            state.engine.wake()  # weights cannot be put into an engine that sleeps
            state.engine.sync(named_weights(state.model.module, state.updater.backend.gather))
    gap = engine_gap(experience.responses, old, ranks)
    state.watch.check(number, gap["rollout/engine_gap_mean"])
    metrics = experience_metrics(experience) | outcome_metrics(experience, state.data) | learnt | gap
    metrics |= weight_metrics(settings.weights, step.weighed)
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
    needs, found = needs_of(settings), {POLICY: FrozenModel(model)}
    if needs.of(REFERENCE):
        adapters = settings.model.lora is not None
        found[REFERENCE] = FrozenModel(model, model.without_adapters) if adapters else frozen(settings.model, settings)
    if needs.of(TEACHER) or needs.divergences:
        assert settings.teacher_model is not None
        found[TEACHER] = frozen(settings.teacher_model, settings, whole=settings.teacher_follows > 0)
        check_same_vocabulary(model, found[TEACHER].model)
    return found


def frozen(chosen: ModelSettings, settings: TrainSettings, whole: bool = False) -> FrozenModel:
    """Load a model that does not learn, sharded where the policy is unless it must stay whole."""
    model = load(chosen)
    model.module.requires_grad_(False)
    if settings.parallel.backend == "deepspeed" and settings.parallel.zero_stage == 3 and not whole:
        from train.deepspeed_backend import shard_reference

        shard_reference(model, settings)
    return FrozenModel(model)


@torch.no_grad()
def check_contexts(model: VisionLanguageModel, views: Mapping[str, View]) -> None:
    """Refuse a family in whose layers a view cannot act, before anything is sampled."""
    for view in views.values():
        if view.in_model and not view.leaves_out:
            model.score([Group(replace(model.blank_prompt, inside=view), [model.eos_ids[:1]])])


def make_state(settings: TrainSettings, ranks: Ranks) -> TrainState:
    """Load everything."""
    data = Samples(settings.data, settings.seed)
    check_columns(settings, data)
    tools = make_tools(settings)
    model = load(settings.model)
    check_contexts(model, settings.views)
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
    updater = Updater(model, backend, settings, ranks)
    watch = GapWatch(gap_bound(settings.rollouts.engine, settings.model.dtype))
    average = None
    if settings.teacher_follows and TEACHER in models:
        average = MovingAverage(models[TEACHER].model, model, settings.teacher_follows, backend.gather)
    return TrainState(settings, ranks, data, model, models, engine, updater, watch, tools, average)


def check_parity(state: TrainState) -> None:
    """Refuse to start where sampler and trainer do not see the same tokens, pictures and probabilities."""
    engine, gather = state.engine, state.updater.backend.gather
    engine.sync(named_weights(state.model.module, gather))
    prompts = usable_prompts(state.model, state.data, PARITY_PROMPTS[state.settings.model.dtype])
    sampling = state.settings.rollouts.sampling
    parity(state.model, engine, prompts, sampling).check(state.watch.bound)
    if state.settings.rollouts.engine.kind == "vllm":  # a wake may leave stale weights, and comes after every step
        engine.sleep()
        engine.wake()
        engine.sync(named_weights(state.model.module, gather))
        parity(state.model, engine, prompts[:4], sampling).check(state.watch.bound)


def train(settings: TrainSettings) -> None:
    """Run to the last step, from wherever the run folder stands."""
    check(settings)
    ranks = start_ranks(settings.parallel.backend)
    check_families(settings)
    refuse_large_on_cpus(settings.model)
    check_shares(settings, ranks.size)
    run = run_folder(settings)
    with folder_lock(run) if ranks.main else nullcontext():
        if ranks.main:
            if settings.keep.wandb == "online":
                check_login()
            claim_run_folder(run, settings)
        ranks.wait()
        done = finished_steps(run)
        ranks.wait()
        if done >= settings.steps:
            print(f"{run} is finished already, with {done} steps")
        else:
            if ranks.main:  # a finished run that goes on is none until it ends
                (run / "finished.json").unlink(missing_ok=True)
            run_until_done(run, make_state(settings, ranks))
    stop_ranks()


def finished_steps(run: Path) -> int:
    """Return after how many steps a run was finished; 0 where it was not."""
    record = run / "finished.json"
    return (
        int(json.loads(record.read_text())["steps"])
        if (run / "final" / "config.json").exists() and record.exists()
        else 0
    )


def validation_of(run: Path, state: TrainState, tracker: Tracker | None) -> Validation | None:
    """Return what measures held-out problems, None where none are asked for."""
    if state.settings.validate is None:
        return None
    gather = state.updater.backend.gather
    told = tracker.validated if tracker else None
    return Validation(run, state.settings, state.ranks, state.model, state.engine, gather, told)


def watch_collapse(run: Path, state: TrainState, tracker: Tracker | None) -> None:
    """Say once that the run has collapsed; stop it, on every rank, where that is asked for."""
    new = tracker is not None and tracker.collapsed()
    if tracker and new:
        step = tracker.rows[-1]["step"]
        print(f"{run} collapses at step {step}: look at collapse/* in its metrics.jsonl", file=sys.stderr)
    if state.settings.keep.stop_on_collapse and any(state.ranks.gather([new])):
        raise UserError(f"{run} collapsed and was stopped, as keep.stop_on_collapse asks; lower a coefficient")


def run_until_done(run: Path, state: TrainState) -> None:
    """Run steps to the last one, with checkpoints, and write the final weights."""
    settings, ranks = state.settings, state.ranks
    place = load_checkpoint(run, state.updater.backend, settings.parallel, ranks, state.average)
    state.updater.updates = place.updates
    check_parity(state)
    tracker = Tracker(run, settings, place.step) if ranks.main else None
    writer = CheckpointWriter(run, state.model, state.updater.backend, settings, ranks, state.average)
    validation = validation_of(run, state, tracker)
    if validation:
        validation.from_step(place.step)
    with progress(f"train {settings.method}", settings.steps, place.step) as advance:
        while place.step < settings.steps:
            place = one_step(state, place, tracker)
            if tracker:
                advance(place.step, f"reward {tracker.rows[-1]['critic/rewards/mean']:.3f}")
            watch_collapse(run, state, tracker)
            if validation:
                validation.after(place.step)
            if place.step % settings.keep.checkpoint_every == 0 or place.step == settings.steps:
                writer.save(place)
    writer.wait()
    state.model.save(run / "final", gather=state.updater.backend.gather, writes=ranks.main)
    if tracker:
        tracker.finish({"steps": settings.steps, "weights": weights_digest(run / "final")})
        print(f"finished: {run}")
    ranks.wait()
