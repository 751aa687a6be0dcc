"""Start an evaluation or its plan: what the settings alone can refuse is refused before PyTorch is loaded."""

from pathlib import Path

from eval.checks import check_names, check_sampling, output_folder
from eval.settings import EvalSettings
from eval.tasks import check_generated, names_of, trained_model


def check_settings(settings: EvalSettings) -> None:
    """Refuse what the settings alone can tell; weights, run and rows may not lie there yet."""
    check_names(settings)
    check_sampling(settings)
    names_of(settings.bench)
    check_generated(settings)


def check(settings: EvalSettings) -> None:
    """Refuse names that are not there."""
    check_settings(settings)
    settings.model.check_place()
    output_folder(settings)
    if settings.run:
        trained_model(Path(settings.run), settings.model)


def evaluate(settings: EvalSettings) -> None:
    """Refuse what cannot be done, then evaluate."""
    check(settings)
    from eval import runner

    runner.evaluate(settings)


def print_plan(settings: EvalSettings) -> None:
    """Refuse what cannot be done, then print what would be."""
    check(settings)
    from eval import plan

    plan.print_plan(settings)
