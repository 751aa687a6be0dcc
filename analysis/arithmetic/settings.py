"""Settings of the paper's arithmetic."""

from dataclasses import dataclass

from configs import setting


@dataclass(frozen=True)
class ArithmeticSettings:
    """All tables of configs/tables that hold numbers of the paper."""

    out: str = setting("", "folder of arithmetic.md and arithmetic.csv, as in out=results/arithmetic; empty = print")
