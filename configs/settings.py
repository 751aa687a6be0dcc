"""How a room declares its settings: dataclass fields that carry their own help text."""

import copy
import dataclasses
import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, TypeGuard, Union, get_args, get_origin, get_type_hints

REQUIRED = dataclasses.MISSING
TAG = "kind"  # the field that chooses among the dataclasses of a tagged union


class SettingRow(NamedTuple):
    """One line of --help."""

    name: str
    type: str
    default: str
    help: str


class Declared(NamedTuple):
    """One field met while walking a schema; `is_piece` marks an optional, named or tagged group of settings."""

    name: str
    kind: Any
    default: Any
    help: str
    is_piece: bool
    is_optional: bool = False  # below a piece that is off unless asked for


def setting(
    default: Any = REQUIRED,
    help: str = "",
    *,
    factory: Callable[[], Any] | None = None,
    group: bool | str = True,
    bounds: str = "",
) -> Any:
    """Declare a dataclass field with help text; with neither default nor factory the user must give a value.

    `group=False` keeps a field plain although `configs/<name>s/` exists, as for a command that only passes it on; a
    text names another folder of `configs/`. `bounds` is the interval of a number, such as "[1, inf)" or "(0, 1]".
    """
    metadata = {"help": help, "group": group, "bounds": bounds}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    if default is REQUIRED:
        # Keyword-only, so that a required field may follow fields that have defaults.
        return dataclasses.field(kw_only=True, metadata=metadata)
    if isinstance(default, list | dict | set) or dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def lies_within(value: float, bounds: str) -> bool:
    """Return whether a number lies in an interval: a square bracket includes its end, a round one leaves it out."""
    low, high = (float(end) for end in bounds[1:-1].split(","))
    above = value >= low if bounds[0] == "[" else value > low
    return above and (value <= high if bounds[-1] == "]" else value < high)


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
    """Return whether a type is itself a dataclass of settings."""
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


@cache
def members_of(kind: Any) -> dict[str, type]:
    """Return the dataclasses of a tagged union by their `kind`; empty for every other type.

    A tagged union is a union of dataclasses, each with a field `kind` of one literal: `kind: Literal["top"] = "top"`.
    """
    bare, _ = without_none(kind)
    union = get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,)
    found: dict[str, type] = {}
    for member in union:
        tag = children(member).get(TAG) if is_piece(member) else None
        if get_origin(tag) is not Literal or len(get_args(tag)) != 1:
            return {}
        found[get_args(tag)[0]] = member
    return found


def options_of(member: type) -> dict[str, Any]:
    """Return the fields of a tagged dataclass that a user sets, `kind` left out."""
    return {name: kind for name, kind in children(member).items() if name != TAG}


def piece_of(kind: Any) -> type | None:
    """Return the dataclass behind X, Optional[X] or dict[str, X], or None where there is none."""
    bare, _ = without_none(kind)
    if get_origin(bare) is dict:
        bare, _ = without_none(get_args(bare)[1])
    return bare if is_piece(bare) else None


def type_at(schema: type, dotted: str) -> Any:
    """Return the declared type of a dotted name, or None where the schema does not know it."""
    kind: Any = schema
    for part in dotted.split("."):
        bare, _ = without_none(kind)
        members = members_of(bare)
        if members:
            tag = Literal[tuple(members)]  # type: ignore[valid-type]
            kind = tag if part == TAG else _first_with(members, part)
        elif is_piece(bare):
            kind = children(bare).get(part)
        elif get_origin(bare) is dict:
            kind = get_args(bare)[1]
        else:
            return None
    return kind


def _first_with(members: Mapping[str, type], name: str) -> Any:
    """Return the declared type of a field in the first member that has it."""
    return next((children(member)[name] for member in members.values() if name in children(member)), None)


def type_text(kind: Any) -> str:
    """Return a type as a person would write it."""
    bare, optional = without_none(kind)
    if members := members_of(bare):
        text = " | ".join(members)
    elif get_origin(bare) is Literal:
        text = " | ".join(str(choice) for choice in get_args(bare))
    elif get_origin(bare) in (Union, types.UnionType):
        text = " | ".join(type_text(member) for member in get_args(bare))
    elif get_args(bare):
        arguments = ("..." if member is Ellipsis else type_text(member) for member in get_args(bare))
        text = f"{get_origin(bare).__name__}[{', '.join(arguments)}]"
    else:
        text = getattr(bare, "__name__", str(bare))
    return f"{text} | null" if optional else text


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default value, or REQUIRED."""
    return field.default if field.default_factory is REQUIRED else field.default_factory()


def walk(schema: type, prefix: str = "", defaults: Any = None, is_optional: bool = False) -> Iterator[Declared]:
    """Yield every field below a schema, depth first; a dict of pieces shows its entries as `<name>`.

    A tagged union is one field; the options of its kinds are walked by `walk_kinds`.
    """
    kinds = children(schema)
    for field in dataclasses.fields(schema):
        kind = kinds[field.name]
        default = getattr(defaults, field.name) if defaults is not None else default_of(field)
        name, help_text = prefix + field.name, field.metadata.get("help", "")
        piece = piece_of(kind)
        if piece is None or members_of(piece):
            yield Declared(name, kind, default, help_text, is_piece=False, is_optional=is_optional)
            continue
        bare, optional = without_none(kind)
        if optional or bare is not piece:
            yield Declared(name, kind, default, help_text, is_piece=True, is_optional=is_optional)
        below = f"{name}." if bare is piece else f"{name}.<name>."
        off = is_optional or default is None
        yield from walk(piece, below, default if isinstance(default, piece) else None, off)


def walk_kinds(schema: type) -> Iterator[tuple[str, dict[str, type]]]:
    """Yield the name of every tagged union below a schema with its members."""
    for declared in walk(schema):
        bare, _ = without_none(declared.kind)
        is_dict = get_origin(bare) is dict
        members = members_of(get_args(bare)[1] if is_dict else bare)
        if members:
            yield declared.name + (".<name>" if is_dict else ""), members


def describe(schema: type, prefix: str = "") -> list[SettingRow]:
    """Return name, type, default and help of the settings that --help prints.

    Without `prefix` these are the common settings; pieces that are off by default, and the options of kinds, are
    listed by the name that stands before them.
    """
    if not prefix:
        return [_row(declared) for declared in walk(schema) if not declared.is_optional]
    rows = [_row(declared) for declared in walk(schema) if _is_below(declared.name, prefix)]
    for name, members in walk_kinds(schema):
        for kind, member in members.items():
            if _is_below(name.removesuffix(".<name>"), prefix) or prefix in (f"{name}.{kind}", kind):
                note = (member.__doc__ or "").strip().splitlines()[0]
                rows.append(SettingRow(f"{name}.kind={kind}", "", "", note))
                options = [one for one in walk(member, f"{name}.") if one.name != f"{name}.{TAG}"]
                rows += [_row(one) for one in options]
    return rows


def count_settings(schema: type) -> int:
    """Return number of common settings: what --help prints without the lines that only head others."""
    return sum(not declared.is_piece and not declared.is_optional for declared in walk(schema))


def _is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def _row(declared: Declared) -> SettingRow:
    return SettingRow(declared.name, type_text(declared.kind), _default_text(declared.default), declared.help)


def _default_text(default: Any) -> str:
    if default is REQUIRED:
        return "required"
    if default is None:
        return "null"
    if isinstance(default, bool):
        return str(default).lower()
    if dataclasses.is_dataclass(default):
        return getattr(default, TAG, "set")
    if isinstance(default, dict) and any(map(dataclasses.is_dataclass, default.values())):
        return ", ".join(default)
    return '""' if default == "" else str(default)
