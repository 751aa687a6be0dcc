"""The number of settings stays at what one person can know."""

from analysis.settings import AnalysisSettings
from configs import count_settings
from eval.settings import EvalSettings
from train.settings import TrainSettings


def test_there_are_at_most_ninety_settings():
    shared_with_training = 12 + 6  # model and sampling
    own = count_settings(EvalSettings) - shared_with_training
    assert count_settings(TrainSettings) + count_settings(AnalysisSettings) + own <= 90
