"""`Response`: one answer that a model gave to a sample."""

from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Response:
    """Token ids end with the end token where the model chose to stop; log-probs are the sampler's own."""

    sample_id: str
    k: int  # which of the sample's responses
    view: str  # the view of the picture it was sampled on
    text: str  # special tokens left out
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: str = "stop"  # stop, or length where the limit cut it

    def record(self) -> dict:
        return asdict(self)
