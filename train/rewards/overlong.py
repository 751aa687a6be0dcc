"""DAPO's soft penalty on length (arXiv 2503.14476, eq. 13)."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class OverlongSettings:
    """DAPO's soft penalty on long responses, added to the reward."""

    buffer: int = setting(
        512, "the penalty grows over the last so many tokens before max_new_tokens", bounds="[1, inf)"
    )
    factor: float = setting(1.0, "penalty of a response that reaches max_new_tokens", bounds="[0, inf)")


def overlong_penalty(length: int, limit: int, settings: OverlongSettings) -> float:
    """Return 0 up to limit - buffer, then a line down to -factor at the limit."""
    into_buffer = length - (limit - settings.buffer)
    return -settings.factor * min(max(into_buffer / settings.buffer, 0.0), 1.0)
