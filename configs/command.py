"""The shared command line of all rooms: key=value settings, --help, dry_run, errors as one sentence."""

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from common.errors import UserError
from configs.compose import ROOT, compose, to_yaml
from configs.groups import groups_of
from configs.settings import SettingRow, describe

USAGE_ERROR = 2
INTERRUPTED = 130
READER_GONE = 141
DRY_RUN = SettingRow(
    "dry_run", "bool", "false", "print the resolved settings and, where it can be told, what they would take; stop"
)

Runner = Callable[[Any], int | None]


def command(
    schema: type[Any],
    run: Runner | str,
    argv: Sequence[str],
    *,
    prog: str,
    summary: str,
    positional: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
    root: Path = ROOT,
    defaults: Callable[[], Mapping[str, str]] | Mapping[str, str] | None = None,
    dry: Runner | str | None = None,
) -> int:
    """Compose the settings, run, and return the exit status.

    `run` takes the settings; as text ("train.loop:train") it is imported only when the work starts.
    `dry` is what a dry run does once it has printed the settings; `defaults` that must be found out are a function.
    Bare arguments fill the settings named in `positional`; `options` maps a flag such as "-o" to a setting.
    """
    options = options or {}

    def work() -> int | None:
        if "--help" in argv or "-h" in argv:
            below = next((argument for argument in argv if not argument.startswith("-")), "")
            if below and (rows := describe(schema, below)):
                print(options_text(rows))
            else:
                print(help_text(schema, prog=prog, summary=summary, positional=positional, options=options, root=root))
            return 0
        overrides, is_dry = _without_dry_run(_overrides(argv, positional, options))
        settings = compose(schema, overrides, root=root, defaults=defaults() if callable(defaults) else defaults)
        if is_dry:
            print(to_yaml(settings), end="")
            return _runner(dry)(settings) if dry else 0
        return _runner(run)(settings)

    return exit_status(work, prog)


def exit_status(work: Callable[[], int | None], prog: str) -> int:
    """Do a command's work and return its exit status; what a person can mend is one sentence."""
    try:
        return work() or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:  # the reader of what is printed, as `head`, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's last flush would fail as well
        return READER_GONE
    except OSError as error:
        if error.filename is None:  # no file that a person could mend
            raise
        why = f"{error.filename}: {error.strerror}"
        print(f"error: {why}; check the path, its permissions and the space left, or give another", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print(f"{prog} was stopped by the keyboard", file=sys.stderr)
        return INTERRUPTED


def help_text(
    schema: type, *, prog: str, summary: str, positional: Sequence[str], options: Mapping[str, str], root: Path
) -> str:
    """Summary, usage, and every setting with type, default and help, in columns."""
    words = [*positional, *(f"[{flag} {name}]" for flag, name in options.items()), "[key=value ...]"]
    lines = [summary, "", f"usage: {prog} {' '.join(words)}"]
    rows = [*describe(schema), DRY_RUN]
    helps = {field.name: field.metadata.get("help") for field in fields(schema)}
    groups = groups_of(schema, root)
    lines += [""] if groups else []
    for name, group in groups.items():
        lines += _wrapped(f"{name}=", f"one of {', '.join(group.files()) or 'none yet'}", width=12)
    width = min(max(len(row.name) for row in rows), 40) + 2
    for top, members in _by_top(rows).items():
        lines += ["", f"{top}: {helps[top]}" if helps.get(top) else top]
        for row in members:
            lines += _wrapped(f"  {row.name}", _described(row), width=width + 2)
    return "\n".join(lines)


def options_text(rows: Sequence[SettingRow]) -> str:
    """Return the settings below one name in columns, as `--help losses.perception_kl` prints them."""
    width = min(max(len(row.name) for row in rows), 40) + 2
    lines: list[str] = []
    for row in rows:
        lines += _wrapped(row.name, _described(row) if row.type else row.help, width=width)
    return "\n".join(lines)


def _by_top(rows: Sequence[SettingRow]) -> dict[str, list[SettingRow]]:
    """Return rows under their top-level key; those without one come first."""
    nested = {row.name.partition(".")[0] for row in rows if "." in row.name}
    tops: dict[str, list[SettingRow]] = {"settings": []}
    for row in rows:
        top = row.name.partition(".")[0]
        tops.setdefault(top if top in nested else "settings", []).append(row)
    return {top: members for top, members in tops.items() if members}


def _described(row: SettingRow) -> str:
    return f"{row.type} (default {row.default})  {row.help}".rstrip()


def _wrapped(head: str, text: str, width: int) -> list[str]:
    """Return a head and its text in two columns."""
    columns = min(shutil.get_terminal_size().columns, 119)
    indent = " " * width
    start = f"{head:<{width}}"
    return textwrap.wrap(text, columns, initial_indent=start, subsequent_indent=indent, break_long_words=False)


def _overrides(argv: Sequence[str], positional: Sequence[str], options: Mapping[str, str]) -> list[str]:
    """Bare arguments and flags rewritten as key=value."""
    overrides: list[str] = []
    waiting = list(positional)
    arguments = iter(argv)
    for argument in arguments:
        if argument in options:
            value = next(arguments, None)
            if value is None:
                raise UserError(f"{argument} needs a value, for example {argument} {options[argument]}")
            overrides.append(f"{options[argument]}={value}")
        elif "=" not in argument and not argument.startswith("-") and waiting:
            overrides.append(f"{waiting.pop(0)}={argument}")
        else:
            overrides.append(argument)
    return overrides


def _without_dry_run(overrides: Sequence[str]) -> tuple[list[str], bool]:
    """Take out `dry_run=...`, which is no setting of any run, and return whether it is asked for."""
    values = [text.partition("=")[2] for text in overrides if text.startswith("dry_run=")]
    if values and values[-1] not in ("true", "false"):
        raise UserError(
            f"dry_run={values[-1]} is neither true nor false; give dry_run=true to print the settings and stop"
        )
    return [text for text in overrides if not text.startswith("dry_run=")], values[-1:] == ["true"]


def _runner(run: Runner | str) -> Runner:
    if not isinstance(run, str):
        return run
    module, _, name = run.partition(":")
    runner: Runner = getattr(import_module(module), name)
    return runner
