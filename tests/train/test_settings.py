"""The number of settings stays at what one person can know: about as many as one fork of EasyR1 has for training."""

from analysis.settings import AnalysisSettings
from configs import count_settings
from eval.settings import EvalSettings
from models.settings import ModelSettings, SamplingSettings
from train.settings import TrainSettings


def test_there_are_at_most_ninety_settings_of_training():
    assert count_settings(TrainSettings) <= 90


def test_evaluation_and_analysis_add_few():
    shared = count_settings(ModelSettings) + count_settings(SamplingSettings)
    assert count_settings(EvalSettings) - shared + count_settings(AnalysisSettings) <= 40
