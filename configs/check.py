"""Checks one layer of settings (a file, the command line) against a schema, with sentences a user can act on."""

import dataclasses
import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache
from itertools import zip_longest
from typing import Any, get_args, get_origin

from common.errors import UserError, did_you_mean
from configs.settings import TAG, children, is_piece, members_of, options_of, type_at, type_text, walk, without_none

COMMAND_LINE = "on the command line"


def checked(schema: type, layer: Any, source: str, path: str = "") -> Any:
    """Return a copy of a layer rooted at `path`, every value of its declared type; UserError for the first misfit."""
    return _Checker(schema, source).check(layer, type_at(schema, path) if path else schema, path)


def unknown_choice(group: str, name: str, known: Iterable[str], source: str) -> UserError:
    """Return the sentence for a group value that has no file."""
    known = sorted(known)
    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)  # files are in small letters, papers are not
    advice = f"did you mean {_listed(near)}?" if near else f"available: {_listed(known) or 'none'}"
    return UserError(f"unknown {group} {name!r} {source}; {advice}")


class _Checker:
    """Holds what every step of the descent needs: the whole schema (for suggestions) and the layer's source."""

    def __init__(self, schema: type, source: str) -> None:
        self.schema = schema
        self.source = source

    def check(self, value: Any, kind: Any, dotted: str) -> Any:
        bare, optional = without_none(kind)
        if value is None and optional:
            return None
        if members := members_of(bare):
            return self._check_tagged(value, members, kind, dotted)
        if is_piece(bare):
            self._expect(value, dict, kind, dotted)
            known = children(bare)
            return {name: self._check_field(entry, known, name, dotted) for name, entry in value.items()}
        if get_origin(bare) is dict:
            self._expect(value, dict, kind, dotted)
            return {name: self._check_entry(entry, kind, name, dotted) for name, entry in value.items()}
        if get_origin(bare) is list:
            self._expect(value, list, kind, dotted)
            return [self.check(entry, get_args(bare)[0], f"{dotted}[{index}]") for index, entry in enumerate(value)]
        return self._check_value(value, kind, dotted)

    def _check_tagged(self, value: Any, members: dict[str, type], kind: Any, dotted: str) -> dict[str, Any]:
        """Return the options of a tagged piece: `{kind: top, share: 0.4}`, its kind alone, or its weight alone.

        An entry named like a kind is of that kind unless it says otherwise. A layer that names no kind changes options
        of a piece that an earlier layer put there; they must be options of some kind.
        """
        named = dotted.rpartition(".")[2]
        if isinstance(value, str):
            value = {TAG: value}
        if isinstance(value, int | float) and named in members and "weight" in children(members[named]):
            value = {"weight": value}
        self._expect(value, dict, kind, dotted)
        tag = value.get(TAG, named if named in members else None)
        if tag is None:
            return {name: self._check_some(entry, members, name, dotted) for name, entry in value.items()}
        if tag not in members:
            raise unknown_choice(f"kind of {dotted}", str(tag), members, self.source)
        known = options_of(members[tag])
        for name in [name for name in value if name not in known and name != TAG]:
            advice = did_you_mean(str(name), known, "it has")
            raise UserError(f"unknown option {name!r} of {dotted!r}, which is of kind {tag}, {self.source}; {advice}")
        given = {name: entry for name, entry in value.items() if name != TAG}
        return {
            TAG: tag,
            **{name: self.check(entry, known[name], f"{dotted}.{name}") for name, entry in given.items()},
        }

    def _check_some(self, value: Any, members: dict[str, type], name: Any, dotted: str) -> Any:
        """Return an option's value as the first kind that has such an option takes it."""
        kinds = [options_of(member)[name] for member in members.values() if name in options_of(member)]
        if not kinds:
            near = nearest(str(name), (option for member in members.values() for option in options_of(member)))
            advice = f"did you mean '{dotted}.{near}'?" if near else f"kinds are {_listed(members)}"
            raise UserError(f"unknown setting '{dotted}.{name}' {self.source}; {advice}")
        for number, kind in enumerate(kinds):
            try:
                return self.check(value, kind, f"{dotted}.{name}")
            except UserError:
                if number == len(kinds) - 1:
                    raise
        raise AssertionError("unreachable")

    def _check_field(self, value: Any, known: dict[str, Any], name: Any, dotted: str) -> Any:
        below = f"{dotted}.{name}" if dotted else str(name)
        if name not in known:
            raise self._unknown(below, str(name))
        return self.check(value, known[name], below)

    def _check_entry(self, value: Any, kind: Any, name: Any, dotted: str) -> Any:
        self._expect(name, str, str, f"{dotted}.{name}")
        # null takes away an entry that an earlier layer put there
        return None if value is None else self.check(value, get_args(without_none(kind)[0])[1], f"{dotted}.{name}")

    def _check_value(self, value: Any, kind: Any, dotted: str) -> Any:
        from omegaconf import OmegaConf
        from omegaconf.errors import OmegaConfBaseException

        bare, _ = without_none(kind)
        if bare in (bool, int, float) and type(value) is bare:
            return value
        if bare is str:
            # OmegaConf would quietly turn the unquoted YAML value 007 into the text "7".
            self._expect(value, str, kind, dotted)
            return value
        if bare is float and type(value) is int:
            return float(value)
        if bare in (bool, int, float):  # OmegaConf would take the texts "nan" and "3" for numbers, with a warning
            raise self._wrong(value, kind, dotted)
        holder = OmegaConf.structured(_holder(kind))
        try:
            holder.value = value
            return OmegaConf.to_container(holder, resolve=True)["value"]
        except (OmegaConfBaseException, TypeError):
            raise self._wrong(value, kind, dotted) from None

    def _expect(self, value: Any, container: type, kind: Any, dotted: str) -> None:
        if not isinstance(value, container):
            raise self._wrong(value, kind, dotted)

    def _wrong(self, value: Any, kind: Any, dotted: str) -> UserError:
        bare, _ = without_none(kind)
        expected = type_text(kind)
        if is_piece(bare):
            expected = f"a group of settings ({', '.join(children(bare))})"
        given = json.dumps(value, default=str)
        hint = "; put it in quotes" if bare is str and isinstance(value, int | float) else ""
        return UserError(f"{dotted or 'the content'!r} must be {expected}, not {given} ({self.source}){hint}")

    def _unknown(self, dotted: str, key: str) -> UserError:
        if "." in key:
            return UserError(
                f"unknown setting {dotted!r} {self.source}; in a file, nest the keys instead of using dots"
            )
        near = nearest(dotted, self._names_like(dotted))
        advice = f"did you mean {near!r}?" if near else "--help lists every setting"
        return UserError(f"unknown setting {dotted!r} {self.source}; {advice}")

    def _names_like(self, dotted: str) -> Iterator[str]:
        """Yield every dotted name, pieces included, with the user's own entry names in place of `<name>`."""
        theirs = dotted.split(".")
        for declared in walk(self.schema):
            pairs = zip_longest(declared.name.split("."), theirs[: declared.name.count(".") + 1])
            parts = [own if known == "<name>" else known for known, own in pairs]
            if None in parts:
                continue
            for depth in range(1, len(parts) + 1):
                yield ".".join(parts[:depth])


def nearest(dotted: str, known: Iterable[str]) -> str | None:
    """Return the known name most like a dotted name: among its neighbours, then anywhere, then by last part alone."""
    parent, _, last = dotted.rpartition(".")
    siblings: dict[str, str] = {}
    by_last: dict[str, str] = {}
    names = list(dict.fromkeys(known))
    for name in names:
        name_parent, _, name_last = name.rpartition(".")
        by_last.setdefault(name_last, name)
        if name_parent == parent:
            siblings[name_last] = name
    whole = {name: name for name in names}
    for wanted, candidates, cutoff in ((last, siblings, 0.6), (dotted, whole, 0.8), (last, by_last, 0.75)):
        close = get_close_matches(wanted, candidates, n=1, cutoff=cutoff)
        if close:
            return candidates[close[0]]
    return None


@cache
def _holder(kind: Any) -> type:
    """Return a dataclass with one field of a kind; making one takes longer than all checks of its value."""
    return dataclasses.make_dataclass("Holder", [("value", kind)])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
