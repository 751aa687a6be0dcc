"""Names of the Parquet files of a data set as the hub stores it: `test-00000-of-00002.parquet`, `test.parquet`."""

import re
from collections.abc import Sequence
from pathlib import Path

from common import UserError

SHARD = re.compile(r"(?P<split>.+?)(?:-(?P<number>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]+)?)?\.parquet")


def missing_shards(shards: Sequence[Path]) -> str:
    """Name the shards of a split that the names of the others count but that are not there."""
    matches = [match for path in shards if (match := SHARD.fullmatch(path.name)) and match["count"]]
    if not matches:
        return ""
    there, count = {int(match["number"]) for match in matches}, int(matches[0]["count"])
    if len(matches) != len(there):
        raise UserError(f"{shards[0].parent} holds several files of one shard of {matches[0]['split']}; keep one each")
    gone = [f"{number:05d}" for number in range(count) if number not in there]
    return f"shard {', '.join(gone)} of {count} of {matches[0]['split']} is not in {shards[0].parent}" if gone else ""
