"""What to run: typed settings, the files that hold them, and the record of a run."""

from configs.command import command
from configs.compose import compose, load_resolved, save_resolved, to_dict
from configs.errors import UserError
from configs.files import atomic_path, atomic_write_bytes, atomic_write_text, read_jsonl, sha256_of, write_jsonl
from configs.run import Run
from configs.settings import count_settings, describe, setting

__all__ = [
    "Run",
    "UserError",
    "atomic_path",
    "atomic_write_bytes",
    "atomic_write_text",
    "command",
    "compose",
    "count_settings",
    "describe",
    "load_resolved",
    "read_jsonl",
    "save_resolved",
    "setting",
    "sha256_of",
    "to_dict",
    "write_jsonl",
]
