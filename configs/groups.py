"""Group files: `method=papo_g` takes `configs/methods/papo_g.yaml`, with `based_on` and `at` inside."""

import dataclasses
import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from common.errors import UserError
from configs.check import COMMAND_LINE, checked, unknown_choice
from configs.settings import REQUIRED, TAG, children, default_of, is_piece, members_of, type_at, without_none

SCALE = "scale"
ABOUT = "about"  # block of a file that says where its content comes from; no setting
Layer = dict[str, Any]


class Group(NamedTuple):
    """A field whose value may be the name of a file in `<root>/<field>s/`."""

    name: str
    folder: Path
    piece: type | None
    default: str | None

    def files(self) -> dict[str, Path]:
        """Return the choices of this group by name."""
        paths = sorted(self.folder.rglob("*.yaml"))
        return {path.relative_to(self.folder).with_suffix("").as_posix(): path for path in paths}

    def shown(self, path: Path) -> str:
        """Return a file of this group as errors name it."""
        return path.relative_to(self.folder.parent.parent).as_posix()

    @property
    def path(self) -> str:
        """Return where the content of a file belongs in the schema: below the field, or at the top."""
        return self.name if self.piece else ""

    def has(self, field: str) -> bool:
        """Return whether this group is a dataclass with that field."""
        return self.piece is not None and field in children(self.piece)

    def rooted(self, content: Layer) -> Layer:
        """Return a file's content placed where it belongs in the schema."""
        return {self.name: content} if self.piece else content


def groups_of(schema: type, root: Path) -> dict[str, Group]:
    """Return the schema's groups: fields of text or of a dataclass for which `root` has a folder."""
    groups = {}
    for field in dataclasses.fields(schema):
        bare, _ = without_none(children(schema)[field.name])
        chosen = field.metadata.get("group", True)
        folder = root / (chosen if isinstance(chosen, str) else f"{field.name}s")
        piece = bare if is_piece(bare) else None
        if (piece or bare is str) and folder.is_dir() and chosen:
            default = default_of(field)
            name = getattr(default, "name", None) if piece else default
            groups[field.name] = Group(field.name, folder, piece, None if name is REQUIRED else name)
    return groups


class GroupReader:
    """Reads the chosen file of every group of one schema."""

    def __init__(self, schema: type, groups: Mapping[str, Group]) -> None:
        self.schema = schema
        self.groups = groups

    def layers(self, choices: Mapping[str, str], preset: Mapping[str, str]) -> list[Layer]:
        """Return the layers of all chosen files in field order, then their `at` blocks for the chosen scale.

        A scale that is based on another takes the blocks of both, its own last.
        """
        layers: list[Layer] = []
        at_blocks: list[dict[str, Layer]] = []
        asked: dict[str, str] = {}
        settled: dict[str, str] = {}
        for group in self.groups.values():
            name = choices.get(group.name) or asked.get(group.name) or preset.get(group.name) or group.default
            if not name:
                continue
            source = COMMAND_LINE if group.name in choices else "in a file read before it or as a default"
            layer, blocks = self._load(group, name, source)
            settled[group.name] = _choice(layer[group.name]) or name
            asked |= self._later_choices(group, layer, settled)
            layers.append(layer)
            at_blocks.append(blocks)
        scales = self._chain(SCALE, settled[SCALE]) if settled.get(SCALE) else []
        return layers + [blocks[scale] for scale in scales for blocks in at_blocks if scale in blocks]

    def _chain(self, group: str, name: str) -> list[str]:
        """Return a choice after those that it is based on."""
        files, chain = self.groups[group].files(), [name]
        while base := read_yaml(files[chain[0]], chain[0]).get("based_on"):
            chain.insert(0, base)
        return chain

    def _later_choices(self, group: Group, layer: Layer, settled: Mapping[str, str]) -> dict[str, str]:
        """Return the groups that a file chooses; those read before it cannot change any more."""
        named = {other: choice for other in self.groups if (choice := _choice(layer.get(other)))}
        for other, choice in named.items():
            if settled.get(other, choice) != choice:
                raise UserError(
                    f"{group.name}={settled[group.name]} asks for {other}={choice}, but {other}={settled[other]} "
                    f"was read before it; give {other}={choice} on the command line"
                )
        return named

    def _load(self, group: Group, name: str, source: str) -> tuple[Layer, dict[str, Layer]]:
        """Return the layer of one choice and its `at` blocks; a folder that holds a model is a choice too."""
        files = group.files()
        content: Layer
        if name in files:
            content = self._read_chain(group, name)
        elif group.has("path") and (Path(name) / "config.json").is_file():
            content = {"path": name}
            name = Path(name).resolve().name
        else:
            raise unknown_choice(group.name, name, files, source)
        blocks = {scale: group.rooted(block) for scale, block in content.pop("at", {}).items()}
        if group.piece is None:
            return {**content, group.name: name}, blocks
        return group.rooted({**content, "name": name} if group.has("name") else content), blocks

    def _read_chain(self, group: Group, name: str, seen: tuple[str, ...] = ()) -> Layer:
        """Return a file's content merged over the file it is based on, each checked under its own name."""
        files = group.files()
        shown = group.shown(files[name])
        content = read_yaml(files[name], shown)
        base = content.pop("based_on", None)
        content.pop(ABOUT, None)  # for people and lists
        blocks = self._checked_blocks(group, content.pop("at", None) or {}, shown)
        for other in self.groups.values():  # `model: tiny` is short for `model: {name: tiny}`
            if group.piece is None and other.has("name") and isinstance(content.get(other.name), str):
                content[other.name] = {"name": content[other.name]}
        own = checked(self.schema, content, f"in {shown}", group.path) | {"at": blocks}
        if base is None:
            return own
        chain = (*seen, name)
        if base in chain:
            raise UserError(f"{shown} is based on itself: {' -> '.join((*chain, base))}")
        if base not in files:
            raise unknown_choice(group.name, str(base), files, f"in {shown} (based_on)")
        inherited = self._read_chain(group, base, chain)
        # What a file says itself also beats what its base says for one scale: a sweep must not be undone by `at`.
        inherited["at"] = {scale: _without(block, own) for scale, block in inherited["at"].items()}
        return merge(inherited, own, group.piece or self.schema)

    def _checked_blocks(self, group: Group, blocks: Any, shown: str) -> dict[str, Layer]:
        """Return a file's `at` blocks, those of scales that are not chosen included."""
        if not isinstance(blocks, dict):
            raise UserError(f"'at' in {shown} must map names of scales to settings")
        scales = self.groups[SCALE].files() if SCALE in self.groups else None
        for scale, block in blocks.items():
            if scales is not None and scale not in scales:
                raise unknown_choice(SCALE, str(scale), scales, f"in {shown} (at)")
            blocks[scale] = block = checked(self.schema, block or {}, f"in {shown} (at {scale})", group.path)
            for other in self.groups:
                if group.piece is None and _choice(block.get(other)):
                    raise UserError(f"'at' comes too late to choose the {other} in {shown} (at {scale})")
        return blocks


def read_yaml(path: Path, shown: str) -> Layer:
    """Return the mapping in a YAML file; `shown` names the file in errors."""
    import yaml

    try:
        content = _parsed(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{shown} does not exist") from None
    except (yaml.YAMLError, OSError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{shown}{where} is not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{shown} must hold 'key: value' settings")
    return cast(Layer, text_keys(content))


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    """Return what YAML text holds: a process reads the same files many times. Callers must not change it."""
    from omegaconf import OmegaConf

    return OmegaConf.to_container(OmegaConf.load(io.StringIO(text)))


def text_keys(content: Any) -> Any:
    """Return a copy of YAML content whose key `on` is text again: YAML 1.1 reads it as true."""
    if isinstance(content, dict):
        return {"on" if key is True else key: text_keys(value) for key, value in content.items()}
    return [text_keys(value) for value in content] if isinstance(content, list) else content


def merge(low: Any, high: Any, kind: Any = None) -> Any:
    """Merge two nested mappings of a declared type; what is not a mapping on both sides is replaced.

    A tagged piece that becomes another kind keeps none of its options: they belong to the kind it was.
    """
    if not (isinstance(low, dict) and isinstance(high, dict)):
        return high
    if members_of(kind) and high.get(TAG, low.get(TAG)) != low.get(TAG):
        return high
    types = {key: type_at(kind, key) if kind else None for key in high}
    return low | {key: merge(low[key], value, types[key]) if key in low else value for key, value in high.items()}


def _without(low: Layer, high: Layer) -> Layer:
    """Return the part of a nested mapping that another one does not set."""
    both = {key for key in low if isinstance(low[key], dict) and isinstance(high.get(key), dict)}
    return {
        key: _without(low[key], high[key]) if key in both else low[key]
        for key in low
        if key in both or key not in high
    }


def _choice(value: Any) -> str | None:
    """Return the file that a group's value names."""
    return value.get("name") if isinstance(value, dict) else value
