"""The common loader: a vision-language model that encodes, scores and samples."""

from models.response import Response
from models.settings import ModelSettings, SamplingSettings

__all__ = ["ModelSettings", "Response", "SamplingSettings"]
