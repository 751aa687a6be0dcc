"""Read what W&B's offline mode wrote: a .wandb file is a LevelDB log of protobuf records."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

START, BLOCK, HEADER = 7, 32768, 7
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
        piece += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (WHOLE, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(piece)
            yield record
            piece = b""


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
        files = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda path: path.parent.name)
        for record in (record for path in files for record in records(path)):
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
