"""How a room declares its settings: dataclass fields that carry their own help text."""

from __future__ import annotations

import copy
import dataclasses
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Literal, NamedTuple, TypeGuard, Union, get_args, get_origin, get_type_hints

REQUIRED = dataclasses.MISSING


class SettingRow(NamedTuple):
    """One line of --help."""

    name: str
    type: str
    default: str
    help: str


class Declared(NamedTuple):
    """One field met while walking a schema; `is_piece` marks an optional or named group of settings."""

    name: str
    kind: Any
    default: Any
    help: str
    is_piece: bool


def setting(
    default: Any = REQUIRED, help: str = "", *, factory: Callable[[], Any] | None = None, group: bool = True
) -> Any:
    """Declare a dataclass field with help text; with neither default nor factory the user must give a value.

    `group=False` keeps a field plain although `configs/<name>s/` exists, as for a command that only passes it on.
    """
    metadata = {"help": help, "group": group}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    if default is REQUIRED:
        # Keyword-only, so that a required field may follow fields that have defaults.
        return dataclasses.field(kw_only=True, metadata=metadata)
    if isinstance(default, list | dict | set) or dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@cache
def children(schema: type) -> dict[str, Any]:
    """Field names of a settings dataclass with their types, in the order of declaration."""
    hints = get_type_hints(schema)
    return {field.name: hints[field.name] for field in dataclasses.fields(schema)}


def without_none(kind: Any) -> tuple[Any, bool]:
    """Split Optional[X] into (X, True); any other type gives (type, False)."""
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    members = tuple(member for member in get_args(kind) if member is not types.NoneType)
    if len(members) == len(get_args(kind)):
        return kind, False
    return (members[0] if len(members) == 1 else Union[members]), True  # noqa: UP007 (members is a variable)


def is_piece(kind: Any) -> TypeGuard[type]:
    """Whether a type is itself a dataclass of settings."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def piece_of(kind: Any) -> type | None:
    """The dataclass behind X, Optional[X] or dict[str, X], or None where there is none."""
    bare, _ = without_none(kind)
    if get_origin(bare) is dict:
        bare, _ = without_none(get_args(bare)[1])
    return bare if is_piece(bare) else None


def type_at(schema: type, dotted: str) -> Any:
    """The declared type of a dotted name, or None where the schema does not know it."""
    kind: Any = schema
    for part in dotted.split("."):
        bare, _ = without_none(kind)
        if is_piece(bare):
            kind = children(bare).get(part)
        elif get_origin(bare) is dict:
            kind = get_args(bare)[1]
        else:
            return None
    return kind


def type_text(kind: Any) -> str:
    """A type as a person would write it."""
    bare, optional = without_none(kind)
    if get_origin(bare) is Literal:
        text = " | ".join(str(choice) for choice in get_args(bare))
    elif get_origin(bare) in (Union, types.UnionType):
        text = " | ".join(type_text(member) for member in get_args(bare))
    elif get_args(bare):
        members = ("..." if member is Ellipsis else type_text(member) for member in get_args(bare))
        text = f"{get_origin(bare).__name__}[{', '.join(members)}]"
    else:
        text = getattr(bare, "__name__", str(bare))
    return f"{text} | null" if optional else text


def default_of(field: dataclasses.Field[Any]) -> Any:
    """A field's default value, or REQUIRED."""
    return field.default if field.default_factory is REQUIRED else field.default_factory()


def walk(schema: type, prefix: str = "", defaults: Any = None) -> Iterator[Declared]:
    """Every field below a schema, depth first; a dict of pieces shows its entries as `<name>`."""
    kinds = children(schema)
    for field in dataclasses.fields(schema):
        kind = kinds[field.name]
        default = getattr(defaults, field.name) if defaults is not None else default_of(field)
        name, help_text = prefix + field.name, field.metadata.get("help", "")
        piece = piece_of(kind)
        if piece is None:
            yield Declared(name, kind, default, help_text, is_piece=False)
            continue
        bare, optional = without_none(kind)
        if optional or bare is not piece:
            yield Declared(name, kind, default, help_text, is_piece=True)
        below = f"{name}." if bare is piece else f"{name}.<name>."
        yield from walk(piece, below, default if isinstance(default, piece) else None)


def describe(schema: type) -> list[SettingRow]:
    """Name, type, default and help of every setting, for --help."""
    return [SettingRow(d.name, type_text(d.kind), _default_text(d.default), d.help) for d in walk(schema)]


def count_settings(schema: type) -> int:
    """Number of values a user can set; the pieces that only hold settings do not count."""
    return sum(not declared.is_piece for declared in walk(schema))


def _default_text(default: Any) -> str:
    if default is REQUIRED:
        return "required"
    if default is None:
        return "null"
    if isinstance(default, bool):
        return str(default).lower()
    if dataclasses.is_dataclass(default):
        return "set"
    return '""' if default == "" else str(default)
