"""Files, progress, threads, HTTP client, errors: what every room uses and no room owns."""

from common.errors import UserError, did_you_mean
from common.files import atomic_path, atomic_write_bytes, atomic_write_text, read_jsonl, sha256_of, write_jsonl

__all__ = [
    "UserError",
    "atomic_path",
    "atomic_write_bytes",
    "atomic_write_text",
    "did_you_mean",
    "read_jsonl",
    "sha256_of",
    "write_jsonl",
]
