"""The one exception that reaches a user as a sentence instead of a traceback, and how such sentences end."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Something at the edge (config, data, checkpoint) is wrong; the message says what to do about it."""


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "use one of") -> str:
    """Return the end of a sentence about an unknown name: the known one that is most like it, or all of them."""
    names = list(dict.fromkeys(known))
    lowered = {one.lower(): one for one in names}  # papers write PAPO and MMStar, files papo and mmstar
    near = get_close_matches(name, names, n=1) or [lowered[one] for one in get_close_matches(name.lower(), lowered, 1)]
    return f"did you mean '{near[0]}'?" if near else f"{otherwise} {', '.join(names) or 'none'}"
