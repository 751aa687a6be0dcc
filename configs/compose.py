"""Composes the settings of a run: dataclass defaults, group files, their `at` blocks, command line, in that order."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

from common.errors import UserError
from common.files import atomic_write_text
from configs.check import COMMAND_LINE, checked
from configs.groups import Group, GroupReader, Layer, groups_of, merge, read_yaml, text_keys
from configs.settings import (
    REQUIRED,
    TAG,
    children,
    default_of,
    is_piece,
    lies_within,
    members_of,
    options_of,
    type_at,
    without_none,
)

ROOT = Path(__file__).parent
VERSION = "config_version"

T = TypeVar("T")


def compose(
    schema: type[T], overrides: Sequence[str], *, root: Path = ROOT, defaults: Mapping[str, str] | None = None
) -> T:
    """Return settings of type `schema` from group files below `root` and `a.b=c` overrides.

    Groups merge in the order of the schema's fields. Which file a group takes is said by the command line, else by
    the file of an earlier group, else by `defaults`, else by the field's own default.
    """
    groups = groups_of(schema, root)
    preset = [f"{key}={value}" for key, value in (defaults or {}).items()]
    preset_choices, preset_layers = _read_overrides(schema, preset, groups, "in this command's defaults")
    choices, override_layers = _read_overrides(schema, overrides, groups, COMMAND_LINE)
    file_layers = GroupReader(schema, groups).layers(choices, preset_choices)
    layers = [*preset_layers, *file_layers, *override_layers]
    merged = reduce(lambda low, high: merge(low, high, schema), layers, _defaults(schema))
    return cast(T, _build(schema, _filled(schema, merged)))


def to_dict(settings: Any) -> dict[str, Any]:
    """Return settings as plain nested dicts."""
    return dataclasses.asdict(settings)


def to_yaml(settings: Any) -> str:
    """Return settings as YAML that `load_resolved` reads back."""
    from omegaconf import OmegaConf

    # OmegaConf's writer quotes text such as 1e-4, which its reader would otherwise take for a number.
    return OmegaConf.to_yaml(OmegaConf.create(to_dict(settings)))


def save_resolved(settings: Any, path: Path) -> None:
    """Write resolved settings as YAML, atomically."""
    atomic_write_text(path, to_yaml(settings))


def load_resolved(schema: type[T], path: Path) -> T:
    """Read settings written by `save_resolved`; refuse those of another config version.

    A schema may name settings that it once had in `retired`, each with the value at which it changed nothing: with
    that value a record is read as if it were not there. `dry_run` once stood in every record.
    """
    retired = {"dry_run": False} | getattr(schema, "retired", {})
    layer = without_retired(read_yaml(path, str(path)), retired)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, schema))}
    if VERSION in fields and layer.get(VERSION) != default_of(fields[VERSION]):
        raise UserError(
            f"{path} was written by config version {layer.get(VERSION)}, this is version "
            f"{default_of(fields[VERSION])}; start a new run or check out the commit in run.json"
        )
    return cast(T, _build(schema, checked(schema, layer, f"in {path}")))


def without_retired(layer: Layer, retired: Mapping[str, Any]) -> Layer:
    """Remove retired settings that hold their neutral value; others stay, and are refused as unknown."""
    for path, neutral in retired.items():
        *above, name = path.split(".")
        holder: Any = layer
        for part in above:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if isinstance(holder, dict) and name in holder and holder[name] == neutral:
            del holder[name]
    return layer


def _read_overrides(
    schema: type, overrides: Sequence[str], groups: Mapping[str, Group], source: str
) -> tuple[dict[str, str], list[Layer]]:
    """Split overrides into group choices and layers of plain settings."""
    choices: dict[str, str] = {}
    layers: list[tuple[str, Layer]] = []
    for text in overrides:
        key, equals, raw = text.partition("=")
        if not equals or not key or key.startswith("-"):
            meant = [f"{group.name}={text}" for group in groups.values() if text in group.files()]
            hint = f"is {meant[0]} meant?" if meant else "write settings as key=value, for example seed=1"
            raise UserError(f"cannot read {text!r} {source}; {hint}")
        group = _group_chosen_by(key, groups)
        if group and equals and not raw:
            raise UserError(f"{key}= is empty {source}; name one of {', '.join(group.files()) or 'its files'}")
        if group and raw and raw != "null" and not raw.startswith("{"):
            choices[group.name] = raw
            continue
        layer = _value(schema, key, raw, source)
        for part in reversed(key.split(".")):
            layer = {part: layer}
        layers.append((key, checked(schema, layer, source)))
    # A kind first: it replaces a piece, which must not lose options given beside it.
    layers.sort(key=lambda entry: not entry[0].endswith(f".{TAG}"))
    return choices, [layer for _, layer in layers]


def _group_chosen_by(key: str, groups: Mapping[str, Group]) -> Group | None:
    """Return the group that `model=x` or `model.name=x` chooses: a name that did not load its file would be a lie."""
    group = groups.get(key.removesuffix(".name"))
    return group if group and (key == group.name or group.has("name")) else None


def _value(schema: type, key: str, raw: str, source: str) -> Any:
    """Return the value of an override: YAML, except that a setting of type str takes unquoted text as it stands."""
    import yaml
    from omegaconf import OmegaConf

    bare, optional = without_none(type_at(schema, key))
    if bare is str and raw[:1] not in ("'", '"') and not (optional and raw in ("", "null")):
        return raw
    try:
        holder = OmegaConf.from_dotlist([f"value={raw}"])
    except yaml.YAMLError:
        raise UserError(f"cannot read {key}={raw} {source}; the value is not valid YAML") from None
    return text_keys(cast(Layer, OmegaConf.to_container(holder))["value"])


def _defaults(schema: type) -> Layer:
    """Return the schema's own defaults as the lowest layer."""
    fields = {field.name: default_of(field) for field in dataclasses.fields(schema)}
    return {name: _plain(default) for name, default in fields.items() if default is not REQUIRED}


def _plain(value: Any) -> Any:
    """Return settings, and dicts of settings, as plain data."""
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return to_dict(value) if dataclasses.is_dataclass(value) else value


def _filled(kind: Any, value: Any, default: Any = None) -> Any:
    """Return a merged layer whose optional and named pieces hold the defaults of their own declaration."""
    bare, _ = without_none(kind)
    if not isinstance(value, dict):
        return value
    known = default if isinstance(default, dict) else {}
    if members := members_of(bare):
        member = members.get(value.get(TAG, ""))
        return _defaults(member) | value if member else value
    if is_piece(bare):
        known = known or _defaults(bare)
        below = children(bare)
        return known | {name: _filled(below[name], entry, known.get(name)) for name, entry in value.items()}
    if get_origin(bare) is dict:
        return {name: _filled(get_args(bare)[1], entry, known.get(name)) for name, entry in value.items()}
    return value


def _member(members: Mapping[str, type], value: Layer, dotted: str) -> type:
    """Return the dataclass of a tagged piece; refuse one whose kind no layer names, and options of another kind."""
    if TAG not in value:
        raise UserError(f"'{dotted}' has no kind; add {dotted}.{TAG}=..., one of {', '.join(members)}")
    member = members[value[TAG]]
    foreign = [name for name in value if name not in children(member)]
    if foreign:
        raise UserError(
            f"'{dotted}.{foreign[0]}' is no option of kind {value[TAG]}; it has "
            f"{', '.join(options_of(member)) or 'none'}"
        )
    return member


def _build(kind: Any, value: Any, dotted: str = "") -> Any:
    """Return the settings object of a checked and merged layer."""
    bare, _ = without_none(kind)
    if (members := members_of(bare)) and value is not None:
        bare = _member(members, value, dotted)
    if is_piece(bare) and value is not None:
        prefix = f"{dotted}." if dotted else ""
        for field in dataclasses.fields(bare):
            if field.name not in value and default_of(field) is REQUIRED:
                help_text = f" ({field.metadata['help']})" if field.metadata.get("help") else ""
                raise UserError(f"'{prefix}{field.name}'{help_text} is required; add {prefix}{field.name}=...")
            _refuse_outside(value.get(field.name), field.metadata.get("bounds", ""), prefix + field.name)
        known = children(bare)
        return bare(**{name: _build(known[name], entry, prefix + name) for name, entry in value.items()})
    if get_origin(bare) is dict and value is not None:
        below = get_args(bare)[1]
        keeps_null = without_none(below)[1] or below is Any
        kept = {name: entry for name, entry in value.items() if entry is not None or keeps_null}
        return {name: _build(below, entry, f"{dotted}.{name}") for name, entry in kept.items()}
    if get_origin(bare) is list and value is not None:
        return [_build(get_args(bare)[0], entry, f"{dotted}[{index}]") for index, entry in enumerate(value)]
    return value


def _refuse_outside(value: Any, bounds: str, dotted: str) -> None:
    """Refuse a number outside its setting's bounds."""
    if bounds and isinstance(value, int | float) and not lies_within(value, bounds):
        raise UserError(f"{dotted} is {value}; it must lie in {bounds}")
