"""Refuse what cannot run, before anything is loaded."""

from collections.abc import Mapping

from common import UserError, did_you_mean
from data.views import View
from train.losses import EMITTED
from train.needs import check_pieces, needs_of
from train.settings import WEIGHTS_OF, LossSettings, RolloutSettings, TrainSettings
from train.table.columns import POLICY, STATES, TEACHER
from verify import GRADERS


def check_losses(losses: LossSettings, views: Mapping[str, View]) -> None:
    """Refuse terms that ask for what is not there."""
    for name, view in views.items():
        if name == "clean":
            raise UserError("a view cannot be named clean, which is the picture as it is; choose another name")
        view.check(name)
    if losses.entropy and losses.entropy.masked_coef and not losses.perception_kl:
        raise UserError("losses.entropy.masked_coef needs losses.perception_kl, which names the masked view")
    check_constant(losses)


def check_constant(losses: LossSettings) -> None:
    """Refuse names in `losses.constant` that are no terms and no weights."""
    unknown = [name for name in losses.constant if name not in EMITTED and not name.startswith(WEIGHTS_OF)]
    if unknown:
        raise UserError(
            f"losses.constant names '{unknown[0]}', which is no loss term; {did_you_mean(unknown[0], EMITTED)}"
        )


def check_rollouts(rollouts: RolloutSettings) -> None:
    """Refuse sampling that could never fill a step."""
    if rollouts.group < 2:
        raise UserError("rollouts.group must be at least 2: a group's mean is the baseline of its members")
    if rollouts.filter and not 0 <= rollouts.filter.low < rollouts.filter.high <= 1:
        raise UserError("rollouts.filter needs 0 <= low < high <= 1: a group is kept when its accuracy lies between")
    if rollouts.filter and rollouts.filter.prompts * rollouts.filter.rounds < rollouts.prompts:
        raise UserError("rollouts.filter: rounds x prompts is less than rollouts.prompts; raise one of them")
    if rollouts.overlong and not 0 < rollouts.overlong.buffer <= rollouts.sampling.max_new_tokens:
        raise UserError("rollouts.overlong.buffer must lie between 1 and rollouts.sampling.max_new_tokens")


def check_validation(settings: TrainSettings) -> None:
    """Refuse a view that is not there."""
    name = settings.validate.view if settings.validate else ""
    if name and name not in settings.views:
        advice = (
            did_you_mean(name, settings.views) if settings.views else "give views.<name>.kind=..., or leave it out"
        )
        raise UserError(f"validate.view is '{name}', which `views` lacks; {advice}")
    if name and settings.views[name].in_model:
        raise UserError(f"validate.view is '{name}', which scores responses that are there; name another view")


def check_sharding(settings: TrainSettings) -> None:
    """Refuse views that ask the vision tower on one rank where its weights are cut over all of them."""
    asking = [name for name, view in settings.views.items() if view.reads_salience]
    if asking and settings.parallel.backend == "deepspeed" and settings.parallel.zero_stage == 3:
        raise UserError(
            f"views.{asking[0]} asks the vision tower outside the update, which weights cut over ranks do not allow; "
            "set parallel.zero_stage to 0, 1 or 2"
        )


def check_teacher(settings: TrainSettings) -> None:
    """Refuse an average that nothing reads, or of weights that are not the policy's own."""
    needs = needs_of(settings)
    if settings.teacher_follows and not (needs.of(TEACHER) or needs.divergences):
        raise UserError("teacher_follows is set, but no term and no weight reads a teacher; leave it out")
    if settings.teacher_follows and settings.model.lora:
        raise UserError("teacher_follows averages whole weights, and adapters are none; leave out model.lora")


def check_grader(settings: TrainSettings) -> None:
    """Refuse a grader that verify does not have."""
    if settings.grader not in GRADERS:
        raise UserError(f"no grader '{settings.grader}'; {did_you_mean(settings.grader, GRADERS)}")


def check(settings: TrainSettings) -> None:
    """Refuse what cannot run, before anything is loaded."""
    check_grader(settings)
    check_losses(settings.losses, settings.views)
    check_pieces(settings)
    check_rollouts(settings.rollouts)
    check_validation(settings)
    check_teacher(settings)
    check_sharding(settings)
    settings.model.check()
    if settings.teacher_model:
        settings.teacher_model.check("teacher")
    if settings.parallel.offload != "none" and settings.parallel.backend == "torch":
        raise UserError(f"parallel.offload={settings.parallel.offload} is DeepSpeed's: set parallel.backend=deepspeed")
    if settings.rollouts.prompts % settings.optimiser.minibatch_prompts:
        raise UserError("rollouts.prompts must be a multiple of optimiser.minibatch_prompts")


def check_places(settings: TrainSettings) -> None:
    """Refuse weights that do not lie where they should; a job script is written where they may not lie yet."""
    settings.model.check_place()
    if settings.teacher_model:
        settings.teacher_model.check_place("teacher")


def check_families(settings: TrainSettings) -> None:
    """Refuse a model from whose layers a piece or a view cannot read what it asks; its configuration tells."""
    needs, views = needs_of(settings), settings.views.values()
    reads = {name: any(one.quantity in STATES for one in needs.of(name)) for name in (POLICY, TEACHER)}
    acts = any(view.in_model and not view.leaves_out for view in views)
    ranks = any(view.reads_salience for view in views)
    for name, model in {POLICY: settings.model, TEACHER: settings.teacher_model}.items():
        asked = [reads[name], name == POLICY and acts, name == POLICY and ranks]
        if model is None or not any(asked):
            continue
        from models.focus import check_states  # torch, which most wrong settings are refused without
        from models.salience import check_salience
        from models.shape import module_of
        from models.watched import check_watchable

        module = module_of(model)
        for one, refuse in zip(asked, (check_states, check_watchable, check_salience), strict=True):
            if one:
                refuse(module)


def check_shares(settings: TrainSettings, processes: int) -> None:
    """Refuse a number of processes that cannot share every mini-batch equally."""
    if settings.optimiser.minibatch_prompts % processes:
        raise UserError(
            f"optimiser.minibatch_prompts is {settings.optimiser.minibatch_prompts}, which {processes} processes "
            "cannot share equally; make it a multiple"
        )
