"""What the comparison of committed results can be told."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class VerifySettings:
    """One comparison."""

    folder: str = setting("results", "where the committed results lie")
