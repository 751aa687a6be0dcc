"""Read what W&B's offline mode wrote: a .wandb file is a LevelDB log of protobuf records."""

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

START, BLOCK, HEADER = 7, 32768, 7
WAIT_S = 30
WHOLE, LAST = 1, 4  # kinds of pieces after which a record is complete


def records(path: Path) -> Iterator[Any]:
    """Yield the records of one file in their order."""
    data, at, piece = path.read_bytes(), START, b""
    assert data[:4] == b":W&B"
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:  # the rest of a block that no header fits in
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
        if at + HEADER + length > len(data):  # still being written
            return
        piece += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (WHOLE, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(piece)
            yield record
            piece = b""


def complete(path: Path) -> list[Any]:
    """Return the records of a run that was finished: W&B's own process may still write after `finish` returns."""
    until = time.monotonic() + WAIT_S
    while True:
        found = list(records(path))
        if any(record.WhichOneof("record_type") == "exit" for record in found):
            return found
        assert time.monotonic() < until, f"{path} has no end after {WAIT_S} s"
        time.sleep(0.1)


def items(entries: Any) -> dict[str, Any]:
    """Return key -> value of the updates in a record."""
    return {entry.key or "/".join(entry.nested_key): json.loads(entry.value_json) for entry in entries}


class OfflineRun:
    """All files that one W&B folder holds, oldest first, put together."""

    def __init__(self, folder: Path):
        self.rows: dict[int, dict[str, Any]] = {}
        self.summary: dict[str, Any] = {}
        self.config: dict[str, Any] = {}
        self.alerts: list[Any] = []
        self.artifacts: list[Any] = []
        self.metrics: list[Any] = []
        self.runs: list[Any] = []
        for path in sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.parent.name):
            for record in complete(path):
                self.take(record.WhichOneof("record_type"), record)

    def take(self, kind: str, record: Any) -> None:
        if kind == "history":
            row = items(record.history.item)
            self.rows.setdefault(int(row["_step"]), {}).update(row)
        elif kind == "summary":
            self.summary |= items(record.summary.update)
        elif kind == "run":
            self.runs.append(record.run)
            self.config |= items(record.run.config.update)
        elif kind == "metric":
            self.metrics.append(record.metric)
        elif kind == "alert":
            self.alerts.append(record.alert)
        elif kind == "artifact":
            self.artifacts.append(record.artifact)
        elif kind == "request" and record.request.WhichOneof("request_type") == "log_artifact":
            self.artifacts.append(record.request.log_artifact.artifact)
