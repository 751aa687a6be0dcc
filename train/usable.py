"""The first samples of a source that a model can be asked about."""

from itertools import islice

from common import UserError
from data import Sample
from data.sources import Samples
from models.encode import Encoded
from models.loader import VisionLanguageModel


def usable_samples(model: VisionLanguageModel, data: Samples, count: int) -> list[tuple[Sample, Encoded]]:
    """Return the first samples that can be used with their prompts, of at most twice as many samples."""
    found: list[tuple[Sample, Encoded]] = []
    for sample in islice(data.from_position(0), 2 * count):
        try:
            prompt = model.encoder.encode(sample)
        except UserError:  # counted when a step takes it
            continue
        if model.encoder.fits(prompt):
            found.append((sample, prompt))
        if len(found) == count:
            break
    if not found:
        raise UserError(
            f"none of the first {2 * count} samples fits model.max_prompt_tokens; raise it or check the data"
        )
    return found


def usable_prompts(model: VisionLanguageModel, data: Samples, count: int) -> list[Encoded]:
    """Return the prompts of the first samples that can be used."""
    return [prompt for _, prompt in usable_samples(model, data, count)]
