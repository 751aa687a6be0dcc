"""The common loader: a vision-language model that encodes, scores and samples."""

from models.response import Response
from models.settings import EngineSettings, LoraSettings, ModelSettings, SamplingSettings

__all__ = ["EngineSettings", "LoraSettings", "ModelSettings", "Response", "SamplingSettings"]
