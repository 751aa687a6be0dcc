"""Name where recorded settings differ from those asked for, as a person would set them."""

from collections.abc import Collection, Mapping
from typing import Any


def difference(before: Mapping[str, Any], now: Mapping[str, Any], apart: Collection[str] = ()) -> str:
    """Return the first setting in which two resolved settings differ, named as deep as both are dicts; empty: none.

    It reads "losses.perception_kl.coef=0.5, not 0.02": the recorded value first. Settings named in `apart` are free.
    """
    for key in [*now, *(key for key in before if key not in now)]:
        old, new = before.get(key), now.get(key)
        if key in apart or old == new:
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return f"{key}.{difference(old, new)}"
        return f"{key}={old}, not {new}"
    return ""
