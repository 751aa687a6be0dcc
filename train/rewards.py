"""From verdicts to rewards: weighted terms per response, and DAPO's soft penalty on length."""

from collections.abc import Callable

from train.settings import OverlongSettings
from verify import Verdict

REWARD_TERMS: dict[str, Callable[[Verdict], float]] = {
    "accuracy": lambda verdict: float(verdict.correct),
    "format": lambda verdict: float(verdict.format_ok),
}


def overlong_penalty(length: int, limit: int, settings: OverlongSettings) -> float:
    """0 up to limit - buffer, then falling linearly to -factor at the limit (arXiv 2503.14476, eq. 13)."""
    into_buffer = length - (limit - settings.buffer)
    return -settings.factor * min(max(into_buffer / settings.buffer, 0.0), 1.0)
