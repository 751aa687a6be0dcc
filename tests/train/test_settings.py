"""The number of settings stays at what one person can know: about as many as one fork of EasyR1 has for training."""

from analysis.settings import AnalysisSettings
from configs import count_settings
from eval.settings import EvalSettings
from models.server_settings import ServerSettings
from models.settings import ModelSettings, SamplingSettings
from train.settings import TrainSettings
from verify.llm_judge import JudgeSettings


def test_there_are_at_most_ninety_settings_of_training():
    assert count_settings(TrainSettings) <= 90


def test_evaluation_and_analysis_add_few():
    """Beside what describes a model, its sampling, a server and a judge, which commands share."""
    shared = sum(map(count_settings, (ModelSettings, SamplingSettings, ServerSettings, JudgeSettings)))
    assert count_settings(EvalSettings) - shared + count_settings(AnalysisSettings) <= 40
