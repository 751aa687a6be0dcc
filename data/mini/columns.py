"""The columns of the mini world: nine that mirror the paper's Table 1 (one is a part of another), and the relay."""

import random
from collections.abc import Callable

from data.mini.counts import biology, chemistry, counting, word
from data.mini.figures import geometry, versions
from data.mini.patterns import logic, relay
from data.mini.problem import Draft
from data.mini.signs import chart, inpicture, physics


def subject(rng: random.Random, size: int) -> Draft:
    """MMK12: physics, chemistry, biology."""
    return rng.choice((physics, chemistry, biology))(rng, size)


COLUMNS: dict[str, Callable[[random.Random, int], Draft]] = {
    "geometry": geometry,
    "chart": chart,
    "word": word,
    "subject": subject,
    "versions": versions,
    "logic": logic,
    "counting": counting,
    "inpicture": inpicture,
    "relay": relay,
}
