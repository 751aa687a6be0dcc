"""What to run: typed settings, the files that hold them, and the record of a run."""

from configs.command import command, exit_status
from configs.compose import compose, load_resolved, save_resolved, to_dict
from configs.difference import difference
from configs.run import Run
from configs.settings import count_settings, describe, setting

__all__ = [
    "Run",
    "command",
    "compose",
    "count_settings",
    "describe",
    "difference",
    "exit_status",
    "load_resolved",
    "save_resolved",
    "setting",
    "to_dict",
]
