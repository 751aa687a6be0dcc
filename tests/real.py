"""Real rows of the benchmarks, where a folder of them is at hand: they are read where they lie and never copied."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

REAL = Path(os.environ.get("PERCEPT_REAL", Path(__file__).resolve().parents[2] / "shared" / "real"))
needs_real_rows = pytest.mark.skipif(
    not REAL.is_dir(), reason="real rows of the benchmarks are not in PERCEPT_REAL nor in ../shared/real"
)


def real_json(name: str) -> Any:
    return json.loads((REAL / name).read_text(encoding="utf-8"))


def real_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (REAL / name).read_text(encoding="utf-8").split("\n") if line.strip()]
