"""Measured numbers beside what is expected of them, as one page and as JSON."""

from dataclasses import asdict, dataclass, field
from math import inf, isfinite
from typing import Any


@dataclass(frozen=True)
class Check:
    """One number; without bounds it is only reported."""

    name: str
    value: float
    low: float = -inf
    high: float = inf

    @property
    def passed(self) -> bool:
        return self.low <= self.value <= self.high  # not a number lies nowhere

    @property
    def expected(self) -> str:
        if not isfinite(self.low) and not isfinite(self.high):
            return "reported"
        if self.low == self.high:
            return f"{self.low:g}"
        if not isfinite(self.low):
            return f"at most {self.high:g}"
        return f"at least {self.low:g}" if not isfinite(self.high) else f"{self.low:g} to {self.high:g}"


@dataclass
class Block:
    """One part of the check."""

    name: str
    seconds: float = 0.0
    checks: list[Check] = field(default_factory=list)
    problem: str = ""  # why it did not come to its end

    @property
    def passed(self) -> bool:
        return not self.problem and all(check.passed for check in self.checks)

    def record(self) -> dict[str, Any]:
        checks = [
            {"name": one.name, "value": one.value, "expected": one.expected, "passed": one.passed}
            for one in self.checks
        ]
        return {**asdict(self), "checks": checks, "passed": self.passed}


def page(blocks: list[Block], machine: str) -> str:
    """Return the report as Markdown."""
    failed = [block.name for block in blocks if not block.passed]
    lines = ["# GPU check", "", machine, "", f"Failed: {', '.join(failed)}." if failed else "Every block passed."]
    for block in blocks:
        lines += ["", f"## {block.name}: {'passed' if block.passed else 'FAILED'}, {block.seconds:.0f} s", ""]
        lines += [block.problem, ""] if block.problem else []
        if block.checks:
            lines += ["| what | measured | expected | |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {one.name} | {one.value:.4g} | {one.expected} | {'ok' if one.passed else 'FAILED'} |"
            for one in block.checks
        ]
    return "\n".join(lines) + "\n"
