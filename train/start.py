"""Start a training: what the settings alone can refuse is refused before PyTorch is loaded."""

from data.sources import check_source
from train.checks import check, check_places
from train.settings import TrainSettings


def train(settings: TrainSettings) -> None:
    """Refuse what cannot run, then train."""
    check(settings)
    check_places(settings)
    check_source(settings.data)
    from train import loop

    loop.train(settings)
